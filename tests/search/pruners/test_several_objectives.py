"""Rungs of a study of several objectives promote by dominance."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import Any

import pytest

from harness.records.schema import Progress, TrialState
from harness.search.pruners.comparison import Comparison
from harness.search.pruners.registry import make_policy
from harness.search.pruners.rungs import Rungs
from harness.search.source import Decision
from harness.spec.tasks import facts_of
from tests.search.simulate import at, make_spec

THIRDS = (1 / 16, 1 / 4)
TASK = facts_of("text-classification")
MEMORY, SPEED, PREDICTED = "peak_memory_mib", "samples_per_second", "predicted_samples_per_second"


def row(number: int, accuracy: float, fraction: float = 1 / 16, **costs: float) -> Progress:
    """An evaluation on so many rows that percents are told apart."""
    found = at(number, fraction, accuracy)
    return found.model_copy(update={"num_rows": 10_000, "metrics": found.metrics | costs})


def rungs(count: int, cost: str, **more: Any) -> Rungs:
    policy = Rungs((1 / 4, 1 / 4), Comparison(task=TASK, objectives=("accuracy", cost)), **more)
    policy.expect(0, count)
    for number in range(count):
        policy.add(number, 0, THIRDS)
    return policy


def gone_on(policy: Rungs, values: Sequence[tuple[float, float]], cost: str) -> list[int]:
    """The trials that go on after each was evaluated, in their order."""
    going = []
    for number, (accuracy, value) in enumerate(values):
        decision = policy.decide(number, row(number, accuracy, **{cost: value}))
        going += [number] if decision is Decision.GO else []
    return [*going, *policy.promoted()]


def test_rungs_promote_the_front_of_accuracy_and_memory() -> None:
    """Two of eight: the most accurate and the smallest; in between nobody is best at anything."""
    values = [(0.6, 500), (0.9, 2000), (0.5, 600), (0.4, 700), (0.8, 2100), (0.3, 800), (0.2, 900), (0.55, 650)]
    policy = rungs(8, MEMORY)
    assert sorted(gone_on(policy, values, MEMORY)) == [0, 1]
    assert sorted(policy.dropped()) == [2, 3, 4, 5, 6], "and the last was told to stop"


def test_rungs_make_no_front_of_the_noise_of_measuring() -> None:
    """The memory differs by a MiB, which says nothing: the most accurate go on, not the smallest."""
    values = [(0.2, 600.0), (0.3, 600.1), (0.9, 601.0), (0.8, 600.9), *[(0.1, 600.2)] * 4]
    assert sorted(gone_on(rungs(8, MEMORY), values, MEMORY)) == [2, 3]


@pytest.mark.parametrize(("speed", "title"), [(SPEED, "samples/s"), (PREDICTED, "predicted samples/s")])
def test_rungs_promote_the_front_of_accuracy_and_speed(speed: str, title: str) -> None:
    """A speed is better when it is higher: the smaller batch is as accurate and slower."""
    values = [(0.9, 100), (0.9, 200), (0.7, 400), (0.6, 300), (0.5, 200), (0.4, 100), (0.3, 90), (0.2, 80)]
    policy = rungs(8, speed)
    assert sorted(gone_on(policy, values, speed)) == [1, 2]
    assert policy.message(0) == (
        "stopped at rung 1 of 2, where trials are compared: it was 3rd of 8 by dominance, and only the best 2 trained "
        f"on (accuracy 90.0 %; the 2nd best had 70.0 %; {title} 100; the 2nd best had 400)"
    )


def test_rungs_prefer_the_gaps_of_a_front() -> None:
    """Of a front of four, three go on: the ends, and of the others the one with the most room around it."""
    values = [(0.5, 100.0), (0.9, 500.0), (0.89, 490.0), (0.7, 300.0)]
    values += [(0.1, 600.0)] * 8
    assert sorted(gone_on(rungs(12, MEMORY), values, MEMORY)) == [0, 1, 3]


def test_rungs_of_several_objectives_drop_nobody_before_all_have_come() -> None:
    policy = rungs(8, MEMORY)
    for number in range(7):
        assert policy.decide(number, row(number, 0.9 - 0.1 * number, **{MEMORY: 100.0 + number})) is Decision.PAUSE
    assert policy.dropped() == []


@pytest.mark.parametrize("cost", [MEMORY, SPEED])
@pytest.mark.parametrize("alive", [3, 8, 12])
def test_rungs_of_several_objectives_decide_alike_after_a_restart(cost: str, alive: int) -> None:
    values = [(0.5 + 0.03 * (number * 7 % 11), 100.0 * (1 + number * 5 % 9)) for number in range(12)]
    rows = [row(number, accuracy, **{cost: value}) for number, (accuracy, value) in enumerate(values)]
    expected = set(gone_on(rungs(12, cost, kept={0}), values, cost))
    policy = Rungs((1 / 4, 1 / 4), Comparison(task=TASK, objectives=("accuracy", cost)), kept={0})
    policy.expect(0, 12)
    for number in reversed(range(alive)):
        policy.restore(number, 0, [rows[number]], TrialState.RUNNING, THIRDS)
    policy.settle()
    going = set(policy.promoted())
    for number in range(alive, 12):
        policy.add(number, 0, THIRDS)
    going |= {number for number in range(alive, 12) if policy.decide(number, rows[number]) is Decision.GO}
    assert going | set(policy.promoted()) == expected
    assert 0 in expected


def test_rungs_of_several_objectives_reach_the_end() -> None:
    """The most accurate of all and the smallest of all are trained to their ends."""
    policy = rungs(16, MEMORY, least=2)
    values = {n: (0.5 + 0.02 * a, 100.0 + 50 * m) for n, (a, m) in enumerate(product(range(4), range(4)))}
    going = gone_on(policy, list(values.values()), MEMORY)
    done = [n for n in going if policy.decide(n, row(n, values[n][0], 1 / 4, **{MEMORY: values[n][1]})) is Decision.GO]
    done += policy.promoted()
    assert len(done) == 2 and 12 in done, "trial 12 is the most accurate of the smallest"
    for number in done:
        assert policy.decide(number, row(number, 0.9, 1.0)) is Decision.GO
        policy.end(number, TrialState.COMPLETE)
    assert policy.promoted() == []


def test_make_policy_gives_rungs_all_objectives() -> None:
    spec = make_spec(trials=8, objectives=["accuracy", SPEED], confirm=None)
    policy = make_policy(spec)
    assert isinstance(policy, Rungs)
    policy.expect(0, 8)
    values = [(0.5, 900.0), (0.9, 100.0), (0.4, 850.0), (0.2, 800.0), *[(0.3, 90.0)] * 4]
    for number in range(8):
        policy.add(number, 0, THIRDS)
    assert sorted(gone_on(policy, values, SPEED))[:3] == [0, 1, 2], "half of them, as the first rung is an early one"
