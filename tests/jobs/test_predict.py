"""Predictions from an exported folder, and from folders that are none."""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from harness.errors import InputError
from harness.jobs.predict import (
    Export,
    line_rows,
    open_export,
    predict_texts,
    prediction_columns,
    read_from,
    read_table,
    text_rows,
)
from harness.records.exported import EXPORT_FILES


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An export as far as it is read before its weights are."""
    facts = {
        "task": "text-classification", "labels": ["no", "yes"], "preprocess": ["lowercase"], "max_length": 16,
        "columns": {"text": "question", "text_pair": None, "label": "label"},
    }  # fmt: skip
    for name in EXPORT_FILES:
        (tmp_path / name).write_text("{}", encoding="utf-8")
    (tmp_path / "manifest.json").write_text(json.dumps(facts), encoding="utf-8")
    return tmp_path


def test_open_export_reads_what_the_input_must_be(folder: Path) -> None:
    export = open_export(folder)
    assert export.names == ("no", "yes")
    assert export.preprocess == ("lowercase",)
    assert export.columns == {"text": "question"}
    assert export.value_columns == SHOWN


@pytest.mark.parametrize("missing", EXPORT_FILES)
def test_open_export_names_what_is_missing(folder: Path, missing: str) -> None:
    (folder / missing).unlink()
    with pytest.raises(InputError, match=f"not an exported model \\(no {missing}\\)"):
        open_export(folder)


def test_open_export_of_a_run_folder_points_to_best(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    run = tmp_path_factory.mktemp("run")
    shutil.copytree(folder, run / "best")
    with pytest.raises(InputError, match=f"did you mean {run}/best"):
        open_export(run)


@pytest.mark.parametrize("text", ["", "[]", "null", "{}", '{"task": "x", "columns": 1}', "\x00"])
def test_open_export_of_a_broken_manifest(folder: Path, text: str) -> None:
    (folder / "manifest.json").write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=r"manifest\.json is not one of an exported model"):
        open_export(folder)


def test_read_table_takes_the_column_of_training(folder: Path, tmp_path: Path) -> None:
    table = tmp_path / "t.tsv"
    table.write_text('\ufeffid\tquestion\n1\t"why, oh ""why"""\n2\tNA\n', encoding="utf-8")
    columns, rows, notes = read_table(open_export(folder), table)
    assert columns == {"id": ["1", "2"], "question": ['why, oh "why"', "NA"]}
    assert rows == [{"text": 'why, oh "why"'}, {"text": "NA"}]
    assert notes == ("t.tsv: double quotes enclose cells (data.quoting: double)",)


def test_read_table_reads_what_a_sweep_reads(folder: Path, tmp_path: Path) -> None:
    table = tmp_path / "t.jsonl"
    table.write_text('{"question": "why?", "id": 1}\n{"question": null}\n', encoding="utf-8")
    columns, rows, notes = read_table(open_export(folder), table)
    assert columns == {"question": ["why?", None], "id": [1, None]}
    assert rows == [{"text": "why?"}, None]
    assert notes == ("t.jsonl: 1 of 2 rows has an empty 'question': no text to predict from",)


def test_read_table_says_that_it_is_the_table_of_training(folder: Path, tmp_path: Path) -> None:
    table = tmp_path / "t.csv"
    table.write_text("question,label\nwhy?,yes\n", encoding="utf-8")
    facts = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    facts["data"] = {"source": "t.csv", "sha256": hashlib.sha256(table.read_bytes()).hexdigest()}
    (folder / "manifest.json").write_text(json.dumps(facts), encoding="utf-8")
    told = "t.csv: this is the file that the model was trained on: its training rows are among these"
    assert told in read_table(open_export(folder), table)[2]
    table.write_text("question,label\nhow?,yes\n", encoding="utf-8")
    assert told not in read_table(open_export(folder), table)[2]


