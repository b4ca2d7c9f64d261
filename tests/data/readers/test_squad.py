"""SQuAD's nested JSON as rows of questions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from harness.data.formats import read_files
from harness.errors import DataError

ONE = {
    "context": "It rained.",
    "qas": [{"id": "1", "question": "Did it?", "answers": [{"text": "It", "answer_start": 0}]}],
}
TWO = {
    "context": "It froze.",
    "qas": [
        {"id": "2", "question": "Who?", "answers": [], "is_impossible": True},
        {"id": "3", "question": "What?", "answers": [{"text": "froze", "answer_start": 3}]},
    ],
}


def written(folder: Path, articles: list[dict[str, Any]], **kind: Any) -> Path:
    path = folder / "squad.json"
    path.write_text(json.dumps({"version": "1.1", "data": articles}, **kind), encoding="utf-8")
    return path


@pytest.mark.parametrize("indent", [None, 1])
def test_a_row_is_a_question(tmp_path: Path, indent: int | None) -> None:
    path = written(
        tmp_path, [{"title": "A", "paragraphs": [ONE, TWO]}, {"title": "B", "paragraphs": [ONE]}], indent=indent
    )
    columns = read_files([path], None).columns
    assert columns["question"] == ["Did it?", "Who?", "What?", "Did it?"]
    assert columns["context"] == ["It rained.", "It froze.", "It froze.", "It rained."]
    assert columns["title"] == ["A", "A", "A", "B"]
    assert columns["answers"][1] == []
    assert columns["answers"][2] == [{"text": "froze", "answer_start": 3}]
    assert columns["id"] == ["1", "2", "3", "1"]


def test_broken_question_is_told_with_its_place(tmp_path: Path) -> None:
    path = written(tmp_path, [{"title": "A", "paragraphs": [{"context": "x", "qas": ["Who?"]}]}])
    with pytest.raises(DataError, match="question 1 of paragraph 1 of item 1 of 'data': str instead of an object"):
        read_files([path], None)
