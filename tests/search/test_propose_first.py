"""Params that are given come before those that the sampler draws, once each, whatever happens in between."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from harness.records.rundir import RunFolder
from harness.records.schema import TrialState
from harness.records.store import StudyStore
from harness.search.axes import Params, params_key
from harness.search.propose import Proposer
from harness.search.search import Search
from tests.search.simulate import Log, Simulator, evaluation, make_spec, sweep_in_many_lives
from tests.search.test_propose import GRID, SAMPLERS, Book, drive, spec_for

FIRST = ({"learning_rate": 1e-4, "batch_size": 16}, {"learning_rate": 5e-5, "batch_size": 32}, {"batch_size": 8})
COMPARED = {"checkpoint": ["tiny", "small"]}


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_given_params_follow_the_default_recipe(sampler: str) -> None:
    spec = spec_for(sampler, first=FIRST[:1])
    book = drive(spec, 8)
    recipe, given = (trial.record.params for trial in book.trials[:2])
    assert given == recipe | FIRST[0]
    assert len(set(book.params())) == 8


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_given_params_survive_restarts(sampler: str) -> None:
    spec = spec_for(sampler, first=FIRST)
    whole = drive(spec, 10)
    for restarts in ((1,), (2, 3), (1, 2, 3, 6)):
        assert drive(spec, 10, restarts).params() == whole.params()


def test_params_seen_before_are_not_tried_twice() -> None:
    book = Book(make_spec(first=(*FIRST, FIRST[0]), trials=16))
    for _ in range(5):
        book.ask()
    assert [trial.record.params for trial in book.trials[1:3]] == [FIRST[0], {"learning_rate": 5e-5, "batch_size": 8}]
    assert len(set(book.params())) == 5, "the second is the default recipe, the last is the first"


def test_sampler_learns_from_given_params() -> None:
    book = Book(make_spec(first=FIRST, trials=16))
    for number in range(3):
        book.ask()
        book.observe(number)
    mirror = book.proposer._arms[0].mirror
    assert mirror is not None
    given = mirror.frozen(1)
    assert given.params == FIRST[0]
    assert given.values == [evaluation(book.trials[1].config, 1 / 16).metrics["accuracy"]]


def test_compared_checkpoints_try_their_own() -> None:
    spec = make_spec(first=({"batch_size": 8}, {"checkpoint": "small", "batch_size": 16}), model=COMPARED, trials=12)
    book = Book(spec)
    for number in range(6):
        book.ask(arm=number % 2)
    tried = [(trial.record.params["checkpoint"], trial.record.params["batch_size"]) for trial in book.trials]
    assert tried[:4] == [("tiny", 32), ("small", 32), ("tiny", 8), ("small", 8)]
    assert tried[5] == ("small", 16)


def test_params_of_earlier_runs_come_after_those_of_the_study() -> None:
    spec = spec_for("grid", first=({"learning_rate": 1e-3},), training=GRID)
    found: list[Params] = [
        {"learning_rate": 1e-5, "batch_size": 8, "schedule": "cosine", "weight_decay": 0.1},
        {"learning_rate": 1e-5, "batch_size": 16, "schedule": "linear", "weight_decay": 0.0},
    ]
    proposer = Proposer(spec, found_before=found)
    asked = [proposer.ask(number, 0) for number in range(6)]
    params = [proposal.params for proposal in asked if proposal is not None]
    assert params[1]["learning_rate"] == 1e-3
    assert params[2:4] == found
    assert len({params_key(own) for own in params}) == 6


def test_params_of_earlier_runs_belong_to_their_checkpoint() -> None:
    spec = make_spec(model=COMPARED, trials=12)
    found: list[Params] = [{"checkpoint": "small", "learning_rate": 1e-4, "batch_size": 8}]
    proposer = Proposer(spec, found_before=found)
    asked = [proposer.ask(number, number % 2) for number in range(4)]
    assert asked[3] is not None
    assert asked[3].params == found[0]
    assert asked[2] is not None
    assert asked[2].params != found[0]


def test_given_params_count_among_the_trials_of_a_search(
    new_store: Callable[..., StudyStore], folder: RunFolder
) -> None:
    spec = make_spec(first=FIRST, trials=6)
    found: list[Params] = [{"learning_rate": 2e-4, "batch_size": 16}]
    store = new_store()
    assert Simulator(Search(spec, store, folder, found_before=found), folder, Log()).run()
    records = store.records()
    assert len(records) == 6
    assert [record.params["batch_size"] for record in records[:4]] == [32, 16, 8, 16]
    assert records[3].params == found[0]


def test_given_params_are_tried_once_in_a_search_that_dies_again_and_again(
    new_store: Callable[..., StudyStore], folder: RunFolder
) -> None:
    spec = make_spec(first=FIRST, trials=8)
    store, _ = sweep_in_many_lives(spec, new_store(), folder, lambda earlier: new_store(earlier))
    records = store.records()
    assert [record.params["batch_size"] for record in records[:3]] == [32, 16, 8]
    assert all(record.state in (TrialState.COMPLETE, TrialState.PRUNED) for record in records)
    assert len({params_key(record.params) for record in records}) == 8
