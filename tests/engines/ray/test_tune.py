"""The Ray engine on this machine, most of it in one session that is joined. Clusters are in test_cluster.py."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import optuna
import psutil
import pytest
import ray
from ray.air.execution._internal import event_manager
from ray.exceptions import OutOfMemoryError, RayActorError

from harness.engines.inline import InlineEngine
from harness.engines.protocol import Engine
from harness.engines.ray import desk as ray_desk
from harness.engines.ray import places as ray_places
from harness.engines.ray import plan as ray_plan
from harness.engines.ray.hooks import Hooks
from harness.engines.ray.session import Session, open_session
from harness.engines.ray.tune import RayEngine
from harness.errors import EngineError, FailReason, InputError
from harness.records.rundir import RunFolder
from harness.records.schema import Progress, TrialRecord
from harness.records.store import StudyStore
from harness.search.search import Search
from harness.search.source import Decision
from harness.spec.study import StudySpec
from harness.testing.engines import COMPLETE, FAIL, PRUNED, EngineContract, make_slots
from harness.testing.fakes import TRIAL, config, diary
from harness.testing.processes import children, until
from harness.testing.source import FakeSource
from tests.engines.ray.home import ray_home_fixture  # noqa: F401

pytestmark = pytest.mark.ray

DIES_ONCE, TROUBLED = "tests.engines.ray.trials:dies_once", "tests.engines.ray.trials:troubled"


def study(**engine: Any) -> StudySpec:
    return StudySpec.model_validate(
        {
            "name": "fake",
            "data": {"path": "nowhere.csv"},
            "model": {"checkpoint": "none"},
            "engine": {"name": "ray", "device": "cpu", **engine},
        }
    )


def searched(pruner: str, **engine: Any) -> StudySpec:
    """A study with something to search."""
    spec = study(**engine).model_dump(mode="json")
    spec["training"] |= {"learning_rate": {"low": 1e-4, "high": 1e-1, "log": True}, "weight_decay": [0.0, 0.01, 0.1]}
    spec["search"] |= {"trials": 8, "sampler": "random", "pruner": {"name": pruner}}
    return StudySpec.model_validate(spec)


def actors() -> list[psutil.Process]:
    """Processes that run trials."""
    return [child for child in children() if "TrialActor" in " ".join(child.cmdline())]


def losses(records: list[TrialRecord]) -> list[list[float]]:
    ordered = sorted(records, key=lambda record: record.number)
    return [[progress.train_loss for progress in record.history] for record in ordered]


@pytest.fixture(scope="module")
def session(ray_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    """A session that is there already: starting one for each test would cost minutes."""
    with open_session(None, make_slots(2), 2, tmp_path_factory.mktemp("logs")) as session:
        yield session
        assert ray.is_initialized(), "a session that was joined is never stopped"


@pytest.mark.usefixtures("session")
class TestRayEngine(EngineContract):
    not_long = (  # the others are marked in conftest.py: every engine passes them, and each takes seconds of Ray's own
        "test_engine_all_recorded",
        "test_engine_failing_trials",
        "test_engine_pause_go_on_drop",
        "test_engine_keeps_weights",
    )

    def make_engine(self, run: RunFolder, slots: int = 1, **options: Any) -> Engine:
        return RayEngine(run, study(max_concurrent=slots), make_slots(slots), **options)

    test_engine_spilled_trials_go_on = None  # type: ignore[assignment]  # standing trials always lie on disk

    def left(self) -> list[psutil.Process]:
        psutil.wait_procs(actors(), timeout=10)
        return actors()


# The known faults of the usual pairing of Optuna and Ray


@dataclass(frozen=True)
class Interrupted:
    """A search that was interrupted after its first end and gone on with: its records, and Optuna's own view."""

    records: list[TrialRecord]
    study: optuna.Study
    data: str


