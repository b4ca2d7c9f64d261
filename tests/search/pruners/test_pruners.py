from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.records.schema import Progress, TrialState
from harness.search.pruners.base import Policy, Unpruned
from harness.search.pruners.comparison import Comparison
from harness.search.pruners.from_optuna import OptunaPolicy
from harness.search.pruners.ladder import rung_key
from harness.search.pruners.registry import make_policy
from harness.search.pruners.rungs import Rungs
from harness.search.source import Decision
from harness.spec.rungs import TrialRungs, num_promoted, rung_fractions, rungs_passed
from harness.spec.tasks import facts_of
from tests.search.simulate import at, make_spec, study_rungs

GO, PAUSE, STOP = Decision.GO, Decision.PAUSE, Decision.STOP
THIRDS = (1 / 16, 1 / 4)
TASK = facts_of("text-classification")


def compared_by(*objectives: str) -> Comparison:
    return Comparison(task=TASK, objectives=objectives)


def rungs(count: int, *, factor: int = 4, objective: str = "accuracy", added: bool = True, **more: Any) -> Rungs:
    policy = Rungs((1 / factor, 1 / factor), compared_by(objective), **more)
    policy.expect(0, count)
    for number in range(count if added else 0):
        policy.add(number, 0, THIRDS)
    return policy


def reach(policy: Policy, values: Iterable[float], fraction: float = 1 / 16) -> list[Decision]:
    return [policy.decide(number, at(number, fraction, value)) for number, value in enumerate(values)]


def test_rungs_hopeless_are_stopped_at_once() -> None:
    policy = rungs(8)
    assert reach(policy, [0.5, 0.6, 0.4, 0.3]) == [PAUSE, PAUSE, STOP, STOP]
    assert policy.decide(4, at(4, 1 / 16, 0.7)) is PAUSE
    assert policy.dropped() == [0], "the third best of at most two"
    assert policy.promoted() == []


def test_rungs_last_one_releases_the_best() -> None:
    policy = rungs(8)
    reach(policy, [0.5, 0.6, 0.1, 0.1, 0.1, 0.1, 0.1])
    assert policy.decide(7, at(7, 1 / 16, 0.55)) is PAUSE, "a better one goes first"
    assert policy.dropped() == [0]
    assert policy.promoted() == [1, 7]
    assert policy.promoted() == []


def test_rungs_last_one_goes_on_when_it_is_best() -> None:
    policy = rungs(8)
    reach(policy, [0.5, 0.6, 0.1, 0.1, 0.1, 0.1, 0.1])
    assert policy.decide(7, at(7, 1 / 16, 0.9)) is GO
    assert policy.promoted() == [1]


def test_rungs_to_the_end() -> None:
    policy = rungs(16)
    reach(policy, [0.01 * number for number in range(16)])
    assert policy.promoted() == [14, 13, 12], "15 came last and is best: it was told to go"
    assert policy.dropped() == list(range(12))
    for number in (15, 14, 13):
        policy.decide(number, at(number, 1 / 4, 0.5 - 0.01 * number))
    assert policy.decide(12, at(12, 1 / 4, 0.9)) is GO
    assert policy.dropped() == [15, 14], "each made way for a better one; 13 is the spare"
    assert policy.decide(12, at(12, 1.0, 0.9)) is GO
    assert policy.dropped() == policy.promoted() == []
    policy.end(12, TrialState.COMPLETE)
    assert policy.dropped() == [13]


def test_rungs_spare_takes_the_place_of_a_failed_finalist() -> None:
    policy = rungs(16)
    reach(policy, [0.01 * number for number in range(16)])
    policy.promoted()
    for number in (15, 14, 13, 12):
        policy.decide(number, at(number, 1 / 4, 0.01 * number))
    assert policy.promoted() == [15]
    assert policy.dropped() == list(range(12))
    policy.end(15, TrialState.FAIL)
    assert policy.promoted() == [14]
    assert policy.decide(14, at(14, 1.0, 0.9)) is GO
    policy.end(14, TrialState.FAIL)
    assert policy.promoted() == policy.dropped() == []


def test_rungs_spare_waits_again_after_a_restart() -> None:
    policy = Rungs((1 / 4, 1 / 4), compared_by("accuracy"))
    policy.expect(0, 16)
    for number in range(16):
        value = 0.9 - 0.01 * number
        history = [at(number, 1 / 16, value), at(number, 1 / 4, value)][: 2 if number < 4 else 1]
        policy.restore(number, 0, history, TrialState.RUNNING if number < 2 else TrialState.PRUNED, THIRDS)
    policy.settle()
    assert policy.promoted() == [0]
    assert policy.dropped() == []
    policy.end(0, TrialState.FAIL)
    assert policy.promoted() == [1]


