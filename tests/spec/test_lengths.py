"""What a study says of its pruning before the first trial."""

from __future__ import annotations

from math import inf
from typing import Any

import pytest

from harness.spec.lengths import earliest_rung, unpruned_line
from harness.spec.study import StudySpec

WHY = (
    "trials are compared after their warm-up and at least 5 steps, and here that is later than the last rung, "
    "at 25 % of their"
)


def study(pruner: str = "rungs", data: dict[str, Any] | None = None, **training: Any) -> StudySpec:
    return StudySpec.model_validate(
        {
            "name": "x",
            "data": {"path": "a.csv"} | (data or {}),
            "model": {"checkpoint": "tiny"},
            "training": {"epochs": 2} | training,
            "search": {"pruner": {"name": pruner, "reduction_factor": 4}},
        }
    )


def test_unpruned_line_none_of_them() -> None:
    line = unpruned_line(study(batch_size=[16, 32]), 128)
    assert line == f"no trial will be stopped early (as with search.pruner.name=none): {WHY} 8 to 16 steps"


def test_unpruned_line_some_batch_sizes() -> None:
    line = unpruned_line(study(batch_size=[8, 16, 32]), 250)
    who = "trials with batch size 32 will not be stopped early (with search.pruner.name=none no trial will)"
    assert line == f"{who}: {WHY} 16 steps"
    line = unpruned_line(study(batch_size=[8, 16, 32]), 128)
    assert line is not None and line.startswith("trials with batch size 16 and 32 will not be stopped early")
    line = unpruned_line(study(batch_size={"low": 8, "high": 64, "step": 8}), 128)
    assert line is not None and line.startswith("trials with batch size 16 to 64 will not be stopped early")


def test_unpruned_line_some_trials() -> None:
    line = unpruned_line(study(epochs={"low": 1.0, "high": 4.0}), 320)
    assert line is not None and line.startswith("some trials will not be stopped early")
    assert line.endswith("of their 10 steps")
    line = unpruned_line(study(batch_size=[8, 16], warmup_fraction={"low": 0.0, "high": 0.6}), 10_000)
    assert line is not None and line.startswith("some trials with batch size 8 and 16 will not be stopped early")


@pytest.mark.parametrize(
    ("spec", "rows"),
    [
        (study(batch_size=[8, 16, 32]), 5000),
        (study("none"), 20),
        (study("ray-pbt"), 20),
        (study(data={"augment": ["delete", "swap"], "train_rows": 100}, batch_size=16), 5000),
    ],
)
def test_unpruned_line_says_nothing(spec: StudySpec, rows: int) -> None:
    assert unpruned_line(spec, rows) is None


def test_unpruned_line_counts_the_rows_that_are_trained_on() -> None:
    assert unpruned_line(study(data={"train_rows": 100}, batch_size=16), 5000) is not None
    assert unpruned_line(study(data={"train_rows": {"choices": [100, 4000]}}, batch_size=16), 5000) is not None


def test_earliest_rung_of_the_space() -> None:
    assert earliest_rung(study(), None) == 0.0625
    assert earliest_rung(study("none"), None) == inf
    assert earliest_rung(study(batch_size=[8, 16, 32]), 5000) == 0.0625
    assert earliest_rung(study(batch_size=[8, 32]), 256) == 0.25
    assert earliest_rung(study(), 128) == inf
