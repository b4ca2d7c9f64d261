"""What `harness predict --out` writes is read back as it was, and what cannot be written is refused."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from harness.cli import app
from harness.cli.prediction_files import as_csv, check_out, write_out, written, written_rows
from harness.data.formats import read_files
from harness.errors import DataError, InputError
from tests.conftest import num_examples

SHORT = settings(
    max_examples=num_examples(40), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
TEXTS = ["a cat", 'a "b", c', "=1+1", "\u00fc \U0001f600", " 007 ", "#N/A", "NA"]


def test_out_replaces_the_file_behind_a_link(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("old", encoding="utf-8")
    (tmp_path / "link").symlink_to("file")
    write_out(tmp_path / "link", b"new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "file").read_text(encoding="utf-8") == "new"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "link"]


def test_out_that_cannot_be_written_whole_is_left_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    (tmp_path / "file").write_text("old", encoding="utf-8")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(InputError, match="cannot be written: No space left on device"):
        write_out(tmp_path / "file", b"new")
    assert (tmp_path / "file").read_text(encoding="utf-8") == "old"


def test_out_that_is_a_pipe_is_written_to(tmp_path: Path) -> None:
    pipe, found = tmp_path / "pipe", list[str]()
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: found.append(pipe.read_text(encoding="utf-8")))
    reader.start()
    write_out(pipe, b"new\n")
    reader.join()
    assert found == ["new\n"]
    assert pipe.is_fifo()


def test_out_that_is_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be written: Is a directory"):
        write_out(tmp_path, b"new")


def test_csv_quotes_what_needs_it() -> None:
    assert as_csv({"text": ['a "b", c\nd'], "label": ["x"]}) == 'text,label\n"a ""b"", c\nd",x\n'


def read_back(path: Path) -> dict[str, list[Any]]:
    return read_files([path], None).columns


def table(values: dict[str, list[Any]], path: Path) -> dict[str, list[Any]]:
    """Returns a table that was written and read back."""
    write_out(path, written(path, values))
    return read_back(path)


@pytest.mark.parametrize("name", ["o.csv", "o.tsv", "o.json", "o.JSONL", "o.ndjson", "o.parquet", "o.pq", "o.xlsx"])
def test_what_is_written_is_read_back(tmp_path: Path, name: str) -> None:
    if name == "o.xlsx":
        pytest.importorskip("openpyxl")
    texts = [text for text in TEXTS if name != "o.xlsx" or text != "#N/A"]  # what Excel shows for no value
    numbers = [at / 4 for at in range(len(texts))]
    found = table({"text": texts, "probability": numbers}, tmp_path / name)
    assert found["text"] == texts
    assert [float(value) for value in found["probability"]] == numbers


@SHORT
@given(
    rows=st.lists(st.tuples(st.text(max_size=20), st.sampled_from(["no", "yes"])), min_size=1, max_size=6),
    name=st.sampled_from(["o.jsonl", "o.json", "o.parquet"]),
)
def test_any_text_is_read_back(rows: list[tuple[str, str]], name: str, tmp_path: Path) -> None:
    values = {"text": [text for text, _ in rows], "label": [label for _, label in rows]}
    assert table(values, tmp_path / name) == values


@pytest.mark.parametrize("name", ["o.jsonl", "o.parquet"])
def test_types_are_kept_where_the_format_has_them(tmp_path: Path, name: str) -> None:
    values = {"words": [["a", "b"], None], "number": [1, None], "score": [0.5, float("nan")], "yes": [True, False]}
    assert table(values, tmp_path / name) == {**values, "score": [0.5, None]}


def test_column_of_several_types_and_half_a_character_are_written_as_text(tmp_path: Path) -> None:
    found = table({"x": [1, "two", None], "y": ["\ud800", "b", "c"], "z": [10**30, 1, 2]}, tmp_path / "o.parquet")
    assert found == {"x": ["1", "two", None], "y": ["\ufffd", "b", "c"], "z": [str(10**30), "1", "2"]}


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("o.tsv", "a\tb", r"o.tsv: row 1 holds a tab or a line break \('a\\tb'\), which a TSV cannot; name a .csv"),
        ("o.xlsx", "a\x01", "o.xlsx: row 1 holds a control character, which Excel cannot; name a .csv"),
        ("o.xlsx", "a" * 40_000, "row 1 holds a text of 40,000 characters, and a cell of Excel 32,767 at most"),
    ],
)
def test_what_a_format_cannot_hold_is_refused(name: str, text: str, message: str) -> None:
    if name == "o.xlsx":
        pytest.importorskip("openpyxl")
    with pytest.raises(DataError, match=message):
        written(Path(name), {"text": [text]})


@pytest.mark.parametrize(
    ("name", "json_alone", "message"),
    [
        ("o.txt", False, "--out .*o.txt: '.txt' is no format that is written; allowed: .csv, .tsv, .json, .jsonl, "),
        ("o", False, "its name has no ending to say the format that is written; allowed: .csv"),
        ("o.csv", True, "'.csv' is no format that is written with --json; allowed: .json, .jsonl, .ndjson$"),
    ],
)
def test_name_of_no_format_is_refused(tmp_path: Path, name: str, json_alone: bool, message: str) -> None:
    with pytest.raises(InputError, match=message):
        check_out(tmp_path / name, [], json_alone=json_alone)


def test_table_that_is_read_is_not_written(tmp_path: Path) -> None:
    given_table, link, hard = tmp_path / "a.csv", tmp_path / "link.csv", tmp_path / "hard.csv"
    given_table.write_text("text\na\n", encoding="utf-8")
    link.symlink_to("a.csv")
    hard.hardlink_to(given_table)
    for out in (given_table, link, hard, tmp_path / "." / "a.csv"):
        with pytest.raises(InputError, match=r"is the table that is read .*; give another name"):
            check_out(out, [given_table], json_alone=False)
    check_out(tmp_path / "b.csv", [given_table], json_alone=False)


def test_folder_that_is_not_there_is_told_before_anything_is_predicted(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none/o\.csv cannot be written: No such file or directory"):
        check_out(tmp_path / "none" / "o.csv", [], json_alone=False)


def test_long_ids_keep_their_digits_in_excel(tmp_path: Path) -> None:
    pytest.importorskip("openpyxl")
    ids = [1_589_000_000_000_000_001, -(10**15), 10**15 - 1]
    assert table({"id": ids, "text": ["a", "b", "c"]}, tmp_path / "o.xlsx")["id"] == [*map(str, ids[:2]), ids[2]]


def test_rows_are_written_as_the_name_says() -> None:
    rows = [{"label": "a"}, {"label": "b"}]
    assert written_rows(Path("o.jsonl"), rows) == b'{"label": "a"}\n{"label": "b"}\n'
    assert written_rows(Path("o.json"), rows) == written_rows(None, rows)


def test_predict_writes_parquet_and_keeps_its_input(smoke_run: Path, tmp_path: Path) -> None:
    source = tmp_path / "t.csv"
    source.write_text("text\na cat\na soup\n", encoding="utf-8")
    command = ["predict", str(smoke_run / "best"), "--csv", str(source), "--out"]
    done = CliRunner().invoke(app, [*command, str(tmp_path / "o.parquet")])
    assert done.exit_code == 0, done.output
    found = read_back(tmp_path / "o.parquet")
    assert found["text"] == ["a cat", "a soup"]
    assert set(found["label"]) <= {"animal", "food", "weather"}
    assert all(isinstance(value, float) for value in found["probability"])
    refused = CliRunner().invoke(app, [*command, str(source)])
    assert (refused.exit_code, source.read_text(encoding="utf-8")) == (2, "text\na cat\na soup\n")
