"""Lines of fastText: labels with a prefix beside a text."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from harness.data.formats import Form, read_columns, read_files
from harness.data.read import read_table
from harness.errors import DataError
from harness.spec.study import DataSpec

NAMES = ["text", "label"]


def read(folder: Path, text: str, name: str = "t.txt", **form: Any) -> dict[str, list[Any]]:
    (folder / name).write_text(text, encoding="utf-8")
    return read_files([folder / name], NAMES, Form(**form)).columns


@pytest.mark.parametrize("name", ["t.txt", "t.csv", "t.tsv"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_labels_before_the_text(tmp_path: Path, name: str, end: str) -> None:
    lines = ['__label__pos good, "yes"; it | is', "", "__label__neg\tso,  so ", "__label__très-bien naïve"]
    columns = read(tmp_path, end.join(lines) + end, name)
    assert columns == {
        "text": ['good, "yes"; it | is', "so,  so", "naïve"],
        "label": ["pos", "neg", "très-bien"],
    }


def test_labels_behind_the_text_and_several(tmp_path: Path) -> None:
    lines = "__label__a __label__b one two\nthree __label__c\n__label__a four __label__d __label__e\n__label__f\n"
    assert read(tmp_path, lines) == {
        "text": ["one two", "three", "four", ""],
        "label": [["a", "b"], ["c"], ["a", "d", "e"], ["f"]],
    }


def test_a_line_without_labels_has_none(tmp_path: Path) -> None:
    lines = "__label__a x\n" * 300 + "no label, but the word__label__ is here\n"
    columns = read(tmp_path, lines)
    assert columns["label"][-1] is None
    assert columns["text"][-1] == "no label, but the word__label__ is here"


@pytest.mark.parametrize(
    ("lines", "names", "first"),
    [
        ("label,text\n__label__pos,good film\n__label__neg,bad film\n", NAMES, ("good film", "__label__pos")),
        ("text\tlabel\ngood film\t__label__pos\nbad film\t__label__neg\n", NAMES, ("good film", "__label__pos")),
        ("__label__pos,good film\n__label__neg,bad\n__label__pos,fine\n", ["2", "1"], ("good film", "__label__pos")),
        ("__label__pos\tgood film\n__label__neg\tbad\n__label__pos\tfine\n", ["2", "1"], ("good film", "__label__pos")),
    ],
)
def test_tables_with_the_prefix_are_tables(
    tmp_path: Path, lines: str, names: list[str], first: tuple[str, str]
) -> None:
    (tmp_path / "t.csv").write_text(lines, encoding="utf-8")
    columns = read_columns(tmp_path / "t.csv", names)
    assert tuple(columns[name][0] for name in names) == first


def test_a_delimiter_of_the_study_makes_it_a_table(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no column 'text'"):
        read(tmp_path, "__label__pos good\n__label__neg bad\n", delimiter=",")


def test_another_column_is_told(tmp_path: Path) -> None:
    (tmp_path / "t.txt").write_text("__label__pos good\n__label__neg bad\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"no column 'stars'.*lines with __label__ have the columns text and label"):
        read_columns(tmp_path / "t.txt", ["text", "stars"])


@pytest.mark.parametrize(
    ("task", "labels"), [("text-classification", ["a", "b"]), ("multi-label-classification", [["a"], ["b"]])]
)
def test_tasks_read_the_labels(tmp_path: Path, task: str, labels: list[Any]) -> None:
    lines = "".join(f"__label__{'ab'[at % 2]} text number {at}\n" for at in range(40))
    (tmp_path / "train.txt").write_text(lines, encoding="utf-8")
    (tmp_path / "test.txt").write_text(lines, encoding="utf-8")
    tables = read_table(DataSpec(path=str(tmp_path)), task)
    for frame in (tables.train, tables.test):
        assert frame is not None
        column = frame["label" if task == "text-classification" else "labels"]
        assert [list(value) if isinstance(value, tuple) else value for value in column[:2]] == labels
    assert "train.txt: its lines have labels with __label__, as for fastText; the columns are text and label" in (
        tables.notes
    )
