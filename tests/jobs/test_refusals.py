"""What is refused before the first trial."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from harness.data.prepared import PreparedData
from harness.errors import DataError, InputError, SpecError
from harness.jobs.refusals import mistakes_of_files, refuse_several_tokenizers, refuse_undefined
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


def tokenizer(folder: Path, *merges: str) -> str:
    folder.mkdir()
    model = {"type": "BPE", "vocab": {"a": 0, "b": 1}, "merges": list(merges)}
    (folder / "tokenizer.json").write_text(json.dumps({"model": model, "truncation": None}), encoding="utf-8")
    (folder / "config.json").write_text(json.dumps({"model_type": "gpt2", "name": folder.name}), encoding="utf-8")
    save_file({"a": np.zeros(1, np.float32)}, folder / "model.safetensors")
    return str(folder)


def compared(*names: str, objective: str = "loss", searched: bool = False, task: str = "causal-lm") -> StudySpec:
    checkpoint = {"choices": list(names)} if searched else list(names)
    raw = {"name": "s", "task": task, "data": {"path": "t.csv"}, "model": {"checkpoint": checkpoint}}
    return StudySpec.model_validate(raw | {"search": {"objectives": [objective]}})


def test_several_tokenizers_are_not_ranked_by_what_depends_on_them(tmp_path: Path) -> None:
    a, same, b = tokenizer(tmp_path / "a"), tokenizer(tmp_path / "same"), tokenizer(tmp_path / "b", "a b")
    for objective in ("loss", "perplexity", "token_accuracy"):
        refuse_several_tokenizers(compared(a, f"{a}#layers=3", same, objective=objective))
        with pytest.raises(InputError) as error:
            refuse_several_tokenizers(compared(a, b, objective=objective))
        start = f"search.objectives: {objective} depends on the tokenizer, and the checkpoints have 2 different ones; "
        assert str(error.value) == f"{start}choose an objective of bits_per_byte, exact_match, rouge_l, token_f1"
    refuse_several_tokenizers(compared(a, b, objective="bits_per_byte"))
    with pytest.raises(InputError, match="list them without choices"):
        refuse_several_tokenizers(compared(a, b, objective="bits_per_byte", searched=True))
    refuse_several_tokenizers(study("log_loss"))


@pytest.mark.parametrize("objective", ["loss", "token_accuracy"])
def test_encoder_decoders_with_several_tokenizers_are_not_ranked_by_tokens(tmp_path: Path, objective: str) -> None:
    a, b = tokenizer(tmp_path / "a"), tokenizer(tmp_path / "b", "a b")
    with pytest.raises(InputError, match="choose an objective of bits_per_byte, exact_match, rouge_l, chrf"):
        refuse_several_tokenizers(compared(a, b, objective=objective, task="seq2seq"))
    refuse_several_tokenizers(compared(a, b, objective="chrf", task="seq2seq"))


def test_documents_have_no_objective_of_answers(tmp_path: Path) -> None:
    data = prepared(tmp_path, columns={"text": "body", "completion": "body"})
    refuse_undefined(compared("x"), data)
    with pytest.raises(DataError) as error:
        refuse_undefined(compared("x", objective="rouge_l"), data)
    assert str(error.value).startswith(
        "search.objectives: rouge_l judges answers to prompts, and 'body' holds documents"
    )
    (tmp_path / "asked").mkdir()
    refuse_undefined(compared("x", objective="rouge_l"), prepared(tmp_path / "asked", columns={"prompt": "q"}))
