"""The mean of a metric over the seeds of a configuration, with an interval that holds the noise of rows and seeds."""

from __future__ import annotations

from harness.records.schema import TrialRecord
from harness.report.kit.view import View
from harness.report.study.predictions import units_of, validation_answers
from harness.stats import resampling
from harness.stats.intervals import Interval, seed_interval, unknown, wilson
from harness.stats.metric import Metric

__all__ = ["mean_interval"]


def mean_interval(view: View, record: TrialRecord) -> Interval:
    """The mean of the first objective over a configuration's seeds, with its 95 % interval.

    The interval is not known where that of the rows is not.
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
