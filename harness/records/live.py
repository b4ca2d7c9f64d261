"""What a coordinator says of itself while it works: `live.json`, which `harness status` reads."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from harness.records.schema import Progress, Stored
from harness.spec.trial import ParamValue, TrialConfig

__all__ = ["Live", "LiveTrial"]


class LiveTrial(Stored):
    """A trial that has not ended, after its last evaluation; `metrics` that are no numbers are null."""

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
    """Who coordinates, how many trials have ended how, and those that have not; Unix times in seconds.

    `total` is how many trials the phase will have, where that is known. Without `pid` nobody has said anything.
    """

    pid: int | None = None
    phase: str = "search"
    total: int | None = None
    started_at: float = 0.0
    updated_at: float = 0.0
    ended: dict[str, int] = {}
    active: tuple[LiveTrial, ...] = ()
