"""What a sweep does as trials come and go, besides writing it down.

Knows nothing of how trials are run; both are `harness.search.watch.Monitor`s.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable

from harness.records.rundir import RunFolder
from harness.records.schema import Progress, TrialRecord
from harness.search.search import Search
from harness.spec.trial import TrialConfig

__all__ = ["AfterStarts", "Tidy"]


class _Ends:
    """A monitor of the ends of trials, and of nothing else unless told."""

    def started(self, config: TrialConfig) -> None:
        """Not of interest."""

    def progressed(self, number: int, progress: Progress) -> None:
        """Not of interest."""

    def paused(self, number: int) -> None:
        """Not of interest."""


class AfterStarts(_Ends):
    """Does what can wait, once the last trial has been started: a start beside it takes twice as long."""

    def __init__(self, search: Search, *actions: Callable[[], object]) -> None:
        self._search, self._actions = search, actions

    def progressed(self, number: int, progress: Progress) -> None:
        if self._search.all_begun:
            self.now()

    def ended(self, record: TrialRecord) -> None:
        if self._search.all_begun:
            self.now()

    def now(self) -> None:
        """Does it, unless it is done."""
        actions, self._actions = self._actions, ()
        for action in actions:
            action()


class Tidy(_Ends):
    """Removes saved weights as soon as better trials make them useless."""

    def __init__(self, run: RunFolder, search: Search) -> None:
        self._run, self._search = run, search

    def ended(self, record: TrialRecord) -> None:
        """Asks the search what nobody needs any more."""
        for number in self._search.unneeded():
            shutil.rmtree(self._run.trial_dir("search", number) / "weights", ignore_errors=True)