def test_rungs_keep_the_first_trial_behind_the_best() -> None:
    policy = rungs(16, kept={0})
    reach(policy, [0.01 * number for number in range(16)])
    assert policy.promoted() == [14, 13, 12, 0]
    assert policy.dropped() == list(range(1, 12))
    decisions = [policy.decide(number, at(number, 1 / 4, 0.01 * number)) for number in (15, 14, 13, 12, 0)]
    assert decisions == [PAUSE, PAUSE, PAUSE, STOP, PAUSE]
    assert policy.promoted() == [15, 0], "the best first"
    assert policy.dropped() == [13], "14 is the spare"
    policy.end(15, TrialState.FAIL)
    assert policy.promoted() == [14]
    for number in (0, 14):
        assert policy.decide(number, at(number, 1.0, 0.1)) is GO
        policy.end(number, TrialState.COMPLETE)
    assert policy.promoted() == policy.dropped() == []


@pytest.mark.parametrize("late", [0.0, 0.95])
def test_rungs_kept_trial_takes_nobodys_place(late: float) -> None:
    """29 trials: 9 go on, then 3. With the kept one 10 reach the second rung, however good it is there."""
    policy = rungs(29, factor=3, kept={0})
    reach(policy, [0.02 * number for number in range(29)])
    gone_on = [28, *policy.promoted()]
    assert gone_on == [28, 27, 26, 25, 24, 23, 22, 21, 20, 0]
    decisions = {number: policy.decide(number, at(number, 1 / 4, 0.03 * number)) for number in gone_on[:-1]}
    decisions[0] = policy.decide(0, at(0, 1 / 4, late))
    finalists = [number for number, decision in decisions.items() if decision is GO] + policy.promoted()
    assert sorted(finalists) == [0, 26, 27, 28]


def test_rungs_first_trial_among_the_best_takes_no_further_place() -> None:
    policy = rungs(8, kept={0})
    reach(policy, [0.9, *[0.1] * 6, 0.8])
    assert policy.promoted() == [0, 7]


def test_rungs_between_evaluations_go() -> None:
    policy = rungs(8)
    assert policy.decide(0, at(0, 0.03, 0.1)) is GO
    assert policy.decide(0, at(0, 1 / 16, 0.1)) is PAUSE
    assert policy.decide(1, at(1, 1 / 16, 0.2)) is PAUSE


def test_rungs_ties_by_log_loss() -> None:
    """A rung scores few rows, so equal accuracies are common."""
    policy = rungs(4)
    for number, loss in enumerate([0.5, 0.4, 0.6, 0.45]):
        row = at(number, 1 / 16, 0.5)
        policy.decide(number, row.model_copy(update={"metrics": row.metrics | {"log_loss": loss}}))
    assert policy.promoted() == [1]


def test_rungs_tell_shares_apart_only_beyond_their_noise() -> None:
    def row(number: int, accuracy: float, log_loss: float, num_rows: int) -> Progress:
        metrics = {"accuracy": accuracy, "log_loss": log_loss}
        return Progress(
            number=number, step=1, total_steps=16, epoch=1, num_rows=num_rows, metrics=metrics, train_loss=1
        )

    near_chance, learning = row(0, 0.42, 1.10, 100), row(1, 0.38, 1.05, 100)
    assert rung_key(learning, "accuracy", TASK) < rung_key(near_chance, "accuracy", TASK)
    assert rung_key(row(0, 0.37, 1.10, 10_000), "accuracy", TASK) < rung_key(
        row(1, 0.35, 1.05, 10_000), "accuracy", TASK
    )
    assert rung_key(row(0, 0.9, 1.1, 100), "accuracy", TASK) < rung_key(row(1, 0.5, 1.0, 100), "accuracy", TASK)


def test_rungs_equal_trials_all_go_on() -> None:
    policy = rungs(4)
    assert reach(policy, [0.5, 0.5, 0.5, 0.5]) == [PAUSE] * 4
    assert policy.promoted() == [0, 1, 2, 3]


def test_rungs_ties_behind_the_best_by_number() -> None:
    policy = rungs(8)
    reach(policy, [0.9, *[0.5] * 7])
    assert policy.promoted() == [0, 1]


def test_rungs_lower_is_better() -> None:
    policy = rungs(4, objective="log_loss")
    reach(policy, [0.1, 0.9, 0.5, 0.2])
    assert policy.promoted() == [1]