def test_read_table_reads_a_folder_of_one_table(folder: Path, tmp_path: Path) -> None:
    shards = tmp_path / "shards"
    shards.mkdir()
    for number, text in enumerate(("why?", "how?")):
        (shards / f"part-{number}.csv").write_text(f"question\n{text}\n", encoding="utf-8")
    export = open_export(folder)
    assert read_table(export, shards)[0] == {"question": ["why?", "how?"]}
    assert read_from(shards) == [shards / "part-0.csv", shards / "part-1.csv"]
    for name in ("any.csv", "test.csv"):
        alone = tmp_path / f"of-{name}"
        alone.mkdir()
        (alone / name).write_text("question\nwhy?\n", encoding="utf-8")
        assert read_table(export, alone)[1] == [{"text": "why?"}]
    parted = tmp_path / "parted" / "lang=en"
    parted.mkdir(parents=True)
    (parted / "a.csv").write_text("question\nwhy?\n", encoding="utf-8")
    assert read_table(export, parted.parent)[0] == {"question": ["why?"], "lang": ["en"]}


def test_read_table_refuses_what_is_not_one_table(folder: Path, tmp_path: Path) -> None:
    splits, several, empty = tmp_path / "splits", tmp_path / "several", tmp_path / "empty"
    for around, names in ((splits, ("train", "test")), (several, ("cats", "dogs")), (empty, ())):
        around.mkdir()
        for name in names:
            (around / f"{name}.csv").write_text("question\nwhy?\n", encoding="utf-8")
    export = open_export(folder)
    with pytest.raises(InputError, match=r"is a folder of splits \(train: .*\); give one of them: --csv .*test\.csv"):
        read_table(export, splits)
    with pytest.raises(InputError, match=r"a folder of 2 tables \(cats.csv, dogs.csv\), not one; give one: --csv "):
        read_table(export, several)
    with pytest.raises(InputError, match=r"^--csv: folder '.*' has no train table \(it holds: nothing\)"):
        read_table(export, empty)
    with pytest.raises(InputError, match=r"^--csv: 'https://a.org/t.csv' is an address; download the file"):
        read_table(export, Path("https://a.org/t.csv"))


@pytest.fixture
def pairs(folder: Path) -> Export:
    """A model of pairs, as far as it is read."""
    return replace(open_export(folder), columns={"text": "question", "text_pair": "answer"})


def test_two_texts_are_a_pair(pairs: Export) -> None:
    assert text_rows(pairs, ["a", "b", "c", "d"]) == [{"text": "a", "text_pair": "b"}, {"text": "c", "text_pair": "d"}]
    with pytest.raises(InputError, match="wants pairs of texts: give two for each, 'question' then 'answer', or"):
        text_rows(pairs, ["a", "b", "c"])


def test_lines_keep_their_places(folder: Path, pairs: Export) -> None:
    assert line_rows(open_export(folder), ["a", " ", "b\tc"]) == [{"text": "a"}, None, {"text": "b\tc"}]
    assert line_rows(pairs, ["a\tb", "", "\t", "c\t"]) == [{"text": "a", "text_pair": "b"}, None, None, None]
    with pytest.raises(InputError, match=r"line 2: 1 text where .* wants pairs; give 'question', a tab and 'answer'"):
        line_rows(pairs, ["a\tb", "c"])


def test_row_of_a_table_that_lacks_one_text_of_a_pair_is_left_out(pairs: Export, tmp_path: Path) -> None:
    table = tmp_path / "t.csv"
    table.write_text("question,answer\nwhy?,so\nhow?, \n", encoding="utf-8")
    _, rows, notes = read_table(pairs, table)
    assert rows == [{"text": "why?", "text_pair": "so"}, None]
    assert "t.csv: 1 of 2 rows has an empty 'answer': no text to predict from" in notes


def test_read_table_takes_a_column_whose_name_differs_in_case(folder: Path, tmp_path: Path) -> None:
    table = tmp_path / "t.csv"
    table.write_text("id, Question\n1,why?\n", encoding="utf-8")
    columns, rows, notes = read_table(open_export(folder), table)
    assert list(columns) == ["id", " Question"]
    assert rows == [{"text": "why?"}]
    assert "t.csv: text is read from ' Question': there is no 'question' (data.text)" in notes


