"""The board: states, the best so far, and how long it will take."""

from __future__ import annotations

import pytest

from harness.records.schema import PruneReason, TrialState
from tests.terminal.trials import SLOTS, board, config, ended, progress, study


def test_board_trial_goes_through_its_states() -> None:
    spec = study()
    found = board(spec)
    found.started(config(spec, 0))
    states = [found.rows[0].state]
    found.progressed(0, progress(0, 10, 0.5))
    states.append(found.rows[0].state)
    found.paused(0)
    states.append(found.rows[0].state)
    found.started(config(spec, 0))
    states.append(found.rows[0].state)
    found.ended(ended(config(spec, 0), TrialState.PRUNED, progress(0, 10, 0.5)))
    states.append(found.rows[0].state)
    assert states == ["training", "training", "waiting at 6\u00a0%", "training", "pruned at 6\u00a0%"]
    assert (found.num_ended, found.running, found.waiting) == (1, [], [])


def test_board_pruned_trial_tells_why() -> None:
    spec = study()
    found = board(spec)
    why = {"reason": PruneReason.RUNG, "message": "rung 1 of 2: 2nd of 2, the best went on"}
    found.ended(ended(config(spec, 3), TrialState.PRUNED, progress(3, 10, 0.5), **why))
    assert found.rows[3].state == "pruned at 6\u00a0%: rung 1 of 2: 2nd of 2, the best went on"


def test_board_failed_trial_tells_its_reason() -> None:
    spec = study()
    found = board(spec)
    found.ended(ended(config(spec, 3), TrialState.FAIL))
    assert found.rows[3].state == "failed: nan"


def test_board_knows_earlier_trials() -> None:
    spec = study()
    found = board(spec)
    before = [
        ended(config(spec, 0), TrialState.COMPLETE, progress(0, 160, 0.8)),
        ended(config(spec, 1), TrialState.RUNNING, progress(1, 10, 0.6)),
    ]
    found.begin("search", 16, SLOTS, before)
    assert found.num_ended == 1
    assert [row.number for row in found.waiting] == [1]


def test_board_best_of_equals_is_that_of_the_leaderboard() -> None:
    """Of trials with one score, the one with the lower loss; it ended last, and has the higher number."""
    spec = study()
    found = board(spec)
    for number, loss in ((0, 0.7), (1, 0.5)):
        record = ended(config(spec, number), TrialState.COMPLETE, progress(number, 160, 0.8))
        found.ended(record.model_copy(update={"metrics": {**record.metrics, "log_loss": loss}}))
    assert [row.number for row in found.best(2)] == [1, 0]


def test_board_best_prefers_the_further_trained() -> None:
    spec = study()
    found = board(spec)
    for number, step, accuracy in ((0, 10, 0.9), (1, 40, 0.7), (2, 41, 0.6)):
        found.started(config(spec, number))
        found.progressed(number, progress(number, step, accuracy))
    assert [row.number for row in found.best(3)] == [1, 2, 0]


def test_board_best_counts_the_study_s_rungs_and_not_evaluations() -> None:
    """With a long warm-up the first rung is left out or moved; the trial is not less far for that."""
    spec = study()
    found = board(spec)
    for number, rungs, accuracy in ((0, (10 / 160, 0.25), 0.7), (1, (None, 0.25), 0.8), (2, (30 / 160, 0.25), 0.9)):
        shares = (*(share for share in rungs if share), 1.0)
        found.started(config(spec, number).model_copy(update={"rungs": rungs, "evaluate_at": shares}))
        found.progressed(number, progress(number, 30 if number == 2 else 40, accuracy))
    assert [row.number for row in found.best(3)] == [1, 0, 2]
    found.progressed(0, progress(0, 10, 0.5))
    assert [row.number for row in found.best(3)] == [1, 2, 0]