def test_rungs_keep_finalists() -> None:
    """With few trials the last promotions would leave one; confirmation wants two."""
    policy = rungs(4, least=2)
    reach(policy, [0.1, 0.9, 0.5, 0.2])
    assert policy.promoted() == [1, 2]
    assert [policy.decide(number, at(number, 1 / 4, 0.1 * number)) for number in (1, 2)] == [PAUSE, GO]
    assert policy.promoted() == [1]


def test_rungs_failed_hold_no_place() -> None:
    policy = rungs(8)
    reach(policy, [0.9, 0.5])
    policy.end(0, TrialState.FAIL)
    for number in range(2, 8):
        policy.decide(number, at(number, 1 / 16, 0.1))
    assert policy.promoted() == [1]


def test_rungs_failed_make_room() -> None:
    """Of nine, the best dies while it waits: the best two of the other eight go on."""
    policy = rungs(9)
    reach(policy, [0.9, 0.5])
    policy.end(0, TrialState.FAIL)
    for number in range(2, 9):
        policy.decide(number, at(number, 1 / 16, 0.4 - 0.01 * number))
    assert policy.promoted() == [1, 2]


def test_rungs_failures_end_the_wait() -> None:
    policy = rungs(3)
    policy.decide(0, at(0, 1 / 16, 0.5))
    policy.end(1, TrialState.FAIL)
    assert policy.promoted() == []
    policy.end(2, TrialState.FAIL)
    assert policy.promoted() == [0]


def test_rungs_fewer_expected_end_the_wait() -> None:
    policy = Rungs((1 / 4, 1 / 4), compared_by("accuracy"))
    policy.expect(0, 10)
    policy.add(0, 0, THIRDS)
    assert policy.decide(0, at(0, 1 / 16, 0.5)) is PAUSE
    policy.expect(0, 1)
    assert policy.promoted() == [0]


def test_rungs_arms_compete_apart() -> None:
    policy = Rungs((1 / 4, 1 / 4), compared_by("accuracy"), num_arms=2)
    for arm in (0, 1):
        policy.expect(arm, 4)
    for number in range(8):
        policy.add(number, number % 2, THIRDS)
    reach(policy, [0.1, 0.9, 0.2, 0.8, 0.3, 0.7, 0.25])
    assert policy.promoted() == [4]
    policy.decide(7, at(7, 1 / 16, 0.6))
    assert policy.promoted() == [1]


def test_rungs_merged_in_a_short_training() -> None:
    """With six steps in all, both rungs fall on step 1 or 2; with three, on one."""
    assert rungs_passed(THIRDS, 1, 3) == [0, 1]
    policy = rungs(2)
    assert policy.decide(0, at(0, 1 / 16, 0.5, total_steps=3)) is PAUSE
    assert policy.decide(1, at(1, 1 / 16, 0.4)) is STOP
    assert policy.promoted() == [0], "promoted from both rungs at once"
    assert policy.decide(0, at(0, 1.0, 0.9, total_steps=3)) is GO


def test_rungs_without_rungs() -> None:
    policy = Rungs((), compared_by("accuracy"))
    policy.expect(0, 2)
    policy.add(0, 0, ())
    assert policy.decide(0, at(0, 0.5, 0.1)) is GO
    assert policy.decide(0, at(0, 1.0, 0.1)) is GO
    policy.end(0, TrialState.COMPLETE)


def mixed(kinds: Iterable[TrialRungs], **more: Any) -> Rungs:
    """An arm whose trials have these rungs."""
    policy, all_rungs = Rungs((1 / 4, 1 / 4), compared_by("accuracy"), **more), list(kinds)
    policy.expect(0, len(all_rungs))
    for number, own in enumerate(all_rungs):
        policy.add(number, 0, own)
    return policy


LATE: TrialRungs = (None, 0.4)
NEVER: TrialRungs = (None, None)


def test_rungs_of_a_trials_own() -> None:
    """Judged where the trial's own rung is, not where the study's is."""
    policy = mixed([(0.2, 0.25)] * 4)
    assert policy.decide(0, at(0, 1 / 16, 0.9)) is GO
    assert reach(policy, [0.9, 0.1, 0.2, 0.3], fraction=0.2) == [PAUSE, STOP, STOP, STOP]
    assert policy.promoted() == [0]


