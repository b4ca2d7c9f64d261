"""What is said of a pruned trial: true ranks and values, whoever prunes, and as of the moment of the decision."""

from __future__ import annotations

import re
from collections.abc import Sequence
from math import nan
from statistics import median
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.records.schema import Progress, TrialState
from harness.search.pruners.base import Policy, Unpruned
from harness.search.pruners.comparison import Comparison
from harness.search.pruners.messages import against, ordinal
from harness.search.pruners.registry import make_policy
from harness.search.pruners.rungs import Rungs
from harness.search.source import Decision
from harness.spec.rungs import num_promoted
from harness.spec.tasks import facts_of, metric_named
from harness.stats.metric import COSTS
from tests.search.simulate import at, make_spec, study_rungs

STOP = Decision.STOP
THIRDS = (1 / 16, 1 / 4)
TASK = facts_of("text-classification")
FIRST, SECOND = (f"stopped at rung {rung} of 2, where trials are compared: it was " for rung in (1, 2))


def row(number: int, accuracy: float, fraction: float = 1 / 16, num_rows: int = 10_000, **metrics: float) -> Progress:
    """An evaluation on so many rows that percents are told apart."""
    found = at(number, fraction, accuracy)
    return found.model_copy(update={"num_rows": num_rows, "metrics": found.metrics | metrics})


def compared_by(*objectives: str) -> Comparison:
    return Comparison(task=TASK, objectives=objectives)


def rungs(count: int, *, factor: int = 4, objective: str = "accuracy", **more: Any) -> Rungs:
    policy = Rungs((1 / factor, 1 / factor), compared_by(objective), **more)
    policy.expect(0, count)
    for number in range(count):
        policy.add(number, 0, THIRDS)
    return policy


def reach(policy: Policy, values: Sequence[float], fraction: float = 1 / 16) -> list[Decision]:
    return [policy.decide(number, row(number, value, fraction)) for number, value in enumerate(values)]


@pytest.mark.parametrize(
    ("number", "text"),
    [(1, "1st"), (2, "2nd"), (3, "3rd"), (4, "4th"), (11, "11th"), (13, "13th"), (21, "21st"), (112, "112th")],
)  # fmt: skip
def test_ordinal(number: int, text: str) -> None:
    assert ordinal(number) == text


def test_against_is_in_the_metrics_own_form() -> None:
    had = "the best had"
    assert against(metric_named("accuracy"), 0.712, 0.78, had) == "accuracy 71.2\u00a0%; the best had 78.0\u00a0%"
    assert against(metric_named("accuracy"), 0.7121, 0.7123, had) == "accuracy 71.21\u00a0%; the best had 71.23\u00a0%"
    assert against(metric_named("log_loss"), 0.7, 0.65, had) == "log loss 0.700; the best had 0.650"
    assert against(COSTS["samples_per_second"], 812.0, 1020.0, had) == "samples/s 812; the best had 1,020"


# Rungs


def test_rungs_last_one_decides_for_those_that_waited() -> None:
    policy = rungs(16)
    values = [0.78, 0.79, 0.8, 0.5, *(0.5 + 0.01 * number for number in range(11))]
    reach(policy, values)
    assert policy.decide(15, row(15, 0.81)) is Decision.GO
    assert policy.dropped()[-1] == 14
    assert (
        policy.message(14)
        == f"{FIRST}5th of 16, and only the best 4 trained on (accuracy 60.0 %; the 4th best had 78.0 %)"
    )
    assert policy.message(15) == policy.message(0) == "", "they went on"


def test_rungs_says_so_when_others_are_to_come() -> None:
    policy = rungs(16)
    assert reach(policy, [0.9, 0.8, 0.7, 0.6, 0.5])[-1] is STOP
    rule = "that had come so far, and at most 4 of all 16 train on"
    expected = f"{FIRST}5th of the 5 {rule} (accuracy 50.0 %; the 4th best had 60.0 %)"
    assert policy.message(4) == expected
    policy.decide(5, row(5, 0.95))
    assert policy.message(3) == f"{FIRST}5th of the 6 {rule} (accuracy 60.0 %; the 4th best had 70.0 %)"
    assert policy.message(4) == expected, "as it was when it was dropped"
    policy.end(4, TrialState.PRUNED)
    assert policy.message(4) == ""


