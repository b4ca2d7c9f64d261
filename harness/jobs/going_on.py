"""What a sweep goes on with: the study that the run was begun with, its number of trials, and its decision."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from harness.records.decisions import finish_keys
from harness.records.final import WARNING
from harness.records.manifest import BEHAVIOUR, Manifest, read_manifest
from harness.records.results import decision
from harness.records.rundir import RunFolder
from harness.records.schema import BUDGET
from harness.records.store import CLOSED_AFTER, StudyStore
from harness.records.task_copy import copy_of
from harness.spec.configure import differences
from harness.spec.continuing import as_begun_with
from harness.spec.rungs import rung_fractions
from harness.spec.study import StudySpec

__all__ = [
    "budget_changes_nothing",
    "changed_code",
    "continued",
    "continued_trials",
    "is_finished",
    "is_finished_by_other_version",
    "with_begun_code",
    "with_trials",
]


def continued(spec: StudySpec, run: RunFolder) -> StudySpec:
    """The study for continuing a run: keys that `spec` does not set have the values that the run was begun with.

    Raises:
        RunError: the run's manifest cannot be read.
    """
    earlier = read_manifest(run)
    return as_begun_with(spec, earlier.spec) if earlier else spec


def continued_trials(spec: StudySpec, run: RunFolder, command: Sequence[str]) -> int | None:
    """The recorded number of trials where the study holds more than `spec` asks for; None where that of `spec` counts.

    So a study that was continued is not taken back by the command that began it. A smaller number that is given on the
    command line ends a study early, but does not decide it again.
    """
    recorded = read_manifest(run)
    if recorded is None or recorded.spec.search.trials <= spec.search.trials:
        return None
    with _stored(recorded.spec, run) as store:
        ends_early = any(map(_is_trials, command)) and decision(store) is None
        counts = len(store.records()) > spec.search.trials and not ends_early
    return recorded.spec.search.trials if counts else None


def with_trials(command: Sequence[str], trials: int) -> list[str]:
    """The command line with `trials` as its number of trials."""
    return [*(word for word in command if not _is_trials(word)), f"search.trials={trials}"]


def _is_trials(word: str) -> bool:
    return word.startswith("search.trials=")


def is_finished_by_other_version(spec: StudySpec, run: RunFolder) -> bool:
    """True when a version of another behaviour number has finished this study."""
    earlier = read_manifest(run)
    return earlier is not None and earlier.behaviour != BEHAVIOUR and is_finished(spec, earlier.spec, run)


def is_finished(spec: StudySpec, recorded: StudySpec, run: RunFolder) -> bool:
    """True when the study that the run was begun with is this one, and is finished."""
    if differences(recorded, spec, free=("data.path",)):
        return False
    with _stored(spec, run) as store:
        decided = decision(store)
    return decided is not None and decided.of == finish_keys(spec)


def budget_changes_nothing(store: StudyStore, budget_minutes: float | None) -> str | None:
    """Says that a larger budget does not bring back trials that were given up; None where there are none."""
    closed_after = store.get(CLOSED_AFTER)
    is_larger = closed_after is not None and (budget_minutes is None or budget_minutes > closed_after)
    given_up = sum(record.message == BUDGET for record in store.records())
    if not is_larger or not given_up:
        return None
    return (
        f"trials that were given up after {closed_after:g} minutes ({given_up}) are not trained on with a larger "
        "budget; search.trials=N adds new ones"
    )


@contextmanager
def _stored(spec: StudySpec, run: RunFolder) -> Iterator[StudyStore]:
    """Opens the store of a run that has one."""
    rungs = rung_fractions(spec)
    store = StudyStore.open(run.storage(spec), spec.name, spec.search.objectives, rungs=rungs, create=False)
    try:
        yield store
    finally:
        store.close()


def changed_code(recorded: Manifest | None, task: str) -> list[str]:
    """Warns where the file of a user's task is another one than the run was begun with."""
    then, now = recorded.task if recorded else None, copy_of(task)
    if then is None or now is None or not then.code_sha256 or then.code_sha256 == now.code_sha256:
        return []
    what = "trials of before and after may not be comparable (--fresh begins again)"
    return [f"{WARNING}the code of {task} has changed since this run was begun: {what}"]


def with_begun_code(now: Manifest, recorded: Manifest | None) -> Manifest:
    """The manifest with the hash of the task's code that the run was begun with, so that every continuation warns."""
    if recorded is None or recorded.task is None or now.task is None or not recorded.task.code_sha256:
        return now
    task = now.task.model_copy(update={"code_sha256": recorded.task.code_sha256})
    return now.model_copy(update={"task": task})