@pytest.fixture(scope="module")
def interrupted(session: Session, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Interrupted]:
    class Stopped(Search):
        def end(self, record: TrialRecord) -> TrialRecord:
            super().end(record)
            raise KeyboardInterrupt

    run, data = RunFolder(tmp_path_factory.mktemp("faults") / "run"), str(tmp_path_factory.mktemp("data"))
    run.create()
    spec = searched("rungs", max_concurrent=2, threads_per_slot=2, resources_per_trial={"cpu": 1})
    store = StudyStore.open(run.database, "fake", ["accuracy"])
    with pytest.raises(KeyboardInterrupt):
        RayEngine(run, spec, ()).run(Stopped(spec, store, run), data, TROUBLED)
    RayEngine(run, spec, ()).run(Search(spec, store, run), data, TROUBLED)
    yield Interrupted(store.records(), optuna.load_study(study_name="fake", storage=f"sqlite:///{run.database}"), data)
    store.close()


def test_ray_stopping_keeps_what_was_raised() -> None:
    """SIGTERM and Ctrl-C have exit codes of their own."""

    class Terminated(KeyboardInterrupt):
        pass

    hooks = Hooks(None, None, None)  # type: ignore[arg-type]
    first = Terminated()
    hooks.stop(first)
    hooks.stop(KeyboardInterrupt())
    assert hooks.error is first


def test_ray_early_stopped_is_pruned(interrupted: Interrupted) -> None:
    states = [record.state for record in interrupted.records]
    assert states.count(PRUNED) >= 3 and states.count(COMPLETE) >= 1
    assert [trial.state.name for trial in interrupted.study.trials] == [state.value for state in states]
    assert all(not record.history[-1].done for record in interrupted.records if record.state is PRUNED)


def test_ray_missing_metric_fails_one_trial(interrupted: Interrupted) -> None:
    (failed,) = [record for record in interrupted.records if record.state is FAIL]
    assert (failed.number, failed.reason) == (2, FailReason.CRASH)
    assert "gives no objective 'accuracy'" in failed.message


def test_ray_first_points_are_not_queued_twice(interrupted: Interrupted) -> None:
    records = interrupted.records
    assert [record.number for record in records] == list(range(8))
    assert len({str(record.params) for record in records}) == 8
    default = {"learning_rate": 5e-5, "weight_decay": 0.01}
    assert [record.number for record in records if default.items() <= record.params.items()] in ([0], [])
    assert records[0].params["weight_decay"] == 0.01, "the default recipe is trial 0"


def test_ray_best_is_not_last(interrupted: Interrupted) -> None:
    complete = [record for record in interrupted.records if record.state is COMPLETE]
    best = max(complete, key=lambda record: record.metrics["accuracy"])
    assert interrupted.study.best_value == best.metrics["accuracy"] > best.history[-1].metrics["accuracy"]


def test_ray_threads_are_ours(interrupted: Interrupted) -> None:
    """Ray would set OMP_NUM_THREADS to the one CPU that a trial reserves."""
    assert {tuple(words) for words in diary(interrupted.data, "environment")} == {("2", "2")}
    assert {record.place.threads for record in interrupted.records if record.place} == {2}


def write_counts(data: str, num_classes: int) -> None:
    """What is known of the classes: a guess has one in `num_classes` right."""
    labels = [str(number) for number in range(num_classes)]
    counts = dict.fromkeys(("train", "validation"), dict.fromkeys(labels, 1))
    (Path(data) / "meta.json").write_text(json.dumps({"labels": labels, "counts": counts}))


@pytest.mark.long
@pytest.mark.usefixtures("session")
def test_ray_hyperband_stops_nobody_while_all_guess(run: RunFolder, data: str) -> None:
    """All rows are of one class, so that a guess has all of them right."""
    spec = searched("ray-hyperband")
    write_counts(data, 1)
    store = StudyStore.open(run.database, "fake", ["accuracy"])
    RayEngine(run, spec, ()).run(Search(spec, store, run), data, TRIAL)
    assert [record.state for record in store.records()] == [COMPLETE] * 8
    store.close()


