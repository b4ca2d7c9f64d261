"""Trials that leave chance late are not dropped for differences that say nothing."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from harness.records.schema import Progress
from harness.search.pruners.comparison import Comparison
from harness.search.pruners.rungs import Rungs
from harness.search.source import Decision
from harness.spec.tasks import facts_of
from tests.search.simulate import at

TASK = facts_of("text-classification")
CHANCE = {"accuracy": 1 / 3, "log_loss": 1.0986}


def rungs_of(num_trials: int, *, num_early: int) -> Rungs:
    """A policy with one rung at half of the training, of whose trials half go on; 60 rows unless a test says more."""
    comparison = Comparison(task=TASK, objectives=("accuracy",), num_trials=num_trials, chance=CHANCE)
    policy = Rungs((1 / 2,), comparison, num_early=num_early, chance=CHANCE)
    policy.expect(0, num_trials)
    for number in range(num_trials):
        policy.add(number, 0, (1 / 2,))
    return policy


def scored(number: int, accuracy: float, log_loss: float, num_rows: int = 60) -> Progress:
    progress = at(number, 1 / 2, accuracy, num_rows=num_rows)
    return progress.model_copy(update={"metrics": {"accuracy": accuracy, "log_loss": log_loss}})


def num_dropped(policy: Rungs, evaluations: Iterable[Progress]) -> int:
    """How many trials are dropped once all are evaluated; the best of them waits as the spare one of the last rung."""
    decisions = [policy.decide(progress.number, progress) for progress in evaluations]
    return decisions.count(Decision.STOP) + len(policy.dropped())


@pytest.mark.parametrize(("num_learners", "expected"), [(0, 0), (1, 0), (2, 7)])
def test_one_trial_that_left_chance_drops_none(num_learners: int, expected: int) -> None:
    """Sixteen trials, of which the first have learned two classes of three; the losses of the rest differ by 1e-5."""
    learned = [scored(number, 0.67, 0.88) for number in range(num_learners)]
    at_chance = [scored(number, 1 / 3, 1.0986 + 1e-5 * number) for number in range(num_learners, 16)]
    assert num_dropped(rungs_of(16, num_early=0), [*learned, *at_chance]) == expected


@pytest.mark.parametrize(("num_learners", "expected"), [(0, 0), (1, 0), (2, 1)])
def test_a_rung_of_which_one_goes_on_drops_none_before_two_have_left_chance(num_learners: int, expected: int) -> None:
    """Of three trials one goes on and one is the spare; losses far apart say nothing while all accuracies are equal."""
    learned = [scored(number, accuracy, 0.5) for number, accuracy in enumerate((1.0, 0.67)[:num_learners])]
    at_chance = [scored(number, 1 / 3, 0.7 + 0.2 * number) for number in range(num_learners, 3)]
    assert num_dropped(rungs_of(3, num_early=0), [*learned, *at_chance]) == expected


@pytest.mark.parametrize(("apart", "expected"), [(0.002, 0), (0.02, 7)])
def test_losses_within_a_hundredth_of_guessing_are_equal_on_any_number_of_rows(apart: float, expected: int) -> None:
    """A million rows tell losses apart that differ by a thousandth, which is where a training began."""
    losses = [1.0986 + (apart if number >= 8 else 0.0) for number in range(16)]
    evaluations = [scored(number, 1 / 3, loss, num_rows=1_000_000) for number, loss in enumerate(losses)]
    assert num_dropped(rungs_of(16, num_early=1), evaluations) == expected