def test_rungs_second_rung_and_lower_is_better() -> None:
    policy = rungs(8, objective="log_loss")
    reach(policy, [0.1, 0.2, *[0.05] * 5, 0.9])
    assert policy.promoted() == [1]
    assert policy.decide(7, row(7, 0.85, 1 / 4)) is Decision.PAUSE
    policy.decide(1, row(1, 0.9, 1 / 4))
    policy.end(1, TrialState.COMPLETE)
    assert policy.dropped()[-1] == 7
    assert policy.message(7) == f"{SECOND}2nd of 2, and only the best trained on (log loss 0.150; the best had 0.100)"


@pytest.mark.parametrize(
    ("losses", "why"),
    [
        ((0.5, 0.4), "log loss decided: 0.500 against 0.400"),
        (
            (0.4, 0.4),
            "the trial with the lower number was preferred"
            "; the best, with accuracy 90.0 %, is ahead by more than noise",
        ),
    ],
)
def test_rungs_names_what_decided_between_equal_values(losses: tuple[float, float], why: str) -> None:
    """On 100 rows 72 % and 71 % are one value."""
    policy = rungs(8)
    for number in (0, *range(3, 8)):
        policy.decide(number, row(number, 0.9 if number == 0 else 0.1, num_rows=100))
    policy.decide(1, row(1, 0.71, num_rows=100, log_loss=losses[1]))
    assert policy.decide(2, row(2, 0.72, num_rows=100, log_loss=losses[0])) is STOP
    equal = "accuracy 72.0 %; the 2nd best had 71.0 %; these are too near on 100 rows to tell them apart"
    assert policy.message(2) == f"{FIRST}3rd of 8, and only the best 2 trained on ({equal}, so {why})"


def test_rungs_kept_trial_takes_no_rank_where_it_has_no_place() -> None:
    policy = rungs(16, kept={0})
    reach(policy, [0.01 * number for number in range(16)])
    assert policy.promoted() == [14, 13, 12, 0]
    for number in (15, 14, 13, 12):
        policy.decide(number, row(number, 0.01 * number, 1 / 4))
    policy.decide(0, row(0, 0.9, 1 / 4))
    assert policy.dropped()[-1] == 13
    rest = "trained on, beside the default recipe (accuracy 13.0 %; the best had 15.0 %)"
    assert policy.message(13) == f"{SECOND}3rd of 4, and only the best {rest}"


def test_rungs_counts_those_that_really_went_on() -> None:
    """Trial 2 was stopped behind 0 and 1; when 0 fails it would have been second."""
    policy = rungs(4, least=2)
    assert reach(policy, [0.9, 0.8, 0.7])[-1] is STOP
    policy.end(2, TrialState.PRUNED)
    policy.end(0, TrialState.FAIL)
    assert policy.decide(3, row(3, 0.1)) is STOP
    assert policy.message(3) == f"{FIRST}3rd of 3, and only 1 trained on (accuracy 10.0 %; the 2nd best had 70.0 %)"


def test_rungs_message_of_restored_trials_counts_all_of_them() -> None:
    """The next coordinator restores them one by one, and ends those that no process holds."""
    policy = Rungs((1 / 4, 1 / 4), compared_by("accuracy"))
    policy.expect(0, 4)
    for number, value in enumerate([0.5, 0.9, 0.6, 0.7]):
        policy.restore(number, 0, [row(number, value)], TrialState.RUNNING, THIRDS)
    policy.settle()
    assert sorted(policy.dropped()) == [0, 2, 3]
    assert policy.message(0) == f"{FIRST}4th of 4, and only the best trained on (accuracy 50.0 %; the best had 90.0 %)"
    assert policy.message(3) == f"{FIRST}2nd of 4, and only the best trained on (accuracy 70.0 %; the best had 90.0 %)"


@pytest.mark.parametrize(
    ("fractions", "trained_on"), [((1 / 16,), "1 trained on"), ((1 / 16, 1 / 8), "the best 2 trained on")]
)
def test_rungs_tells_those_that_time_stopped_at_the_rung_from_those_beyond(
    fractions: tuple[float, ...], trained_on: str
) -> None:
    policy = Rungs((1 / 4, 1 / 4), compared_by("accuracy"), least=2)
    policy.expect(0, 3)
    policy.restore(0, 0, [row(0, 0.9, fraction) for fraction in fractions], TrialState.PRUNED, THIRDS)
    for number, value in ((1, 0.8), (2, 0.7)):
        policy.restore(number, 0, [row(number, value)], TrialState.RUNNING, THIRDS)
    policy.settle()
    assert policy.message(2) == f"{FIRST}3rd of 3, and only {trained_on} (accuracy 70.0 %; the 2nd best had 80.0 %)"


