"""The outputs of the frozen part of a model for every row, computed once and shared by trials, epochs and workers.

A task whose batches carry the activations replaces the task.
"""

from __future__ import annotations

import hashlib
import json
import math
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch

from harness.data.batch import evaluation_batches
from harness.data.cache import built_once
from harness.data.encoded import Encoded, Ragged
from harness.data.prepared import PreparedData
from harness.spec.trial import TrialConfig
from harness.tasks.base import Task
from harness.tasks.encode import encoded_folder
from harness.training.evaluate import MAX_POSITIONS, to_device
from harness.training.fast.prefix import FrozenPrefix, NotSkippable
from harness.training.host import Host
from harness.training.splits import Rows

if TYPE_CHECKING:
    from transformers import PreTrainedModel

__all__ = ["MAX_BYTES", "skip_frozen"]

#: Raised when the same rows would give other files.
VERSION = 1
#: Bytes that one split may take on disk; above it the frozen layers run in every step.
MAX_BYTES = 4 * 2**30
#: Logits of one batch with and without activations differ by no more than this, relative to the largest.
TOLERANCE = 1e-3
#: numpy has no bf16: its bits are kept as integers.
_STORED = {torch.float32: np.float32, torch.float16: np.float16, torch.bfloat16: np.int16}
_HEAD = "activations.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Activations:
    """Activations of `rows` (sorted) of a split: `fields` [rows, ...], or [tokens of all rows, width] if `ragged`."""

    examples: Encoded
    rows: np.ndarray
    fields: Mapping[str, np.ndarray]
    ragged: Sequence[str]
    dtype: torch.dtype

    def batch(self, rows: np.ndarray, length: int | None = None) -> dict[str, torch.Tensor]:
        """Returns the activations of `rows` by name: [rows, longest row (or `length`), width], or [rows, ...]."""
        at = np.searchsorted(self.rows, rows)
        lengths = self.examples.lengths[self.rows].astype(np.int64)
        starts, lengths = (np.cumsum(lengths) - lengths)[at], lengths[at]
        # Beyond a row's end its last token again: finite, and masked as padding is.
        tokens = starts[:, None] + np.minimum(np.arange(length or lengths.max()), lengths[:, None] - 1)
        return {
            name: torch.from_numpy(np.take(field, tokens if name in self.ragged else at, axis=0)).view(self.dtype)
            for name, field in self.fields.items()
        }


class _WithActivations:
    """A task whose batches also hold the activations of the model's frozen part."""

    def __init__(self, task: Task, prefix: FrozenPrefix, splits: Sequence[_Activations]) -> None:
        self._task, self._prefix, self._splits = task, prefix, splits

    def __getattr__(self, name: str) -> Any:
        return getattr(self._task, name)

    def collate(self, encoded: Encoded, rows: np.ndarray, length: int | None = None) -> dict[str, torch.Tensor]:
        """Returns the model's keyword arguments for `rows`, whose activations must have been computed."""
        inputs = self._task.collate(encoded, rows, length)
        for activations in self._splits:
            if activations.examples is encoded:
                inputs |= self._prefix.arguments(activations.batch(rows, length))
        return inputs


def skip_frozen(
    task: Task, model: PreTrainedModel, config: TrialConfig, data: PreparedData, host: Host, parts: Sequence[Rows]
) -> Task:
    """Returns a task whose batches let `model` skip its frozen layers; `task` if there are none or they keep dropout.

    Where layers cannot be skipped (by this kind of model, or for lack of space) they run in every step, also without
    dropout, and standard error says why. The first process that needs activations writes them beside the encodings.
    """
    if config.model.freeze == "none" or config.model.frozen_dropout:
        return task
    if config.model.freeze == "embeddings":
        return task  # 0.1 ms a step of 8 rows (MiniLM): reading what they give takes longer
    if not all(part.examples.may_pad for part in parts):
        return task  # activations are computed in padded batches
    if task.variation(config) is not None:
        return task  # inputs change from step to step
    prefix = FrozenPrefix(model, config.model.freeze)
    was_training = model.training
    model.eval()
    try:
        splits = [_opened(_folder(model, config, data, host, part), task, model, prefix, part) for part in parts]
    except (NotSkippable, OSError) as error:
        _say(f"the frozen layers run in every step: {error}")
        return task
    finally:
        model.train(was_training)
    return cast(Task, _WithActivations(task, prefix, splits))


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")