@pytest.mark.long
@pytest.mark.usefixtures("session")
@pytest.mark.parametrize("pruner", ["ray-asha", "ray-hyperband"])
def test_ray_own_schedulers(run: RunFolder, data: str, pruner: str) -> None:
    spec = searched(pruner)
    write_counts(data, 20)
    store = StudyStore.open(run.database, "fake", ["accuracy"])
    RayEngine(run, spec, ()).run(Search(spec, store, run), data, TRIAL)
    records = store.records()
    states = [record.state for record in records]
    assert len(states) == 8 and set(states) <= {COMPLETE, PRUNED}
    assert PRUNED in states and COMPLETE in states
    assert all(len(record.history) == 1 for record in records if record.state is PRUNED)
    assert not list(run.path.rglob("snapshot*")) and not (run.path / "ray").exists()
    store.close()


@pytest.mark.long
@pytest.mark.usefixtures("session")
def test_ray_population_records_what_it_trained(run: RunFolder, data: str) -> None:
    """With one slot trials take up the training of others that are behind; what is recorded is what is saved."""
    spec = searched("ray-pbt", max_concurrent=1)
    store = StudyStore.open(run.database, "fake", ["accuracy"])
    RayEngine(run, spec, ()).run(Search(spec, store, run), data, TRIAL)
    records = store.records()
    seen = {trial.number: trial.values for trial in store.load()}
    store.close()
    assert [record.state for record in records] == [COMPLETE] * 8
    changed = [record for record in records if record.num_changes]
    assert changed, "the worst took up the training of the best"
    for record in changed:
        first, *_, last = record.mutations
        assert first["params"].keys() == record.params.keys() == last["params"].keys()
        assert first["fraction"] == 0.0 and 0 < last["fraction"] < 1 and last["from"] != record.number
        assert record.config.number == record.number
        assert last["params"] == record.params
        assert record.config.training.learning_rate == record.params["learning_rate"]
    for record in records:
        fractions = [mutation["fraction"] for mutation in record.extra["mutations"]]
        assert sorted(set(fractions)) == fractions, "no evaluation gives rise to two changes"
        steps = [progress.step for progress in record.history]
        assert sorted(set(steps)) == steps and record.history[-1].done
        assert {progress.number for progress in record.history} == {record.number}
        known = {step: value for step, value in seen[record.number].items() if isfinite(value)}
        assert known == {progress.step: progress.metrics["accuracy"] for progress in record.history}, "in Optuna too"
    saved = [record for record in records if record.weights]
    assert saved
    for record in saved:
        loss = json.loads((run.path / str(record.weights) / "model.json").read_text())
        assert loss == record.history[-1].train_loss


@pytest.mark.long
@pytest.mark.usefixtures("session")
def test_ray_population_goes_on_with_trials_of_their_own(run: RunFolder, data: str, tmp_path: Path) -> None:
    """Whose training a trial took up is known no more after an interruption: no record may have another's history."""

    class Stopped(Search):
        def replace_history(self, number: int, history: Sequence[Progress]) -> None:
            super().replace_history(number, history)
            raise KeyboardInterrupt

    spec = searched("ray-pbt", max_concurrent=1)
    store = StudyStore.open(run.database, "fake", ["accuracy"])
    with pytest.raises(KeyboardInterrupt):
        RayEngine(run, spec, ()).run(Stopped(spec, store, run), data, TRIAL)
    RayEngine(run, spec, ()).run(Search(spec, store, run), data, TRIAL)
    records = store.records()
    store.close()
    assert [record.state for record in records] == [COMPLETE] * 8
    unchanged = [record for record in records if not record.num_changes]
    assert unchanged
    other = RunFolder(tmp_path / "alone")
    other.create()
    (tmp_path / "inline").mkdir()
    alone = FakeSource([record.config for record in unchanged])
    InlineEngine(other, make_slots(1)[0]).run(alone, str(tmp_path / "inline"), TRIAL)
    assert losses(unchanged) == losses(alone.records)


