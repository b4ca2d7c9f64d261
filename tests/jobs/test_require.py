"""The winner is checked by its test scores, or by the means of its costs over its seeds."""

from __future__ import annotations

from dataclasses import replace
from math import nan

import pytest

from harness.errors import StudyFailed
from harness.jobs.require import check_requirements
from harness.records.final import FinalModel
from harness.records.results import Results
from harness.records.schema import TrialRecord
from harness.spec.requirement import parse_requirements
from harness.stats.intervals import Interval
from tests.report.factory import make_results

SCORES = {
    "accuracy": Interval(value=0.8996, low=0.85, high=0.93),
    "log_loss": Interval(value=0.3, low=nan, high=nan),
    "macro_f1": Interval(value=nan, low=nan, high=nan),
}
COSTS = {"samples_per_second": 150.0, "tokens_per_second": 0.0, "peak_memory_mib": 1900.0}


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    """A study whose winner, and no other model, has the scores and costs above."""
    made = make_results(tmp_path_factory.mktemp("study"), trials=6, prune=False)
    assert made.final is not None
    models = tuple(_scored(model) for model in made.final.models)
    number = made.final.winner
    own = [record for record in made.trials if record.number == number]
    own += [record for record in made.confirm if record.config.of == number]
    of_run = dict(zip(map(id, own), (0.8, 1.0, 1.2), strict=True))
    trials, confirm = (
        tuple(_measured(record, of_run[id(record)]) if id(record) in of_run else record for record in records)
        for records in (made.trials, made.confirm)
    )
    return replace(made, final=made.final.model_copy(update={"models": models}), trials=trials, confirm=confirm)


def _measured(record: TrialRecord, times: float) -> TrialRecord:
    """The record with so many times the costs above, whose mean over the winner's runs they are."""
    costs = {name: times * value for name, value in COSTS.items()}
    return record.model_copy(update={"metrics": record.metrics | costs})


def _scored(model: FinalModel) -> FinalModel:
    return model.model_copy(update={"test": SCORES}) if model.role == "winner" else model


def outcome(results: Results, *texts: str) -> tuple[list[str], list[str]]:
    """The lines on what is met, and those on what is not."""
    said: list[str] = []
    try:
        check_requirements(results, parse_requirements(texts, results.task), said.append)
    except StudyFailed as error:
        return said, str(error).splitlines()
    return said, []


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("accuracy >= 0.8", "required accuracy >= 0.8: 90.0 % on test"),
        ("accuracy < 90%", "required accuracy < 90%: 89.96 % on test"),
        ("accuracy.low >= 0.8", "required accuracy.low >= 0.8: 85.0 % on test at the low end of the 95 % interval"),
        ("accuracy.high > 0.9", "required accuracy.high > 0.9: 93.0 % on test at the high end of the 95 % interval"),
        ("log_loss <= 0.3", "required log_loss <= 0.3: 0.300 on test"),
        ("samples_per_second >= 100", "required samples_per_second >= 100: 150 in training"),
        ("peak_memory_mib <= 2000", "required peak_memory_mib <= 2000: 1.9 GiB in training"),
    ],
)
def test_met(results: Results, text: str, line: str) -> None:
    assert outcome(results, text) == ([line], [])


@pytest.mark.parametrize(
    ("text", "has"),
    [
        ("accuracy >= 0.95", "90.0 % on test (95 % interval 85.0–93.0 %)"),
        # 90.0 % would read as if it were met.
        ("accuracy >= 0.9", "89.96 % on test (95 % interval 85.0–93.0 %)"),
        ("accuracy.low >= 0.88", "85.0 % on test at the low end of the 95 % interval"),
        ("log_loss < 0.3", "0.300 on test"),
        ("log_loss.high < 0.9", "no log_loss on test at the high end of the 95 % interval"),
        ("macro_f1 >= 0", "no macro_f1 on test"),
        ("roc_auc >= 0", "no roc_auc on test"),
        ("samples_per_second > 150", "150 in training"),
        ("peak_memory_mib <= 900", "1.9 GiB in training"),
        ("tokens_per_second >= 0", "no tokens_per_second in training"),
    ],
)
def test_not_met(results: Results, text: str, has: str) -> None:
    assert outcome(results, text) == ([], [f"required {text}, but the winner has {has}"])


def test_every_requirement_has_a_line(results: Results) -> None:
    said, unmet = outcome(results, "accuracy > 0.99", "log_loss < 1", "peak_memory_mib < 1")
    assert said == ["required log_loss < 1: 0.300 on test"]
    assert [line.split(",")[0] for line in unmet] == ["required accuracy > 0.99", "required peak_memory_mib < 1"]


def test_without_a_winner_no_requirement_is_met(results: Results) -> None:
    searching = replace(results, final=None)
    assert outcome(searching, "accuracy >= 0", "log_loss < 9") == (
        [],
        [
            f"required accuracy >= 0 and log_loss < 9, but {results.folder} has no winner yet; "
            "let the sweep come to its end"
        ],
    )
    assert outcome(searching) == ([], [])