def test_read_table_reads_rows_that_lack_another_cell(folder: Path, tmp_path: Path) -> None:
    table = tmp_path / "t.csv"
    table.write_text("question,note\nwhy?,x\nhow?\nwho?,y\n", encoding="utf-8")
    columns, rows, notes = read_table(open_export(folder), table)
    assert columns == {"question": ["why?", "how?", "who?"], "note": ["x", "", "y"]}
    assert [row["text"] for row in rows if row] == columns["question"]
    assert notes == (
        "t.csv: 1 rows have fewer cells than the header (first: line 3): cells of other columns are missing",
    )
    by_number = replace(open_export(folder), columns={"text": "2"})
    with pytest.raises(InputError, match="line 3: 1 fields where the header has 2: none for '2'"):
        read_table(by_number, table)


def test_read_table_never_takes_a_text_for_a_header(folder: Path, tmp_path: Path) -> None:
    export = replace(open_export(folder), columns={"text": "text"})
    for name, content in {
        "t.csv": "Is it good at all?,x\nIt is not good,y\nMay it be?,x\n",
        "t.txt": "so good\nnot so good\nmay be\n",
    }.items():
        (tmp_path / name).write_text(content, encoding="utf-8")
        with pytest.raises(InputError, match="rename the column of texts, or write its name above them"):
            read_table(export, tmp_path / name)
    (tmp_path / "t.csv").write_text("what they said,id\nso good,1\nnot good,2\n", encoding="utf-8")
    assert read_table(export, tmp_path / "t.csv")[1] == [{"text": "so good"}, {"text": "not good"}]


def test_read_table_takes_a_column_by_its_number(folder: Path, tmp_path: Path) -> None:
    table = tmp_path / "t.csv"
    table.write_text("id,asked\n1,why?\n2,how?\n", encoding="utf-8")
    export = replace(open_export(folder), columns={"text": "2"})
    columns, rows, _ = read_table(export, table)
    assert list(columns) == ["id", "asked"]
    assert rows == [{"text": "why?"}, {"text": "how?"}]
    with pytest.raises(InputError, match="no column '3', which the model was trained on"):
        read_table(replace(export, columns={"text": "3"}), table)


def test_read_table_cuts_as_training_did(folder: Path, tmp_path: Path) -> None:
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["form"] = {"delimiter": "~", "encoding": "cp1250", "quoting": "none", "header": 2}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    export = open_export(folder)
    table = tmp_path / "same.csv"
    table.write_bytes('a~b\nquestion~"stars\n"Čí, šest~1\n'.encode("cp1250"))
    columns, rows, _ = read_table(export, table)
    assert (list(columns), rows) == (["question", '"stars'], [{"text": '"Čí, šest'}])
    table.write_text("a~b\nquestion~stars\nČí~1\n", encoding="utf-8")
    assert read_table(export, table)[1] == [{"text": "Čí"}]
    table.write_text('question,stars\n"Čí, šest",1\n', encoding="utf-8")
    assert read_table(export, table)[1] == [{"text": "Čí, šest"}]
    manifest["form"] = {"delimiter": "ab"}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(InputError, match=r"manifest\.json: form: "):
        open_export(folder)