def test_asha_says_when_there_is_no_value() -> None:
    policy = optuna_policy("asha")
    complete(policy, 0, 0.9)
    policy.add(1, 0, study_rungs(policy))
    assert policy.decide(1, row(1, nan)) is STOP
    assert policy.message(1) == "stopped at rung 1 of 2, where trials are compared: its accuracy is not a number"


def num_going(values: list[float], ranked: list[float], quota: int) -> int:
    """How many of all trials go on where `ranked` have come: those that equal the best are not dropped."""
    behind = [place for place in range(quota, len(ranked)) if ranked[place] < ranked[0]]
    return behind[0] if behind else len(values)


RUNG = re.compile(
    r"stopped at rung 1 of 2, where trials are compared: it was (?P<rank>\d+)\w\w of (?:the )?(?P<num>\d+)"
    r"(?:, and only the best(?: (?P<kept>\d+))? trained on"
    r"| that had come so far, and at most (?P<most>\d+) of all (?P<total>\d+) trains? on)"
    r" \(accuracy (?P<own>[\d.]+) %; the(?: (?P<place>\d+)\w\w)? best had (?P<cut>[\d.]+) %"
)


@given(
    st.lists(st.integers(0, 40).map(lambda value: value / 50), min_size=2, max_size=24),
    st.integers(2, 4),
    st.integers(1, 3),
    st.randoms(use_true_random=False),
)
def test_rungs_messages_are_true(values: list[float], factor: int, least: int, rng: Any) -> None:
    order = list(range(len(values)))
    rng.shuffle(order)
    policy = rungs(len(values), factor=factor, least=least)
    explained = set()
    for count, number in enumerate(order, start=1):
        stopped = [number] if policy.decide(number, row(number, values[number])) is STOP else []
        ranked = sorted(order[:count], key=lambda each: (-values[each], each))
        for other in [*stopped, *policy.dropped()]:
            found = RUNG.match(policy.message(other))
            assert found is not None, policy.message(other)
            kept = num_going(values, [values[each] for each in ranked], num_promoted(len(values), 1 / factor, least))
            assert (int(found["rank"]), int(found["num"])) == (ranked.index(other) + 1, count)
            assert int(found["most"] or found["kept"] or 1) == int(found["place"] or 1) == kept
            assert found["total"] is None if count == len(values) else int(found["total"]) == len(values)
            assert float(found["own"]) == pytest.approx(100 * values[other])
            assert float(found["cut"]) == pytest.approx(100 * values[ranked[kept - 1]])
            explained.add(other)
    ends = sorted(values, reverse=True)
    assert len(explained) == len(values) - num_going(values, ends, num_promoted(len(values), 1 / factor, least))


# Optuna's pruners


def optuna_policy(name: str, **search: Any) -> Policy:
    return make_policy(make_spec(trials=40, pruner={"name": name}, **search))


def complete(policy: Policy, number: int, accuracy: float) -> None:
    policy.add(number, 0, study_rungs(policy))
    for fraction in (1 / 16, 1 / 4, 1 / 2, 3 / 4, 1.0):
        policy.decide(number, row(number, accuracy, fraction))
    policy.end(number, TrialState.COMPLETE)


def test_asha_ranks_among_those_that_came_so_far() -> None:
    policy = optuna_policy("asha")
    for number, value in enumerate([0.9, 0.95, 0.96, 0.97, 0.98, 0.99, 0.995]):
        complete(policy, number, value)
    policy.add(7, 0, study_rungs(policy))
    assert policy.decide(7, row(7, 0.97)) is STOP
    rule = "that had come so far, and only the best 2 of them train on"
    assert policy.message(7) == f"{FIRST}4th of the 8 {rule} (accuracy 97.0 %; the 2nd best had 99.0 %)"
    policy.end(7, TrialState.PRUNED)
    assert policy.message(7) == ""


@pytest.mark.parametrize(
    ("objective", "text"),
    [("accuracy", "accuracy 10.0 %; the best had 90.0 %"), ("log_loss", "log loss 0.900; the best had 0.100")],
)
def test_asha_speaks_of_the_objective(objective: str, text: str) -> None:
    policy = optuna_policy("asha", objectives=[objective])
    complete(policy, 0, 0.9)
    policy.add(1, 0, study_rungs(policy))
    assert policy.decide(1, row(1, 0.1)) is STOP
    assert (
        policy.message(1) == f"{FIRST}2nd of the 2 that had come so far, and only the best of them trains on ({text})"
    )


