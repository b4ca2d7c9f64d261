from __future__ import annotations

import pytest

from harness.spec.trial import TrialTraining
from harness.training.optimiser import schedule_factor


def recipe(schedule: str, warmup: float) -> TrialTraining:
    return TrialTraining(
        learning_rate=1e-3,
        batch_size=8,
        epochs=1,
        weight_decay=0.0,
        warmup_fraction=warmup,
        schedule=schedule,
        precision="fp32",
        max_grad_norm=1.0,
        label_smoothing=0.0,
        class_weights="none",
        accumulation_steps=1,
        seed=0,
    )


def test_schedule_linear_rises_then_falls_to_zero() -> None:
    factors = [schedule_factor(step, 100, recipe("linear", 0.1)) for step in range(101)]
    assert factors[0] == pytest.approx(1 / 11)
    assert factors[10] == 1.0
    assert factors[55] == pytest.approx(0.5)
    assert factors[100] == 0.0
    assert max(factors) == 1.0


def test_schedule_cosine_is_half_way_in_the_middle() -> None:
    assert schedule_factor(50, 100, recipe("cosine", 0.0)) == pytest.approx(0.5)
    assert schedule_factor(0, 100, recipe("cosine", 0.0)) == 1.0


def test_schedule_constant_stays_after_warmup() -> None:
    assert [schedule_factor(step, 10, recipe("constant", 0.2)) for step in (2, 5, 9)] == [1.0, 1.0, 1.0]


def test_schedule_all_warmup_never_exceeds_one() -> None:
    factors = [schedule_factor(step, 10, recipe("linear", 1.0)) for step in range(10)]
    assert factors == sorted(factors)
    assert factors[-1] < 1.0
