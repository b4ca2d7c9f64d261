"""Texts of exact length, and the made-up table."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from harness.benchmark.data import ROWS, made_up_table, of_length
from harness.data.prepare import prepare
from harness.data.prepared import PreparedData
from harness.errors import InputError
from harness.spec.study import DataSpec, ModelSpec, StudySpec
from harness.spec.tasks import LABEL, Field, TaskFacts, remember
from harness.stats.classification import CLASSIFICATION
from harness.tasks.encode import encoded
from tests.tasks.tiny import architecture, config


@pytest.mark.parametrize(("family", "length"), [("bert", 3), ("bert", 40), ("t5", 17)])
def test_every_text_has_exactly_the_length(family: str, length: int, smoke_data: PreparedData) -> None:
    trial = config(architecture=architecture(family), data={"max_length": length})
    fixed = of_length(smoke_data, length, 12)
    for split in ("train", "validation"):
        examples = encoded(fixed, trial, split)
        assert np.asarray(examples.lengths).tolist() == [length] * 12
    assert fixed.names == smoke_data.names
    assert set(fixed.frame("train")["label"]) == set(range(len(smoke_data.names)))


def test_texts_are_made_once_and_the_same_every_time(smoke_data: PreparedData, tmp_path: Path) -> None:
    first = of_length(smoke_data, 5, 8)
    assert first.folder == of_length(smoke_data, 5, 8).folder
    assert first.folder != of_length(smoke_data, 5, 9).folder
    words = {word for text in smoke_data.frame("train")["text"] for word in text.split()}
    assert {word for text in first.frame("train")["text"] for word in text.split()} <= words


def test_texts_are_found_by_their_kind(smoke_data: PreparedData, tmp_path: Path) -> None:
    facts = TaskFacts(
        name="tests.letters:Letters",
        inputs="letters",
        fields=(Field(name="letter", kind="text"), LABEL),
        metrics=CLASSIFICATION,
        loss="log_loss",
    )
    remember(facts)
    for split in ("train", "validation", "test"):
        frame = smoke_data.frame(split).rename(columns={"text": "letter"})
        frame.to_parquet(tmp_path / f"{split}.parquet", index=False)
    meta = smoke_data.meta.model_copy(update={"task": facts.name})
    (tmp_path / "meta.json").write_text(meta.model_dump_json(), encoding="utf-8")
    fixed = of_length(PreparedData(tmp_path), 60, 4)
    assert all(len(text.split()) > 60 for text in fixed.frame("train")["letter"])


def test_windows_of_answers_are_full_but_for_the_last(tmp_path: Path) -> None:
    rows = [{"question": f"who is {at}?", "context": f"it is fox {at // 2}", "answers": "fox"} for at in range(40)]
    (tmp_path / "q.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    study = StudySpec(
        name="q",
        task="question-answering",
        data=DataSpec(path=str(tmp_path / "q.jsonl")),
        model=ModelSpec(checkpoint="x"),
    )
    fixed = of_length(prepare(study, tmp_path / "cache"), 24, 20)
    trial = config("question-answering", architecture=architecture("bert"), data={"max_length": 24})
    examples = encoded(fixed, trial, "train")
    last = np.append(np.diff(examples.row_of) > 0, True)
    assert examples.num_rows == 5
    assert (np.asarray(examples.lengths)[~last] == 24).all()
    assert len(examples) > 3 * examples.num_rows
    assert (np.asarray(examples.fields["positions"])[:, 0] > 0).any(), "each question has an answer"


def test_images_have_no_length() -> None:
    digits = StudySpec(
        name="digits", task="image-classification", data=DataSpec(builtin="digits"), model=ModelSpec(checkpoint="x")
    )
    with pytest.raises(InputError, match="images"):
        of_length(prepare(digits), 16, 8)


def test_made_up_table_is_a_table_of_texts(tmp_path: Path) -> None:
    path, again = made_up_table(tmp_path / "a"), made_up_table(tmp_path / "b")
    assert path.read_bytes() == again.read_bytes()
    data = prepare(StudySpec(name="b", data=DataSpec(path=str(path)), model=ModelSpec(checkpoint="x")), tmp_path)
    assert data.names == ("a", "b")
    assert sum(data.meta.rows.values()) == ROWS - sum("dropped" in note for note in data.meta.notes)