def _folder(model: PreTrainedModel, config: TrialConfig, data: PreparedData, host: Host, part: Rows) -> Path:
    """Returns a folder named by all that the activations depend on, the values of the frozen weights among them."""
    import transformers

    settings = [str(data.folder), config.task, config.model.model_dump(mode="json"), str(model.dtype)]
    memo = f"frozen:{json.dumps(settings)}"
    digest = host.cache.get(memo) or _digest(model)
    if config.model.checkpoint != "scratch":  # whose weights are drawn anew by every trial
        host.cache[memo] = digest
    key = [
        VERSION,
        digest,
        config.model.freeze,
        model.device.type,
        host.place.threads if model.device.type == "cpu" else None,
        torch.__version__,
        transformers.__version__,
        np.sort(part.rows).tolist(),
    ]
    name = hashlib.sha256(json.dumps(key).encode()).hexdigest()[:24]
    return data.folder / "frozen" / f"{encoded_folder(data, config, part.split).name}-{name}"


def _digest(model: PreTrainedModel) -> str:
    """A hash of the model's configuration without its dropout, and of the frozen tensors of its backbone."""
    settings = {key: value for key, value in model.config.to_dict().items() if "drop" not in key}
    digest = hashlib.sha256(json.dumps([type(model).__name__, settings], sort_keys=True, default=str).encode())
    frozen = {name: tensor for name, tensor in model.base_model.named_parameters() if not tensor.requires_grad}
    for name, tensor in (frozen | dict(model.base_model.named_buffers())).items():
        digest.update(f"{name} {tensor.dtype} {list(tensor.shape)}".encode())
        digest.update(tensor.detach().cpu().flatten().contiguous().view(torch.uint8).numpy())
    return digest.hexdigest()


def _opened(folder: Path, task: Task, model: PreTrainedModel, prefix: FrozenPrefix, part: Rows) -> _Activations:
    """Opens the activations in `folder`, which is written if it is not there.

    Raises:
        NotSkippable: the model's frozen part cannot be left out, or its activations take too much space.
        OSError: the folder cannot be written or read.
    """
    builder = _Builder(task, model, prefix, part)
    built_once(folder, builder.build)
    head = json.loads((folder / _HEAD).read_text(encoding="utf-8"))
    prefix.output = head["output"]
    fields = {name: np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False) for name in head["fields"]}
    return _Activations(
        examples=part.examples, rows=builder.rows, fields=fields, ragged=head["ragged"], dtype=model.dtype
    )


