"""Several labels a row: lists, columns of 0 and 1, cells to be cut; and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.data.kinds.label_set import LabelSet
from harness.data.prepare import prepare
from harness.data.prepared import PreparedData
from harness.errors import DataError, InputError
from harness.spec.reader import load_study
from harness.spec.study import DataSpec, ModelSpec, StudySpec

KIND = LabelSet()
SETS: list[list[str]] = [[], ["a"], ["b"], ["a", "b"], ["c", "a"]]


def prepared(path: Path, **data: Any) -> PreparedData:
    spec = DataSpec.model_validate({"path": str(path), **data})
    study = StudySpec(name="s", task="multi-label-classification", data=spec, model=ModelSpec(checkpoint="x"))
    return prepare(study, path.parent / "cache")


def sets_of(data: PreparedData) -> dict[str, tuple[str, ...]]:
    """The labels of each text, in all splits."""
    found: dict[str, tuple[str, ...]] = {}
    for split in ("train", "validation", "test"):
        frame = data.frame(split)
        for text, row in zip(frame["text"], frame["labels"], strict=True):
            found[text] = tuple(data.names[at] for at in np.flatnonzero(row))
    return found


def expected() -> dict[str, tuple[str, ...]]:
    return {f"text {at}": tuple(sorted(SETS[at % 5])) for at in range(40)}


def test_lists_of_json(tmp_path: Path) -> None:
    rows = [{"text": f"text {at}", "labels": SETS[at % 5]} for at in range(40)]
    (tmp_path / "t.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    data = prepared(tmp_path / "t.jsonl")
    assert data.names == ("a", "b", "c")
    assert sets_of(data) == expected()
    assert any("labels is read from 'labels'" in note for note in data.meta.notes), "without data.label"
    assert sum(data.meta.counts[split]["a"] for split in data.meta.counts) == 24


@pytest.mark.parametrize(("one", "zero"), [("1", "0"), ("1.0", "0.0"), ("True", "False")])
def test_a_column_a_label(one: str, zero: str, tmp_path: Path) -> None:
    lines = ["text,a,b,c"]
    lines += [",".join([f"text {at}", *(one if name in SETS[at % 5] else zero for name in "abc")]) for at in range(40)]
    (tmp_path / "t.csv").write_text("\n".join(lines), encoding="utf-8")
    assert sets_of(prepared(tmp_path / "t.csv", columns={"labels": ["a", "b", "c"]})) == expected()


def test_cells_are_cut(tmp_path: Path) -> None:
    lines = ["text,label", *(f"text {at},{' ; '.join(SETS[at % 5])}" for at in range(40))]
    (tmp_path / "t.csv").write_text("\n".join(lines), encoding="utf-8")
    assert sets_of(prepared(tmp_path / "t.csv", label_separator=";")) == expected()


def test_lists_in_a_csv_as_pandas_writes_them(tmp_path: Path) -> None:
    lines = ["text,label", *(f'text {at},"{SETS[at % 5]}"' for at in range(40))]
    (tmp_path / "t.csv").write_text("\n".join(lines), encoding="utf-8")
    assert sets_of(prepared(tmp_path / "t.csv")) == expected()


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"a": 1, "b": 2}, "t: row 2: 'l': 'b' is '2', neither 0 nor 1"),
        (["a", " "], "t: row 2: 'l' holds an empty label"),
        (["a", ["b", "c"]], "t: row 2: 'l' holds 2 labels"),
        ({"a": 1, "b": -1}, "neither 0 nor 1"),
    ],
)
def test_what_are_no_labels_is_told(value: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        KIND.read("t", "l", [["a"], value])


def test_a_missing_value_is_no_empty_set() -> None:
    assert KIND.read("t", "l", [None, [], {"a": 0}, {"a": None}, "a", ["a", "a"]]) == [None, [], [], None, ["a"], ["a"]]


def test_a_split_without_any_label_counts_as_not_given() -> None:
    unified = KIND.unify("t", "l", {"train": [["a"], []], "test": [[], []]})
    assert unified == {"train": [["a"], []], "test": [None, None]}


def test_a_row_belongs_to_its_rarest_label() -> None:
    rows = [["a", "b"], ["a"], ["a"], [], ["b", "a", "c"]]
    assert KIND.strata(rows).tolist() == ["b", "a", "a", "", "c"]
    assert KIND.strata(KIND.stored(rows, ("a", "b", "c"))).tolist() == [1, 0, 0, -1, 2]


@pytest.mark.parametrize(
    ("sets", "message"),
    [
        ([["a"]] * 12, "every row has the same labels"),
        ([[f"x{at}; y{at}"] for at in range(12)], "set data.label_separator=';'"),
        ([[f"x{at}"] for at in range(12)], "name the right column with data.label="),
    ],
)
def test_what_cannot_be_learned_is_refused(sets: list[list[str]], message: str) -> None:
    with pytest.raises(DataError, match=message):
        KIND.check("t", "l", sets)


def test_an_unknown_label_has_no_row() -> None:
    known, unknown = KIND.stored([["b"], ["z"]], ("a", "b"))
    assert known.tolist() == [0, 1]
    assert unknown is None


@pytest.mark.parametrize(
    ("task", "data", "message"),
    [
        ("text-classification", "label_separator: ';'", "text-classification has no use for it"),
        ("text-classification", "columns: {label: [a, b]}", "label is one column, not a list of 2"),
        ("multi-label-classification", "columns: {labels: []}", "columns"),
    ],
)
def test_keys_of_sets_are_refused_elsewhere(task: str, data: str, message: str, tmp_path: Path) -> None:
    text = f"name: x\ntask: {task}\ndata: {{path: t.csv, {data}}}\nmodel: {{checkpoint: tiny}}\nsearch: {{trials: 1}}\n"
    (tmp_path / "s.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=message):
        load_study(tmp_path / "s.yaml", [])


@pytest.mark.parametrize("key", ["label_smoothing: 0.1", "class_weights: balanced"])
def test_keys_that_the_loss_does_not_have_are_refused(key: str, tmp_path: Path) -> None:
    base = "name: x\ntask: multi-label-classification\ndata: {path: t.csv}\nmodel: {checkpoint: tiny}\n"
    (tmp_path / "s.yaml").write_text(f"{base}training: {{{key}}}\nsearch: {{trials: 1}}\n", encoding="utf-8")
    with pytest.raises(InputError, match="multi-label-classification has no use for it"):
        load_study(tmp_path / "s.yaml", [])