def test_rungs_passed_by_are_joined_at_the_next() -> None:
    """Eight are judged twice; of the two that are left and four that come later one goes on."""
    policy = mixed([*[THIRDS] * 8, *[LATE] * 4])
    for number in range(8, 12):
        assert policy.decide(number, at(number, 0.4, 0.05 * number)) is PAUSE, "the others may all be worse, or better"
    assert policy.promoted() == policy.dropped() == []
    reach(policy, [0.1 * number for number in range(8)])
    assert policy.promoted() == [6], "7 came last and was told to go"
    assert policy.decide(7, at(7, 1 / 4, 0.3)) is STOP
    assert policy.decide(6, at(6, 1 / 4, 0.7)) is GO
    assert set(policy.dropped()) >= {8, 9, 10}, "11 may be the spare"


def test_rungs_nobody_waits_for_trials_that_have_none() -> None:
    policy = mixed([*[THIRDS] * 4, *[NEVER] * 8])
    for number in range(4, 12):
        assert [policy.decide(number, at(number, share, 0.0)) for share in (0.25, 0.5, 0.9)] == [GO] * 3
    assert reach(policy, [0.9, 0.1, 0.2, 0.3]) == [PAUSE, STOP, STOP, STOP]
    assert policy.promoted() == [0], "one of four"
    policy.end(5, TrialState.COMPLETE)
    assert policy.promoted() == policy.dropped() == []


def test_rungs_restored_trial_without_any_runs_again() -> None:
    policy = mixed([], kept={0})
    policy.expect(0, 2)
    policy.restore(0, 0, [at(0, 0.67, 0.5)], TrialState.RUNNING, NEVER)
    policy.restore(1, 0, [at(1, 0.4, 0.5)], TrialState.RUNNING, LATE)
    policy.settle()
    assert policy.promoted() == [0, 1]


CHANCE = {"accuracy": 0.25}
"""With 9 rows the noise is 0.29."""


def loss_at(number: int, fraction: float, log_loss: float, accuracy: float = 0.3, num_rows: int = 100) -> Progress:
    """An evaluation on 100 rows: losses that differ by 0.04 tell trials apart, those by 0.03 do not."""
    found = at(number, fraction, accuracy, num_rows=num_rows)
    return found.model_copy(update={"metrics": {"accuracy": accuracy, "log_loss": log_loss}})


def reach_losses(policy: Policy, losses: Iterable[float], fraction: float = 1 / 16) -> list[Decision]:
    return [policy.decide(number, loss_at(number, fraction, loss)) for number, loss in enumerate(losses)]


def early_rungs(count: int, **more: Any) -> Rungs:
    """A rung before a fifth of the training, at which half go on, and a later one, at which a quarter do."""
    policy = Rungs((1 / 2, 1 / 4), compared_by("accuracy"), num_early=1, **more)
    policy.expect(0, count)
    for number in range(count):
        policy.add(number, 0, THIRDS)
    return policy


def test_rungs_drop_nobody_while_the_rows_tell_nobody_apart() -> None:
    policy = early_rungs(6)
    reach_losses(policy, [1.10, 1.11, 1.09, 1.12, 1.10, 1.10])
    assert sorted(policy.promoted()) == list(range(6))
    assert reach_losses(policy, [1.10] * 6, fraction=1 / 4).count(STOP) == 0
    assert policy.dropped() == []


def test_rungs_rank_by_loss_early() -> None:
    """Whoever learns has a lower loss long before its accuracy shows it."""
    policy = early_rungs(4)
    for number, (loss, accuracy) in enumerate([(1.0, 0.2), (0.9, 0.1), (1.1, 0.4), (1.2, 0.3)]):
        policy.decide(number, loss_at(number, 1 / 16, loss, accuracy))
    assert policy.promoted() == [1, 0]
    assert policy.message(3).endswith(
        "it was 4th of 4 by log loss, and only the best 2 trained on (log loss 1.200; the 2nd best had 1.000)"
    )


def test_rungs_early_half_of_those_that_go_on_are_ahead() -> None:
    """Of eight four go on. One that has learned drops nobody, two do; and one that diverges is behind anyway."""
    one, two, diverged = early_rungs(8), early_rungs(8), early_rungs(8)
    reach_losses(one, [0.5, *[1.1] * 7])
    assert len(one.promoted()) == 8
    reach_losses(two, [0.5, 0.6, *[1.1] * 6])
    assert sorted(two.promoted()) == [0, 1, 2, 3]
    reach_losses(diverged, [*[1.1] * 7, 1.5])
    assert sorted(diverged.promoted()) == list(range(7))


