"""Adds up what a study takes, from the measured costs of its trials. Nothing here is run or read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.jobs.plan.measure import Cost
from harness.spec.rungs import promoted_shares, rung_fractions
from harness.spec.study import StudySpec
from harness.spec.trial import TrialConfig

__all__ = ["Forecast", "Span", "forecast", "share_of_training"]

#: The shares of full training that pruners spent in searches of 16 trials over eight tables of full trainings
#: (`benchmarks/results/pruning_2026-11-30.md`): least, mean, most.
_MEASURED = {"asha": (0.31, 0.63, 1.0), "hyperband": (0.52, 0.73, 1.0), "median": (0.69, 0.76, 0.94)}
_UNKNOWN = (0.3, 0.7, 1.0)
#: On the same tables the default's rungs spent between this many times what they spend where every rung prunes as many
#: as it may.
_OF_IDEAL = (1.0, 1.6, 2.8)
#: The share of a search's wall time in which slots work, as sweeps record it.
_BUSY = 0.88
#: A race for seeds trains this share of what all its seeds would be.
_OF_SEEDS = 0.6
#: Steps of one kind of trial differ by so much from day to day, and from the first minute to the last.
_SPREAD = 0.15
#: Seconds besides trials: imports, baselines, the measuring of prediction, the export with its proof, the report.
_BESIDES_S = 25.0
_BYTES = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """What is expected, with the ends of what is likely."""

    low: float
    value: float
    high: float

    def __add__(self, other: Span) -> Span:
        return Span(low=self.low + other.low, value=self.value + other.value, high=self.high + other.high)


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """What a study is expected to take.

    `share` is that of training all trials to their ends; times are seconds of wall clock, memory is that of all
    processes at once, disk that of the run folder and the export.
    """

    trials: int
    steps: int
    share: Span
    search_s: Span
    confirm_s: Span
    besides_s: float
    memory_mib: float
    disk_mib: float

    @property
    def total_s(self) -> Span:
        """The whole study, from the command to the report."""
        besides = Span(low=self.besides_s, value=self.besides_s, high=self.besides_s)
        return self.search_s + self.confirm_s + besides


def share_of_training(spec: StudySpec, num_trials: int) -> Span:
    """Returns what share of full training the search is expected to spend."""
    name = spec.search.pruner.name
    rungs = rung_fractions(spec)
    if not rungs:
        return Span(low=1.0, value=1.0, high=1.0)
    if name != "rungs":
        low, value, high = _MEASURED.get(name.removeprefix("ray-"), _UNKNOWN)
        return Span(low=low, value=value, high=high)
    ideal = _ideal_share(rungs, promoted_shares(spec), num_trials)
    low, value, high = (min(1.0, times * ideal) for times in _OF_IDEAL)
    return Span(low=low, value=value, high=high)


def _ideal_share(rungs: Sequence[float], promoted: Sequence[float], num_trials: int) -> float:
    """Returns the share that is spent where each rung lets go on as few as it may, and never fewer than two."""
    going, spent, before = float(num_trials), 0.0, 0.0
    for rung, share in zip(rungs, promoted, strict=True):
        spent += going * (rung - before)
        going, before = max(min(going, 2.0), going * share), rung
    return (spent + going * (1 - before)) / num_trials


def forecast(
    spec: StudySpec,
    configs: Sequence[TrialConfig],
    costs: Sequence[Cost],
    *,
    rows: tuple[int, int],
    num_slots: int,
    own_memory_mib: float,
    written_rows: int = 0,
) -> Forecast:
    """Returns what a study of `configs` takes, each with its cost; `rows` are those of validation and test.

    `own_memory_mib` is that of the coordinating process; of so many rows at most the answers are written.
    """
    share = share_of_training(spec, len(configs))
    pairs = list(zip(configs, costs, strict=True))
    lengths = [_seconds(config, cost, 1.0, rows[0], written_rows) for config, cost in pairs]
    busy = num_slots * _BUSY
    search = _with_spread(
        *(sum(_seconds(*pair, part, rows[0], written_rows) for pair in pairs) / busy for part in _ends(share))
    )
    again = _trainings_again(spec, share)
    whole = sum(lengths) / len(lengths)
    confirming = max(whole, whole * again / busy) if again else 0.0
    confirm = _with_spread(confirming, confirming, confirming)
    most = max(costs, key=lambda cost: cost.parameters)
    scored = min(3, len(configs)) * (rows[1] * most.row_s + min(written_rows or rows[1], rows[1]) * most.written_s)
    minutes = spec.budget.minutes
    if minutes is not None:
        search = Span(**{end: min(getattr(search, end), minutes * 60) for end in ("low", "value", "high")})
    weights_mib = most.parameters * _BYTES / 2**20
    return Forecast(
        trials=len(configs),
        steps=sum(round(cost.examples * config.training.epochs / config.training.batch_size) for config, cost in pairs),
        share=share,
        search_s=search,
        confirm_s=confirm,
        besides_s=_BESIDES_S + scored,
        memory_mib=own_memory_mib + num_slots * max(cost.memory_mib for cost in costs),
        # Weights of complete trials and the export; a snapshot of each slot with the two moments of each weight.
        disk_mib=weights_mib * (share.value * len(configs) + again + 1 + 3 * num_slots),
    )


def _ends(span: Span) -> tuple[float, float, float]:
    return span.low, span.value, span.high


def _with_spread(low: float, value: float, high: float) -> Span:
    return Span(low=low * (1 - _SPREAD), value=value, high=high * (1 + _SPREAD))


def _seconds(config: TrialConfig, cost: Cost, share: float, validation_rows: int, written_rows: int) -> float:
    """Returns the seconds of one trial up to `share` of its training, with its evaluations."""
    points = zip(config.evaluate_at, config.validation_rows, strict=True)
    scored = sum(min(most or validation_rows, validation_rows) for point, most in points if point <= share)
    written = min(written_rows or validation_rows, validation_rows) * cost.written_s * share
    trained = cost.examples * config.training.epochs * share * cost.example_s
    return cost.start_s + trained + scored * cost.row_s + written + cost.saving_s


def _trainings_again(spec: StudySpec, share: Span) -> float:
    """Returns how many trainings the confirmation has: further seeds, and the default recipe where it was pruned."""
    if spec.confirm is None:
        return 0.0
    seeds = (spec.confirm.most_seeds - 1) * (_OF_SEEDS if spec.confirm.seeds == "auto" else 1.0)
    return min(spec.confirm.top, spec.search.trials) * seeds + (1.0 if share.value < 1 else 0.0)
