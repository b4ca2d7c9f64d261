"""CoNLL files: columns by number, sentences, comments, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.data.formats import Form, read_files
from harness.errors import DataError, MissingColumn


def read(folder: Path, name: str, text: str, names: list[str] | None, by_word: bool = False) -> dict[str, list[object]]:
    (folder / name).write_text(text, encoding="utf-8")
    return read_files([folder / name], names, Form(by_word=by_word)).columns


def test_columns_are_separated_by_tabs_or_white_space(tmp_path: Path) -> None:
    text = "# id = 7\nNew York\tNN\tB-LOC\n\n\n-DOCSTART- -X- O\n\nU.N. NNP B-ORG\nin IN O\n"
    found = read(tmp_path, "t.conll", text, ["text", "2", "label"])
    assert found == {
        "text": [["New York"], ["U.N.", "in"]],
        "2": [["NN"], ["NNP", "IN"]],
        "label": [["B-LOC"], ["B-ORG", "O"]],
    }
    assert read(tmp_path, "t.conll", text, None).keys() == {"words", "tags"}


def test_conllu(tmp_path: Path) -> None:
    text = "# text = au lit\n1-2\tau\t_\t_\n1\tà\tà\tADP\n2\tle\tle\tDET\n\n"
    assert read(tmp_path, "t.conllu", text, ["text", "label"]) == {"text": [["à", "le"]], "label": [["ADP", "DET"]]}


def test_a_word_that_begins_with_a_hash_is_a_word(tmp_path: Path) -> None:
    assert read(tmp_path, "t.conll", "#tag O\n# O\n", ["text"]) == {"text": [["#tag", "#"]]}


def test_a_text_table_stays_a_table(tmp_path: Path) -> None:
    text = "text\tlabel\na b\tO O\nc d\tB-X O\n"
    assert read(tmp_path, "t.tsv", text, ["text"], by_word=True) == {"text": ["a b", "c d"]}
    assert read(tmp_path, "s.tsv", "a\tO\n\nb\tO\n", ["text"], by_word=True) == {"text": [["a"], ["b"]]}


@pytest.mark.parametrize(
    ("text", "names", "message"),
    [
        ("a O\nb\n", ["text", "label"], "t.conll: line 2: 1 columns where the first word has 2"),
        ("# id = 7\n\n", ["text"], "the file has no words"),
    ],
)
def test_broken_files_are_told(text: str, names: list[str], message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=message):
        read(tmp_path, "t.conll", text, names)


@pytest.mark.parametrize("name", ["tokens", "5", "0"])
def test_a_column_that_is_not_there(name: str, tmp_path: Path) -> None:
    with pytest.raises(MissingColumn, match=f"no column '{name}' .* by its number with data.columns.tags="):
        read(tmp_path, "t.conll", "a O\n", ["text", name])
