"""Whose weights are worth their disk space: the best trials of each arm so far, and its default recipe.

Knows nothing of files: the engine saves before a trial ends, and whoever owns the run folder deletes.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Collection

__all__ = ["Keepers"]

Key = tuple[float, float]


class Keepers:
    """Keeps `top` trials an arm, and the default recipes, which the report compares the winner with.

    A key sorts the better value first.
    """

    def __init__(self, top: int, num_arms: int, defaults: Collection[int]) -> None:
        self._top = top
        self._best: list[list[tuple[Key, int]]] = [[] for _ in range(num_arms)]
        self._defaults = defaults
        self._saved: dict[int, int] = {}

    def wants(self, number: int, arm: int, key: Key) -> bool:
        """True when a trial that ends with `key` is among those worth keeping."""
        best = self._best[arm]
        return number in self._defaults or len(best) < self._top or (key, number) < best[self._top - 1]

    def ended(self, number: int, arm: int, key: Key, *, saved: bool) -> None:
        """A trial completed; `saved` when its weights are on disk."""
        insort(self._best[arm], (key, number))
        if saved:
            self._saved[number] = arm

    def unneeded(self) -> list[int]:
        """Trials whose saved weights are no longer among the kept; each told once."""
        gone = [number for number, arm in self._saved.items() if not self._kept(number, arm)]
        for number in gone:
            del self._saved[number]
        return gone

    def _kept(self, number: int, arm: int) -> bool:
        return number in self._defaults or any(number == other for _, other in self._best[arm][: self._top])
