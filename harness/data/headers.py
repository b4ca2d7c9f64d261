"""Decides once for all splits whether their first lines are headers, where the study names columns by number."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from harness.data.formats import Content
from harness.data.values import number_of
from harness.errors import DataError

__all__ = ["with_one_header"]


def with_one_header(
    contents: Mapping[str, Content], places: Mapping[str, str], read_without: Callable[[str], Content]
) -> dict[str, Content]:
    """Returns the contents of the splits; others than train are read again without a header where train has none.

    A split may lack columns that train has, and the header.

    Args:
        contents: the columns of each split by number; one that a split lacks holds None alone.
        places: the file of each split, for messages.
        read_without: reads a split again, with its first line as a row.

    Raises:
        DataError: the first line of a split may be a header or a row, or is another header than train's.
    """
    train = contents["train"]
    return {split: _checked(split, content, train, places, read_without) for split, content in contents.items()}


def _checked(
    split: str,
    content: Content,
    train: Content,
    places: Mapping[str, str],
    read_without: Callable[[str], Content],
) -> Content:
    if content is train or content.header is None:
        return content
    shared = [name for name, values in content.columns.items() if any(value is not None for value in values)]
    cells = {name: _cell(content.header, name) for name in shared}
    others = {name: _cell(train.header, name) for name in shared} if train.header is not None else {}
    if [cell.casefold() for cell in cells.values()] == [cell.casefold() for cell in others.values()]:
        return content
    is_row = any(_is_value(cells[name], train.columns[name]) for name in shared)
    if is_row or (not others and len(shared) < len(train.columns)):
        return read_without(split)
    if others:
        raise DataError(
            f"{places[split]}: its first line has {_listed(cells)}, where that of {places['train']} has "
            f"{_listed(others)}; give both the same columns below one header"
        )
    raise DataError(
        f"{places[split]}: its first line, with {_listed(cells)}, may be a header, and {places['train']} has none; set "
        "data.header=none if it is a row, and leave it out of the file if it is not"
    )


def _cell(header: Sequence[str], name: str) -> str:
    """Returns the cell of a header in the column of a number, which may be the column's name too."""
    return name if name in header else header[int(name) - 1]


def _is_value(cell: str, values: Sequence[Any]) -> bool:
    """True for a cell that a column has, or for a number where it has numbers alone."""
    return cell in values or (
        number_of(cell) is not None and all(number_of(str(value)) is not None for value in values)
    )


def _listed(cells: Mapping[str, str]) -> str:
    return ", ".join(f"'{cell[:40]}'" for cell in cells.values())
