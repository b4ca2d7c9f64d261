"""The seeds of a configuration: the mean over them with an interval, and what is said of the race for them."""

from __future__ import annotations

from math import isfinite

from harness.records.final import DroppedFinalist, SeedRace
from harness.records.schema import TrialRecord
from harness.report.kit.text import amount, join, plural
from harness.report.kit.view import View
from harness.report.study.predictions import units_of, validation_answers
from harness.stats import resampling
from harness.stats.intervals import Interval, seed_interval, unknown, wilson
from harness.stats.metric import Metric

__all__ = ["dropped_text", "mean_interval", "race_text"]


def mean_interval(view: View, record: TrialRecord) -> Interval:
    """The mean of the first objective over a configuration's seeds, with its 95 % interval.

    It holds the noise of rows and seeds, and is not known where that of the rows is not.
    """
    metric = view.metric
    scores = [view.score(run) for run in view.seeds(record)]
    rows = None if metric.is_cost else _rows_interval(view, record, metric, view.mean(record))
    return seed_interval(scores, rows, (metric.low, metric.high))


def _rows_interval(view: View, record: TrialRecord, metric: Metric, mean: float) -> Interval:
    """The interval of one of the models on the validation rows, from its kept answers where the metric is no share."""
    units = units_of(view, "validation")
    if metric.is_share and units is None:
        return wilson(mean, max((progress.num_rows for progress in record.history), default=0))
    answers = validation_answers(view, record.number)
    if answers is None or not metric.has_formula:
        return unknown()
    groups = units if units is not None and len(units) == len(answers) else None
    return resampling.interval(metric, answers.outputs, answers.targets, groups)


def dropped_text(objective: str, dropped: DroppedFinalist) -> str:
    """ "trial 7 dropped after 1 seed: 2.1 points of accuracy behind"."""
    why = f"{amount(objective, dropped.behind)} behind" if isfinite(dropped.behind) else "failed or beyond a limit"
    return f"trial {dropped.number} dropped after {plural(dropped.num_seeds, 'seed')}: {why}"


def race_text(objective: str, race: SeedRace) -> str:
    """ "trial 4 with 3 seeds, trial 7 dropped after 1 seed: 2.1 points of accuracy behind"."""
    seeds = plural(race.num_seeds, "seed")
    left = [f"{join(f'trial {number}' for number in race.left)} with {seeds}{' each' if len(race.left) > 1 else ''}"]
    return ", ".join([*(left if race.left else []), *(dropped_text(objective, each) for each in race.dropped)])
