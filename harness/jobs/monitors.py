"""Monitors of a sweep (`harness.search.watch.Monitor`) that act when trials start and end."""

from __future__ import annotations

import shutil
from collections.abc import Callable

from harness.records.rundir import RunFolder
from harness.records.schema import Progress, TrialRecord
from harness.search.search import Search
from harness.spec.trial import TrialConfig

__all__ = ["AfterStarts", "Tidy"]


class _EndMonitor:
    """Base of monitors that act on the end of trials; the other calls do nothing unless they are overridden."""

    def started(self, config: TrialConfig) -> None:
        """Does nothing."""

    def progressed(self, number: int, progress: Progress) -> None:
        """Does nothing."""

    def paused(self, number: int) -> None:
        """Does nothing."""


class AfterStarts(_EndMonitor):
    """Runs `actions` once all trials have been started: a trial that starts beside them takes twice as long."""

    def __init__(self, search: Search, *actions: Callable[[], object]) -> None:
        self._search, self._actions = search, actions

    def progressed(self, number: int, progress: Progress) -> None:
        if self._search.all_begun:
            self.now()

    def ended(self, record: TrialRecord) -> None:
        if self._search.all_begun:
            self.now()

    def now(self) -> None:
        """Runs the actions, unless they have been run."""
        actions, self._actions = self._actions, ()
        for action in actions:
            action()


class Tidy(_EndMonitor):
    """Removes the saved weights of trials that better trials have made unneeded."""

    def __init__(self, run: RunFolder, search: Search) -> None:
        self._run, self._search = run, search

    def ended(self, record: TrialRecord) -> None:
        """Removes the weights that the search no longer needs."""
        for number in self._search.unneeded():
            shutil.rmtree(self._run.trial_dir("search", number) / "weights", ignore_errors=True)