def test_prediction_columns_leave_the_columns_of_the_table_as_they_are() -> None:
    columns = {"label": [["a"], None], "predicted_label": [1.123456789, 10**20]}
    predictions = [{"label": "no", "probability": 0.123456789}] * 2
    assert prediction_columns(columns, ["label", "probability"], predictions) == {
        **columns, "predicted_label_2": ["no", "no"], "probability": [0.123457, 0.123457],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("t.csv", "text\nx\n", "no column 'question', which the model was trained on"),
        ("t.csv", "questions\nx\n", "did you mean 'questions'"),
        ("t.csv", "", "the file is empty"),
        ("t.csv", "id,question\n1,a\n2\n", "line 3: 1 fields where the header has 2: none for 'question'"),
        ("t.csv", "question,question\nx,y\n", "occurs twice"),
        ("t.csv", b"question\ncaf\xe9\x81\xff\n", "not UTF-8"),
        ("t.ods", "PK", "t.ods: is not a table that can be read; save the sheet as .xlsx or .csv; allowed: .csv"),
    ],
)
def test_read_table_refuses(folder: Path, tmp_path: Path, name: str, content: str | bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(InputError, match=message):
        read_table(open_export(folder), tmp_path / name)


SHOWN = ("label", "probability")


def test_prediction_columns_leave_given_columns_alone() -> None:
    found = [{"label": "yes", "probability": 0.75, "probabilities": {"no": 0.25, "yes": 0.75}}]
    assert prediction_columns({"text": ["a"]}, SHOWN, found) == {"text": ["a"], "label": ["yes"], "probability": [0.75]}
    given = {"text": ["a"], "label": ["no"]}
    assert prediction_columns(given, SHOWN, found) == {**given, "predicted_label": ["yes"], "probability": [0.75]}


def test_prediction_columns_without_rows() -> None:
    assert prediction_columns({"text": []}, SHOWN, []) == {"text": [], "label": [], "probability": []}


def test_model_of_images_takes_no_texts(folder: Path) -> None:
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    (folder / "manifest.json").write_text(json.dumps(manifest | {"task": "image-classification"}), encoding="utf-8")
    with pytest.raises(
        InputError, match="is a model for image-classification, and harness predict takes texts and pictures"
    ):
        text_rows(open_export(folder), ["a"])


def test_predict_texts_in_any_company_says_the_same(smoke_run: Path) -> None:
    export = open_export(smoke_run / "best")
    texts = ["The soup needs salt", "a", "", "The old cat sleeps on the warm windowsill all day long, every day"]
    together = predict_texts(export, text_rows(export, texts))
    for text, found in zip(texts, together, strict=True):
        (alone,) = predict_texts(export, text_rows(export, [text]))
        assert alone["label"] == found["label"]
        assert alone["probabilities"] == pytest.approx(found["probabilities"], abs=1e-5)


def test_predict_texts_says_what_was_cut_and_what_is_unknown(smoke_run: Path) -> None:
    export, told = open_export(smoke_run / "best"), list[str]()
    texts = ["a cat", "the soup needs salt " * 40, "\U0001f44d\U0001f44d\U0001f44d", "\U0001f621 \U0001f621"]
    found = predict_texts(export, [*text_rows(export, texts), None], told.append)
    assert len(found) == 5 and found[4] == {"label": None, "probability": None}
    assert told == [
        f"1 of 4 texts is longer than the model reads and was cut after {export.max_length} tokens",
        "2 of 4 texts consist mostly of what the model's tokenizer does not know (another script, emoji?): a "
        "prediction from that says little",
    ]
    told.clear()
    predict_texts(export, text_rows(export, ["a cat"]), told.append)
    assert told == []


def test_predict_texts_of_torn_weights_is_an_input_error(smoke_run: Path, tmp_path: Path) -> None:
    torn = tmp_path / "torn"
    shutil.copytree(smoke_run / "best", torn)
    weights = torn / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    export = open_export(torn)
    with pytest.raises(InputError, match="the model cannot be loaded"):
        predict_texts(export, [{"text": "a"}])


def test_predict_texts_of_nothing_is_nothing(folder: Path) -> None:
    assert predict_texts(open_export(folder), []) == []


def test_read_table_says_that_it_takes_no_row_for_a_header(folder: Path, tmp_path: Path) -> None:
    """As the training table had none; a header above a table to predict would be read as a text."""
    table = tmp_path / "t.csv"
    table.write_text("so good,1\nnot good,2\n", encoding="utf-8")
    export = replace(open_export(folder), columns={"text": "1"})
    export = replace(export, form=replace(export.form, header="none"))
    _, rows, notes = read_table(export, table)
    assert rows == [{"text": "so good"}, {"text": "not good"}]
    assert "t.csv: read without a header, as the table of training (data.header=none): row 1 is a row" in notes