@pytest.mark.usefixtures("session")
def test_ray_population_needs_something_to_change(run: RunFolder, data: str) -> None:
    spec = study().model_dump(mode="json")
    spec["search"]["pruner"] = {"name": "ray-pbt"}
    with pytest.raises(InputError, match="'ray-pbt' needs one of learning_rate, weight_decay"):
        RayEngine(run, StudySpec.model_validate(spec), ()).run(FakeSource([config(0)]), data, TRIAL)


# Lost processes


@pytest.mark.long
@pytest.mark.kill
@pytest.mark.usefixtures("session")
def test_ray_killed_process_costs_no_trial(run: RunFolder, data: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_desk, "SAVE_EVERY_S", 0.0)
    configs = [config(0), config(1), config(2)]
    source, calm = FakeSource(configs), FakeSource(configs)
    RayEngine(run, study(max_concurrent=1), ()).run(source, data, DIES_ONCE)
    assert diary(data, "died") == [["1"]]
    assert diary(data, "resume") == [["1", "2"]], "it goes on from what was saved, not from step 0"
    assert [record.state for record in source.records] == [COMPLETE] * 3
    RayEngine(run, study(max_concurrent=1), ()).run(calm, data, DIES_ONCE)
    assert source.calls == calm.calls
    assert losses(source.records) == losses(calm.records)


@pytest.mark.long
@pytest.mark.kill
@pytest.mark.usefixtures("session")
def test_ray_trial_that_kills_its_process_fails_at_last(run: RunFolder, data: str) -> None:
    source = FakeSource([config(0, "killed"), config(1)])
    RayEngine(run, study(max_concurrent=1), ()).run(source, data, TRIAL)
    dead = source.by_number[0]
    assert (dead.state, dead.reason) == (FAIL, FailReason.CRASH)
    assert dead.message.startswith("its process was lost: ") and "(3 times)" in dead.message
    assert "\n" not in dead.message and len(dead.history) == 1 and dead.duration_s > 0
    assert source.by_number[1].state is COMPLETE
    assert len(diary(data, "start")) == 4


