"""Finds the files of a table that `harness predict` is given: one file, or a folder that holds one table."""

from __future__ import annotations

import re
from pathlib import Path

from harness.data.folders import FolderFiles, files_of_folder
from harness.data.formats import is_table
from harness.errors import DataError

__all__ = ["files_of_table"]

#: An address, of which the path that is made of it has one slash less.
_ADDRESS = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]+):/+(?P<rest>.*)")
_MAX_LISTED = 5


def files_of_table(path: Path, option: str = "--csv") -> FolderFiles:
    """Returns the files of one table, all of them under the name train: shards and partitions are read as one.

    `option` is the option that names the table on the command line; "" where it stands there without one.

    Raises:
        DataError: the path is an address, or a folder with splits, with several tables or with none; with the remedy.
    """
    if (address := _ADDRESS.fullmatch(str(path))) and not path.exists():
        raise DataError(
            f"{option or 'TABLE'}: '{address['scheme']}://{address['rest']}' is an address; download the file "
            "(curl -LO ...) and give its path"
        )
    given = f"{option} " if option else ""
    if not path.is_dir():
        return FolderFiles({"train": (path,)})
    try:
        found = files_of_folder(path)
    except DataError as error:
        tables = sorted(filter(is_table, path.iterdir()))
        if len(tables) == 1:
            return FolderFiles({"train": (tables[0],)})
        if not tables:
            raise DataError(str(error).replace("data.path", option or "TABLE")) from None
        more = f" and {len(tables) - _MAX_LISTED} more" if len(tables) > _MAX_LISTED else ""
        listed = ", ".join(table.name for table in tables[:_MAX_LISTED])
        raise DataError(
            f"{path}: is a folder of {len(tables)} tables ({listed}{more}), not one; give one: {given}{tables[0]}"
        ) from None
    if len(found.files) == 1:
        return found
    listed = ", ".join(f"{split}: {files[0]}" for split, files in found.files.items())
    last = list(found.files.values())[-1]
    give = last[0] if len(last) == 1 else last[0].parent
    raise DataError(f"{path}: is a folder of splits ({listed}); give one of them: {given}{give}")
