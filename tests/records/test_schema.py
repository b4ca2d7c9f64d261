"""Which evaluation of a trial is kept."""

from __future__ import annotations

from typing import Any

import pytest

from harness.records.schema import Progress, TrialState, best_progress, record_of
from harness.spec.trial import TrialConfig
from harness.testing.fakes import config


def warming_up(share: float) -> TrialConfig:
    whole = config(0)
    return whole.model_copy(update={"training": whole.training.model_copy(update={"warmup_fraction": share})})


def evaluations(*scores: tuple[int, float], rows: tuple[int, ...] = ()) -> list[Progress]:
    """Evaluations of a training of 100 steps, by step and accuracy."""
    fields: dict[str, Any] = {"number": 0, "total_steps": 100, "epoch": 1.0, "train_loss": 0.5}
    return [
        Progress(step=step, metrics={"accuracy": score}, num_rows=num_rows, **fields)
        for (step, score), num_rows in zip(scores, rows or (500,) * len(scores), strict=True)
    ]


@pytest.mark.parametrize(
    ("share", "step"),
    [(0.0, 10), (0.1, 10), (0.11, 50), (0.5, 50), (0.51, 100)],
)
def test_kept_evaluation_is_not_from_before_the_end_of_the_warm_up(share: float, step: int) -> None:
    history = evaluations((10, 0.9), (50, 0.8), (100, 0.7))
    record = record_of(warming_up(share), TrialState.COMPLETE, history)
    assert record.best_step == step
    assert record.metrics == next(row.metrics for row in history if row.step == step)


def test_last_evaluation_counts_within_the_warm_up_too() -> None:
    history = evaluations((10, 0.9), (20, 0.8), (100, 0.7))
    kept = [best_progress(history[:count], warming_up(1.0)) for count in range(4)]
    assert kept == [None, *history]


def test_kept_evaluation_is_the_best_of_those_on_the_most_rows() -> None:
    history = evaluations((10, 0.9), (50, 0.8), (75, 0.8), (100, 0.7), rows=(64, 500, 500, 500))
    assert best_progress(history, warming_up(0.0)) is history[1], "the first of equals"


def test_costs_of_a_trial_are_those_of_its_whole_training() -> None:
    history = [
        row.model_copy(update={"metrics": row.metrics | {"samples_per_second": speed, "peak_memory_mib": memory}})
        for row, speed, memory in zip(
            evaluations((50, 0.9), (75, 0.8), (100, 0.7)), (90.0, 80.0, 70.0), (500.0, 600.0, 650.0), strict=True
        )
    ]
    metrics = record_of(warming_up(0.0), TrialState.COMPLETE, history).metrics
    assert metrics == {"accuracy": 0.9, "samples_per_second": 70.0, "peak_memory_mib": 650.0}
