"""The job of `harness rerun`: trains one trial again from its record and compares its numbers with the recorded ones.

It runs in a new worker on the recorded device, with the recorded threads and with speed-ups where the trial had them,
in a temporary folder; the study is only read.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from harness.data.prepare import prepare
from harness.data.prepared import PreparedData
from harness.engines.local import LocalEngine
from harness.errors import FailReason, RunError
from harness.jobs.finalists import search_number
from harness.jobs.sweep import TRIAL
from harness.machine.slots import plan_slots
from harness.records.provenance import refuse_other_rows
from harness.records.results import Results
from harness.records.rundir import RunFolder
from harness.records.schema import Place, Progress, Reason, TrialRecord, TrialState, repeating
from harness.runtime import PLAIN, program, shown_path
from harness.search.fixed import FixedList
from harness.search.source import Decision
from harness.search.watch import Monitor, Watched
from harness.spec.study import EngineSpec
from harness.spec.trial import TrialConfig
from harness.stats.metric import COSTS
from harness.tasks import task_of

__all__ = ["Rerun", "RerunNumber", "prepared_data", "rerun", "train_again", "train_once", "trial_of"]

LOSS = "train_loss"
#: Failures that the training itself causes, so that they occur again in a rerun.
OWN_FAILURES = (FailReason.NAN, FailReason.OOM, FailReason.CRASH, FailReason.DATA)
#: Relative differences up to which two numbers are the same. On an accelerator sums have no fixed order: TOLERANCE.
#: On a CPU it is 0 for a loss, and ROUNDING for a score: an earlier version may have summed in another order.
TOLERANCE, ROUNDING = 1e-6, 1e-12


@dataclass(frozen=True, slots=True, kw_only=True)
class RerunNumber:
    """One number of one evaluation: as recorded, and in the new run (NaN: the evaluation is missing)."""

    step: int
    name: str
    recorded: float
    now: float
    same: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Rerun:
    """A trial's record, the record of its new run, and every number of both."""

    recorded: TrialRecord
    now: TrialRecord
    comparisons: tuple[RerunNumber, ...]

    @property
    def same_end(self) -> bool:
        """False when only one of the two runs failed, or both for different reasons."""
        return _own_failure(self.recorded) == _own_failure(self.now)

    @property
    def same(self) -> bool:
        """True when both runs ended the same way, with the same numbers."""
        return self.same_end and all(comparison.same for comparison in self.comparisons)


class StoppedTrial(FixedList):
    """A source of one trial that is stopped after its evaluation at step `last` (None: at its end)."""

    def __init__(self, record: TrialRecord, last: int | None) -> None:
        super().__init__([repeating(record.config, record.history)], keep=False)
        self._last = last

    def decide(self, number: int, progress: Progress) -> Decision:
        super().decide(number, progress)
        return Decision.STOP if self._last is not None and progress.step >= self._last else Decision.GO


def trial_of(results: Results, number: int) -> TrialRecord:
    """The record of a search trial that has ended.

    Raises:
        RunError: there is none, or it has not ended.
    """
    record = next((record for record in results.trials if record.number == number), None)
    if record is None:
        numbers = f"it has 0 to {len(results.trials) - 1}" if results.trials else "it has none yet"
        raise RunError(f"{results.folder} has no trial {number}; {numbers}")
    if not record.state.ended:
        raise RunError(f"trial {number} of {results.folder} has not ended ({record.state.value.lower()})")
    return record if record.place is not None else record.model_copy(update={"place": _place(results, record)})


def _place(results: Results, record: TrialRecord) -> Place:
    """The place of a trial whose record has none: it was paused when a sweep was killed, and never continued."""
    devices = results.manifest.devices
    if not record.history or not devices:
        raise RunError(f"trial {record.number} of {results.folder} never ran: its record names no device")
    return devices[0]


def prepared_data(results: Results) -> PreparedData:
    """The run's data, prepared again where it is no longer in the cache.

    Raises:
        DataError: the data no longer exists.
        RunError: its rows are not those that the run was trained on.
    """
    data = prepare(results.spec)
    recorded = results.manifest.data
    refuse_other_rows(results.manifest, data.meta)
    if not recorded.same_rows(data.meta):
        raise RunError(
            f"{data.meta.source} has changed since {results.folder} was made "
            f"({recorded.changed(data.meta)}): give it back, and try again"
        )
    return data