@pytest.mark.long
@pytest.mark.kill
@pytest.mark.usefixtures("session")
def test_ray_memory_monitor_costs_one_trial(run: RunFolder, data: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What Ray says of a process that its monitor has killed is not what it says of one that has died."""

    def get(future: Any) -> Any:
        try:
            return ray.get(future)
        except RayActorError:
            raise OutOfMemoryError("Task was killed due to the node running low on memory.") from None

    monkeypatch.setattr(event_manager, "ray", SimpleNamespace(get=get))
    source = FakeSource([config(0, "killed"), config(1)])
    RayEngine(run, study(max_concurrent=1), ()).run(source, data, TRIAL)
    dead = source.by_number[0]
    assert (dead.state, dead.reason) == (FAIL, FailReason.OOM)
    assert dead.message.startswith("its process was lost: Task was killed due to the node running low on memory")
    assert source.by_number[1].state is COMPLETE


@pytest.mark.long
@pytest.mark.kill
@pytest.mark.usefixtures("session")
def test_ray_hanging_trial_is_killed(run: RunFolder, data: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_desk, "GRACE_S", 0.5)
    source = FakeSource([config(0, "busy"), config(1)])
    RayEngine(run, study(max_concurrent=1), (), trial_timeout_s=0.5).run(source, data, TRIAL)
    assert (source.by_number[0].reason, source.by_number[1].state) == (FailReason.TIMEOUT, COMPLETE)
    until(lambda: not psutil.pid_exists(int(diary(data, "asleep")[0][0])))


# Storage that is not the run folder


@pytest.mark.usefixtures("session")
def test_ray_storage_path(run: RunFolder, data: str, tmp_path: Path) -> None:
    """Nodes need not see the run folder: all that is kept comes back to it, and the storage is left empty."""
    spec = study(storage_path=f"file://{tmp_path}/shared")
    source = FakeSource([config(0), config(1, "crash"), config(2), config(3)], pause_at=2, top=2, keep=True)
    RayEngine(run, spec, ()).run(source, data, TRIAL)
    states = [source.by_number[number].state for number in range(4)]
    assert states.count(COMPLETE) >= 1
    for number, state in enumerate(states):
        assert (run.path / f"trials/{number}/weights/model.json").exists() == (state is COMPLETE)
    if states[1] is FAIL:
        assert "what the trial printed" in (run.path / "trials/1/log.txt").read_text()
    assert list((tmp_path / "shared").iterdir()) == []
    assert not list(run.path.rglob("snapshot*"))


@pytest.mark.long
@pytest.mark.usefixtures("session")
def test_ray_storage_keeps_snapshots_for_the_next_coordinator(run: RunFolder, data: str, tmp_path: Path) -> None:
    class Interrupted(FakeSource):
        def decide(self, number: int, progress: Progress) -> Decision:
            if progress.step == 4:
                raise KeyboardInterrupt
            return super().decide(number, progress)

    spec = study(storage_path=str(tmp_path / "shared"), max_concurrent=1)
    with pytest.raises(KeyboardInterrupt):
        RayEngine(run, spec, ()).run(Interrupted([config(0)], pause_at=2), data, TRIAL)
    again = FakeSource([config(0)], folder=run)
    RayEngine(run, spec, ()).run(again, data, TRIAL)
    assert diary(data, "resume") == [["0", "2"], ["0", "2"]]
    assert [progress.step for progress in again.records[0].history] == [2, 4, 8]
    assert not list(run.path.rglob("snapshot*"))


# Errors in one line


@pytest.mark.usefixtures("session")
def test_ray_storage_path_below_a_file(run: RunFolder, data: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(EngineError, match=r"^engine.storage_path: '.*/file/x' cannot be used \(.*Not a directory"):
        RayEngine(run, study(storage_path=str(tmp_path / "file" / "x")), ()).run(FakeSource([config(0)]), data, TRIAL)


@pytest.mark.long
@pytest.mark.usefixtures("session")
def test_ray_trial_function_that_is_not_there(run: RunFolder, data: str) -> None:
    with pytest.raises(EngineError, match=r"^node .* cannot run trials: ModuleNotFoundError: .*'no_such'"):
        RayEngine(run, study(), ()).run(FakeSource([config(0)]), data, "no_such.module:trial")


@pytest.mark.usefixtures("session")
def test_ray_trial_that_fits_nowhere(run: RunFolder, data: str) -> None:
    message = r"^no node has room for a trial \(CPU: 1, GPU: 3; the nodes have CPU: 2, GPU: 0"
    spec = study(resources_per_trial={"cpu": 1, "gpu": 3})
    with pytest.raises(EngineError, match=message):
        RayEngine(run, spec, ()).run(FakeSource([config(0)]), data, TRIAL)


@pytest.mark.usefixtures("session")
def test_ray_node_that_never_comes(run: RunFolder, data: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With `max_concurrent` a cluster may grow for a trial; not for ever."""
    monkeypatch.setattr(ray_plan, "NODE_WITHIN_S", 0.5)
    spec = study(resources_per_trial={"gpu": 3}, max_concurrent=2)
    with pytest.raises(EngineError, match=r"^no node has room for a trial .*, and none came within"):
        RayEngine(run, spec, ()).run(FakeSource([config(0)]), data, TRIAL)


@pytest.mark.usefixtures("session")
def test_ray_run_folder_that_nodes_do_not_see(run: RunFolder, data: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.engines.ray.tune.survey", lambda *arguments: (False, set()))
    with pytest.raises(EngineError, match=r"^not every node sees .*; set engine.storage_path"):
        RayEngine(run, study(), ()).run(FakeSource([config(0)]), data, TRIAL)


@pytest.mark.usefixtures("session")
def test_ray_node_with_other_code(run: RunFolder, data: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_places, "code_hash", lambda: "another")
    with pytest.raises(EngineError, match=r"^node .* has another version of harness"):
        RayEngine(run, study(), ()).run(FakeSource([config(0)]), data, TRIAL)
