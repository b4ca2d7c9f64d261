"""A study that goes on: what a search makes of what an earlier one has left."""

from __future__ import annotations

from collections.abc import Callable

from harness.records.rundir import RunFolder
from harness.records.schema import Place, Progress, Span, TrialState, record_of
from harness.records.store import StudyStore
from harness.search.search import Search
from harness.search.source import Decision
from harness.spec.trial import TrialConfig
from tests.search.simulate import Log, Simulator, evaluation, make_spec, sweep, sweep_in_many_lives

COMPLETE, PRUNED = TrialState.COMPLETE, TrialState.PRUNED
NewStore = Callable[..., StudyStore]
PLACE = Place(node="here", device="cpu", slot=1, threads=1)


def test_search_finished_study_gives_nothing(new_store: NewStore, folder: RunFolder) -> None:
    spec, store = make_spec(trials=6), new_store()
    sweep(spec, store, folder)
    search = Search(spec, new_store(store), folder)
    assert search.next() is None
    assert search.dropped() == []


def test_search_orphans_first_with_their_params(new_store: NewStore, folder: RunFolder) -> None:
    spec, store = make_spec(trials=8), new_store()
    search = Search(spec, store, folder)
    given_out = [search.next() for _ in range(3)]
    config = given_out[1]
    assert config is not None
    search.decide(1, evaluation(config, 1 / 16))
    again = Search(spec, new_store(store), folder)
    assert [again.next(), again.next()] == [given_out[0], given_out[2]]
    fourth = again.next()
    assert fourth is not None and fourth.number == 3


def test_search_same_draws_after_restart(new_store: NewStore, folder: RunFolder) -> None:
    spec, whole, broken = make_spec(trials=14), new_store(), new_store()
    sweep(spec, whole, folder)
    broken, log = sweep_in_many_lives(spec, broken, folder, new_store)
    assert log.kills >= 2
    assert [record.params for record in broken.records()] == [record.params for record in whole.records()]


def test_search_replayed_rungs_go(new_store: NewStore, folder: RunFolder) -> None:
    """Without a snapshot a trial starts again, and what the study knows already is not asked again."""
    spec, store = make_spec(trials=2, confirm=None), new_store()
    search = Search(spec, store, folder)
    configs = [search.next() for _ in range(2)]
    decisions = [search.decide(config.number, evaluation(config, 1 / 16)) for config in configs if config]
    assert decisions.count(Decision.GO) + decisions.count(Decision.PAUSE) >= 1
    again = Search(spec, new_store(store), folder)
    config = again.next()
    assert config is not None
    assert again.resume_from(config.number) == (None, [])
    repeated = evaluation(config, 1 / 16, metrics={"accuracy": 0.0})
    assert again.decide(config.number, repeated) is Decision.GO
    assert again.next() is None, "the other was not promoted"
    ended = [record.state for record in new_store(store).records()]
    assert ended.count(PRUNED) == 1, "a paused trial that no process holds is ended by the search itself"
    assert store.records()[config.number].history[0].metrics["accuracy"] > 0


def worked(config: TrialConfig, fraction: float, start: float) -> Progress:
    """An evaluation with the work of three seconds, as an engine hands it on."""
    span = Span(slot=1, start=start, end=start + 3)
    return evaluation(config, fraction, place=PLACE, span=span)


def test_search_trial_dropped_on_going_on_keeps_its_place_and_time(new_store: NewStore, folder: RunFolder) -> None:
    spec, store = make_spec(trials=2, confirm=None), new_store()
    search = Search(spec, store, folder)
    for at, config in enumerate([search.next() for _ in range(2)]):
        assert config is not None
        search.decide(config.number, worked(config, 1 / 16, 100.0 + at))
    assert {record.place for record in store.records()} == {PLACE}, "known while it runs"
    Search(spec, new_store(store), folder).next()
    dropped = [record for record in store.records() if record.state is PRUNED]
    assert len(dropped) == 1
    assert [(record.place, record.duration_s, record.started_at > 99) for record in dropped] == [(PLACE, 3.0, True)]


def test_search_trial_that_goes_on_keeps_the_time_before(new_store: NewStore, folder: RunFolder) -> None:
    spec, store = make_spec(trials=1), new_store()
    first = Search(spec, store, folder)
    config = first.next()
    assert config is not None
    before = worked(config, 1 / 16, 100.0)
    first.decide(0, before)
    again = Search(spec, new_store(store), folder)
    assert again.next() == config
    after = worked(config, 1.0, 200.0)
    again.decide(0, after)
    record = record_of(
        config, COMPLETE, [before, after], place=PLACE, spans=(Span(slot=0, start=199, end=203),), started_at=198.0
    )
    again.end(record)
    (found,) = store.records()
    assert [(span.start, span.end) for span in found.spans] == [(100, 103), (199, 203)]
    assert (found.started_at, found.duration_s) == (100.0, 7.0)


def test_search_resumes_from_snapshot(new_store: NewStore, folder: RunFolder) -> None:
    spec, store = make_spec(trials=1), new_store()
    log = Log()
    assert not Simulator(Search(spec, store, folder), folder, log).run(most_events=2)
    search = Search(spec, new_store(store), folder)
    config = search.next()
    assert config is not None
    snapshot, history = search.resume_from(0)
    assert snapshot == folder.path / "trials/0/snapshot"
    assert [progress.step for progress in history] == [10, 40]


def test_search_refuses_snapshot_of_another_life(new_store: NewStore, folder: RunFolder) -> None:
    spec, store = make_spec(trials=1), new_store()
    Simulator(Search(spec, store, folder), folder, Log()).run(most_events=2)
    search = Search(spec, new_store(), folder)
    assert search.next() is not None
    assert search.resume_from(0) == (None, []), "the study knows of none of these evaluations"
