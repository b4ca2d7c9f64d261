"""When patience ends a trial, what its record says, and what pruners see of it."""

from __future__ import annotations

from typing import Any

import pytest

from harness.records.patience import as_judged, end_message, is_out_of_patience
from harness.records.schema import Progress, best_progress
from harness.spec.trial import TrialConfig
from harness.testing.fakes import config

ROWS = 1000


def patient(patience: int | None, **training: Any) -> TrialConfig:
    trial = config(0)
    return trial.model_copy(update={"training": trial.training.model_copy(update={"patience": patience} | training)})


def history(*values: float, rows: tuple[int, ...] = (), total: int = 10) -> list[Progress]:
    """Evaluations at steps 1, 2, 3 ..., the first of them on so many `rows`."""
    return [
        Progress(
            number=0,
            step=at + 1,
            total_steps=total,
            epoch=at + 1,
            num_rows=(*rows, *[ROWS] * len(values))[at],
            metrics={"accuracy": value, "log_loss": 1 - value, "samples_per_second": 10.0 + at},
            train_loss=1,
        )
        for at, value in enumerate(values)
    ]


def ends(rows: list[Progress], trial: TrialConfig) -> bool:
    return is_out_of_patience(rows, trial, ROWS)


@pytest.mark.parametrize(
    ("values", "patience", "expected"),
    [
        ((0.5,), 1, False),
        ((0.5, 0.4), 1, True),
        ((0.5, 0.5), 1, True),
        ((0.5, 0.6), 1, False),
        ((0.5, 0.4), 2, False),
        ((0.5, 0.4, 0.45), 2, True),
        ((0.5, 0.4, 0.51), 2, False),
        ((0.5, 0.4, 0.51, 0.5), 2, False),
        ((0.5, 0.4, 0.51, 0.5, 0.49), 2, True),
        ((0.5, 0.4, 0.3, 0.2), None, False),
    ],
)
def test_evaluations_in_a_row_are_counted(values: tuple[float, ...], patience: int | None, expected: bool) -> None:
    assert ends(history(*values), patient(patience)) is expected


def test_a_smaller_loss_is_better() -> None:
    trial = patient(1).model_copy(update={"objectives": ("log_loss",)})
    assert not ends(history(0.5, 0.6), trial)
    assert ends(history(0.6, 0.5), trial)


def test_the_end_of_the_training_is_no_early_end() -> None:
    assert not ends(history(0.5, 0.4, total=2), patient(1))


def test_evaluations_within_the_warm_up_neither_count_nor_are_kept() -> None:
    trial = patient(1, warmup_fraction=0.4)
    rows = history(0.9, 0.8, 0.7, 0.6, 0.65)
    assert [ends(rows[:count], trial) for count in range(1, 6)] == [False] * 5
    rows = history(0.9, 0.8, 0.7, 0.6, 0.5)
    assert ends(rows, trial)
    best = best_progress(rows, trial)
    assert best is not None and best.step == 4


def test_evaluations_on_few_rows_do_not_count() -> None:
    rows = history(0.9, 0.8, 0.7, 0.6, rows=(256, 256))
    assert [ends(rows[:count], patient(1)) for count in range(1, 5)] == [False, False, False, True]


def test_message_and_metrics_are_those_of_the_best_evaluation() -> None:
    rows = history(0.5, 0.7, 0.6, 0.65)
    assert end_message(rows, patient(2)) == "" and as_judged(rows, patient(2)) == rows
    rows[-1] = rows[-1].model_copy(update={"out_of_patience": True})
    assert end_message(rows, patient(2)) == "ended after 2 evaluations without a better accuracy at step 4 of 10"
    *before, last = as_judged(rows, patient(2))
    assert before == rows[:-1] and last.done and last.step == 4
    assert last.metrics == {"accuracy": 0.7, "log_loss": pytest.approx(0.3), "samples_per_second": 13.0}
    assert end_message([], patient(2)) == "" and as_judged([], patient(2)) == []
