"""What is refused before the first trial."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.data.prepared import PreparedData
from harness.errors import DataError, SpecError
from harness.jobs.refusals import mistakes_of_files, refuse_undefined
from harness.spec.reader import load_study
from harness.spec.study import StudySpec


def study(*objectives: str, task: str = "text-classification") -> StudySpec:
    raw = {"name": "s", "task": task, "data": {"path": "t.csv"}, "model": {"checkpoint": "x"}}
    return StudySpec.model_validate(raw | {"search": {"objectives": objectives}})


def prepared(folder: Path, **facts: object) -> PreparedData:
    (folder / "meta.json").write_text(json.dumps({"rows": {"validation": 12}, **facts}), encoding="utf-8")
    return PreparedData(folder)


def test_an_objective_of_several_classes_needs_them_on_validation(tmp_path: Path) -> None:
    data = prepared(tmp_path, counts={"validation": {"ok": 12, "fraud": 0}})
    refuse_undefined(study("accuracy", "log_loss"), data)
    with pytest.raises(DataError, match="roc_auc is undefined on the validation split: its 12 rows"):
        refuse_undefined(study("accuracy", "roc_auc"), data)
    (tmp_path / "both").mkdir()
    refuse_undefined(study("roc_auc"), prepared(tmp_path / "both", counts={"validation": {"ok": 11, "fraud": 1}}))


@pytest.mark.parametrize("objective", ["r2", "spearman", "pearson"])
def test_an_objective_of_several_numbers_needs_them_on_validation(tmp_path: Path, objective: str) -> None:
    spread = {"mean": 1.0, "std": 0.0, "low": 1.0, "high": 1.0}
    data = prepared(tmp_path, numbers={"validation": {"number": spread}})
    refuse_undefined(study("rmse", task="text-regression"), data)
    with pytest.raises(DataError, match=f"{objective} is undefined"):
        refuse_undefined(study(objective, task="text-regression"), data)


STUDY = """\
name: s
task: text-classification
data:
  path: reviews.csv
  columns: {label: stars}
model: {checkpoint: ./gone}
training:
  learning_rate: {low: 1e-3, high: 1e-5}
"""


@pytest.mark.parametrize(
    ("overrides", "keys"),
    [
        ([], ["data.columns.label", "model.checkpoint", "training.learning_rate"]),
        (["data.columns={}"], ["model.checkpoint", "training.learning_rate"]),
        (["data.columns=null", "data.label=stars"], ["data.columns", "model.checkpoint", "training.learning_rate"]),
        (["data.path=other.csv", "model.checkpoint=owner/name"], ["data.path", "training.learning_rate"]),
        (["task=text-classificaton"], ["task", "model.checkpoint", "training.learning_rate"]),
        (["data.split=2"], ["data.columns.label", "data.split", "model.checkpoint", "training.learning_rate"]),
    ],
)
def test_mistakes_of_a_study_and_of_its_files_are_told_at_once(
    tmp_path: Path, overrides: list[str], keys: list[str]
) -> None:
    (tmp_path / "reviews.csv").write_text("text,label\n" + 9 * "a cat,animal\na soup,food\n", encoding="utf-8")
    (tmp_path / "study.yaml").write_text(STUDY, encoding="utf-8")
    with pytest.raises(SpecError) as told:
        load_study(tmp_path / "study.yaml", overrides, mistakes_of_files)
    assert sorted(problem.key for problem in told.value.problems) == sorted(keys)


def test_files_are_not_read_for_a_study_without_mistakes(tmp_path: Path) -> None:
    (tmp_path / "study.yaml").write_text(STUDY.replace("low: 1e-3", "low: 1e-6"), encoding="utf-8")
    spec = load_study(tmp_path / "study.yaml", [], mistakes_of_files)
    assert [mistake.keys[0] for mistake in mistakes_of_files(spec)] == [("data", "path"), ("model", "checkpoint")]
