"""The trials that a search begins with, as far as they can be known before one has been scored."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from math import log

from harness.search.propose import Proposer
from harness.search.samplers import import_libraries
from harness.spec.configure import arms, resolve
from harness.spec.study import StudySpec
from harness.spec.trial import TrialConfig

__all__ = ["MAX_KINDS", "drawn", "kind_of_step", "measured_kinds", "nearest"]

#: So many kinds of steps are measured; the others are taken to cost what the nearest of them costs.
MAX_KINDS = 6
_FREE = {"learning_rate", "epochs", "weight_decay", "warmup_fraction", "schedule", "layer_decay", "label_smoothing"}
_FREE |= {"patience", "seed"}


def drawn(spec: StudySpec, num_train_rows: int) -> list[TrialConfig]:
    """Returns the trials of a study as its sampler draws them without scores; fewer where a space is small."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)  # as `StudyStore.open` does
    import_libraries(spec.search.sampler)
    proposer, names = Proposer(spec, (), num_train_rows), arms(spec)
    configs = []
    for number in range(spec.search.trials):
        name = names[number % len(names)]
        proposal = proposer.ask(number, number % len(names))
        if proposal is not None:
            configs.append(
                resolve(spec, number=number, params=proposal.params, arm=name, num_train_rows=num_train_rows)
            )
    return configs


def kind_of_step(config: TrialConfig) -> str:
    """Returns a text that is equal for trials whose steps do the same work: that of model, batch size and length."""
    recipe = config.training.model_dump(mode="json", exclude=_FREE)
    return json.dumps([config.model.model_dump(mode="json"), recipe, config.data.max_length, config.task_options])


def measured_kinds(configs: Iterable[TrialConfig]) -> list[TrialConfig]:
    """Returns one trial of each of the commonest kinds of steps, at most `MAX_KINDS`."""
    by_kind = {kind_of_step(config): config for config in configs}
    counts = Counter(map(kind_of_step, configs))
    return [by_kind[kind] for kind, _ in counts.most_common(MAX_KINDS)]


def nearest(config: TrialConfig, others: Sequence[TrialConfig]) -> TrialConfig:
    """Returns that of `others` whose step is most like the trial's: the same model first, then the batch size."""

    def distance(other: TrialConfig) -> tuple[int, float]:
        mine, own = config.model.model_dump(), other.model.model_dump()
        parts = sum(mine[name] != own[name] for name in mine) + (config.data.max_length != other.data.max_length)
        return parts, abs(log(config.training.batch_size / other.training.batch_size))

    return min(others, key=distance)
