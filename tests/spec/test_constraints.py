"""Constraints: what they allow, by how much they are missed, and the order of trials under them."""

from __future__ import annotations

from math import inf, nan
from typing import Any

import pytest

from harness.spec.checks import contradictions
from harness.spec.constraints import Ranking, constraints_of
from tests.search.simulate import make_spec

LIMITS = ("peak_memory_mib <= 2000", "accuracy >= 80%")


def metrics(accuracy: float = 0.9, memory: float = 1000.0, log_loss: float = 0.5) -> dict[str, float]:
    return {"accuracy": accuracy, "log_loss": log_loss, "peak_memory_mib": memory}


@pytest.mark.parametrize(
    ("given", "unmet", "violated", "violation"),
    [
        (metrics(), [], [], 0.0),
        (metrics(memory=2000.0), [], [], 0.0),
        (metrics(memory=2200.0), ["peak_memory_mib <= 2000"], ["peak_memory_mib <= 2000"], 0.1),
        (metrics(0.4, 3000.0), [LIMITS[0], "accuracy >= 80%"], [LIMITS[0], "accuracy >= 80%"], 1.0),
        (metrics(memory=0.0), ["peak_memory_mib <= 2000"], [], inf),
        (metrics(nan), ["accuracy >= 80%"], [], inf),
        ({"accuracy": 0.9}, ["peak_memory_mib <= 2000"], [], inf),
    ],
)
def test_constraints(given: dict[str, float], unmet: list[str], violated: list[str], violation: float) -> None:
    constraints = constraints_of(make_spec(constraints=LIMITS))
    assert [each.text for each in constraints.unmet(given)] == unmet
    assert [each.text for each in constraints.violated(given)] == violated
    assert constraints.violation(given) == pytest.approx(violation)


def test_value_on_the_limit_does_not_meet_a_strict_one() -> None:
    constraints = constraints_of(make_spec(constraints=("mcc > 0",)))
    assert constraints.violation({"mcc": 0.0}) > 0
    assert constraints.unmet({"mcc": 0.0})
    assert not constraints.unmet({"mcc": 1e-9})


def test_ranking_puts_trials_within_the_limits_first_and_then_the_nearest() -> None:
    ranking = Ranking.of(make_spec(constraints=LIMITS))
    worst_first = [metrics(0.99, 0.0), metrics(0.99, 2500.0), metrics(0.79), metrics(0.81), metrics(0.85)]
    assert sorted(worst_first, key=ranking.key) == worst_first[::-1]


def test_early_ranking_counts_the_constraints_that_are_violated_so_far() -> None:
    ranking = Ranking.of(make_spec(constraints=LIMITS))
    worst_first = [metrics(0.7, 2500.0), metrics(0.4), metrics(0.5, 0.0), metrics(0.81)]
    assert sorted(worst_first, key=ranking.early_key) == worst_first[::-1]


def test_without_constraints_trials_rank_as_before() -> None:
    ranking = Ranking.of(make_spec())
    worst_first = [metrics(0.8, log_loss=0.4), metrics(0.8, log_loss=0.3), metrics(0.9, 9000.0)]
    assert sorted(worst_first, key=ranking.key) == worst_first[::-1]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("peak_memory <= 2000", "did you mean 'peak_memory_mib'?"),
        ("accuracy.low >= 0.8", "a constraint is on the validation score itself; leave out .low"),
        ("accuracy = 0.8", "must be a metric, one of >= > <= <, and a number"),
        ("accuracy >= 80", "no model can meet it: accuracy is never above 1; did you mean 80%?"),
        ("rmse <= 1", "metric 'rmse' is unknown to text-classification"),
    ],
)
def test_constraint_that_is_none_is_refused(text: str, words: str) -> None:
    found: list[Any] = contradictions(make_spec(constraints=("accuracy >= 0.5", text)))
    assert [each.keys[0] for each in found] == [("search", "constraints", 1)]
    assert words in found[0].message
    assert found[0].message.startswith(repr(text))
