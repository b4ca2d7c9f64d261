"""Tells from the cells of a split that its targets are not given, before they are read as targets."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from harness.data.kinds.base import Kind
from harness.data.values import is_missing, number_of

__all__ = ["hidden_target"]


def hidden_target(kind: Kind, values: Sequence[Any], of_train: Sequence[Any]) -> str | None:
    """Returns the one value that all targets of a split have and train lacks; None where they are given.

    Cells of lists, of several columns and of tags hold several values. A single cell is taken for a target.

    Args:
        kind: the kind of the targets.
        values: the cells of the split, as they stand in its source.
        of_train: those of train.
    """
    if sum(not is_missing(value) for value in values) < 2:
        return None
    found = ""
    for part in _parts(kind, values):
        if found and part != found:
            return None
        found = part
    same = _same(found)
    return found if found and all(_same(part) != same for part in _parts(kind, of_train)) else None


def _parts(kind: Kind, values: Sequence[Any]) -> Iterator[str]:
    """Yields the values that the cells hold, but for missing ones."""
    for value in values:
        for part in kind.parts(value):
            if not is_missing(part):
                yield str(part).strip()


def _same(part: str) -> object:
    number = number_of(part)
    return part if number is None else number
