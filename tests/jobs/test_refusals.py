"""What is refused before the first trial."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.data.prepared import PreparedData
from harness.errors import DataError
from harness.jobs.refusals import refuse_undefined
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