def test_rungs_late_the_best_is_ahead() -> None:
    policy = early_rungs(8)
    reach_losses(policy, [1.1] * 8)
    assert len(policy.promoted()) == 8
    for number, accuracy in enumerate([0.9, 0.85, 0.4, 0.4, 0.4, 0.3, 0.3, 0.3]):
        policy.decide(number, loss_at(number, 1 / 4, 1.1, accuracy))
    assert policy.promoted() == [0, 1], "a quarter of them; the others wait in vain"


def test_rungs_late_those_that_may_be_as_good_go_on() -> None:
    """One of four goes on; on 100 rows 90 % and 86 % are one, with losses that do not differ either."""
    policy = early_rungs(4)
    reach_losses(policy, [1.1] * 4)
    assert len(policy.promoted()) == 4
    for number, accuracy in enumerate([0.90, 0.86, 0.4, 0.4]):
        policy.decide(number, loss_at(number, 1 / 4, 0.3 + 0.01 * number, accuracy))
    assert sorted(policy.promoted()) == [0, 1]


def test_rungs_rank_by_the_objective_where_the_study_searches_what_changes_the_loss() -> None:
    searched = {"label_smoothing": {"choices": [0.0, 0.1]}, "learning_rate": {"low": 1e-5, "high": 1e-3}}
    assert not Comparison.of(make_spec(trials=4, training=searched)).ranks_by_loss(is_early=True)
    assert Comparison.of(make_spec(trials=4)).ranks_by_loss(is_early=True)
    assert not Comparison.of(make_spec(trials=4)).ranks_by_loss(is_early=False)
    cost = make_spec(trials=4, objectives=["samples_per_second"])
    assert not Comparison.of(cost).ranks_by_loss(is_early=True)


def test_rungs_a_failed_trial_proves_nothing() -> None:
    policy = early_rungs(4)
    policy.decide(0, loss_at(0, 1 / 16, 0.5))
    policy.end(0, TrialState.FAIL)
    for number in (1, 2, 3):
        policy.decide(number, loss_at(number, 1 / 16, 1.1))
    assert policy.dropped() == []


def test_rungs_signal_is_restored() -> None:
    for best, going in ((1.1, [0, 1, 2, 3]), (0.5, [0, 1])):
        policy = early_rungs(0)
        policy.expect(0, 4)
        for number in range(4):
            history = [loss_at(number, 1 / 16, best if number == 0 else 1.1)]
            policy.restore(number, 0, history, TrialState.RUNNING, THIRDS)
        policy.settle()
        assert policy.promoted() == going


def going_of(values: list[float], quota: int) -> list[int]:
    """Who goes on where `quota` do: the best, and those behind them that equal the best of all."""
    best = sorted(range(len(values)), key=lambda number: (-values[number], number))
    return best[: max(quota, values.count(max(values)))]


@given(
    st.lists(st.integers(0, 5).map(lambda value: value / 5), min_size=1, max_size=20),
    st.integers(2, 4),
    st.integers(1, 3),
    st.booleans(),
    st.randoms(use_true_random=False),
)
def test_rungs_order_does_not_matter(
    values: list[float], factor: int, least: int, keep_first: bool, rng: object
) -> None:
    """Whoever comes first: those that reach the second rung are the best of the first, and the one that is kept."""
    order = list(range(len(values)))
    rng.shuffle(order)  # type: ignore[attr-defined]
    policy = rungs(len(values), factor=factor, least=least, kept={0} if keep_first else ())
    decisions = {number: policy.decide(number, at(number, 1 / 16, values[number])) for number in order}
    gone_on = {number for number, decision in decisions.items() if decision is GO} | set(policy.promoted())
    assert gone_on == set(going_of(values, num_promoted(len(values), 1 / factor, least))) | (
        {0} if keep_first else set()
    )
    stopped = {number for number, decision in decisions.items() if decision is STOP}
    assert stopped.isdisjoint(gone_on)
    assert stopped | set(policy.dropped()) | gone_on == set(order)


