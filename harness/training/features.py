"""A simple model on the features of a pretrained checkpoint: what it is worth to tune the checkpoint itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from harness.data.encoded import Arrays, Encoded, Ragged, by_row
from harness.data.prepared import PreparedData
from harness.errors import CheckpointError
from harness.spec.trial import TrialConfig
from harness.tasks import task_of
from harness.tasks.base import Task
from harness.tasks.encode import encoded, training_rows
from harness.training.evaluate import answered, predict
from harness.training.model import loaded_model
from harness.training.weights import cast_model, dtype_of

if TYPE_CHECKING:
    from transformers import PreTrainedModel

__all__ = ["MAX_ROWS", "feature_outputs", "layer_features"]

#: The most training rows that the simple model is fitted on: enough for a linear one, and seconds on a CPU.
MAX_ROWS = 4000
_FEATURES = "features"
NO_LOCK: AbstractContextManager[object] = nullcontext()


def feature_outputs(
    config: TrialConfig,
    data: PreparedData,
    splits: Sequence[str],
    num_rows: int | None,
    device: torch.device,
    loading: AbstractContextManager[object] = NO_LOCK,
) -> dict[str, Arrays] | None:
    """Returns the outputs, by split, of the task's simple model on the features of the untuned checkpoint.

    Of a task whose `scores_checkpoint` is true they are those of the untuned checkpoint itself. The simple model is
    fitted on the original rows of a trial with `train_rows: num_rows`, at most `MAX_ROWS`. None where there is no such
    model: for `scratch`, for a task without one, and for a checkpoint without a backbone or with features that are not
    finite.

    Raises:
        CheckpointError: the checkpoint cannot be loaded.
        InputError: the precision is `auto`.
    """
    task = task_of(config.task)
    if config.model.checkpoint == "scratch" or not task.features_baseline:
        return None
    dtype = dtype_of(config.training.precision)
    with loading:
        model = loaded_model(config, data, device)
    if task.scores_checkpoint:
        cast_model(model.to(device), dtype)
        return {split: _own_outputs(model, task, config, data, split, device) for split in splits}
    if model.base_model is model:
        return None
    backbone = model.base_model.get_encoder() if model.config.is_encoder_decoder else model.base_model
    cast_model(backbone.to(device), dtype)
    train = encoded(data, config, "train")
    rows = _training_rows(config, data, num_rows)
    features = _features(backbone, task, train, rows, device)
    others = {}
    for split in splits:
        examples = encoded(data, config, split)
        others[split] = _features(backbone, task, examples, np.arange(len(examples)), device)
    if not all(np.isfinite(array).all() for array in (features, *others.values())):
        return None
    return task.on_features(features, by_row(train.targets, rows), others, data)


def layer_features(
    config: TrialConfig, data: PreparedData, num_rows: int, device: torch.device
) -> tuple[np.ndarray, Arrays]:
    """Returns the features [rows, width] fp32 of at most `num_rows` training rows, and the targets of these rows.

    Features are the mean of the hidden states of all layers of the untuned checkpoint, and of all tokens of a row.

    Raises:
        CheckpointError: the checkpoint cannot be loaded, is new (`scratch`) or has no features that are numbers.
    """
    task, name = task_of(config.task), config.model.checkpoint
    if name == "scratch":
        raise CheckpointError("model.checkpoint: scratch has learned nothing that could be ranked")
    model = loaded_model(config, data, device)
    backbone = model.base_model.get_encoder() if model.config.is_encoder_decoder else model.base_model
    backbone.config.output_hidden_states = True
    train, rows = encoded(data, config, "train"), _training_rows(config, data, num_rows)
    features = np.asarray(predict(backbone.to(device), _Layers(task), train, rows, device)[_FEATURES])
    if not np.isfinite(features).all():
        raise CheckpointError(f"model.checkpoint: '{name}': its hidden states are not all finite")
    return features, by_row(train.targets, rows)


def _own_outputs(
    model: PreTrainedModel, task: Task, config: TrialConfig, data: PreparedData, split: str, device: torch.device
) -> Arrays:
    """Returns what the model says of the rows of a split."""
    examples, folder = encoded(data, config, split), task.processor_folder(config, data)
    return answered(model, task, examples, np.arange(len(examples)), device, folder, config)


def _training_rows(config: TrialConfig, data: PreparedData, num_rows: int | None) -> np.ndarray:
    """Returns the rows of a trial with `num_rows`, at most `MAX_ROWS`, without their augmented copies."""
    most = MAX_ROWS if num_rows is None else min(num_rows, MAX_ROWS)
    cut = config.data.model_copy(update={"train_rows": most})
    rows = training_rows(data, config.model_copy(update={"data": cut}))
    return rows[: len(rows) // (1 + len(config.data.augment))]


def _features(
    backbone: PreTrainedModel, task: Task, examples: Encoded, rows: np.ndarray, device: torch.device
) -> np.ndarray:
    """Returns features [rows, width] fp32."""
    return np.asarray(predict(backbone, _Backbone(task), examples, rows, device)[_FEATURES])


class _Backbone:
    """Reads the output of a model without a head: one vector for each row."""

    def __init__(self, task: Task) -> None:
        self._task = task

    def collate(self, encoded: Encoded, rows: np.ndarray, length: int | None = None) -> dict[str, torch.Tensor]:
        """Returns the inputs that the task makes."""
        return self._task.collate(encoded, rows, length)

    def outputs(self, output: Any, inputs: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor | Ragged]:
        """Returns the mean of the last hidden states, of a text over its real tokens; of an image what is pooled."""
        pooled = getattr(output, "pooler_output", None)
        if inputs.get("attention_mask") is None and pooled is not None:
            return {_FEATURES: pooled.float().flatten(1)}
        return {_FEATURES: _mean(output.last_hidden_state, inputs)}


class _Layers(_Backbone):
    """Reads the mean of all layers; of an image only the last, because the layers before it may have other widths."""

    def outputs(self, output: Any, inputs: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor | Ragged]:
        """Returns the mean of the hidden states of all layers but the embeddings."""
        layers = getattr(output, "hidden_states", None) or ()
        if inputs.get("attention_mask") is None or len(layers) < 2:
            return super().outputs(output, inputs)
        return {_FEATURES: torch.stack([_mean(layer, inputs) for layer in layers[1:]]).mean(0)}


def _mean(hidden: torch.Tensor, inputs: Mapping[str, torch.Tensor]) -> torch.Tensor:
    """Returns the mean of hidden states [rows, tokens, width] over the real tokens of each row, fp32 [rows, width]."""
    hidden, mask = hidden.float(), inputs.get("attention_mask")
    if hidden.ndim == 4:  # a convolution's [rows, channels, height, width]
        hidden = hidden.flatten(2).transpose(1, 2)
    if mask is None:
        return hidden.mean(1)
    weights = mask[..., None].float()
    return (hidden * weights).sum(1) / weights.sum(1)