def test_board_best_of_two_whole_trainings_is_the_better_one() -> None:
    """One of them was evaluated more often, because it passed a rung."""
    spec = study()
    found = board(spec)
    for number, evaluations in enumerate(([progress(0, 40, 0.7), progress(0, 160, 0.8)], [progress(1, 160, 0.9)])):
        found.started(config(spec, number))
        for evaluation in evaluations:
            found.progressed(number, evaluation)
        found.ended(ended(config(spec, number), TrialState.COMPLETE, *evaluations))
    assert [row.number for row in found.best(2)] == [1, 0]


def test_board_best_is_never_a_failed_trial() -> None:
    spec = study()
    found = board(spec)
    found.ended(ended(config(spec, 0), TrialState.FAIL, progress(0, 160, 0.9)))
    assert found.best() == []


def test_board_best_of_a_loss_is_the_lowest() -> None:
    spec = study("search.objectives=[log_loss]")
    found = board(spec)
    for number, loss in ((0, 0.5), (1, 0.3)):
        found.started(config(spec, number))
        last = progress(number, 10, 0.5)
        found.progressed(number, last.model_copy(update={"metrics": {"log_loss": loss}}))
    assert found.best()[0].number == 1


def test_board_says_nothing_of_time_at_first() -> None:
    spec = study()
    found = board(spec)
    found.started(config(spec, 0))
    found.progressed(0, progress(0, 10, 0.5, elapsed_s=5))
    assert found.left_s() is None


def test_board_time_left_counts_rungs_and_confirmation() -> None:
    """16 trials to 1/16, 10 to 1/4, 2 to the end (as many as are confirmed), the default recipe too; two to confirm."""
    spec = study("budget.minutes=null")
    found = board(spec)
    for number in range(4):
        found.started(config(spec, number))
        found.progressed(number, progress(number, 10, 0.5, elapsed_s=10))
    whole_s, done = 160.0, 4 / 16
    search = 16 / 16 + 11 * 3 / 16 + 3 * 12 / 16
    assert found.left_s() == pytest.approx((search - done) * whole_s / 2 + whole_s)
    assert found.done == pytest.approx(done / search)


def test_board_expects_of_new_trials_what_the_known_ones_have() -> None:
    """Half of 16 trials are too short to be judged; the other eight are judged at 30 of 160 steps and at a quarter."""
    spec = study("budget.minutes=null", "confirm=null")
    found = board(spec)
    for number, rungs in enumerate([(30 / 160, 0.25), (None, None)] * 2):
        found.started(config(spec, number).model_copy(update={"rungs": rungs}))
        found.progressed(number, progress(number, 16, 0.5, elapsed_s=10))
    search = 8 + 8 * 30 / 160 + 5 * 10 / 160 + 1 * 3 / 4
    assert found.done == pytest.approx(4 * 0.1 / search)


def test_board_time_left_is_within_the_budget() -> None:
    spec = study("budget.minutes=1", "confirm=null")
    found = board(spec, now=50.0)
    found.began_at, found.spent_before_s = 30.0, 20.0
    for number in range(4):
        found.started(config(spec, number))
        found.progressed(number, progress(number, 10, 0.5, elapsed_s=100))
    assert found.budget_left_s == pytest.approx(20)
    assert found.left_s() == pytest.approx(20)


def test_board_without_pruning_expects_whole_trainings() -> None:
    spec = study("search.pruner={name: none}", "search.trials=4", "confirm=null", "budget.minutes=null")
    found = board(spec)
    for number in range(3):
        found.ended(ended(config(spec, number), TrialState.COMPLETE, progress(number, 160, 0.5, elapsed_s=100)))
    assert found.left_s() == pytest.approx(50)
    assert found.done == pytest.approx(0.75)


def test_board_is_done_when_all_have_ended() -> None:
    spec = study("search.trials=1")
    found = board(spec)
    found.ended(ended(config(spec, 0), TrialState.PRUNED, progress(0, 10, 0.5)))
    assert found.done == 1
