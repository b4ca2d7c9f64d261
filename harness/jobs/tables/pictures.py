"""The pictures that `harness predict` is given: files, folders of them, and the column of a table."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from harness.data.kinds import kind_of
from harness.data.pictures.columns import holds_pictures
from harness.data.pictures.find import Picture, find_pictures
from harness.data.pictures.folders import files_below, is_picture
from harness.errors import DataError, nearest
from harness.runtime import expanded
from harness.spec.tasks import Field

__all__ = ["column_of_pictures", "given_pictures", "written_alike"]


def given_pictures(names: Iterable[str]) -> list[Picture]:
    """Returns the pictures that are named, and those in and below the folders that are, in the order of their names.

    Raises:
        DataError: there is no such file or folder, or a folder without pictures.
    """
    pictures: list[Picture] = []
    for name in names:
        path = expanded(name)
        if path.is_dir():
            found = [file for file in files_below(path) if is_picture(file)]
            if not found:
                raise DataError(f"{name}: no picture is in this folder or below it")
            pictures += [Picture(str(file), str(file), file=file) for file in found]
        elif path.is_file():
            pictures.append(Picture(name, name, file=path))
        else:
            beside = [other.name for other in path.parent.iterdir()] if path.parent.is_dir() else []
            raise DataError(f"{name}: there is no such picture, and no folder of pictures{nearest(path.name, beside)}")
    return pictures


def column_of_pictures(table: Path, field: Field, column: str, values: Sequence[Any]) -> list[Any]:
    """Returns the pictures, or the rows of pixels, of a table's column; None for a missing one.

    Raises:
        DataError: a value is no picture, or its file is missing or outside of the table's folder.
    """
    if not holds_pictures(values):
        return kind_of(field).read(table.name, column, values)
    folder = table if table.is_dir() else table.parent
    return find_pictures(table.name, column, values, folder, folder)


def written_alike(values: Sequence[Any], pictures: Sequence[Any]) -> list[Any]:
    """Returns the values of a column as they are written to a table beside predictions: of bytes their names."""
    return [
        picture.name if isinstance(picture, Picture) and picture.content is not None else value
        for value, picture in zip(values, pictures, strict=True)
    ]
