from __future__ import annotations

import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest

from harness.data.read import read_table
from harness.data.splits.extra import GROUP
from harness.errors import DataError, MissingPackage
from harness.spec.study import DataSpec, HubSpec

REVISION = "0" * 40


def table(path: Path, rows: list[tuple[str, object]]) -> Path:
    lines = [f'"{text}","{label}"' for text, label in rows]
    path.write_text("\n".join(["text,label", *lines]) + "\n", encoding="utf-8")
    return path


def some_rows(count: int = 12, labels: tuple[object, ...] = ("no", "yes")) -> list[tuple[str, object]]:
    return [(f"text {number}", labels[number % len(labels)]) for number in range(count)]


def refused(spec: DataSpec, task: str = "text-classification") -> str:
    with pytest.raises(DataError) as caught:
        read_table(spec, task)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_read_table_one_file(tmp_path: Path) -> None:
    tables = read_table(DataSpec(path=str(table(tmp_path / "t.csv", some_rows()))), "text-classification")
    assert tables.validation is None
    assert tables.test is None
    assert list(tables.train.columns) == ["text", "label", "row"]
    assert tables.train.iloc[2].to_dict() == {"text": "text 2", "label": "no", "row": 3}


def test_read_table_folder_ignores_other_files_and_says_so(tmp_path: Path) -> None:
    for name in ("train.csv", "dev.csv", "test.csv", "extra.csv"):
        table(tmp_path / name, some_rows())
    (tmp_path / "README.md").write_text("x", encoding="utf-8")
    tables = read_table(DataSpec(path=str(tmp_path)), "text-classification")
    assert tables.validation is not None
    assert tables.test is not None
    assert tables.notes == (f"ignored in {tmp_path.name}: README.md, extra.csv",)


def test_read_table_reads_pairs_and_other_columns(tmp_path: Path) -> None:
    rows = "\n".join(f"q{number},a{number},{number % 2}" for number in range(12))
    (tmp_path / "t.csv").write_text(f"question,answer,same\n{rows}\n", encoding="utf-8")
    spec = DataSpec(path=str(tmp_path / "t.csv"), text="question", text_pair="answer", label="same")
    assert read_table(spec, "text-classification").train.iloc[1].to_dict() == {
        "text": "q1",
        "text_pair": "a1",
        "label": "1",
        "row": 2,
    }


def test_read_table_empty_texts_are_dropped_and_said(tmp_path: Path) -> None:
    rows = some_rows()
    rows[3] = (" ", "no")
    tables = read_table(DataSpec(path=str(table(tmp_path / "t.csv", rows))), "text-classification")
    assert tables.train["row"].tolist() == [1, 2, 3, 5, 6, 7, 8, 9, 10, 11, 12]
    assert tables.notes == ("t.csv: 1 of 12 rows have an empty 'text' (first: row 4): dropped",)


@pytest.mark.parametrize(
    ("labels", "names"),
    [
        (("0.0", "1.0"), {"0", "1"}),
        (("1", "2"), {"1", "2"}),
        (("1.0", "x"), {"1.0", "x"}),
        (("NA", "null"), {"NA", "null"}),
    ],
)
def test_read_table_label_names(tmp_path: Path, labels: tuple[str, ...], names: set[str]) -> None:
    tables = read_table(DataSpec(path=str(table(tmp_path / "t.csv", some_rows(labels=labels)))), "text-classification")
    assert set(tables.train["label"]) == names


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (
            some_rows(labels=("0.5", "1.0")),
            "row 1: 'label' is 0.5: labels are numbers with fractions: this is regression",
        ),
        (some_rows(labels=("yes",)), "every row has the label 'yes'"),
        (some_rows(9), "9 usable rows; at least 10"),
        ([(f"t{i}", f"id-{i}") for i in range(40)], "40 different labels in 40 rows"),
        ([(f"t{i}", f"id-{i % 1001}") for i in range(2002)], "1001 different labels"),
        ([("", "x")] * 8 + some_rows(4), "8 of 12 rows have an empty 'text'"),
        ([(f"t{i}", "") for i in range(8)] + some_rows(4), "8 of 12 rows have an empty 'label'"),
    ],
)
def test_read_table_refuses_what_cannot_be_learned(tmp_path: Path, rows: list[tuple[str, object]], said: str) -> None:
    assert said in refused(DataSpec(path=str(table(tmp_path / "t.csv", rows))))