@given(st.lists(st.integers(0, 9).map(lambda value: value / 9), min_size=2, max_size=14), st.booleans(), st.data())
def test_rungs_restored_goes_on_alike(values: list[float], keep_first: bool, data: st.DataObject) -> None:
    """A coordinator that dies anywhere on the way: the next one promotes the same trials."""
    alive = data.draw(st.integers(0, len(values)))
    old, new = (rungs(len(values), added=added, kept={0} if keep_first else ()) for added in (True, False))
    histories = {}
    ended = {}
    for number in range(alive):
        histories[number] = [at(number, 1 / 16, values[number])]
        if old.decide(number, histories[number][0]) is STOP:
            ended[number] = TrialState.PRUNED
    for number in old.dropped():
        ended[number] = TrialState.PRUNED
    for number in range(alive):
        new.restore(number, 0, histories[number], ended.get(number, TrialState.RUNNING), THIRDS)
    new.settle()
    for number in range(alive, len(values)):
        new.add(number, 0, THIRDS)
    decisions = {number: new.decide(number, at(number, 1 / 16, values[number])) for number in range(alive, len(values))}
    gone_on = {number for number, decision in decisions.items() if decision is GO} | set(new.promoted())
    assert gone_on == set(going_of(values, num_promoted(len(values), 1 / 4))) | ({0} if keep_first else set())


def test_rungs_restored_before_its_first_rung_runs_again() -> None:
    policy = Rungs((1 / 4, 1 / 4), compared_by("accuracy"))
    policy.expect(0, 4)
    policy.restore(0, 0, [], TrialState.RUNNING, THIRDS)
    policy.restore(1, 0, [at(1, 0.02, 0.5)], TrialState.RUNNING, THIRDS)
    policy.settle()
    assert policy.promoted() == [0, 1]


def test_unpruned_gives_restored_trials_again() -> None:
    policy = Unpruned()
    policy.restore(0, 0, [at(0, 1.0, 0.5)], TrialState.COMPLETE, ())
    policy.restore(1, 0, [at(1, 0.5, 0.5)], TrialState.RUNNING, ())
    assert policy.promoted() == [1]
    assert policy.promoted() == []


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("rungs", Rungs),
        ("asha", OptunaPolicy),
        ("hyperband", OptunaPolicy),
        ("median", OptunaPolicy),
        ("none", Unpruned),
    ],
)
def test_make_policy_kinds(name: str, kind: type) -> None:
    assert isinstance(make_policy(make_spec(trials=4, pruner={"name": name})), kind)


def test_make_policy_least_is_confirmation() -> None:
    """Three finalists, and the default recipe behind them; without confirmation one."""
    for confirm, num_finalists in (({"top": 3}, 4), (None, 1)):
        policy = make_policy(make_spec(trials=4, confirm=confirm))
        policy.expect(0, 4)
        for number in range(4):
            policy.add(number, 0, THIRDS)
        reach(policy, [0.1, 0.2, 0.3, 0.4])
        going = {3, *policy.promoted()}
        last = [policy.decide(number, at(number, 1 / 4, 0.1 * number)) for number in sorted(going)]
        assert last.count(GO) + len(policy.promoted()) == num_finalists


def test_make_policy_keeps_two_in_three_at_an_early_rung() -> None:
    """Before a fifth of the training those that learn fast look best: two in three go on, later one in two."""
    spec = make_spec(trials=16, confirm=None, pruner={"name": "rungs", "reduction_factor": None})
    policy = make_policy(spec)
    policy.expect(0, 16)
    for number in range(16):
        policy.add(number, 0, rung_fractions(spec))
    going = list(range(16))
    for fraction, num_left in ((1 / 16, 10), (1 / 8, 6), (1 / 4, 3), (1 / 2, 1)):
        decisions = {number: policy.decide(number, at(number, fraction, 0.01 * number)) for number in going}
        going = sorted({*policy.promoted(), *(number for number in going if decisions[number] is GO)})
        assert going == list(range(16 - num_left, 16))


def optuna_policy(name: str, **search: object) -> Policy:
    return make_policy(make_spec(trials=40, pruner={"name": name}, **search))


def guarded(name: str) -> Policy:
    return make_policy(make_spec(trials=40, pruner={"name": name}), CHANCE)


def complete(policy: Policy, number: int, accuracy: float, num_rows: int = 1_000_000) -> None:
    policy.add(number, 0, study_rungs(policy))
    for fraction in (1 / 16, 1 / 4, 1 / 2, 3 / 4, 1.0):
        assert policy.decide(number, at(number, fraction, accuracy, num_rows=num_rows)) is GO
    policy.end(number, TrialState.COMPLETE)


def test_asha_stops_the_worse() -> None:
    policy = optuna_policy("asha")
    complete(policy, 0, 0.9)
    for number in range(1, 6):
        policy.add(number, 0, study_rungs(policy))
        assert policy.decide(number, at(number, 1 / 16, 0.8 - 0.1 * number)) is STOP
        policy.end(number, TrialState.PRUNED)
    complete(policy, 6, 0.95)


