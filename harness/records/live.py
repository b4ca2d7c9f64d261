"""The state of a running sweep: `live.json`, which the coordinator writes and `harness status` reads."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from harness.records.schema import Progress, Stored
from harness.spec.trial import ParamValue, TrialConfig

__all__ = ["Live", "LiveTrial", "is_alive"]


class LiveTrial(Stored):
    """A trial that has not ended, as of its last evaluation; a metric that is NaN is null."""

    number: int
    state: Literal["running", "paused"] = "running"
    params: dict[str, ParamValue] = {}
    step: int = 0
    total_steps: int = 0
    epoch: float = 0.0
    elapsed_s: float = 0.0
    metrics: dict[str, Annotated[float, Field(allow_inf_nan=True)] | None] = {}

    @classmethod
    def of(cls, config: TrialConfig) -> LiveTrial:
        """The trial before its first evaluation."""
        return cls(number=config.number, params=dict(config.params))

    def after(self, progress: Progress) -> LiveTrial:
        """The trial after one more evaluation."""
        return self.model_copy(
            update={
                "step": progress.step,
                "total_steps": progress.total_steps,
                "epoch": progress.epoch,
                "elapsed_s": progress.usage.elapsed_s,
                "metrics": dict(progress.metrics),
            }
        )


class Live(Stored):
    """The coordinator's process, the number of ended trials by state, and the trials that have not ended.

    Times are Unix times in seconds. `total` is the number of trials of the phase, where that is known. `pid` is null
    where no coordinator has written yet.
    """

    pid: int | None = None
    phase: str = "search"
    total: int | None = None
    started_at: float = 0.0
    updated_at: float = 0.0
    ended: dict[str, int] = {}
    active: tuple[LiveTrial, ...] = ()

    def is_alive(self) -> bool:
        """True while the process that wrote this is alive."""
        return self.pid is not None and is_alive(self.pid, self.started_at)


def is_alive(pid: int, since: float) -> bool:
    """True where a process of that id has been alive at least since that Unix time; a younger one is another."""
    import psutil

    try:
        return bool(psutil.Process(pid).create_time() <= since)
    except (psutil.Error, ValueError):
        return False
