"""Whether one class has most of the training rows, and which keys make all classes count."""

from __future__ import annotations

from collections.abc import Mapping

from harness.spec.tasks import TaskFacts
from harness.spec.trial import TrialConfig

__all__ = ["imbalance", "keys_for_rare_classes", "largest_class"]

#: The share of the training rows above which the largest class makes accuracy misleading.
_MAX_SHARE = 0.6


def imbalance(counts: Mapping[str, int]) -> str:
    """Returns "70 % of the training rows are 'ham', so ..." where a class has too many of them; "" otherwise.

    `counts` are the training rows by class.
    """
    share = largest_class(counts)
    return f"{share}, so a model can do well by answering that class alone" if share else ""


def largest_class(counts: Mapping[str, int]) -> str:
    """Returns "70 % of the training rows are 'ham'" where a class has too many of them; "" otherwise."""
    largest, total = max(counts, key=lambda name: counts[name], default=""), sum(counts.values())
    if not total or counts[largest] <= _MAX_SHARE * total:
        return ""
    return f"{100 * counts[largest] / total:.0f} % of the training rows are '{largest[:40]}'"


def keys_for_rare_classes(facts: TaskFacts, config: TrialConfig) -> dict[str, str]:
    """Returns what each override does for rare classes, without the keys that the study has set or searches."""
    keys = {}
    if "macro_f1" in facts.objectives and not {"macro_f1", "mcc"} & set(config.objectives):
        keys["search.objectives=[macro_f1]"] = "ranks by all classes alike"
    searched = "class_weights" in config.params
    if "class_weights" in facts.recipe and config.training.class_weights == "none" and not searched:
        keys["training.class_weights=balanced"] = "gives rare classes more weight"
    return keys
