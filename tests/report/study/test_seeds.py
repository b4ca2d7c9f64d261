"""The interval of a mean over seeds holds the noise of the validation rows and that of the seeds, for every metric."""

from __future__ import annotations

from dataclasses import replace
from math import isnan
from pathlib import Path

import pytest

from harness.records.schema import TrialRecord
from harness.report.kit.view import View
from harness.report.study.predictions import validation_answers
from harness.report.study.seeds import mean_interval
from harness.stats import resampling
from harness.stats.intervals import wilson
from tests.report.factory import make_results


def with_spread(view: View, spread: float) -> tuple[View, TrialRecord]:
    """The study as if the winner's three seeds had scored its own value, that less `spread`, and that and `spread`."""
    assert view.winner is not None
    value, moves = view.score(view.winner), iter((-spread, spread))
    confirm = tuple(
        record.model_copy(update={"metrics": {**record.metrics, view.objective: value + next(moves)}})
        if record.config.of == view.winner.number
        else record
        for record in view.results.confirm
    )
    return View(replace(view.results, confirm=confirm)), view.winner


@pytest.mark.parametrize(
    ("task", "objective"),
    [
        ("text-classification", "accuracy"),
        ("text-classification", "macro_f1"),
        ("text-classification", "log_loss"),
        ("text-regression", "rmse"),
        ("text-regression", "spearman"),
    ],
)
def test_interval_of_equal_seeds_is_that_of_the_rows(tmp_path: Path, task: str, objective: str) -> None:
    view = View(make_results(tmp_path, trials=12, task=task, objectives=(objective,)))
    equal, winner = with_spread(view, 0.0)
    found = mean_interval(equal, winner)
    answers = validation_answers(view, winner.number)
    assert answers is not None
    rows = (
        wilson(found.value, max(progress.num_rows for progress in winner.history))
        if view.metric.is_share
        else resampling.interval(view.metric, answers.outputs, answers.targets)
    )
    assert found.value - found.low == pytest.approx(rows.value - rows.low)
    assert found.high - found.value == pytest.approx(rows.high - rows.value)
    apart = mean_interval(*with_spread(view, 0.02))
    assert apart.value == pytest.approx(found.value)
    assert apart.low < found.low < found.high < apart.high, "seeds that differ widen it"


def test_interval_is_not_known_without_the_answers_of_a_metric_that_is_no_share(tmp_path: Path) -> None:
    view = View(make_results(tmp_path, trials=12, objectives=("macro_f1",)))
    other = next(record for record in view.completed if not view.roles(record.number))
    assert isnan(mean_interval(view, other).low)
    assert mean_interval(view, other).value == view.mean(other)
    share = View(make_results(tmp_path / "share", trials=12))
    assert mean_interval(share, other).low < mean_interval(share, other).high


def test_interval_of_a_speed_is_of_the_seeds_alone(tmp_path: Path) -> None:
    view = View(make_results(tmp_path, trials=12, objectives=("samples_per_second",)))
    assert view.winner is not None
    single = next(record for record in view.completed if len(view.seeds(record)) == 1)
    assert isnan(mean_interval(view, single).low)
    found = mean_interval(view, view.winner)
    assert found.low <= found.value <= found.high
