"""The searcher, scheduler and callback that Tune calls; all of them ask the desk.

An exception of a hook stops Tune and is kept, so that the engine can raise it again.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Self, TypeVar, cast

import ray
from ray.air.execution._internal.actor_manager import RayActorManager
from ray.exceptions import NodeDiedError, OutOfMemoryError, RayActorError, WorkerCrashedError
from ray.tune import Callback
from ray.tune.experiment import Trial
from ray.tune.schedulers import TrialScheduler
from ray.tune.search import Searcher

from harness.engines.messages import Evaluated
from harness.engines.ray.desk import Desk
from harness.engines.ray.entry import Entry, Verdict
from harness.engines.ray.schedulers import RayPruner
from harness.engines.ray.worker import Order, StepReport
from harness.errors import EngineError, FailReason
from harness.records.schema import Place

__all__ = ["AllTrialsEnded", "DeskCallback", "DeskScheduler", "DeskSearcher", "Hooks", "losses_of_processes"]

Hook = TypeVar("Hook", bound=Callable[..., Any])
#: Texts of Ray's errors when its memory monitor has killed a process.
OUT_OF_MEMORY = ("out of memory", "memory monitor", "low on memory", "outofmemory")
PREEMPTED = "preempt"


class AllTrialsEnded(Exception):
    """Ends Tune's loop when all trials have ended."""


class NotPickled:
    """An object that holds the study, so Tune must neither pickle nor copy it, as it does with what it is given."""

    def __reduce__(self) -> Any:
        return (object, ())

    def __deepcopy__(self, memo: Any) -> Self:
        return self


class Hooks(NotPickled):
    """The state that searcher, scheduler and callback share."""

    def __init__(self, desk: Desk, order: Callable[[Entry], Order], snapshot_of: Callable[[Entry], str]) -> None:
        """`order` returns what an actor gets of a trial; `snapshot_of` the place of a saved attempt's snapshot."""
        self.desk, self.order, self.snapshot_of = desk, order, snapshot_of
        self.error: BaseException | None = None
        self.numbers: dict[str, int] = {}
        self.controller: Any = None

    def number(self, trial: Trial) -> int:
        """Returns our number of a Tune trial; without a searcher Tune creates its trials from a list of numbers."""
        return self.numbers.setdefault(trial.trial_id, trial.config.get("number", -1))

    def folder_name(self, trial: Trial) -> str:
        """Returns Tune's name for the folder of an attempt."""
        entry = self.desk.entry(self.number(trial))
        kind = entry.config.kind if entry is not None else "search"
        return f"{kind}-{self.number(trial)}-{trial.trial_id}"

    def kill_working(self) -> None:
        """Kills the working processes: asked to stop, they would go on to the next evaluation first."""
        for trial in self.controller.get_live_trials() if self.controller is not None else ():
            kill(trial)

    def stop(self, error: BaseException) -> None:
        """Ends Tune's processes after an exception that Tune does not catch; no hook is called after it."""
        self.error = self.error or error
        self.kill_working()
        if self.controller is not None:
            with suppress(Exception):
                self.controller.cleanup()


def kill(trial: Trial) -> None:
    """Kills the process of an attempt, if it has one."""
    actor = trial.temporary_state.ray_actor
    if actor is not None:
        with suppress(Exception):
            ray.kill(actor)


@contextmanager
def losses_of_processes() -> Iterator[None]:
    """Makes Tune treat each end of a process in the block as the end of its actor, and not of the whole run.

    Tune handles `RayActorError` only, and a kill by the memory monitor raises another error.
    """
    failed = RayActorManager._actor_task_failed

    def lost(self: RayActorManager, tracked_actor_task: Any, exception: Exception) -> None:
        if isinstance(exception, (OutOfMemoryError, NodeDiedError, WorkerCrashedError)):
            exception = RayActorError(error_msg=str(exception))
        failed(self, tracked_actor_task, exception)

    RayActorManager._actor_task_failed = lost  # type: ignore[method-assign]
    try:
        yield
    finally:
        RayActorManager._actor_task_failed = failed  # type: ignore[method-assign]


def hook(method: Hook) -> Hook:
    """Keeps an exception that the method raises; after one, hooks do nothing."""

    @functools.wraps(method)
    def called(self: Any, *arguments: Any, **named: Any) -> Any:
        if self.hooks.error is not None:
            return None
        try:
            return method(self, *arguments, **named)
        except BaseException as error:
            self.hooks.error = error
            self.hooks.kill_working()
            raise

    return cast(Hook, called)


class DeskSearcher(NotPickled, Searcher):
    """Gives Tune a trial of the source for each free slot; results go through the scheduler."""

    def __init__(self, hooks: Hooks) -> None:
        super().__init__()
        self.hooks = hooks

    @hook
    def suggest(self, trial_id: str) -> Any:
        desk = self.hooks.desk
        for number in desk.queue.vanished():
            desk.lost(number, FailReason.CRASH, "its process was of no more use")
        desk.queue.fill()
        entry = desk.queue.take_new()
        if entry is None:
            return Searcher.FINISHED if desk.queue.finished else None
        self.hooks.numbers[trial_id] = entry.number
        return {"order": self.hooks.order(entry).model_dump_json()}

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """Does nothing: the scheduler has the result already."""

    def save_to_dir(self, checkpoint_dir: str, session_str: str = "default") -> None:
        """Does nothing: the study is continued from its own records, never from Tune's state."""

    def get_state(self) -> dict[str, Any]:
        return {}

    def set_state(self, state: dict[str, Any]) -> None:
        """Does nothing, as `get_state` saves nothing."""


