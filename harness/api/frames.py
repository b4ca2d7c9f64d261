"""Data frames as data: each is written once as Parquet into the cache, under a name that is a hash of its content."""

from __future__ import annotations

import hashlib
import io
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeGuard

from harness.errors import DataError, InputError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["frame_file", "is_frame", "table_file"]

#: The folder of the cache with the tables.
FRAMES = "frames"


def is_frame(value: Any) -> TypeGuard[pd.DataFrame]:
    """True for a pandas data frame; imports no pandas, because who has a frame has imported it."""
    pandas = sys.modules.get("pandas")
    return pandas is not None and isinstance(value, pandas.DataFrame)


def table_file(data: str | Path | pd.DataFrame) -> Path:
    """The path of a table: of a data frame that of its file in the cache.

    Raises:
        InputError: it is neither a path nor a frame.
        DataError: a column of the frame holds what a table cannot.
    """
    if isinstance(data, (str, Path)):
        return Path(data)
    if not is_frame(data):
        raise InputError(f"a table is a path or a pandas data frame, not {type(data).__name__}")
    return frame_file(data)


def frame_file(frame: pd.DataFrame) -> Path:
    """Writes the columns of a data frame as Parquet, unless that file is there, and returns its path in the cache.

    The index is left out. Frames of equal columns have one file, so a study on such a frame goes on.

    Raises:
        DataError: a column holds what a table cannot, or two columns have one name.
    """
    import pyarrow as pa
    from pyarrow import parquet

    from harness.data.cache import default_cache, private_folder
    from harness.records.files import write_bytes

    try:
        table = pa.Table.from_pandas(frame, preserve_index=False).replace_schema_metadata(None)
        stream = io.BytesIO()
        parquet.write_table(table, stream)
    except (pa.ArrowException, ValueError, TypeError) as error:
        reason = " ".join(map(str, error.args)) or type(error).__name__
        raise DataError(
            f"the data frame cannot be written as a table ({reason}); give each column a name of its own and values of "
            "one type: texts, numbers, or lists of them"
        ) from None
    content = stream.getvalue()
    path = private_folder(default_cache() / FRAMES) / f"{hashlib.sha256(content).hexdigest()}.parquet"
    return path if path.is_file() else write_bytes(path, content, private=True)
