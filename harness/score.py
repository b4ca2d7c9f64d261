"""Scores saved models in a process that never trained them: `python -m harness.score REQUEST.json`.

Knows nothing of how models were chosen. Reads a request (JSON), writes one .npz of probabilities a model.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from harness.data.prepared import PreparedData
from harness.errors import HarnessError
from harness.records.schema import Place
from harness.spec.space import Frozen
from harness.spec.trial import TrialConfig

if TYPE_CHECKING:
    from transformers import PreTrainedModel

__all__ = ["Request", "SavedModel", "load_saved", "score_saved"]


class SavedModel(Frozen):
    """A folder with config.json and model.safetensors; `processor` says that it lacks its tokenizer, which is written.

    With `raw`, rows are encoded by the folder's own tokenizer, as a user of the export would.
    """

    name: str
    folder: str
    config: TrialConfig
    processor: bool = False
    raw: bool = False


class Request(Frozen):
    """What is scored: each model, and with `baseline` the task's classical model, on each split."""

    data: str
    out: str
    place: Place
    models: tuple[SavedModel, ...]
    splits: tuple[str, ...] = ("validation", "test")
    baseline: bool = False
    task: str


def score_saved(request: Request, log: Path) -> None:
    """Runs the request in a new process; afterwards `<out>/<name>.npz` holds `<split>_probabilities` and `_labels`.

    Raises:
        HarnessError: the process failed; the message names its log.
    """
    out = Path(request.out)
    out.mkdir(parents=True, exist_ok=True)
    path = out / "request.json"
    path.write_text(request.model_dump_json(), encoding="utf-8")
    threads = str(request.place.threads)
    environment = os.environ | {"OMP_NUM_THREADS": threads, "TOKENIZERS_PARALLELISM": "false"}
    with log.open("ab") as stream:
        command = [sys.executable, "-m", "harness.score", str(path)]
        done = subprocess.run(command, stdout=stream, stderr=stream, env=environment, check=False)
    path.unlink()
    if done.returncode:
        last = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-1:]
        raise HarnessError(f"scoring the saved models failed: {''.join(last)} (log: {log})")


def load_saved(folder: Path, task: str) -> PreTrainedModel:
    """The model of a folder, as plain transformers loads it, fp32."""
    import torch
    import transformers

    transformers.utils.logging.disable_progress_bar()
    kinds = {
        "text-classification": transformers.AutoModelForSequenceClassification,
        "image-classification": transformers.AutoModelForImageClassification,
    }
    model: PreTrainedModel = kinds[task].from_pretrained(folder, dtype=torch.float32, use_safetensors=True)
    return model


def _score(request: Request) -> None:
    from harness.tasks import task_of
    from harness.tasks.encode import encoded
    from harness.training.device import bind, resolve_precision
    from harness.training.evaluate import predict_probabilities
    from harness.training.model import tune_for
    from harness.training.weights import DTYPES, cast_model

    data, task = PreparedData(Path(request.data)), task_of(request.task)
    device = bind(request.place)
    for saved in request.models:
        config, folder = saved.config, Path(saved.folder)
        if saved.processor:
            task.write_processor(config, data, folder)
        model = load_saved(folder, request.task)
        tune_for(model, device)
        cast_model(model.to(device), DTYPES[resolve_precision(config.training.precision, device)])
        arrays: dict[str, np.ndarray] = {}
        for split in request.splits:
            if saved.raw:
                frame = data.frame(split)
                rows = [{str(key): value for key, value in row.items()} for row in frame.to_dict("records")]
                examples = task.predict_inputs(rows, folder, config.data.max_length, config.data.preprocess)
                labels = frame["label"].to_numpy()
            else:
                examples = encoded(data, config, split)
                labels = np.asarray(examples.labels)
            found = predict_probabilities(model, task, examples, np.arange(len(examples)), device)
            arrays |= {f"{split}_probabilities": found, f"{split}_labels": labels}
        _write(Path(request.out) / f"{saved.name}.npz", arrays)
    if request.baseline:
        frames = {split: data.frame(split) for split in request.splits}
        _, guessed = task.baseline(data.frame("train"), frames, len(data.labels))
        arrays = {f"{split}_probabilities": guessed[split] for split in request.splits}
        arrays |= {f"{split}_labels": frames[split]["label"].to_numpy() for split in request.splits}
        _write(Path(request.out) / "baseline.npz", arrays)


def _write(path: Path, arrays: dict[str, np.ndarray]) -> None:
    np.savez(path, allow_pickle=False, **arrays)


if __name__ == "__main__":
    _score(Request.model_validate_json(Path(sys.argv[1]).read_text(encoding="utf-8")))
