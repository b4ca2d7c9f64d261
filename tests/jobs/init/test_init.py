"""`harness init`: the study that it writes for each task is accepted as a sweep accepts it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from harness.cli import app
from harness.data.prepare import prepare
from harness.jobs.init.looks import looks_like, separator_of
from harness.jobs.init.match import matches
from harness.jobs.refusals import mistakes_of_files
from harness.spec.configure import default_params, resolve
from harness.spec.reader import load_study
from harness.spec.study import StudySpec

DATA = Path(__file__).resolve().parents[3] / "studies" / "data"
TABLES = {
    "smoke.csv": "text-classification",
    "smoke_labels.jsonl": "multi-label-classification",
    "smoke_tags.conll": "token-classification",
    "smoke_questions.json": "question-answering",
    "smoke_prompts.jsonl": "causal-lm",
    "smoke_pairs.jsonl": "seq2seq",
}


def run(folder: Path, patch: pytest.MonkeyPatch, *arguments: str) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of `harness init` in a folder."""
    patch.chdir(folder)
    patch.setenv("HARNESS_CACHE", str(folder / "cache"))
    shown = CliRunner().invoke(app, ["init", *arguments])
    return shown.exit_code, shown.stdout, shown.stderr


def accepted(file: Path) -> StudySpec:
    """The study, after what a sweep does before its first trial."""
    spec = load_study(file, (), mistakes_of_files)
    data = prepare(spec)
    config = resolve(spec, number=0, params=default_params(spec), num_train_rows=data.meta.rows["train"])
    assert config.evaluate_at[-1] == 1.0
    return spec


