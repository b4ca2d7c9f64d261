"""Prompts, chats, documents and completions: how columns become them, and what is refused with its place."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.data.kinds.completion import Completion, Messages, Prompt
from harness.data.prepare import prepare
from harness.data.prepared import PreparedData
from harness.errors import DataError
from harness.spec.study import StudySpec

CHAT = [{"role": "user", "content": "Open?"}, {"role": "assistant", "content": "Yes."}]


def prepared(folder: Path, rows: list[dict[str, Any]], **columns: Any) -> PreparedData:
    (folder / "t.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    data = {"path": str(folder / "t.jsonl"), "columns": columns}
    study = {"name": "s", "task": "causal-lm", "data": data, "model": {"checkpoint": "x"}}
    return prepare(StudySpec.model_validate(study), folder / "cache")


def test_chat_is_its_turns_before_the_last_answer_and_that_answer() -> None:
    values = [CHAT, json.dumps(CHAT), CHAT * 2]
    assert Messages().read("t", "m", values)[0] == CHAT[:1]
    assert Messages().read("t", "m", values)[2] == [*CHAT, CHAT[0]]
    assert Completion().read("t", "m", [CHAT, [*CHAT, CHAT[0]], None]) == ["Yes.", None, None]
    assert Completion().read("t", "m", [str(CHAT)]) == ["Yes."], "as pandas writes it"


def test_chats_as_pandas_writes_arrays_to_a_csv() -> None:
    text = str(np.array(CHAT, dtype=object))
    assert Messages().read("t", "m", [text]) == Messages().read("t", "m", [CHAT])
    assert Completion().read("t", "m", [text]) == [CHAT[-1]["content"]]


def test_completions_that_look_like_lists_stay_texts() -> None:
    assert Completion().read("t", "c", ["[1, 2]", "[3]"]) == ["[1, 2]", "[3]"]


def test_several_columns_are_one_prompt() -> None:
    cells = [{"instruction": "Add.", "input": "2 3"}, {"instruction": "Sing.", "input": ""}, {"instruction": None}]
    assert Prompt().read("t", "p", cells) == ["Add.\n\n2 3", "Sing.", None]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("hello", "t: row 1: 'm' holds a str, not a list of messages"),
        ([{"role": "bot", "content": "a"}], "t: row 1: 'm': message 1 has the role 'bot'; allowed: system, user"),
        ([*CHAT, {"role": "user"}], "t: row 1: 'm': message 3 is"),
        ("[{", "t: row 1: 'm' holds a str, not a list of messages: '[{'; write"),
    ],
)
def test_what_is_no_chat_is_refused_with_its_place(value: Any, message: str) -> None:
    with pytest.raises(DataError) as error:
        Messages().read("t", "m", [value])
    assert str(error.value).startswith(message)


def test_one_completion_for_all_rows_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="every row has the completion 'yes'"):
        prepared(tmp_path, [{"prompt": f"q{at}", "completion": "yes"} for at in range(20)])


@pytest.mark.parametrize(
    ("row", "columns"),
    [
        ({"prompt": "q", "completion": "a"}, {"prompt": "prompt", "completion": "completion"}),
        ({"instruction": "q", "input": "i", "output": "a"}, {"prompt": "instruction, input", "completion": "output"}),
        ({"instruction": "q", "output": "a"}, {"prompt": "instruction", "completion": "output"}),
        ({"text": "a"}, {"text": "text", "completion": "text"}),
    ],
)
def test_usual_layouts_are_found(tmp_path: Path, row: dict[str, str], columns: dict[str, str]) -> None:
    rows = [{name: f"{value}{at}" for name, value in row.items()} for at in range(20)]
    data = prepared(tmp_path, rows)
    assert data.meta.columns == columns
    assert data.frame("train")["completion"].str.startswith("a").all()
    assert bool(data.meta.notes) == ("instruction" in row)


def test_chats_are_found_and_named(tmp_path: Path) -> None:
    turns = [[{**CHAT[0], "content": f"Open {at}?"}, {**CHAT[1], "content": f"At {at}."}] for at in range(20)]
    assert prepared(tmp_path, [{"messages": chat} for chat in turns]).meta.columns["completion"] == "messages"
    (tmp_path / "again").mkdir()
    named = prepared(tmp_path / "again", [{"talk": chat} for chat in turns], messages="talk")
    assert [turn["role"] for turn in named.frame("train")["messages"][0]] == ["user"]


def test_unknown_layout_names_the_usual_ones(tmp_path: Path) -> None:
    with pytest.raises(DataError) as error:
        prepared(tmp_path, [{"question": f"q{at}", "sql": f"a{at}"} for at in range(20)])
    assert "none of the columns prompt and completion; or instruction, input and output" in str(error.value)
    assert "(it has 'question', 'sql'); name yours: data.columns: {prompt: ..., completion: ...}" in str(error.value)


def test_named_columns_are_read(tmp_path: Path) -> None:
    rows = [{"question": f"q{at}", "sql": f"a{at}", "prompt": "other"} for at in range(20)]
    data = prepared(tmp_path, rows, prompt="question", completion="sql")
    assert set(data.frame("train")["prompt"]) <= {row["question"] for row in rows}
