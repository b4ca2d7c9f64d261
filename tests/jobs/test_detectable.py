"""What is told before the search of the smallest difference that the test rows can show."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from harness.data.answers import Answers
from harness.jobs.detectable import detectable_lines
from harness.spec.study import StudySpec


def lines(
    task: str,
    objectives: list[str],
    simple: Mapping[str, Answers] | None = None,
    rows: int = 400,
    units: np.ndarray | None = None,
) -> list[str]:
    spec = StudySpec.model_validate(
        {
            "name": "x",
            "task": task,
            "data": {"path": "a.csv"},
            "model": {"checkpoint": "tiny"},
            "search": {"objectives": objectives},
        }
    )
    data: Any = SimpleNamespace(meta=SimpleNamespace(rows={"test": rows}), units=lambda split: units)

    def answers() -> Mapping[str, Answers]:
        assert simple is not None, "a share needs no baseline"
        return simple

    return detectable_lines(spec, data, answers)


def classes() -> dict[str, Answers]:
    rng = np.random.default_rng(0)
    labels = rng.integers(3, size=300)
    said = np.where(rng.random(300) < 0.7, labels, (labels + 1) % 3)
    targets = {"labels": labels}
    return {
        "a guess": Answers({"probabilities": np.full((300, 3), 1 / 3)}, targets),
        "words": Answers({"probabilities": np.eye(3)[said] * 0.9 + 0.03}, targets),
    }


def test_share_is_told_without_a_baseline() -> None:
    assert lines("text-classification", ["accuracy"]) == [
        "smallest difference: the 400 test rows can show one of about 6.3 points of accuracy (between models that "
        "disagree on 20% of them)"
    ]


def test_nothing_is_told_of_rows_that_come_in_units() -> None:
    assert lines("text-classification", ["accuracy"], units=np.arange(400) // 4) == []


@pytest.mark.parametrize(
    ("objective", "unit"),
    [("macro_f1", "points of macro F1"), ("roc_auc", "of ROC AUC"), ("log_loss", "nats of log loss")],
)
def test_other_metric_is_told_in_its_unit_from_the_best_baseline(objective: str, unit: str) -> None:
    (line,) = lines("text-classification", [objective], classes())
    assert re.fullmatch(
        rf"smallest difference: the 400 test rows can show one of about [\d.]+ {unit} \(estimated from how uncertain "
        r"the validation score of words is\)",
        line,
    )


def test_every_objective_that_is_no_cost_has_a_line() -> None:
    found = lines("text-classification", ["accuracy", "samples_per_second", "mcc"], classes())
    assert [" of accuracy " in found[0], " of MCC " in found[1], len(found)] == [True, True, 2]
    (only,) = lines("text-classification", ["samples_per_second"])
    assert " of accuracy " in only, "models are compared by the task's first metric where all objectives are costs"


def test_regression_is_told_in_units_of_its_metric() -> None:
    rng = np.random.default_rng(0)
    numbers = rng.normal(size=300)
    simple = {"mean": Answers({"predictions": np.zeros(300)}, {"numbers": numbers})}
    (line,) = lines("text-regression", ["rmse"], simple)
    assert re.search(r"about 0\.\d+ of RMSE \(", line)


def test_nothing_is_told_without_rows_or_a_baseline() -> None:
    assert lines("text-classification", ["accuracy"], rows=0) == []
    assert lines("text-classification", ["macro_f1"], {}) == []