def test_median_stops_the_worse_half() -> None:
    policy = optuna_policy("median")
    for number in range(5):
        complete(policy, number, 0.5 + 0.1 * number)
    policy.add(5, 0, study_rungs(policy))
    assert policy.decide(5, at(5, 1 / 4, 0.65)) is STOP
    policy.add(6, 0, study_rungs(policy))
    assert policy.decide(6, at(6, 1 / 4, 0.75)) is GO


@pytest.mark.parametrize(("name", "fraction"), [("asha", 1 / 16), ("median", 1 / 4)])
def test_optuna_pruners_stop_nobody_while_all_guess(name: str, fraction: float) -> None:
    policy, bold = guarded(name), optuna_policy(name)
    for number in range(6):
        for each in (policy, bold):
            complete(each, number, 0.3, num_rows=9)
    for number, each, decision in ((6, bold, STOP), (6, policy, GO)):
        each.add(number, 0, study_rungs(each))
        assert each.decide(number, at(number, fraction, 0.2, num_rows=9)) is decision


def test_optuna_pruner_stops_again_where_somebody_has_learned() -> None:
    policy = guarded("asha")
    for number, accuracy, decision in ((0, 0.5, GO), (1, 0.1, GO), (2, 0.9, GO), (3, 0.2, STOP)):
        policy.add(number, 0, study_rungs(policy))
        assert policy.decide(number, at(number, 1 / 16, accuracy, num_rows=9)) is decision
    policy.end(2, TrialState.FAIL)
    policy.add(4, 0, study_rungs(policy))
    assert policy.decide(4, at(4, 1 / 16, 0.2, num_rows=9)) is GO, "what a failed trial has reached proves nothing"


@pytest.mark.parametrize("name", ["asha", "hyperband"])
def test_optuna_pruners_compare_trials_with_the_same_first_rung(name: str) -> None:
    """A later value is no value of the first rung: it neither stops others there nor is it stopped by theirs."""
    policy = optuna_policy(name)
    for number in range(0, 20, 2):
        policy.add(number, 0, LATE)
        policy.decide(number, at(number, 0.4, 0.9))
    stopped = 0
    for number in range(1, 21, 2):
        policy.add(number, 0, THIRDS)
        assert policy.decide(number, at(number, 1 / 16, 0.1 + 0.01 * number)) is GO, "each is the best of its kind"
        policy.add(number + 100, 0, NEVER)
        assert policy.decide(number + 100, at(number + 100, 0.5, 0.0)) is GO
        policy.end(number + 100, TrialState.COMPLETE)
        policy.add(number + 200, 0, LATE)
        stopped += policy.decide(number + 200, at(number + 200, 0.4, 0.2)) is STOP
    assert stopped


def test_optuna_pruner_sees_rungs_only() -> None:
    """Trials of other lengths are evaluated elsewhere in between, so that would compare nothing."""
    policy = make_policy(make_spec(trials=4, pruner={"name": "median"}))
    assert isinstance(policy, OptunaPolicy)
    policy.add(0, 0, study_rungs(policy))
    for fraction, accuracy in ((0.1, 0.3), (0.25, 0.5), (0.3, 0.9), (0.5, 0.6)):
        policy.decide(0, at(0, fraction, accuracy))
    (frozen,) = policy._fields[0, 0].mirror.study.get_trials(deepcopy=False)
    assert frozen.intermediate_values == {1: 0.5, 2: 0.6}


def test_hyperband_has_brackets() -> None:
    """Some trials are never stopped, others at the first rung."""
    policy = optuna_policy("hyperband")
    rung_of = {}
    for number in range(30):
        policy.add(number, 0, study_rungs(policy))
        for fraction in (1 / 16, 1 / 4, 1.0):
            if policy.decide(number, at(number, fraction, 0.9 - 0.01 * number)) is STOP:
                rung_of[number] = fraction
                policy.end(number, TrialState.PRUNED)
                break
        else:
            policy.end(number, TrialState.COMPLETE)
    assert set(rung_of.values()) == {1 / 16, 1 / 4}
    assert 5 < len(rung_of) < 28