class _Builder:
    """Computes the activations of one split. The model is in evaluation mode."""

    def __init__(self, task: Task, model: PreTrainedModel, prefix: FrozenPrefix, part: Rows) -> None:
        self._task, self._model, self._prefix, self._examples = task, model, prefix, part.examples
        self.rows = np.sort(part.rows)
        self._lengths = part.examples.lengths[self.rows].astype(np.int64)

    def build(self, folder: Path) -> None:
        """Writes `folder`, after a few rows have shown that the frozen part can be left out."""
        ids = self._examples.fields.get("input_ids")
        if isinstance(ids, Ragged) and not np.array_equal(np.diff(ids.offsets), self._examples.lengths):
            raise NotSkippable("a decoder reads tokens of its own")
        probed, ragged = self._probe()
        shapes = {name: self._shape(value, name in ragged) for name, value in probed.items()}
        size = sum(math.prod(shape) for shape in shapes.values()) * self._model.dtype.itemsize
        _refuse_size(size, folder.parent)
        _say(f"keeping what the frozen layers give for {len(self.rows)} rows: {size / 2**20:.1f} MiB")
        folder.mkdir()
        files = {
            name: np.lib.format.open_memmap(folder / f"{name}.npy", "w+", _STORED[self._model.dtype], shape)
            for name, shape in shapes.items()
        }
        self._fill(files, ragged)
        head = {"fields": list(files), "ragged": ragged, "output": self._prefix.output}
        (folder / _HEAD).write_text(json.dumps(head), encoding="utf-8")

    def _shape(self, probed: torch.Tensor, ragged: bool) -> tuple[int, ...]:
        return (int(self._lengths.sum()), *probed.shape[2:]) if ragged else (len(self.rows), *probed.shape[1:])

    def _inputs(self, at: np.ndarray) -> dict[str, torch.Tensor]:
        return to_device(self._task.collate(self._examples, self.rows[at]), self._model, self._model.device)

    def _probe(self) -> tuple[dict[str, torch.Tensor], list[str]]:
        """Returns what the layers above read of a few rows, and the names of the activations with one vector a token.

        Raises:
            NotSkippable: the logits are not the same without the frozen part.
        """
        inputs = self._inputs(np.unique([self._lengths.argmin(), self._lengths.argmax(), 0, len(self.rows) - 1]))
        try:
            with torch.enable_grad():
                activations = self._prefix.compute(inputs)
            if any(value.requires_grad for value in activations.values()):
                raise NotSkippable("something that is trained lies below them")
            with torch.no_grad():
                return self._proved(inputs, activations)
        except (AttributeError, IndexError, KeyError, RuntimeError, TypeError, ValueError) as error:
            kind = self._model.config.model_type
            raise NotSkippable(f"a {kind} model does not run without them ({error})") from error

    def _proved(
        self, inputs: dict[str, torch.Tensor], activations: dict[str, torch.Tensor]
    ) -> tuple[dict[str, torch.Tensor], list[str]]:
        mask = inputs.get("attention_mask", torch.empty(0))
        ragged = [name for name, value in activations.items() if value.shape[1:-1] == mask.shape[1:] != ()]
        # Padding is not kept, so it must not matter.
        masked = {name: value * mask[..., None] if name in ragged else value for name, value in activations.items()}
        read = {
            name: value
            for name, value in masked.items()
            if self._logits(inputs, masked | {name: torch.full_like(value, math.nan)}).isnan().any()
        }
        expected = self._logits(inputs, {})
        error = (expected - self._logits(inputs, read)).abs().max()
        if not error <= TOLERANCE * expected.abs().max():
            raise NotSkippable(f"without them the logits of a {self._model.config.model_type} model change")
        return read, [name for name in ragged if name in read]

    def _logits(self, inputs: Mapping[str, torch.Tensor], activations: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """Returns all that the task reads of the model's output, as one flat tensor."""
        output = self._model(**inputs, **self._prefix.arguments(activations))
        return torch.cat([getattr(output, name).float().flatten() for name in self._task.reads])

    @torch.inference_mode()
    def _fill(self, files: Mapping[str, np.ndarray], ragged: Sequence[str]) -> None:
        """Fills the files in the batches of an evaluation of all rows, so that scores equal a reloaded model's."""
        positions = MAX_POSITIONS["cpu" if self._model.device.type == "cpu" else "accelerator"]
        starts = np.cumsum(self._lengths) - self._lengths
        for batch in evaluation_batches(self._lengths, max_positions=positions):
            activations = self._prefix.compute(self._inputs(batch))
            for name, file in files.items():
                values = activations[name].cpu()
                stored = (values.view(torch.int16) if values.dtype is torch.bfloat16 else values).numpy()
                if name in ragged:
                    columns = np.arange(stored.shape[1])
                    is_token = columns < self._lengths[batch][:, None]
                    file[(starts[batch][:, None] + columns)[is_token]] = stored[is_token]
                else:
                    file[batch] = stored


def _refuse_size(size: int, folder: Path) -> None:
    """Raises NotSkippable for more bytes than allowed, or than half of the free disk."""
    limit = min(MAX_BYTES, shutil.disk_usage(folder).free // 2)
    if size > limit:
        raise NotSkippable(f"keeping what they give would take {size / 2**20:.1f} MiB, allowed are {limit / 2**20:.1f}")