class DeskScheduler(NotPickled, TrialScheduler):
    """Passes the source's decisions to Tune. `ray_pruner` may stop or pause trials that the source lets go on."""

    def __init__(self, hooks: Hooks, ray_pruner: RayPruner | None = None) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.hooks = hooks
        self._ray_pruner = ray_pruner

    @hook
    def on_trial_add(self, tune_controller: Any, trial: Trial) -> None:
        self.hooks.controller = tune_controller
        self.hooks.desk.queue.added(self.hooks.number(trial), trial)
        if self._ray_pruner is not None:
            self._ray_pruner.added(self.hooks.number(trial), trial)
            self._ray_pruner.scheduler.on_trial_add(tune_controller, trial)

    @hook
    def on_trial_result(self, tune_controller: Any, trial: Trial, result: dict[str, Any]) -> str:
        report = StepReport.model_validate_json(result["report"])
        if report.trouble or report.event is None:
            raise EngineError(f"node {report.node[:12]} cannot run trials: {report.trouble}")
        place = Place(node=report.node, device=report.device, device_name=report.device_name, slot=0, threads=1)
        number, event = self.hooks.number(trial), report.event
        verdict = self.hooks.desk.record_step(number, event, place, report.log)
        goes_on = isinstance(event, Evaluated) and not event.progress.done and verdict in (Verdict.GO, Verdict.SAVE)
        if self._ray_pruner is not None and isinstance(event, Evaluated) and goes_on:
            return self._ray_pruner.ask(number, tune_controller, trial, result, event.progress)
        if verdict is Verdict.SAVE:
            tune_controller._schedule_trial_save(trial)
        return {Verdict.PAUSE: self.PAUSE, Verdict.STOP: self.STOP}.get(verdict, self.CONTINUE)

    def _pruned(self, trial: Trial) -> None:
        """Ends a trial that Ray's scheduler has stopped; does nothing for one that has ended."""
        number = self.hooks.number(trial)
        self.hooks.desk.pruned(number, self._ray_pruner.message(number, trial) if self._ray_pruner is not None else "")

    @hook
    def on_trial_complete(self, tune_controller: Any, trial: Trial, result: dict[str, Any]) -> None:
        self._pruned(trial)
        if self._ray_pruner is not None:
            self._ray_pruner.scheduler.on_trial_complete(tune_controller, trial, result)

    @hook
    def on_trial_remove(self, tune_controller: Any, trial: Trial) -> None:
        self._pruned(trial)
        if self._ray_pruner is not None:
            self._ray_pruner.scheduler.on_trial_remove(tune_controller, trial)

    @hook
    def on_trial_error(self, tune_controller: Any, trial: Trial) -> None:
        if self._ray_pruner is not None:
            self._ray_pruner.scheduler.on_trial_error(tune_controller, trial)
        number, (reason, message) = self.hooks.number(trial), cause_of(trial)
        population = self._ray_pruner is not None and self._ray_pruner.population
        if population and trial.num_failures <= trial.max_failures:
            self.hooks.desk.paused(number)  # Tune itself starts it again, from the last checkpoint
        else:
            counts = PREEMPTED not in message.lower()
            self.hooks.desk.lost(number, reason, message, counts=counts, final=population)

    @hook
    def choose_trial_to_run(self, tune_controller: Any) -> Trial | None:
        desk = self.hooks.desk
        desk.queue.check_room()
        for late in desk.overdue():
            kill(late.attempt)
        for ended in desk.take_ended():
            tune_controller.stop_trial(ended.attempt)
        entry = desk.queue.take_paused()
        if entry is not None:
            return cast(Trial, entry.attempt)
        chosen = (
            self._ray_pruner.scheduler.choose_trial_to_run(tune_controller) if self._ray_pruner is not None else None
        )
        if chosen is not None and chosen.status == Trial.PAUSED:
            desk.queue.resumed(self.hooks.number(chosen))
        return chosen

    def debug_string(self) -> str:
        return "the study decides"


class DeskCallback(NotPickled, Callback):
    """Tells the desk when steps begin and where snapshots are."""

    def __init__(self, hooks: Hooks) -> None:
        self.hooks = hooks

    @hook
    def on_trial_start(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        self.hooks.desk.queue.started(self.hooks.number(trial))

    @hook
    def on_trial_save(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        number = self.hooks.number(trial)
        if entry := self.hooks.desk.entry(number):
            self.hooks.desk.saved(number, self.hooks.snapshot_of(entry))

    def on_experiment_end(self, trials: list[Trial], **info: Any) -> None:
        """Leaves Tune before it reads the result files of all trials, which do not exist.

        Raises:
            AllTrialsEnded: all trials have ended, and all processes are gone.
        """
        if self.hooks.desk.queue.finished and self.hooks.error is None:
            raise AllTrialsEnded


def cause_of(trial: Trial) -> tuple[FailReason, str]:
    """Returns why an attempt was lost, in one line of Ray's error file."""
    text = ""
    with suppress(OSError, TypeError):
        text = Path(trial.error_file).read_text(encoding="utf-8", errors="replace")
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("Failure #")]
    oom = any(words in text.lower() for words in OUT_OF_MEMORY)
    causes = (line for line in reversed(lines) if "because" in line or "died" in line.lower())
    cause = next(iter(lines) if oom else causes, "")
    message = f"its process was lost: {cause}" if cause else "its process was lost"
    return (FailReason.OOM if oom else FailReason.CRASH), message[:300]
