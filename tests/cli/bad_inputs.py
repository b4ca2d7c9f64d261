"""A folder of everything that can be wrong with what a user gives, by the names that docs/errors.md uses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from harness.records.manifest import DataFacts, write_manifest
from harness.records.provenance import new_manifest
from harness.records.rundir import RunFolder
from harness.records.schema import Place, Progress, TrialRecord, TrialState, record_of
from harness.records.store import StudyStore
from harness.spec.configure import default_params, resolve
from harness.spec.reader import load_study
from harness.spec.study import StudySpec
from tests.cli.bad_tables import make_bad_tables

__all__ = ["make_bad_inputs", "make_run"]

STUDY = """\
name: reviews
data: {path: reviews.csv}
model:
  checkpoint: scratch
  architecture: {model_type: bert, hidden_size: 32, num_hidden_layers: 1, num_attention_heads: 2, intermediate_size: 64}
training:
  learning_rate: {low: 1e-5, high: 5e-4, log: true}
  batch_size: [8, 16]
search: {trials: 4}
engine: {device: cpu}
"""
MISTAKES = STUDY.replace("batch_size: [8, 16]", "batchsize: 16").replace("low: 1e-5", "low: -1e-5")
FIRST = STUDY.replace(
    "search: {trials: 4}",
    """search:
  trials: 4
  first:
    - {learning_rat: 3e-5}
    - {batch_size: 12}
    - {training.learning_rate: 1e-3, epochs: 5}
  constraints: ["peak_memory <= 2000", "accuracy.low >= 0.8"]""",
)
ROWS = [(f"review number {row}, {word} so far", label) for row in range(6) for word, label in
        (("good", "positive"), ("bad", "negative"))]  # fmt: skip


def _table(rows: list[tuple[str, str]]) -> str:
    return "text,label\n" + "".join(f'"{text}",{label}\n' for text, label in rows)


def make_bad_inputs(folder: Path) -> None:
    """Writes study files, tables, checkpoints and exports, good and bad, into `folder`."""
    files = {
        "study.yaml": STUDY,
        "older.yaml": STUDY.replace("name: reviews", "name: older"),
        "other.yaml": STUDY.replace("low: 1e-5", "low: 2e-5"),
        "broken.yaml": "name: reviews\ndata: {path: reviews.csv\n",
        "twice.yaml": STUDY + "name: again\n",
        "mistakes.yaml": MISTAKES,
        "first.yaml": FIRST,
        "reviews.csv": _table(ROWS),
        "one-class.csv": _table([(text, "positive") for text, _ in ROWS]),
        "no-texts.csv": _table([("", label) for _, label in ROWS]),
        "floats.csv": _table([(text, f"{at}.5") for at, (text, _) in enumerate(ROWS)]),
        "questions.csv": "question\nwhy?\n",
        "unlabelled.csv": "text\ngood\n",
    }
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    make_bad_tables(folder, ROWS)
    (folder / "no-tables").mkdir()
    (folder / "no-config").mkdir()
    (folder / "no-config" / "model.safetensors").write_bytes(b"")
    for name, settings in (
        ("no-type", "{}"),
        ("listed", "[]"),
        ("new-type", '{"model_type": "robertta"}'),
        ("outputs/checkpoint-9", "{}"),
    ):
        (folder / name).mkdir(parents=True)
        (folder / name / "config.json").write_text(settings, encoding="utf-8")
        (folder / name / "model.safetensors").write_bytes(b"weights")
    (folder / "pickle").mkdir()
    (folder / "pickle" / "config.json").write_text('{"model_type": "bert"}', encoding="utf-8")
    (folder / "pickle" / "pytorch_model.bin").write_bytes(b"")
    _checkpoint(folder / "own-code", model_type="xnew", auto_map={"AutoConfig": "configuration_x.XConfig"})
    _checkpoint(folder / "four-bits", quantization_config={"quant_method": "bitsandbytes", "load_in_4bit": True})
    _checkpoint(folder / "pointer", weights=b"version https://git-lfs.github.com/spec/v1")
    _checkpoint(folder / "cut", weights=_weights("F32")[:-40])
    _checkpoint(folder / "eight-bits", weights=_weights("I8"))
    (_checkpoint(folder / "sharded") / "model.safetensors").rename(folder / "sharded" / "model-1-of-2.safetensors")
    (folder / "sharded" / "model.safetensors.index.json").write_text(
        '{"weight_map": {"a": "model-1-of-2.safetensors", "b": "model-2-of-2.safetensors"}}', encoding="utf-8"
    )
    (_checkpoint(folder / "pieces") / "spm.model").write_bytes(b"")
    (_checkpoint(folder / "adapter") / "adapter_config.json").write_text(
        '{"base_model_name_or_path": "owner/base"}', encoding="utf-8"
    )
    _export(folder / "model", task="text-classification")
    _export(folder / "image-model", task="image-classification")
    _export(folder / "pair-model", task="text-classification", text_pair="answer")


def _weights(dtype: str) -> bytes:
    """A safetensors file of one tensor of 64 bytes."""
    num_values = 64 // {"F32": 4, "I8": 1}[dtype]
    tensor = {"dtype": dtype, "shape": [num_values], "data_offsets": [0, 64]}
    header = json.dumps({"encoder.weight": tensor}).encode()
    return len(header).to_bytes(8, "little") + header + bytes(64)


def _checkpoint(folder: Path, *, weights: bytes | None = None, model_type: str = "bert", **settings: Any) -> Path:
    """A checkpoint as far as it is read before it is loaded."""
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"model_type": model_type, **settings}), encoding="utf-8")
    (folder / "model.safetensors").write_bytes(_weights("F32") if weights is None else weights)
    return folder


def _export(folder: Path, *, task: str, text_pair: str | None = None) -> None:
    """An export as far as it is read before its weights are."""
    folder.mkdir()
    facts: dict[str, Any] = {
        "study": "older",
        "trial": 3,
        "task": task,
        "labels": ["negative", "positive"],
        "preprocess": [],
        "max_length": 32,
        "columns": {"text": "text", "text_pair": text_pair, "label": "label"},
    }
    (folder / "config.json").write_text("{}", encoding="utf-8")
    (folder / "model.safetensors").write_bytes(b"")
    (folder / "manifest.json").write_text(json.dumps(facts), encoding="utf-8")


def make_run(study: Path, runs: Path, *, sha256: str = "0" * 64, rows_sha256: str = "", version: str = "") -> StudySpec:
    """A run of `study` that was stopped: trial 0 is complete without weights, trial 1 runs.

    It has the hashes of the data's bytes and rows, and was begun by another `version` where one is given.
    """
    spec = load_study(study)
    run = runs / spec.name
    run.mkdir(parents=True)
    facts = DataFacts(sha256=sha256, rows_sha256=rows_sha256, source="reviews.csv")
    manifest = new_manifest(spec, facts, {"scratch": None}, [], ["harness", "sweep", study.name])
    versions = {"finetune-harness": version} if version else manifest.versions
    write_manifest(RunFolder(run), manifest.model_copy(update={"versions": versions}))
    store = StudyStore.open(run / "study.db", spec.name, spec.search.objectives)
    for number in (0, 1):
        store.create(resolve(spec, number=number, params=default_params(spec)))
    store.end(_complete(spec))
    store.close()
    (run / "lock").touch()
    run.chmod(0o700)
    return spec


def _complete(spec: StudySpec) -> TrialRecord:
    config = resolve(spec, number=0, params=default_params(spec))
    metrics = {"accuracy": 0.5, "log_loss": 0.7}
    last = Progress(number=0, step=3, total_steps=3, epoch=3.0, num_rows=4, metrics=metrics, train_loss=0.7)
    place = Place(node="here", device="cpu", slot=0, threads=1)
    return record_of(config, TrialState.COMPLETE, [last], place=place)