@pytest.mark.parametrize(("table", "task"), TABLES.items())
@pytest.mark.parametrize("checkpoint", [(), ("--checkpoint", "scratch")], ids=["default", "scratch"])
def test_study_of_each_task_is_accepted(
    table: str, task: str, checkpoint: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copyfile(DATA / table, tmp_path / table)
    code, out, err = run(tmp_path, monkeypatch, table, *checkpoint)
    assert (code, err) == (0, "")
    spec = accepted(tmp_path / "study.yaml")
    assert (spec.task, spec.name) == (task, table.partition(".")[0])
    assert f"written: study.yaml ({task})" in out
    assert spec.model.checkpoints == ("scratch",) if checkpoint else True
    assert "# " in (tmp_path / "study.yaml").read_text(encoding="utf-8")


def test_numbers_are_a_regression_and_pixels_are_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [{"sentence1": f"a cat number {n}", "sentence2": f"a dog number {n}", "score": n / 7} for n in range(60)]
    (tmp_path / "pairs.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    assert run(tmp_path, monkeypatch, "pairs.jsonl")[0] == 0
    spec = accepted(tmp_path / "study.yaml")
    assert (spec.task, spec.data.text, spec.data.text_pair, spec.data.label) == (
        "text-regression", "sentence1", "sentence2", "score",
    )  # fmt: skip
    images = [{"image": [[n, 0], [0, n]], "label": "ab"[n % 2]} for n in range(60)]
    (tmp_path / "images.jsonl").write_text("\n".join(map(json.dumps, images)), encoding="utf-8")
    assert run(tmp_path, monkeypatch, "images.jsonl", "--out", "images.yaml")[0] == 0
    assert accepted(tmp_path / "images.yaml").task == "image-classification"


def test_paths_are_relative_to_the_study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "studies").mkdir()
    shutil.copyfile(DATA / "smoke.csv", tmp_path / "data" / "my table.csv")
    code, _, err = run(tmp_path, monkeypatch, "data/my table.csv", "--out", "studies/mine.yaml")
    assert (code, err) == (0, "")
    assert '"../data/my table.csv"' in (tmp_path / "studies/mine.yaml").read_text(encoding="utf-8")
    assert accepted(tmp_path / "studies/mine.yaml").name == "my-table"


def test_json_prints_the_study_and_writes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copyfile(DATA / "smoke.csv", tmp_path / "smoke.csv")
    code, out, _ = run(tmp_path, monkeypatch, "smoke.csv", "--json")
    assert code == 0
    assert StudySpec.model_validate(json.loads(out)).task == "text-classification"
    assert not (tmp_path / "study.yaml").exists()


def test_a_file_that_is_there_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copyfile(DATA / "smoke.csv", tmp_path / "smoke.csv")
    (tmp_path / "study.yaml").write_text("mine", encoding="utf-8")
    code, out, err = run(tmp_path, monkeypatch, "smoke.csv")
    assert (code, out) == (2, "")
    assert err == "error: study.yaml is there already and is not overwritten; give another file with --out FILE\n"
    assert (tmp_path / "study.yaml").read_text(encoding="utf-8") == "mine"


def test_unequal_classes_count_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = ["comment,topic", *(f"the words of comment {n},{'rare' if n % 10 == 0 else 'usual'}" for n in range(200))]
    (tmp_path / "few.csv").write_text("\n".join(lines), encoding="utf-8")
    code, out, _ = run(tmp_path, monkeypatch, "few.csv")
    assert code == 0
    spec = accepted(tmp_path / "study.yaml")
    assert (spec.data.text, spec.data.label, spec.search.objectives) == ("comment", "topic", ("macro_f1",))
    assert "2 classes" in out


def test_an_index_without_a_name_is_no_field(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [f"{n},the words of comment {n},{'good' if n % 2 else 'bad'}" for n in range(200)]
    (tmp_path / "frame.csv").write_text("\n".join([",comment,topic", *rows]), encoding="utf-8")
    code, _, err = run(tmp_path, monkeypatch, "frame.csv")
    assert code == 0, err
    spec = accepted(tmp_path / "study.yaml")
    assert (spec.data.text, spec.data.label) == ("comment", "topic")


def test_a_table_that_fits_nothing_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sums.csv").write_text("a,b\n1,2\n3,4\n5,6\n", encoding="utf-8")
    code, _, err = run(tmp_path, monkeypatch, "sums.csv")
    assert code == 2
    assert err.startswith("error: sums.csv: its columns ('a', 'b') do not fit any of text-classification, ")
    code, _, err = run(tmp_path, monkeypatch, "sums.csv", "--task", "text-clasification")
    assert (code, "did you mean 'text-classification'?" in err) == (2, True)


@pytest.mark.parametrize(
    ("kind", "values", "fits"),
    [
        ("label", ["a", "b", "a", "b"], True),
        ("label", ["a", "b", "c", "d"], False),
        ("label", ["0.5", "1.5", "0.5", "1.5"], False),
        ("number", ["0.5", "1.5"], True),
        ("number", ["1", "0"], False),
        ("number", list(range(100)), True),
        ("text", ["1", "2"], False),
        ("tags", [["O"], ["B-PER"]], True),
        ("answers", [[{"text": "a", "answer_start": 0}]], True),
        ("messages", [[{"role": "user", "content": "a"}]], True),
        ("messages", [[{"text": "a"}]], False),
        ("image", [[[0, 1], [1, 0]]], True),
        ("label_set", ["a;b", "b", "a;b", "a"], True),
        ("label_set", ["no sign", "of any"], False),
    ],
)
def test_looks(kind: str, values: list[Any], fits: bool) -> None:
    assert looks_like(kind, values) is fits


def test_separators_stand_between_labels_that_come_again() -> None:
    assert separator_of(["a|b", "a", "b|a", "b"]) == "|"
    assert separator_of(["well, that went on, as it does", "so it is, then"]) is None


def test_columns_of_0_and_1_are_labels() -> None:
    columns = {"text": ["one text", "two texts"], "good": [1, 0], "long": [0, 1], "new": [1, 0]}
    best = matches(columns)[0]
    assert (best.facts.name, best.columns["labels"]) == ("multi-label-classification", ("good", "long", "new"))


def test_numbers_of_rows_and_of_other_columns_are_no_target() -> None:
    texts, labels = [f"it was {row}" for row in range(60)], ["good", "bad"] * 30
    ids = [str(10**15 + row) for row in range(60)]
    columns = {"id": ids, "text": texts, "label": labels}
    assert matches(columns)[0].columns == {"text": "text", "label": "label"}
    assert not any(match.facts.name == "text-regression" for match in matches(columns))
    users = [str(row % 40) for row in range(60)]
    assert matches({"text": texts, "user": users, "label": labels})[0].columns == {"text": "text", "label": "label"}
    assert matches({"text": texts, "grams": users})[0].columns == {"text": "text", "number": "grams"}


def test_table_without_a_header_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [f"{'good' if row % 2 else 'bad'},it was number {row}\n" for row in range(20)]
    (tmp_path / "spam.csv").write_text("spam,message\n" + "".join(lines).replace("bad", "spam"), encoding="utf-8")
    assert run(tmp_path, monkeypatch, "spam.csv", "--json")[0] == 0
    (tmp_path / "reviews.csv").write_text("".join(lines), encoding="utf-8")
    code, _, errors = run(tmp_path, monkeypatch, "reviews.csv")
    assert code == 2
    assert "reviews.csv: its first line seems to be a row, as 'bad' occurs again below it; write the names" in errors