def rerun(results: Results, number: int, *monitors: Monitor) -> Rerun:
    """Trains search trial `number` again up to its last recorded evaluation, and compares losses and metrics.

    The monitors are told of the training.
    """
    recorded = trial_of(results, number)
    last = None if _own_failure(recorded) or not recorded.history else recorded.history[-1].step
    with _train(results, StoppedTrial(recorded, last), recorded, monitors) as (now, _):
        return Rerun(recorded=recorded, now=now, comparisons=tuple(_compare(recorded, now)))


@contextmanager
def train_again(results: Results, record: TrialRecord, *monitors: Monitor) -> Iterator[tuple[TrialRecord, Path]]:
    """Trains a trial to its end; gives its record and the folder of its weights, which is removed after the block.

    The monitors are told of the training.

    Raises:
        RunError: the training failed.
    """
    config = repeating(record.config, record.history).model_copy(update={"kind": "rerun", "of": search_number(record)})
    with train_once(results, record, config, None, *monitors) as trained:
        yield trained


@contextmanager
def train_once(
    results: Results, record: TrialRecord, config: TrialConfig, data: PreparedData | None, *monitors: Monitor
) -> Iterator[tuple[TrialRecord, Path]]:
    """Trains `config` in the place of a trial's `record`, on `data` or (None) on the run's; as `train_again`."""
    source = FixedList([config], keep=True)
    with _train(results, source, record, monitors, data) as (now, folder):
        if now.state is not TrialState.COMPLETE or now.weights is None:
            raise RunError(f"trial {record.number}, trained again, failed: {now.reason}: {now.message}")
        yield now, folder / now.weights


@contextmanager
def _train(
    results: Results,
    source: FixedList,
    record: TrialRecord,
    monitors: Sequence[Monitor],
    data: PreparedData | None = None,
) -> Iterator[tuple[TrialRecord, Path]]:
    """Runs the one trial of `source` in a new process with the device, threads and speed-ups of `record`."""
    task_of(results.spec.task)  # a task of the user's own is only run where it is trusted
    if record.num_changes:
        raise RunError(
            f"trial {record.number} of {results.folder} cannot be trained again: its values changed during training, "
            f"see mutations in {program()} results {shown_path(results.folder)} --json"
        )
    data = prepared_data(results) if data is None else data
    place = record.place
    if place is None:
        raise RunError(f"trial {record.number} never ran: its record names no device")
    engine = EngineSpec(device=place.device, slots_per_device=1, threads_per_slot=place.threads)
    slots = plan_slots(engine, num_trials=1)
    if record.plain is not None:
        slots = tuple(replace(slot, env=slot.env | {PLAIN: str(int(record.plain))}) for slot in slots)
    with TemporaryDirectory(prefix="harness-rerun-") as folder:
        run = RunFolder(Path(folder))
        LocalEngine(run, slots).run(Watched(source, *monitors), str(data.folder), TRIAL)
        yield next(iter(source.records.values())), run.path


def _own_failure(record: TrialRecord) -> Reason | None:
    """The reason of a failure that the training itself caused; None for other failures and other states.

    A trial whose last evaluation has a NaN was failed by the search, not by its own training.
    """
    finite = all(math.isfinite(value) for progress in record.history[-1:] for value in progress.metrics.values())
    if record.state is not TrialState.FAIL or record.reason not in OWN_FAILURES:
        return None
    return record.reason if finite else None


def _compare(recorded: TrialRecord, now: TrialRecord) -> Iterator[RerunNumber]:
    exact = recorded.place is not None and recorded.place.device == "cpu"
    new_history = {progress.step: progress for progress in now.history}
    for progress in recorded.history:
        for name, value in _numbers(progress):
            missing = progress.step not in new_history
            new_value = math.nan if missing else dict(_numbers(new_history[progress.step])).get(name, math.nan)
            tolerance = TOLERANCE if not exact else 0.0 if name == LOSS else ROUNDING
            same = not missing and _same(value, new_value, tolerance)
            yield RerunNumber(step=progress.step, name=name, recorded=value, now=new_value, same=same)


def _numbers(progress: Progress) -> Sequence[tuple[str, float]]:
    # Speed and memory differ between two runs of the same training.
    scores = [(name, value) for name, value in progress.metrics.items() if name not in COSTS]
    return [(LOSS, progress.train_loss), *scores]


def _same(a: float, b: float, tolerance: float) -> bool:
    return (math.isnan(a) and math.isnan(b)) or math.isclose(a, b, rel_tol=tolerance, abs_tol=0.0)
