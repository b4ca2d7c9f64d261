"""Opens the engine that a study names. Ray is imported only for its engine."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext

from harness.engines.inline import InlineEngine
from harness.engines.local import LocalEngine
from harness.engines.precisions import Precisions
from harness.engines.protocol import Engine
from harness.errors import look_up
from harness.machine.slots import Slot
from harness.records.rundir import RunFolder
from harness.spec.configure import models_of
from harness.spec.study import StudySpec

__all__ = ["ENGINES", "open_engine"]


@contextmanager
def open_engine(
    spec: StudySpec,
    run: RunFolder,
    slots: Sequence[Slot],
    *,
    warm: str | None = None,
    precisions: Precisions | None = None,
) -> Iterator[Engine]:
    """Yields the engine of `spec`; its warm processes are gone after the block.

    `warm` is the trial function to prepare for; `precisions` gets what `precision: auto` is measured to mean.

    Raises:
        InputError: there is no such engine.
    """
    make = look_up(ENGINES, spec.engine.name, "engine.name")
    timeout_s = spec.budget.trial_minutes * 60 if spec.budget.trial_minutes else None
    with make(spec, run, slots, timeout_s, precisions) as engine:
        if warm is not None and isinstance(engine, LocalEngine):
            engine.warm(warm)
        yield engine


def _inline(
    spec: StudySpec, run: RunFolder, slots: Sequence[Slot], timeout_s: float | None, precisions: Precisions | None
) -> AbstractContextManager[Engine]:
    return nullcontext(
        InlineEngine(run, slots[0], trial_timeout_s=timeout_s, precisions=precisions, models=models_of(spec))
    )


def _local(
    spec: StudySpec, run: RunFolder, slots: Sequence[Slot], timeout_s: float | None, precisions: Precisions | None
) -> AbstractContextManager[Engine]:
    lend = spec.engine.threads_per_slot == "auto"
    return LocalEngine(
        run, slots, trial_timeout_s=timeout_s, lend_threads=lend, precisions=precisions, models=models_of(spec)
    )


def _ray(
    spec: StudySpec, run: RunFolder, slots: Sequence[Slot], timeout_s: float | None, precisions: Precisions | None
) -> AbstractContextManager[Engine]:
    from harness.engines.ray.tune import RayEngine

    return RayEngine(run, spec, slots, trial_timeout_s=timeout_s, precisions=precisions)


Make = Callable[[StudySpec, RunFolder, Sequence[Slot], float | None, Precisions | None], AbstractContextManager[Engine]]
ENGINES: Mapping[str, Make] = {"local": _local, "ray": _ray, "inline": _inline}
