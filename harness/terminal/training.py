"""Shows one training outside of a sweep, by the view of a sweep: its clock, and the steps of its last evaluation."""

from __future__ import annotations

from harness.records.schema import Progress, TrialRecord
from harness.spec.trial import TrialConfig
from harness.terminal.view import PlainView

__all__ = ["Training"]


class Training:
    """A monitor of one training at a time."""

    def __init__(self, view: PlainView) -> None:
        self._view, self._what = view, ""

    def started(self, config: TrialConfig) -> None:
        """Shows that the training begins."""
        self._what = f"training trial {config.number if config.of is None else config.of}"
        self._view.show_work(self._what)

    def progressed(self, number: int, progress: Progress) -> None:
        """Shows the steps of an evaluation."""
        self._view.update_work(f"{self._what}, step {progress.step:,} of {progress.total_steps:,}")

    def paused(self, number: int) -> None:
        """Does nothing: such a training is not paused."""

    def ended(self, record: TrialRecord) -> None:
        """Shows that the training is over."""
        self._view.update_work(f"{self._what}, trained")
