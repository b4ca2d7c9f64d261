"""Further files of a table that write the names of its columns in another way."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import pytest

from harness.data import formats
from harness.data.formats import Content, Form, read_files
from harness.data.readers.file import TableFile
from harness.errors import MissingColumn

OTHER = pd.DataFrame({"TEXT": ["c"], "label": ["y"], "more": ["m"]})


def write(folder: Path, ending: str) -> list[Path]:
    """Writes a table of two files, of which the second has one name in another case and a column more."""
    paths = [folder / f"{number}{ending}" for number in range(2)]
    for path, table in zip(paths, (pd.DataFrame({"text": ["a"], "label": ["x"]}), OTHER), strict=True):
        if ending == ".csv":
            table.to_csv(path, index=False)
        elif ending == ".jsonl":
            path.write_text("".join(json.dumps(row) + "\n" for row in table.to_dict("records")))
        else:
            table.to_parquet(path)
    return paths


@pytest.mark.parametrize("ending", [".csv", ".jsonl", ".parquet"])
def test_only_the_wanted_columns_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: str) -> None:
    paths, reader, asked = write(tmp_path, ending), formats.FORMATS[ending], list[Sequence[str] | None]()

    def read(file: TableFile, names: Sequence[str] | None, form: Form) -> Content:
        asked.append(names)
        return reader(file, names, form)

    monkeypatch.setattr(formats, "FORMATS", {**formats.FORMATS, ending: read})
    content = read_files(paths, ["text", "label"])
    assert content.columns == {"text": ["a", "c"], "label": ["x", "y"]}
    assert content.notes == (f"1{ending}: 'text' is read from 'TEXT'",)
    assert asked == [["text", "label"], ["text", "label"], ["TEXT", "label"]]


def test_a_name_that_two_columns_may_be_is_missing(tmp_path: Path) -> None:
    paths = write(tmp_path, ".csv")
    paths[1].write_text("Text,TEXT,label\na,b,x\n")
    with pytest.raises(MissingColumn, match="no column 'text'") as caught:
        read_files(paths, ["text", "label"])
    assert caught.value.present == ("Text", "TEXT", "label")