ASHA = re.compile(
    r"stopped at rung \d of 2, where trials are compared: it was (\d+)\w\w of the (\d+) that had come so far"
    r"(?: in its bracket)?, and only the best(?: (\d+))? of them trains? on "
)


@pytest.mark.parametrize("name", ["asha", "hyperband"])
@given(values=st.lists(st.integers(0, 30).map(lambda value: value / 30), min_size=4, max_size=30))
def test_halving_messages_agree_with_optuna(name: str, values: list[float]) -> None:
    """Optuna stops whoever is behind the quota of those that it compares: the message must come to the same."""
    policy = optuna_policy(name)
    for number, value in enumerate(values):
        policy.add(number, 0, study_rungs(policy))
        state = TrialState.COMPLETE
        for fraction in (1 / 16, 1 / 4, 1.0):
            if policy.decide(number, row(number, value, fraction)) is STOP:
                found = ASHA.match(policy.message(number))
                assert found is not None, policy.message(number)
                rank, compared, quota = int(found[1]), int(found[2]), int(found[3] or 1)
                assert quota == num_promoted(compared, 1 / 4) < rank <= compared <= number + 1
                state = TrialState.PRUNED
                break
        policy.end(number, state)


def test_hyperband_compares_within_a_bracket() -> None:
    policy = optuna_policy("hyperband")
    messages = []
    for number in range(30):
        policy.add(number, 0, study_rungs(policy))
        for fraction in (1 / 16, 1 / 4):
            if policy.decide(number, row(number, 0.9 - 0.01 * number, fraction)) is STOP:
                messages.append(policy.message(number))
                break
    assert {text[:22] for text in messages} == {"stopped at rung 1 of 2", "stopped at rung 2 of 2"}
    assert all("that had come so far in its bracket, and only" in text for text in messages)
    seconds = [int(re.findall(r"of the (\d+) that", text)[0]) for text in messages if "rung 2 of 2" in text]
    assert seconds == sorted(seconds) and seconds[-1] < 30


def test_median_names_the_median_and_its_best_value() -> None:
    policy = optuna_policy("median")
    values = [0.5, 0.6, 0.7, 0.8, 0.9]
    for number, value in enumerate(values):
        complete(policy, number, value)
    policy.add(5, 0, study_rungs(policy))
    assert policy.decide(5, row(5, 0.71, 1 / 4)) is Decision.GO
    assert policy.decide(5, row(5, 0.69, 1 / 2)) is Decision.GO, "its best so far counts"
    policy.add(6, 0, study_rungs(policy))
    assert policy.decide(6, row(6, 0.65, 1 / 4)) is STOP
    assert policy.message(6) == (
        "stopped at rung 1 of 3, where trials are compared: its best value so far was worse than the median of 5 "
        f"completed trials there (accuracy 65.0 %; the median was {100 * median(values):.1f} %)"
    )


@pytest.mark.parametrize("name", ["asha", "hyperband", "median"])
def test_optuna_messages_after_a_restart_are_those_of_one_life(name: str) -> None:
    one, two = optuna_policy(name), optuna_policy(name)
    for number in range(12):
        accuracy, history, state = 0.5 + 0.03 * (number * 7 % 11), [], TrialState.COMPLETE
        one.add(number, 0, study_rungs(one))
        for fraction in (1 / 16, 1 / 4, 1 / 2, 3 / 4, 1.0):
            history.append(row(number, accuracy, fraction))
            if one.decide(number, history[-1]) is STOP:
                state = TrialState.PRUNED
                break
        one.end(number, state)
        two.restore(number, 0, history, state, study_rungs(two))
    two.settle()
    explained = 0
    for number in range(12, 30):
        for policy in (one, two):
            policy.add(number, 0, study_rungs(policy))
        for fraction in (1 / 16, 1 / 4, 1 / 2):
            decisions = [policy.decide(number, row(number, 0.4 + 0.005 * number, fraction)) for policy in (one, two)]
            if decisions[0] is STOP:
                assert one.message(number) == two.message(number) != ""
                explained += 1
                break
    assert explained


def test_unpruned_has_nothing_to_say() -> None:
    policy = Unpruned()
    policy.add(0, 0, ())
    assert policy.message(0) == ""
