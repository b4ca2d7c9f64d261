"""Computes a model's outputs for encoded examples."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch

from harness.data.batch import MAX_ROWS, evaluation_batches
from harness.data.encoded import MOST_ROWS, Arrays, Encoded, Ragged, by_row, joined
from harness.spec.trial import TrialConfig
from harness.tasks.base import Task
from harness.training import device as devices

if TYPE_CHECKING:
    from transformers import PreTrainedModel

__all__ = ["Predictor", "answered", "evaluating", "predict", "to_device"]

#: Tokens and padding in one evaluation batch: what keeps an accelerator busy; what stays in a CPU's caches (MiniLM on
#: 132 reviews: 0.74 s at 1024, 0.97 s at 4096).
MAX_POSITIONS = {"cpu": 1024, "accelerator": 65536}


class Predictor(Protocol):
    """The two methods of a task that make a model's inputs, and read its output."""

    def collate(self, encoded: Encoded, rows: np.ndarray, length: int | None = None) -> dict[str, torch.Tensor]:
        """Returns the model's keyword arguments for `rows`."""

    def outputs(self, output: Any, inputs: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor | Ragged]:
        """Returns the outputs for each row of a batch, by name."""


def answered(
    model: PreTrainedModel,
    task: Task,
    encoded: Encoded,
    rows: np.ndarray,
    device: torch.device,
    folder: Path,
    config: TrialConfig | None = None,
) -> Arrays:
    """Returns the outputs of a saved model for `rows`, with the decisions that its configuration sets.

    For `folder` and `config` see `Task.write`.
    """
    outputs = task.of_rows(predict(model, task, encoded, encoded.examples_of(rows), device), encoded, rows)
    outputs = {**outputs, **task.write(model, encoded, rows, device, folder, config)}
    return task.decided(outputs, vars(model.config))


def to_device(
    inputs: Mapping[str, torch.Tensor], model: PreTrainedModel, device: torch.device
) -> dict[str, torch.Tensor]:
    """Returns the inputs on `device`, real numbers in the precision that the model computes in.

    An input may be a list of mappings of tensors: the labels of pictures that each have another number of boxes.
    """
    moved: dict[str, torch.Tensor] = {name: _moved(value, model.dtype, device) for name, value in inputs.items()}
    return moved


def _moved(value: Any, dtype: torch.dtype, device: torch.device) -> Any:
    if isinstance(value, torch.Tensor):
        return value.to(device, dtype if value.is_floating_point() else value.dtype, non_blocking=True)
    if isinstance(value, Mapping):
        return {name: _moved(part, dtype, device) for name, part in value.items()}
    return [_moved(part, dtype, device) for part in value]


@contextmanager
def evaluating(model: PreTrainedModel) -> Iterator[None]:
    """Switches dropout off within the block."""
    was_training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(was_training)


@torch.inference_mode()
def predict(
    model: PreTrainedModel,
    task: Predictor,
    encoded: Encoded,
    rows: np.ndarray,
    device: torch.device,
    *,
    may_split: bool = True,
) -> dict[str, np.ndarray | Ragged]:
    """Returns the outputs of `task` by name, in the order of the examples `rows`; dropout is off.

    Batches are made by length.

    Out of memory on an accelerator, batches are halved from there on; with `may_split` false the error is raised.
    """
    was_training = model.training
    model.eval()
    positions = MAX_POSITIONS["cpu" if device.type == "cpu" else "accelerator"]
    lengths, padded = encoded.lengths[rows], encoded.may_pad
    most = min(MAX_ROWS, encoded.stats.get(MOST_ROWS, MAX_ROWS))
    ahead = deque(evaluation_batches(lengths, max_positions=positions, max_rows=most, padded=padded))
    batches: list[np.ndarray] = []
    parts: dict[str, list[torch.Tensor | Ragged]] = {}
    while ahead:
        try:
            outputs = _outputs(model, task, encoded, rows[ahead[0]], device)
        except RuntimeError as error:
            if not (may_split and len(ahead[0]) > 1 and device.type != "cpu" and devices.is_out_of_memory(error)):
                raise
            outputs = None
        if outputs is None:  # outside the except block: the traceback, and with it the activations, is gone
            devices.empty_cache(device)
            ahead = deque(_halved(ahead, lengths, padded=padded))
            continue
        batches.append(ahead.popleft())
        for name, output in outputs.items():
            parts.setdefault(name, []).append(output)
    model.train(was_training)
    return by_row({name: _whole(part) for name, part in parts.items()}, np.argsort(np.concatenate(batches)))


def _outputs(
    model: PreTrainedModel, task: Predictor, encoded: Encoded, rows: np.ndarray, device: torch.device
) -> Mapping[str, torch.Tensor | Ragged]:
    inputs = to_device(task.collate(encoded, rows), model, device)
    return task.outputs(model(**inputs), inputs)


def _halved(batches: Sequence[np.ndarray], lengths: np.ndarray, *, padded: bool) -> list[np.ndarray]:
    """Returns the rows of the batches, in the same order, in batches of at most half the size of the first."""
    rows, half = np.concatenate(batches), (len(batches[0]) + 1) // 2
    positions = half * int(lengths[batches[0]].max())
    parts = evaluation_batches(lengths[rows], max_positions=positions, max_rows=half, padded=padded)
    return [rows[part] for part in parts]


def _whole(parts: Sequence[torch.Tensor | Ragged]) -> np.ndarray | Ragged:
    """Joins the rows of all batches. Tensors are copied from the device once, at the end."""
    tensors = [part for part in parts if isinstance(part, torch.Tensor)]
    if tensors:
        whole: np.ndarray = torch.cat(tensors).cpu().numpy()
        return whole
    return joined([part for part in parts if isinstance(part, Ragged)])