def test_read_table_missing_things_are_named(tmp_path: Path) -> None:
    table(tmp_path / "reviews.csv", some_rows())
    assert "did you mean 'reviews.csv'?" in refused(DataSpec(path=str(tmp_path / "review.csv")))
    assert "did you mean 'text'?" in refused(DataSpec(path=str(tmp_path / "reviews.csv"), text="txt"))
    table(tmp_path / "more.csv", some_rows())
    assert "has no train table (it holds: more.csv, reviews.csv)" in refused(DataSpec(path=str(tmp_path)))
    assert "is not a table that can be read" in refused(DataSpec(path="/dev/null"))
    assert "does not exist" in refused(DataSpec(path="a\0b"))
    assert "'~no-such-user/t.csv' does not exist" in refused(DataSpec(path="~no-such-user/t.csv"))
    spec = DataSpec(path=str(tmp_path / "reviews.csv"), text="label")
    assert "one column is named twice" in refused(spec)


def test_read_table_refuses_two_files_for_one_split(tmp_path: Path) -> None:
    for name in ("train.csv", "val.csv", "validation.csv"):
        table(tmp_path / name, some_rows())
    assert "more than one validation split (val.csv, validation.csv)" in refused(DataSpec(path=str(tmp_path)))


def test_read_table_values_that_are_no_text(tmp_path: Path) -> None:
    (tmp_path / "t.jsonl").write_text('{"text": ["a"], "label": 1}\n' * 12, encoding="utf-8")
    assert "row 1: 'text' holds a list" in refused(DataSpec(path=str(tmp_path / "t.jsonl")))


def test_read_table_half_a_surrogate_pair_is_replaced(tmp_path: Path) -> None:
    lines = [f'{{"text": "a \\ud800 {number}", "label": {number % 2}}}' for number in range(12)]
    (tmp_path / "t.jsonl").write_text("\n".join(lines), encoding="utf-8")
    text = read_table(DataSpec(path=str(tmp_path / "t.jsonl")), "text-classification").train["text"].iloc[0]
    assert text.encode("utf-8").decode("utf-8") == "a \ufffd 0"


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        ([""] * 5, "no row has a label"),
        (["-1"] * 5, "every row has '-1', which no row of train has"),
        (["-1.0", "-1", "", "-1", "-1"], "every row has '-1', which no row of train has"),
        (["?"] * 5, "every row has '?', which no row of train has"),
        (["0.5"] * 5, "every row has '0.5', which no row of train has"),
        (None, "no column 'label' (columns: 'id', 'text')"),
    ],
)
@pytest.mark.parametrize("split", ["validation", "test"])
def test_read_table_a_split_without_labels_is_not_given(
    tmp_path: Path, split: str, labels: list[str] | None, said: str
) -> None:
    table(tmp_path / "train.csv", some_rows(labels=("0.0", "1.0")))
    path = tmp_path / f"{split}.csv"
    if labels is None:
        path.write_text("id,text\n" + "".join(f"{i},t{i}\n" for i in range(5)), encoding="utf-8")
    else:
        table(path, [(f"t{i}", label) for i, label in enumerate(labels)])
    tables = read_table(DataSpec(path=str(tmp_path)), "text-classification")
    assert (tables.validation, tables.test) == (None, None)
    assert set(tables.train["label"]) == {"0", "1"}
    assert tables.notes == (
        f"{split}.csv: {said}; the split is made from train instead",
        "'label': labels that are whole numbers are written without a point: '0.0' is '0'; '1.0' is '1'",
    )


