"""A study in another tool's words is told the keys of this one."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import SpecError
from harness.spec.reader import load_study
from harness.spec.study.json_schema import study_schema
from harness.spec.study.other_keys import OTHER_KEYS, other_key
from harness.spec.study.reference import key_examples

STUDY = """\
name: mine
data: {path: a.csv, max_seq_length: 64}
model: {model_name_or_path: tiny, checkpoint: tiny}
training: {lr: 1e-4, num_train_epochs: 3, per_device_train_batch_size: 8, fp16: true, warmup_ratio: 0.1}
search: {n_trials: 8}
bf16: true
"""


def test_every_key_of_another_tool_is_named_at_once(tmp_path: Path) -> None:
    file = tmp_path / "study.yaml"
    file.write_text(STUDY, encoding="utf-8")
    with pytest.raises(SpecError) as caught:
        load_study(file)
    said = {problem.key: problem.message for problem in caught.value.problems}
    assert said["training.lr"].endswith("; did you mean 'learning_rate'?")
    assert {key: message for key, message in said.items() if key != "training.lr"} == {
        "data.max_seq_length": "unknown key; here it is data.max_length",
        "model.model_name_or_path": "unknown key; here it is model.checkpoint",
        "training.num_train_epochs": "unknown key; here it is training.epochs",
        "training.per_device_train_batch_size": "unknown key; here it is training.batch_size",
        "training.fp16": "unknown key; here it is training.precision: fp16",
        "training.warmup_ratio": "unknown key; here it is training.warmup_fraction",
        "search.n_trials": "unknown key; here it is search.trials",
        "bf16": "unknown key; here it is training.precision: bf16",
    }


def test_hints_name_keys_that_there_are() -> None:
    known = {f"{section}.{key}".removeprefix(".") for section, key, _ in key_examples()}
    named = {instead: instead.replace(":", ",").replace(";", ",").split(",")[0] for instead in OTHER_KEYS.values()}
    assert {instead: key for instead, key in named.items() if key not in known} == {}


def test_no_key_of_a_study_is_taken_for_that_of_another_tool() -> None:
    keys = {key for _, key, _ in key_examples()} | set(study_schema()["properties"])
    assert {key for key in keys if other_key(key)} == set()