@pytest.mark.parametrize("name", ["asha", "hyperband", "median"])
def test_optuna_pruners_restored(name: str) -> None:
    """Replaying the reports gives the decisions that the lost process would have given."""
    one, two = optuna_policy(name), optuna_policy(name)
    for number in range(12):
        accuracy, history, state = 0.5 + 0.03 * (number * 7 % 11), [], TrialState.COMPLETE
        one.add(number, 0, study_rungs(one))
        for fraction in (1 / 16, 1 / 4, 1 / 2, 3 / 4, 1.0):
            history.append(at(number, fraction, accuracy))
            if one.decide(number, history[-1]) is STOP:
                state = TrialState.PRUNED
                break
        one.end(number, state)
        two.restore(number, 0, history, state, study_rungs(two))
    two.settle()
    assert two.promoted() == []
    for number in range(12, 20):
        accuracy = 0.5 + 0.02 * (number * 5 % 13)
        for policy in (one, two):
            policy.add(number, 0, study_rungs(policy))
        for fraction in (1 / 16, 1 / 4, 1 / 2):
            first, second = (policy.decide(number, at(number, fraction, accuracy)) for policy in (one, two))
            assert first is second
            if first is STOP:
                break


def test_optuna_pruner_never_stops_a_finished_trial() -> None:
    policy = optuna_policy("asha")
    complete(policy, 0, 0.9)
    policy.add(1, 0, study_rungs(policy))
    assert policy.decide(1, at(1, 1.0, 0.1)) is GO


def test_optuna_pruner_with_two_objectives_looks_at_the_first() -> None:
    policy = optuna_policy("asha", objectives=["accuracy", "samples_per_second"])
    complete(policy, 0, 0.9)
    policy.add(1, 0, study_rungs(policy))
    assert policy.decide(1, at(1, 1 / 16, 0.1)) is STOP


def test_rungs_break_ties_by_the_loss_of_their_own_task() -> None:
    """Two tasks may have a metric in common, and different losses."""
    accuracy = TASK.metric("accuracy")
    brier = replace(TASK.metric("log_loss"), name="brier")
    task = replace(TASK, name="own", metrics=(accuracy, brier), loss="brier")
    first, second = (
        at(number, 1 / 16, 0.5).model_copy(update={"metrics": {"accuracy": 0.5, "brier": value}})
        for number, value in ((0, 0.9), (1, 0.1))
    )
    assert rung_key(second, "accuracy", task) < rung_key(first, "accuracy", task)


def over(number: int, accuracy: float, fraction: float = 1 / 32) -> Progress:
    """A trial that patience ends before its first rung."""
    return at(number, fraction, accuracy).model_copy(update={"out_of_patience": True})


def test_rungs_a_trial_out_of_patience_takes_the_place_of_another() -> None:
    policy = rungs(8)
    assert policy.decide(0, over(0, 0.9)) is GO
    decisions = [policy.decide(number, at(number, 1 / 16, 0.5 - 0.01 * number)) for number in range(1, 8)]
    assert decisions[:2] == [PAUSE, STOP], "one of the two places is taken"
    policy.end(2, TrialState.PRUNED)
    assert policy.promoted() == [1]
    assert policy.decide(1, at(1, 1 / 4, 0.8)) is PAUSE, "the spare trial, should the weights of the other not be saved"
    policy.end(0, TrialState.COMPLETE)
    assert policy.promoted() == [] and policy.dropped() == [1]
    assert "it was 2nd of 2, and only the best trained on" in policy.message(1)


def test_rungs_the_spare_trial_goes_on_where_saving_one_out_of_patience_fails() -> None:
    policy = rungs(8)
    policy.decide(0, over(0, 0.9))
    reached = [policy.decide(number, at(number, 1 / 16, 0.5 - 0.01 * number)) for number in range(1, 8)]
    assert reached[0] is PAUSE
    policy.promoted()
    policy.decide(1, at(1, 1 / 4, 0.8))
    policy.end(0, TrialState.FAIL)
    assert policy.promoted() == [1]


def test_rungs_a_bad_trial_out_of_patience_takes_no_place() -> None:
    policy = rungs(8)
    assert policy.decide(0, over(0, 0.1)) is GO
    policy.end(0, TrialState.COMPLETE)
    for number in range(1, 8):
        policy.decide(number, at(number, 1 / 16, 0.5 - 0.01 * number))
    assert policy.promoted() == [1, 2]
    assert 0 not in policy.dropped()


@pytest.mark.parametrize("name", ["asha", "hyperband", "median"])
def test_optuna_a_trial_out_of_patience_is_never_stopped(name: str) -> None:
    policy = OptunaPolicy(make_spec(trials=9, pruner={"name": name}))
    for number in range(9):
        policy.add(number, 0, study_rungs(policy))
        policy.decide(number, at(number, 1 / 4, 0.9))
        if number < 8:
            policy.end(number, TrialState.COMPLETE)
    policy.add(9, 0, study_rungs(policy))
    assert policy.decide(9, over(9, 0.1)) is GO
    policy.end(9, TrialState.COMPLETE)