def test_read_table_numbers_of_a_hidden_test_split_are_not_given(tmp_path: Path) -> None:
    table(tmp_path / "train.csv", [(f"t{i}", i / 2) for i in range(12)])
    table(tmp_path / "test.csv", [(f"u{i}", "-1.0") for i in range(5)])
    tables = read_table(DataSpec(path=str(tmp_path)), "text-regression")
    assert tables.test is None
    assert tables.notes == (
        "test.csv: every row has '-1.0', which no row of train has; the split is made from train instead",
    )


@pytest.mark.parametrize("hidden", ["?", "unknown", "N.A.", "-1", "-1.0"])
def test_read_table_targets_of_another_kind_in_each_row_are_not_given(tmp_path: Path, hidden: str) -> None:
    note = f"test.csv: every row has '{hidden}', which no row of train has; the split is made from train instead"
    table(tmp_path / "train.csv", [(f"t{i}", i / 2) for i in range(12)])
    table(tmp_path / "test.csv", [(f"u{i}", hidden) for i in range(5)])
    numbers = read_table(DataSpec(path=str(tmp_path)), "text-regression")
    assert (numbers.test, numbers.notes) == (None, (note,))
    for name, cells in (("train", "{0},{1}"), ("test", f"{hidden},{hidden}")):
        lines = [f"{name} {row},{cells.format(row % 2, int(row % 3 == 0))}\n" for row in range(12)]
        (tmp_path / f"{name}.csv").write_text("text,toxic,threat\n" + "".join(lines), encoding="utf-8")
    spec = DataSpec.model_validate({"path": str(tmp_path), "columns": {"labels": ["toxic", "threat"]}})
    sets = read_table(spec, "multi-label-classification")
    assert (sets.test, sets.notes) == (None, (note,))


