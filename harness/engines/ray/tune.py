"""The Ray engine: Ray Tune runs the trials, on one machine or on a cluster.

Tune calls a searcher and a scheduler of ours, which ask the source. Every run is a new `Tuner` over the study;
`Tuner.restore`, which loads pickles, is never used.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from ray import tune

from harness.data.prepared import PreparedData
from harness.engines.active import MOST_LOSSES
from harness.engines.precisions import Precisions
from harness.engines.ray.desk import Desk
from harness.engines.ray.entry import Entry
from harness.engines.ray.environment import changed_environment
from harness.engines.ray.hooks import (
    AllTrialsEnded,
    DeskCallback,
    DeskScheduler,
    DeskSearcher,
    Hooks,
    losses_of_processes,
)
from harness.engines.ray.measure import measure_nodes
from harness.engines.ray.places import RunPlaces, StoragePlaces, checkpoint_folders, parcels_for, survey
from harness.engines.ray.plan import Room, plan_trials
from harness.engines.ray.schedulers import RayPruner, make_scheduler
from harness.engines.ray.session import Session, open_session
from harness.engines.ray.worker import Job, Order, TrialActor
from harness.errors import EngineError
from harness.machine import resources
from harness.machine.slots import Slot
from harness.records.rundir import RunFolder
from harness.records.schema import as_begun
from harness.search.source import TrialSource
from harness.spec.configure import models_of
from harness.spec.rungs import POPULATION
from harness.spec.study import StudySpec
from harness.tasks import task_of

__all__ = ["RayEngine"]

#: Turns off what Tune does besides: result files of trials, its own Ctrl-C, output, its own saved state.
TUNE = {
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",
    "TUNE_PRINT_ALL_TRIAL_ERRORS": "0",
    "TUNE_GLOBAL_CHECKPOINT_S": "1e9",
    "RAY_AIR_NEW_OUTPUT": "0",
}


class RayEngine:
    """Runs trials in warm actors of Ray.

    Inside a `with` block the session outlives `run`; without one it is closed when `run` returns. A session that
    this process is in already, or that of `engine.address`, is joined and not closed.
    """

    name = "ray"

    def __init__(
        self,
        run: RunFolder,
        spec: StudySpec,
        slots: Sequence[Slot],
        *,
        trial_timeout_s: float | None = None,
        precisions: Precisions | None = None,
    ) -> None:
        """`slots` are those of this machine, for a session of our own; with `precisions` nodes measure `auto`."""
        self._run, self._spec, self._slots = run, spec, slots
        self._timeout_s = trial_timeout_s
        self._precisions = precisions
        self._depth = 0
        self._stack = ExitStack()
        self._session: Session | None = None

    def __enter__(self) -> Self:
        self._depth += 1
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._depth -= 1
        if error is not None or self._depth == 0:
            self._session = None
            self._stack.__exit__(kind, error, trace)
            with suppress(OSError):
                (self._run.path / "ray").rmdir()

    def run(self, source: TrialSource, data: str, trial_fn: str) -> None:
        """Runs all trials of `source`.

        Raises:
            EngineError: Ray does not start, no node can run a trial, or Tune fails.
        """
        with self:
            session = self._open()  # before a trial is claimed, so that none is RUNNING if Ray does not start
            places = self._places()
            desk = Desk(source, self._run, places, trial_timeout_s=self._timeout_s)
            if not desk.queue.claim():
                return
            Run(self._run, self._spec, session, self._slots, desk, places, data, self._precisions).fit(trial_fn)

    def _places(self) -> RunPlaces | StoragePlaces:
        path = self._spec.engine.storage_path
        return StoragePlaces(self._run, path) if path else RunPlaces(self._run)

    def _open(self) -> Session:
        if self._session is None:
            engine = self._spec.engine
            threads = sum(slot.place.threads for slot in self._slots)
            num_cpus = resources.cores() if engine.resources_per_trial else max(1, threads)
            opened = open_session(engine.address, self._slots, num_cpus, self._run.path / "ray" / "logs")
            self._session = self._stack.enter_context(opened)
        return self._session


class Run:
    """One run of a source in an open session."""

    def __init__(
        self,
        run: RunFolder,
        spec: StudySpec,
        session: Session,
        slots: Sequence[Slot],
        desk: Desk,
        places: RunPlaces | StoragePlaces,
        data: str,
        precisions: Precisions | None = None,
    ) -> None:
        self._run, self._spec, self._session, self._desk, self._places = run, spec, session, desk, places
        self._data, self._precisions = data, precisions
        self._plan = plan_trials(spec.engine, slots, session.resources(), private=session.private)
        self._room = Room(self._plan, session.capacity, session.resources)
        self._hooks = Hooks(desk, self._order, places.snapshot)
        self._ray_pruner = self._make_ray_pruner()
        desk.open(
            self._num_slots, session.node_name, threads=self._plan.threads, ray_pauses=self._ray_pruner is not None
        )

    def _make_ray_pruner(self) -> RayPruner | None:
        """Returns Ray's own scheduler where the study names one; it prunes search trials only."""
        entries = [self._desk.entry(number) for number in self._desk.numbers]
        if any(entry is not None and entry.config.kind != "search" for entry in entries):
            return None
        scheduler = make_scheduler(self._spec)
        if scheduler is None:
            return None
        population = self._spec.search.pruner.name == POPULATION
        chance = {} if population else task_of(self._spec.task).chance(PreparedData(Path(self._data)))
        return RayPruner(self._spec, scheduler, self._desk, self._order, chance)

    @property
    def _population(self) -> bool:
        return self._ray_pruner is not None and self._ray_pruner.population

    def _num_slots(self) -> int:
        return max(self._room(), self._ray_pruner.ahead) if self._ray_pruner is not None else self._room()

    def _order(self, entry: Entry) -> Order:
        config = as_begun(entry.config, entry.history)
        return Order(config=config, folder=self._places.folder(entry), resume=entry.resume)

    def fit(self, trial_fn: str) -> None:
        """Runs Tune until all trials have ended."""
        while self._population and self._desk.queue.claim():
            pass
        try:
            with changed_environment(TUNE | {"TUNE_MAX_PENDING_TRIALS_PG": self._most()}):
                self._tune(self._tuner(self._trainable(trial_fn)))
        finally:
            self._places.close(finished=self._desk.queue.finished)

    def _tuner(self, trainable: Any) -> tune.Tuner:
        try:
            return tune.Tuner(trainable, **self._configs())
        except OSError as error:
            path = self._spec.engine.storage_path
            where = f"engine.storage_path: '{path}'" if path else str(self._run.path)
            raise EngineError(f"{where} cannot be used ({_last_line(error)})") from error

    def _most(self) -> str:
        """Returns how many trials may wait for resources at once."""
        return str(len(self._desk.numbers) if self._population else self._num_slots())

    def _tune(self, tuner: tune.Tuner) -> None:
        try:
            with losses_of_processes():
                tuner.fit()
        except AllTrialsEnded:
            return
        except BaseException as error:
            if not isinstance(error, Exception):
                self._hooks.stop(error)
            if self._hooks.error is not None:
                raise self._hooks.error from None
            if not isinstance(error, Exception):
                raise
            raise EngineError(f"Ray Tune failed: {_last_line(error)}") from error
        if self._hooks.error is not None:
            raise self._hooks.error
        if not self._desk.queue.finished:
            raise EngineError("Ray Tune stopped before the study was finished; run it again to go on")

    def _trainable(self, trial_fn: str) -> Any:
        """Returns the actor's class with the job that all trials share and the resources of one trial."""
        paths = {self._data: str(Path(self._data).absolute())} | checkpoint_folders(self._spec)
        sees_run, missing = survey(self._session, self._run, list(paths.values()), self._plan.need)
        if not sees_run and not self._places.storage:
            raise EngineError(
                f"not every node sees {self._run.path}; set engine.storage_path to a folder or URL that all nodes see"
            )
        parcels, refs = parcels_for(paths, missing)
        job = Job(
            data=self._data,
            trial_fn=trial_fn,
            threads=self._plan.threads,
            device=self._spec.engine.device,
            storage=self._places.storage,
            by_value=bool(self._places.storage) or self._population,
            parcels=parcels,
            models=models_of(self._spec),
            environment={name: str(self._plan.threads) for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS")},
        )
        job = self._measured(job, refs)
        shared = tune.with_parameters(TrialActor, job=job.model_dump_json(), refs=refs)
        return tune.with_resources(shared, tune.PlacementGroupFactory([dict(self._plan.need)]))

    def _measured(self, job: Job, refs: Mapping[str, Any]) -> Job:
        """Returns the job with what `precision: auto` means on each kind of node."""
        entry = self._desk.entry(min(self._desk.numbers, default=-1))
        if self._precisions is None or entry is None:
            return job
        if not self._precisions.choices:
            measure_nodes(self._session, self._plan.need, job, refs, entry.config, self._precisions)
        return job.model_copy(update={"precisions": self._precisions.choices})

    def _configs(self) -> dict[str, Any]:
        storage, _, name = self._places.tune.rpartition("/")
        searching: dict[str, Any] = {"search_alg": DeskSearcher(self._hooks), "num_samples": -1}
        return {
            "param_space": {"number": tune.grid_search(self._desk.numbers)} if self._population else None,
            "tune_config": tune.TuneConfig(
                **{} if self._population else searching,
                scheduler=DeskScheduler(self._hooks, self._ray_pruner),
                reuse_actors=True,
                trial_dirname_creator=self._hooks.folder_name,
            ),
            "run_config": tune.RunConfig(
                name=name,
                storage_path=storage,
                callbacks=[DeskCallback(self._hooks)],
                checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
                # Without a searcher, Tune itself has to start a lost trial again.
                failure_config=tune.FailureConfig(max_failures=MOST_LOSSES if self._population else 0),
                verbose=0,
            ),
        }


def _last_line(error: BaseException) -> str:
    """Returns the last line of an error: Tune's errors are whole tracebacks."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[-1] if lines else type(error).__name__)[:300]
