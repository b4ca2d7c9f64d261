"""Decides which trials keep their weights on disk: the best of each arm so far, its default recipe, and tested models.

No file is touched here: the engine saves weights before a trial ends, and the owner of the run folder deletes them.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Collection

__all__ = ["Keepers"]

Key = tuple[float, ...]


class Keepers:
    """Keeps the weights of the best `top` trials of each arm, and of the trials `always`, however good they are.

    A key sorts the better value first.
    """

    def __init__(self, top: int, num_arms: int, always: Collection[int]) -> None:
        self._top = top
        self._best: list[list[tuple[Key, int]]] = [[] for _ in range(num_arms)]
        self._always = always
        self._saved: dict[int, int] = {}

    def wants(self, number: int, arm: int, key: Key) -> bool:
        """Returns True when the weights of a trial that ends with `key` are to be kept."""
        best = self._best[arm]
        return number in self._always or len(best) < self._top or (key, number) < best[self._top - 1]

    def ended(self, number: int, arm: int, key: Key, *, saved: bool) -> None:
        """Adds a completed trial; `saved` says that its weights are on disk."""
        insort(self._best[arm], (key, number))
        if saved:
            self._saved[number] = arm

    def unneeded(self) -> list[int]:
        """Returns the trials whose saved weights are no longer kept; each trial is returned once."""
        unneeded = [number for number, arm in self._saved.items() if not self._kept(number, arm)]
        for number in unneeded:
            del self._saved[number]
        return unneeded

    def _kept(self, number: int, arm: int) -> bool:
        return number in self._always or any(number == other for _, other in self._best[arm][: self._top])
