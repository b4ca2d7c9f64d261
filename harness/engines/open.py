"""Which engine a study asks for, opened.

Knows nothing of trials. Ray is imported only when it is asked for.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from harness.engines.inline import InlineEngine
from harness.engines.local import LocalEngine
from harness.engines.precisions import Precisions
from harness.engines.protocol import Engine
from harness.machine.slots import Slot
from harness.records.rundir import RunFolder
from harness.spec.study import StudySpec

__all__ = ["open_engine"]


@contextmanager
def open_engine(
    spec: StudySpec,
    run: RunFolder,
    slots: Sequence[Slot],
    *,
    warm: str | None = None,
    precisions: Precisions | None = None,
) -> Iterator[Engine]:
    """The engine of `spec`; what it keeps warm is gone after the block.

    `warm` is the trial function to get ready for; `precisions` is told what `precision: auto` is measured to mean.
    """
    timeout_s = spec.budget.trial_minutes * 60 if spec.budget.trial_minutes else None
    if spec.engine.name == "inline":
        yield InlineEngine(run, slots[0], trial_timeout_s=timeout_s, precisions=precisions)
    elif spec.engine.name == "ray":
        from harness.engines.ray.tune import RayEngine

        with RayEngine(run, spec, slots, trial_timeout_s=timeout_s, precisions=precisions) as ray_engine:
            yield ray_engine
    else:
        lend = spec.engine.threads_per_slot == "auto"
        with LocalEngine(run, slots, trial_timeout_s=timeout_s, lend_threads=lend, precisions=precisions) as engine:
            if warm is not None:
                engine.warm(warm)
            yield engine
