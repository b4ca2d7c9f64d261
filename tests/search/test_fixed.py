from __future__ import annotations

from collections.abc import Callable

from harness.errors import FailReason
from harness.records.rundir import RunFolder
from harness.records.schema import TrialState, record_of
from harness.records.store import StudyStore
from harness.search.fixed import FixedList
from harness.search.source import Decision, TrialSource
from harness.spec.configure import resolve
from harness.spec.trial import TrialConfig
from tests.search.simulate import evaluation, make_spec

NewStore = Callable[..., StudyStore]
SPEC = make_spec(trials=4)


def confirmation(of: int, seed: int, number: int = 0) -> TrialConfig:
    params = {"learning_rate": 1e-4 * (of + 1), "batch_size": 16}
    return resolve(SPEC, number=number, params=params, kind="confirm", of=of, seed=seed)


CONFIGS = [confirmation(of, seed) for of in (3, 1) for seed in (1, 2)]


def finish(source: FixedList, config: TrialConfig, state: TrialState = TrialState.COMPLETE) -> None:
    rows = [evaluation(config, fraction) for fraction in config.evaluate_at]
    assert {source.decide(config.number, row) for row in rows} == {Decision.GO}
    source.end(record_of(config, state, rows, reason=None if state is TrialState.COMPLETE else FailReason.CRASH))


def take(source: TrialSource) -> list[TrialConfig]:
    taken = []
    while (config := source.next()) is not None:
        taken.append(config)
    return taken


def test_fixed_numbers_and_order(new_store: NewStore) -> None:
    store = new_store()
    source = FixedList(CONFIGS, store)
    taken = take(source)
    assert [(config.number, config.of, config.training.seed) for config in taken] == [
        (0, 3, 1),
        (1, 3, 2),
        (2, 1, 1),
        (3, 1, 2),
    ]
    for config in taken:
        finish(source, config)
    assert [record.config for record in store.records()] == taken == list(source.configs)
    assert {record.kind for record in source.records.values()} == {"confirm"}


def test_fixed_continues(new_store: NewStore, folder: RunFolder) -> None:
    """One ended, one left running, the others not begun: under their own numbers."""
    store = new_store()
    first = FixedList(CONFIGS, store, folder)
    ended, left = first.next(), first.next()
    assert ended and left
    finish(first, ended)
    first.decide(left.number, evaluation(left, 1 / 16))
    again = FixedList(CONFIGS, new_store(store), folder)
    taken = take(again)
    assert [config.number for config in taken] == [1, 2, 3]
    assert again.resume_from(1) == (None, [])
    for config in taken:
        finish(again, config)
    assert sorted(again.records) == [0, 1, 2, 3]
    steps = [row.step for row in store.records()[1].history]
    assert steps == sorted(set(steps)), "the repeated evaluation is written once"


def test_fixed_list_that_changed(new_store: NewStore) -> None:
    """More trials of the search may bring other finalists: what is known is kept, what nobody wants is ended."""
    store = new_store()
    first = FixedList(CONFIGS[:2], store)
    for config in take(first):
        if config.number == 0:
            finish(first, config)
    wanted = [confirmation(2, 1), CONFIGS[0]]
    again = FixedList(wanted, new_store(store))
    assert again.num_trials == 3, "with the one that is no longer in the list, as views count it"
    taken = take(again)
    assert [(config.number, config.of) for config in taken] == [(2, 2)]
    abandoned = store.records()[1]
    assert (abandoned.state, abandoned.reason) == (TrialState.FAIL, FailReason.STOPPED)
    assert [config.number for config in again.configs] == [2, 0]


def test_fixed_without_store() -> None:
    source = FixedList([confirmation(3, 1, number=7)], keep=False)
    (config,) = take(source)
    assert config.number == 7
    assert not source.keep(7, evaluation(config, 1.0))
    finish(source, config)
    assert source.records[7].state is TrialState.COMPLETE
    assert source.dropped() == []


def test_fixed_without_objective_fails() -> None:
    source = FixedList([confirmation(3, 1)])
    (config,) = take(source)
    source.end(record_of(config, TrialState.COMPLETE, [evaluation(config, 1.0, metrics={"log_loss": 1.0})]))
    assert (source.records[0].state, source.records[0].reason) == (TrialState.FAIL, FailReason.CRASH)


def test_fixed_keeps_weights(new_store: NewStore) -> None:
    source = FixedList(CONFIGS, new_store())
    config = source.next()
    assert config and source.keep(config.number, evaluation(config, 1.0))