@pytest.mark.parametrize("hidden", ["_", "?", -1])
@pytest.mark.parametrize("tags", [["B-PER", "O"], ["PER", "O"]])
def test_read_table_tags_of_a_hidden_test_split_are_not_given(tmp_path: Path, tags: list[str], hidden: object) -> None:
    train = [{"text": f"Ann {row}", "label": tags} for row in range(12)]
    test = [{"text": "so " * length, "label": [hidden] * length} for length in range(2, 8)]
    for name, rows in (("train", train), ("test", test)):
        (tmp_path / f"{name}.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    tables = read_table(DataSpec(path=str(tmp_path)), "token-classification")
    assert tables.test is None
    note = f"test.jsonl: every row has '{hidden}', which no row of train has; the split is made from train instead"
    assert note in tables.notes


def test_read_table_one_number_that_train_writes_otherwise_is_given(tmp_path: Path) -> None:
    table(tmp_path / "train.csv", [(f"t{i}", f"{i}.0") for i in range(12)])
    table(tmp_path / "test.csv", [(f"u{i}", "3") for i in range(5)])
    test = read_table(DataSpec(path=str(tmp_path)), "text-regression").test
    assert test is not None
    assert test["number"].tolist() == [3.0] * 5


def test_read_table_a_test_split_of_one_class_of_train_is_given(tmp_path: Path) -> None:
    table(tmp_path / "train.csv", some_rows(labels=("0.0", "1.0")))
    table(tmp_path / "test.csv", [(f"t{i}", "1") for i in range(5)])
    tables = read_table(DataSpec(path=str(tmp_path)), "text-classification")
    assert tables.test is not None
    assert set(tables.test["label"]) == {"1"}
    assert "test.csv: every row has '1': does it stand for labels not given?" in tables.notes


@pytest.mark.parametrize("labels", [("0", "1"), ("NO", "Yes"), ("?", "unknown")])
def test_read_table_a_split_of_other_labels_is_refused(tmp_path: Path, labels: tuple[str, str]) -> None:
    table(tmp_path / "train.csv", some_rows())
    table(tmp_path / "test.csv", some_rows(labels=labels))
    assert refused(DataSpec(path=str(tmp_path))) == (
        f"test.csv: none of its labels ('{labels[0]}', '{labels[1]}') is a label of train.csv ('no', 'yes'); write "
        "them alike, or leave the file out of the folder"
    )
    table(tmp_path / "test.csv", some_rows(labels=(*labels, "no")))
    assert read_table(DataSpec(path=str(tmp_path)), "text-classification").test is not None


def of_lines(path: Path, header: str, rows: list[tuple[str, object]]) -> None:
    path.write_text(header + "".join(f"{label},{text}\n" for text, label in rows), encoding="utf-8")


def by_number(folder: Path) -> dict[str, list[str]]:
    tables = read_table(DataSpec(path=str(folder), text="2", label="1"), "text-classification")
    frames = {"train": tables.train, "test": tables.test}
    return {split: frame["text"].tolist() for split, frame in frames.items() if frame is not None}


def test_read_table_decides_once_whether_splits_have_a_header(tmp_path: Path) -> None:
    train, test = tmp_path / "train.csv", tmp_path / "test.csv"
    rows, more = some_rows(), [("other 0", "yes"), ("other 1", "no"), ("other 2", "no")]
    texts, others = [text for text, _ in rows], [text for text, _ in more]
    for header in ("", "label,text\n"):
        of_lines(train, header, rows)
        of_lines(test, header, more)
        assert by_number(tmp_path) == {"train": texts, "test": others}
    of_lines(train, "", rows)
    of_lines(test, "", [("first", "yes"), ("second", "no")])  # no cell of its first line is below it
    assert by_number(tmp_path) == {"train": texts, "test": ["first", "second"]}
    of_lines(test, "", [("first", "rare"), *more])
    said = "test.csv: its first line, with 'first', 'rare', may be a header, and train.csv has none"
    assert said in refused(DataSpec(path=str(tmp_path), text="2", label="1"))
    of_lines(train, "label,text\n", rows)
    of_lines(test, "", more)
    assert by_number(tmp_path) == {"train": texts, "test": others}
    of_lines(test, "Label,text\n", more)
    assert by_number(tmp_path) == {"train": texts, "test": others}
    test.write_text("text,label\n" + "".join(f"{text},{label}\n" for text, label in more), encoding="utf-8")
    said = "test.csv: its first line has 'label', 'text', where that of train.csv has 'text', 'label'; give both"
    assert said in refused(DataSpec(path=str(tmp_path), text="2", label="1"))


def test_read_table_a_split_without_header_and_labels(tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_text("".join(f"{text},{label}\n" for text, label in some_rows()), encoding="utf-8")
    (tmp_path / "test.csv").write_text("a text\nanother text\n", encoding="utf-8")
    tables = read_table(DataSpec(path=str(tmp_path), text="1", label="2"), "text-classification")
    assert tables.test is None
    assert "test.csv: no column '2' (columns: '1'); the split is made from train instead" in tables.notes
    assert not any("is the header" in note for note in tables.notes)


def test_read_table_shards_of_which_one_has_no_header(tmp_path: Path) -> None:
    table(tmp_path / "train-0.csv", some_rows())
    of_lines(tmp_path / "train-1.csv", "", some_rows())
    said = refused(DataSpec(path=str(tmp_path)))
    assert "train-1.csv: no column 'text'" in said
    assert "if the file has no header, name columns by number" in said


def test_read_table_groups_of_one_name_are_one(tmp_path: Path) -> None:
    names = ["a", " a", 1, 1.0, "1", "A"]
    lines = [{"text": f"t {i}", "label": "no" if i % 2 else "yes", "user": names[i % 6]} for i in range(18)]
    (tmp_path / "t.jsonl").write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    spec = DataSpec.model_validate({"path": str(tmp_path / "t.jsonl"), "split": {"group": "user"}})
    assert read_table(spec, "text-classification").train[GROUP].tolist()[:6] == ["a", "a", "1", "1", "1", "A"]


def test_read_table_one_rule_writes_the_labels_of_all_splits(tmp_path: Path) -> None:
    table(tmp_path / "train.csv", some_rows(labels=("0.0", "1.0")))
    table(tmp_path / "test.csv", [(f"t{i}", ("1.0", "0", "unknown")[i % 3]) for i in range(6)])
    tables = read_table(DataSpec(path=str(tmp_path)), "text-classification")
    assert tables.test is not None
    assert set(tables.train["label"]) == {"0", "1"}
    assert tables.test["label"].tolist() == ["1", "0", "unknown"] * 2


def test_read_table_a_missing_column_of_inputs_is_refused_in_every_split(tmp_path: Path) -> None:
    table(tmp_path / "train.csv", some_rows())
    (tmp_path / "test.csv").write_text("id,label\n1,yes\n2,no\n", encoding="utf-8")
    assert "test.csv: no column 'text'" in refused(DataSpec(path=str(tmp_path)))
    (tmp_path / "train.csv").write_text("text\n" + "a\n" * 12, encoding="utf-8")
    assert "train.csv: no column 'label'" in refused(DataSpec(path=str(tmp_path)))


def test_read_table_half_labelled_rows_are_counted(tmp_path: Path) -> None:
    rows = [*some_rows(), *((f"more {i}", "") for i in range(30))]
    tables = read_table(DataSpec(path=str(table(tmp_path / "t.csv", rows))), "text-classification")
    assert len(tables.train) == 12
    assert tables.notes == ("t.csv: 30 of 42 rows have an empty 'label' (first: row 13): dropped",)
    spec = DataSpec(path=str(table(tmp_path / "one.csv", [*some_rows(labels=("yes",)), ("x", "")])))
    assert refused(spec) == (
        "one.csv: every row has the label 'yes'; at least 2 classes are needed; "
        "one.csv: 1 of 13 rows have an empty 'label' (first: row 13): dropped; if empty means a class of its own, "
        "write its name there"
    )


def test_read_table_a_missing_value_is_no_word(tmp_path: Path) -> None:
    values: dict[str, list[object]] = {
        "text": ["nan", None, "NA", "", "null", *(f"t{i}" for i in range(10))],
        "label": ["a", "b", "NA", "a", "a", None, *("ab"[i % 2] for i in range(9))],
    }
    pd.DataFrame(values).to_parquet(tmp_path / "t.parquet")
    tables = read_table(DataSpec(path=str(tmp_path / "t.parquet")), "text-classification")
    assert tables.train["text"].tolist() == ["nan", "NA", "null", *(f"t{i}" for i in range(1, 10))]
    assert set(tables.train["label"]) == {"a", "b", "NA"}
    pd.DataFrame({"text": [float("nan"), *range(12)], "label": [*"abababababab", "a"]}).to_parquet(
        tmp_path / "numbers.parquet"
    )
    tables = read_table(DataSpec(path=str(tmp_path / "numbers.parquet")), "text-classification")
    assert "nan" not in tables.train["text"].tolist()
    assert tables.notes == ("numbers.parquet: 1 of 13 rows have an empty 'text' (first: row 1): dropped",)


def test_read_table_digits() -> None:
    train = read_table(DataSpec(builtin="digits"), "image-classification").train
    assert len(train) == 1797
    assert set(train["label"]) == set("0123456789")
    assert max(max(map(max, image)) for image in train["image"]) == 255
    assert "no column 'text'" in refused(DataSpec(builtin="digits"))


def test_read_table_images_of_a_jsonl(tmp_path: Path) -> None:
    def written(image: object) -> DataSpec:
        lines = [f'{{"image": [[0, {number}]], "label": {number % 2}}}' for number in range(12)]
        (tmp_path / "t.jsonl").write_text("\n".join([*lines, f'{{"image": {image}, "label": 0}}']), encoding="utf-8")
        return DataSpec(path=str(tmp_path / "t.jsonl"))

    assert read_table(written([[255, 0]]), "image-classification").train["image"].iloc[12] == [[255, 0]]
    for image, said in (
        ("[[1, 256]]", "row 13: 'image' has pixels that are not whole numbers from 0 to 255"),
        ("[[1], [2]]", "row 13: 'image' has shape (2, 1), row 1 has (1, 2)"),
        ('"a.jpg"', "row 13: 'image' is no image: 'a.jpg'"),
        ("[[1], [2, 3]]", "row 13: 'image' is no image"),
    ):
        assert said in refused(written(image), "image-classification")


class FakeSplit:
    def __init__(self, columns: dict[str, list[Any]], classes: list[str] | None) -> None:
        self.columns = columns
        self.column_names = list(columns)
        features: dict[str, Any] = {name: {"dtype": "string", "_type": "Value"} for name in columns}
        if classes:
            features["label"] = {"names": classes, "_type": "ClassLabel"}
        self.features = SimpleNamespace(to_dict=lambda: features)

    def __getitem__(self, name: str) -> list[Any]:
        return self.columns[name]


def fake_datasets(monkeypatch: pytest.MonkeyPatch, loaded: object) -> None:
    def load_dataset(name: str, config: str | None, revision: str) -> object:
        assert (name, config, revision) == ("owner/set", None, REVISION)
        if isinstance(loaded, Exception):
            raise loaded
        return loaded

    module = SimpleNamespace(disable_progress_bars=lambda: None, load_dataset=load_dataset)
    monkeypatch.setitem(sys.modules, "datasets", module)


HUB = DataSpec(hub=HubSpec(id="owner/set", revision=REVISION))


def test_read_table_hub_class_ids_become_names(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [f"t{number}" for number in range(12)]
    train = FakeSplit({"text": texts, "label": [0, 1] * 6}, ["neg", "pos"])
    test = FakeSplit({"text": texts, "label": [-1] * 12}, ["neg", "pos"])
    fake_datasets(monkeypatch, {"train": train, "test": test, "unsupervised": test})
    tables = read_table(HUB, "text-classification")
    assert tables.train["label"].tolist() == ["neg", "pos"] * 6
    assert tables.test is None
    assert tables.source.name == f"owner/set@{REVISION}"


def test_read_table_hub_names_of_columns_may_differ_between_splits(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [f"t{number}" for number in range(12)]
    train = FakeSplit({"text": texts, "label": ["pos", "neg"] * 6}, None)
    test = FakeSplit({"Text": ["one", "two"], " LABEL": ["pos", "neg"]}, None)
    fake_datasets(monkeypatch, {"train": train, "test": test})
    tables = read_table(HUB, "text-classification")
    assert tables.test is not None
    assert tables.test[["text", "label"]].to_numpy().tolist() == [["one", "pos"], ["two", "neg"]]
    assert set(tables.notes) == {
        "owner/set: test: 'text' is read from 'Text'",
        "owner/set: test: 'label' is read from ' LABEL'",
    }
    fake_datasets(monkeypatch, {"train": test, "test": train})
    assert "owner/set: train: no column 'text'" in refused(HUB)


def test_read_table_hub_out_of_reach_names_the_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    fake_datasets(monkeypatch, ConnectionError("no route\nand more"))
    assert "(no route); without a network, give a folder of tables: data.path=FOLDER" in refused(HUB)


def test_read_table_hub_without_its_package_gives_the_install_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(MissingPackage, match=r"pip install 'finetune-harness\[hub\]'"):
        read_table(HUB, "text-classification")


def test_columns_with_other_names_are_found_and_said(tmp_path: Path) -> None:
    rows = "".join(f"the text {number},{number % 2}\n" for number in range(12))
    (tmp_path / "t.csv").write_text(f" Text,LABEL\n{rows}")
    tables = read_table(DataSpec(path=str(tmp_path / "t.csv")), "text-classification")
    assert dict(tables.columns) == {"text": " Text", "label": "LABEL"}
    assert tables.notes == (
        "text is read from ' Text': there is no 'text' (data.text)",
        "label is read from 'LABEL': there is no 'label' (data.label)",
    )


def test_only_column_of_sentences_is_the_text_where_none_is_named(tmp_path: Path) -> None:
    rows = "".join(f"{number},the text {number},{number % 2}\n" for number in range(12))
    (tmp_path / "t.csv").write_text(f"id,data,label\n{rows}")
    tables = read_table(DataSpec(path=str(tmp_path / "t.csv")), "text-classification")
    assert tables.train["text"].iloc[3] == "the text 3"
    assert tables.notes == (
        "text is read from 'data': there is no 'text', and no other column of sentences (data.text)",
    )
    assert "no column 'body'" in refused(DataSpec(path=str(tmp_path / "t.csv"), text="body"))
    pairs = rows.replace(",the text", ",a title,the text")
    (tmp_path / "t.csv").write_text(f"id,title,data,label\n{pairs.replace('a title', 'a title 1')}")
    assert (
        read_table(DataSpec(path=str(tmp_path / "t.csv")), "text-classification").columns["text"] == "data"
    )  # one title is no text
    several = "".join(f"title {number},the text {number},{number % 2}\n" for number in range(12))
    (tmp_path / "t.csv").write_text(f"title,data,label\n{several}")
    assert "no column 'text'" in refused(DataSpec(path=str(tmp_path / "t.csv")))


def test_labels_that_are_texts_of_lists(tmp_path: Path) -> None:
    tables = read_table(
        DataSpec(path=str(table(tmp_path / "t.csv", some_rows(18, ("['a']", "['b']", ""))))), "text-classification"
    )
    assert set(tables.train["label"]) == {"a", "b"}
    several = table(tmp_path / "t.csv", some_rows(12, ("['a']", "['a', 'b']")))
    assert "row 2: 'label' holds 2 labels, ['a', 'b']" in refused(DataSpec(path=str(several)))
    mixed = DataSpec(path=str(table(tmp_path / "t.csv", some_rows(12, ("['b']", "[x]")))))
    assert "row 2: 'label' is '[x]', no list of labels that can be read" in refused(mixed)
    names = read_table(
        DataSpec(path=str(table(tmp_path / "t.csv", some_rows(12, ("[x]", "[b]"))))), "text-classification"
    )
    assert set(names.train["label"]) == {"[x]", "[b]"}


@pytest.mark.parametrize("header", ["text,Label", "Text,label", "TEXT, LABEL ", "te\u200bxt,Label"])
def test_names_of_columns_are_found_in_every_file(tmp_path: Path, header: str) -> None:
    (tmp_path / "split").mkdir()
    (tmp_path / "shards").mkdir()
    table(tmp_path / "split" / "train.csv", some_rows())
    more = "\n".join([header, *(f"more {number},{('no', 'yes')[number % 2]}" for number in range(6))])
    (tmp_path / "split" / "test.csv").write_text(more + "\n", encoding="utf-8")
    tables = read_table(DataSpec(path=str(tmp_path / "split")), "text-classification")
    assert tables.test is not None
    assert tables.test["label"].tolist() == ["no", "yes"] * 3
    assert any(note.startswith("test.csv: '") and "' is read from '" in note for note in tables.notes)
    for first, second in ((0, 1), (1, 0)):
        table(tmp_path / "shards" / f"train-0000{first}-of-00002.csv", some_rows())
        (tmp_path / "shards" / f"train-0000{second}-of-00002.csv").write_text(more + "\n", encoding="utf-8")
        assert len(read_table(DataSpec(path=str(tmp_path / "shards")), "text-classification").train) == 18


def test_a_split_without_the_column_of_labels_is_told_by_its_columns(tmp_path: Path) -> None:
    table(tmp_path / "train.csv", some_rows())
    (tmp_path / "test.csv").write_text("text,labels\n" + "more,yes\nother,no\n" * 3, encoding="utf-8")
    tables = read_table(DataSpec(path=str(tmp_path)), "text-classification")
    assert tables.test is None
    assert tables.notes == (
        "test.csv: no column 'label' (columns: 'text', 'labels'); did you mean 'labels'?; the split is made from train "
        "instead",
    )
