"""What to try next, from the records of a study: a line each, with the key and the value to type."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from math import isclose, isfinite
from statistics import fmean
from typing import Any

import yaml

from harness.errors import FailReason
from harness.records.imbalance import keys_for_rare_classes, largest_class
from harness.records.schema import TrialRecord, TrialState
from harness.report.kit.sections import Sentence
from harness.report.kit.text import amount, capitalised, param, param_name, plural
from harness.report.kit.view import View
from harness.report.study.edges import Edge, edges
from harness.report.study.out_of_time import num_lost
from harness.report.study.predictions import compared, units_of, validation_answers
from harness.spec.configure import default_config
from harness.spec.space import Range, is_searched
from harness.stats.chance import noise
from harness.stats.power import difference_shown_by

__all__ = ["NextStep", "next_steps"]

#: The most lines that are shown.
MOST = 4
#: A larger share of failed trials is worth a change of the study.
_MANY_FAILED = 0.1
#: Validation never gets a larger share of the rows than this by a suggestion.
_MOST_VALIDATION = 0.3


@dataclass(frozen=True, slots=True, kw_only=True)
class NextStep:
    """A change of the study: what it is about, why, and the overrides `key=value` that a new study takes."""

    about: str
    why: str
    overrides: tuple[str, ...]

    @property
    def sentence(self) -> Sentence:
        """The step for the answer, with its overrides as a shell takes them."""
        return Sentence(f"Try next: {self.about}", f"{capitalised(self.why)}.", shlex.join(self.overrides))

    def to_json(self) -> dict[str, Any]:
        """The step as `harness results --json` prints it."""
        return {"about": self.about, "why": self.why, "overrides": list(self.overrides)}


def next_steps(view: View) -> list[NextStep]:
    """Returns at most four changes to try, the most valuable first; none before the study has come to its end."""
    best = view.winner
    if view.results.final is None or view.results.outdated or best is None:
        return []
    return list(islice(_steps(view, best), MOST))


def _steps(view: View, best: TrialRecord) -> Iterator[NextStep]:
    yield from _failures(view)
    yield from _time(view)
    yield from (_beyond(edge, best) for edge in edges(view))
    yield from _epochs(view, best)
    yield from _classes(view)
    more_rows = list(_rows(view, best))
    yield from more_rows
    yield from _validation(view, from_train=not more_rows)


def _failures(view: View) -> Iterator[NextStep]:
    """The most common reason of failures, where many trials failed and a key changes it."""
    ended = [record for record in view.trials if record.state.ended]
    reasons = Counter(record.reason for record in ended if record.state is TrialState.FAIL)
    if sum(reasons.values()) <= _MANY_FAILED * len(ended):
        return
    reason, count = reasons.most_common(1)[0]
    spec, what = view.results.spec, f"{count:,} of {plural(len(ended), 'trial')} failed"
    if reason is FailReason.OOM and not is_searched(spec.training.accumulation_steps):
        steps = 2 * spec.training.accumulation_steps  # type: ignore[operator]
        yield NextStep(
            about="memory", why=f"{what} for lack of memory", overrides=(f"training.accumulation_steps={steps}",)
        )
    elif reason is FailReason.NAN and (lower := _lower_rates(view)) is not None:
        yield NextStep(about="learning rate", why=f"{what} with a loss that is not finite", overrides=(lower,))
    elif reason is FailReason.TIMEOUT and spec.budget.trial_minutes:
        minutes = f"{2 * spec.budget.trial_minutes:g}"
        yield NextStep(about="time", why=f"{what} for lack of time", overrides=(f"budget.trial_minutes={minutes}",))


def _time(view: View) -> Iterator[NextStep]:
    """Twice the budget, where it ended the search."""
    minutes, lost = view.results.closed_after_minutes, sum(num_lost(view))
    if minutes and lost:
        why = f"{plural(lost, 'trial')} of {view.results.spec.search.trials:,} had no time"
        yield NextStep(about="time", why=why, overrides=(f"budget.minutes={2 * minutes:g}",))


def _lower_rates(view: View) -> str | None:
    """The range of learning rates up to the highest of a completed trial; None where that is the end of the range."""
    domain = view.results.spec.training.learning_rate
    highest = max((record.config.training.learning_rate for record in view.completed), default=0.0)
    if not isinstance(domain, Range) or not domain.low < highest < domain.high:
        return None
    return f"training.learning_rate={_yaml(domain.model_copy(update={'high': highest}))}"


def _beyond(edge: Edge, best: TrialRecord) -> NextStep:
    name, side = param_name(edge.param.name), "above" if edge.is_upper else "below"
    why = (
        f"the best {name} seems to lie {side} {param(edge.end)}, where the search ends (trial {best.number} has "
        f"{param(best.params[edge.param.name])})"
    )
    return NextStep(about=name, why=why, overrides=(f"{edge.param.key}={_yaml(edge.domain)}",))


def _yaml(domain: Any) -> str:
    """A domain as a study file has it: `{low: 3e-5, high: 1e-3, log: true}`, `[16, 32, 64]`."""
    given = domain.model_dump(mode="json", exclude_defaults=True)
    if list(given) == ["choices"]:
        return f"[{', '.join(map(_scalar, given['choices']))}]"
    parts = {
        key: _scalar(value)
        if isinstance(value, (int, float))
        else yaml.safe_dump(value, default_flow_style=True, allow_unicode=True, width=10_000).strip()
        for key, value in given.items()
    }
    return f"{{{', '.join(f'{key}: {value}' for key, value in parts.items())}}}"


def _scalar(value: float) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int) or 0.01 <= abs(value) < 1e5 or value == 0:
        return f"{value:g}" if isinstance(value, float) else str(value)
    digits, power = f"{value:.1e}".split("e")
    return f"{digits.removesuffix('.0')}e{int(power)}"


def _epochs(view: View, best: TrialRecord) -> Iterator[NextStep]:
    """Twice the epochs, where the winner's last epoch gained more, in the mean of all its seeds, than the rows' noise.

    At least half of these seeds must have their best evaluation at their ends.
    """
    epochs, most = best.config.training.epochs, view.results.spec.training.epochs
    known = [(run, gain) for run in view.seeds(best) if (gain := _last_gain(view, run)) is not None]
    num_best_last = sum(run.best_step == run.history[-1].step for run, _ in known)
    if 2 * num_best_last < max(1, len(known)) or (is_searched(most) and epochs < _largest(most)):
        return
    rows, metric = best.history[-1].num_rows, view.judge
    gain = fmean(gain for _, gain in known)
    if gain <= noise(metric, best.history[-1].metrics[metric.name], rows):
        return
    mean_of = f" (mean of {len(known)} seeds)" if len(known) > 1 else ""
    why = (
        f"trial {best.number} gained {amount(metric.name, gain)} in its last epoch{mean_of}, more than the noise of "
        f"the {rows:,} validation rows; twice its {epochs:g} epochs"
    )
    yield NextStep(about="epochs", why=why, overrides=(f"training.epochs={2 * epochs:g}",))


def _last_gain(view: View, run: TrialRecord) -> float | None:
    """How much better a training ended than it was an epoch before, on the same rows; below 0 where it was worse.

    None where that is not known.
    """
    last, name = run.history[-1], view.judge.name
    before = [each for each in run.history if each.num_rows == last.num_rows and each.epoch <= last.epoch - 1 + 1e-6]
    if not before or not last.done or name not in last.metrics:
        return None
    gain = last.metrics[name] - before[-1].metrics.get(name, float("nan"))
    return (gain if view.judge.maximize else -gain) if isfinite(gain) else None


def _largest(domain: Any) -> float:
    return float(domain.high if hasattr(domain, "high") else max(domain.choices))


def _classes(view: View) -> Iterator[NextStep]:
    counts = view.results.manifest.data.counts.get("train", {})
    keys = keys_for_rare_classes(view.task, default_config(view.results.spec))
    if keys and (largest := largest_class(counts)):
        yield NextStep(about="rare classes", why=largest, overrides=tuple(keys))


def _rows(view: View, best: TrialRecord) -> Iterator[NextStep]:
    """All training rows, where the winner had as many as the study allows, fewer than there are, and still errs."""
    total, limit = view.results.manifest.data.rows.get("train", 0), view.results.spec.data.most_train_rows
    metric = view.judge
    perfect = metric.high if metric.maximize else metric.low
    if limit is None or best.config.data.train_rows != limit or limit >= total:
        return
    if best.metrics.get(metric.name) != perfect:
        why = f"{total - limit:,} of {total:,} training rows were left out"
        yield NextStep(about="rows", why=why, overrides=("data.train_rows=null",))


def _validation(view: View, *, from_train: bool) -> Iterator[NextStep]:
    """More rows or seeds, where winner and runner-up tie on the validation rows; no rows unless `from_train`."""
    numbers = [view.models[role].number for role in ("winner", "runner-up") if role in view.models]
    answers = [validation_answers(view, number) for number in numbers if number is not None]
    if len(answers) < 2 or numbers[0] == numbers[1]:
        return
    first, second = answers
    comparison = compared(view.judge, first, second, units_of(view, "validation"))
    if first is None or comparison is None or not comparison.tie:
        return
    larger = _larger_validation(view) if from_train else ""
    smallest = difference_shown_by(comparison.difference)
    shown = f" (they show {amount(view.judge.name, smallest)} or more)" if isfinite(smallest) else ""
    why = (
        f"the {plural(len(first), 'validation row')} cannot tell winner and runner-up apart{shown}: other rows might "
        "have chosen the runner-up"
    )
    yield NextStep(about="validation", why=why, overrides=(larger or _more_seeds(view),))


def _larger_validation(view: View) -> str:
    """The split with twice the validation rows, taken from train; "" where the source gave the split."""
    split, rows = view.results.spec.data.split, view.results.manifest.data.rows
    train, validation = rows.get("train", 0), rows.get("validation", 0)
    share = split.validation / (split.train + split.validation)
    double = round(2 * split.validation, 4)
    if double > _MOST_VALIDATION or not isclose(validation, share * (train + validation), rel_tol=0.1, abs_tol=2):
        return ""
    left = round(1 - double - split.test, 4)
    return f"data.split={{train: {left:g}, validation: {double:g}, test: {split.test:g}}}"


def _more_seeds(view: View) -> str:
    confirm = view.results.spec.confirm
    top, seeds = (confirm.top, 2 * confirm.most_seeds) if confirm else (2, 3)
    return f"confirm={{top: {max(2, top)}, seeds: {seeds}}}"
