"""The trial function that a benchmark's slots run: it measures one cell.

The settings that a trial's configuration has no place for travel in its `params`: mode, length, rows, seconds, steps,
largest.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from harness.benchmark.data import of_length
from harness.benchmark.flops import tokens_of
from harness.benchmark.measure import measure
from harness.benchmark.memory import admit, estimated_bytes, largest_that_fits, release_memory
from harness.benchmark.outcome import Outcome
from harness.benchmark.work import Evaluating, Predicting, Training, Workload
from harness.data.checkpoints import resolve
from harness.data.encoded import Encoded, Ragged
from harness.data.prepared import PreparedData
from harness.errors import DataError, FailReason, TrialFailure, look_up
from harness.spec.trial import TrialConfig
from harness.tasks.encode import encoded
from harness.tasks.models import model_config
from harness.training import device as devices
from harness.training.host import Host
from harness.training.optimiser import entry_of
from harness.training.precision import chosen_precision

__all__ = ["MODES", "open_cell", "run_cell"]

#: The work that each mode repeats; the folder is for a model that is exported.
MODES: Mapping[str, Callable[[TrialConfig, PreparedData, Host, torch.device, Path], Workload]] = {
    "train": lambda config, data, host, device, folder: Training(config, data, host, device),
    "evaluate": lambda config, data, host, device, folder: Evaluating(config, data, host, device),
    "predict": Predicting,
}


def run_cell(config: TrialConfig, data: str, host: Host, resume: Path | None = None) -> Iterator[Outcome]:
    """Measures one cell; yields once.

    Raises:
        TrialFailure: reason oom when it does not fit, data when there is no text of the given length.
    """
    device = devices.bind(host.place)
    seconds, steps = config.params["seconds"], config.params["steps"]
    with tempfile.TemporaryDirectory(prefix="harness-bench-") as folder:
        start = time.perf_counter()
        work, batch_size = open_cell(config, PreparedData(Path(data)), host, Path(folder))
        build_s = time.perf_counter() - start
        measurement = measure(
            work,
            batch_size=batch_size,
            device=device,
            seconds=float(str(seconds)),
            steps=steps if isinstance(steps, int) else None,
        )
        del work
    release_memory(device)
    document = measurement.model_dump(mode="json") | {"build_s": build_s}
    yield Outcome(config, document, measurement.samples / measurement.seconds)


def open_cell(config: TrialConfig, data: PreparedData, host: Host, folder: Path) -> tuple[Workload, int]:
    """Returns the work of a cell, not begun, and its batch size; `folder` is for a model that is exported.

    Raises:
        TrialFailure: it does not fit, or there is no text of the given length.
        DataError: there are too few rows for one batch.
        InputError: there is no such mode.
    """
    device = devices.bind(host.place)
    host.cache.clear()
    release_memory(device)
    if config.training.precision == "auto":
        config = config.in_precision(chosen_precision(config, data, host).precision)
    length = config.params["length"]
    if device.type == "cpu" and isinstance(length, int):
        _admit(config, data, length)  # before a table is made for it, which may not fit either
    data, config = _with_length(data, config)
    if config.params["largest"]:
        config = _largest(config, data, host, device)
    if device.type == "cpu" and not isinstance(length, int):
        _admit(config, data, int(np.asarray(encoded(data, config, "train").lengths).max()))
    work = look_up(MODES, str(config.params["mode"]), "mode")(config, data, host, device, folder)
    batch_size = config.training.batch_size
    examples = encoded(data, config, "train")
    tokens = _tokens_of_inputs(examples)
    most, has_windows = int(tokens.max()), examples.row_of is not None  # the last window of a row is shorter
    if isinstance(length, int) and (most < length if has_windows else not (tokens == length).all()):
        raise TrialFailure(FailReason.DATA, f"length {length} is more than the {most} tokens that this model can take")
    if len(work.lengths) < batch_size:
        raise DataError(f"there are {len(work.lengths)} rows, less than one batch of {batch_size}")
    return work, batch_size


def _tokens_of_inputs(examples: Encoded) -> np.ndarray:
    """Returns the tokens of each example that are no target's, which a decoder reads besides [examples]."""
    ids = examples.fields.get("input_ids")
    return np.diff(np.asarray(ids.offsets)) if isinstance(ids, Ragged) else np.asarray(examples.lengths)


def _with(config: TrialConfig, **training: Any) -> TrialConfig:
    return config.model_copy(update={"training": config.training.model_copy(update=training)})


def _with_length(data: PreparedData, config: TrialConfig) -> tuple[PreparedData, TrialConfig]:
    """Returns data and configuration with texts of a fixed length; unchanged for the study's own lengths."""
    length, rows = config.params["length"], config.params["rows"]
    if not isinstance(length, int) or not isinstance(rows, int):
        return data, config
    fixed = config.data.model_copy(update={"max_length": length, "preprocess": (), "augment": (), "train_rows": None})
    return of_length(data, length, rows), config.model_copy(update={"data": fixed})


def _admit(config: TrialConfig, data: PreparedData, longest: int) -> None:
    """Refuses a cell that the kernel would kill; `longest` is the most tokens of a row."""
    image = data.meta.image
    side = config.task_options.get("image_size") or (image[0] if image else None)
    settings = model_config(config.model, **({"image_size": side} if side else {}))
    needed = estimated_bytes(
        settings,
        resolve(config.model.checkpoint).parameters or 0,
        rows=config.training.batch_size,
        length=tokens_of(settings, longest),
        precision=config.training.precision,
        moments=entry_of(config.training).moments if config.params["mode"] == "train" else None,
    )
    admit(needed)


def _largest(config: TrialConfig, data: PreparedData, host: Host, device: torch.device) -> TrialConfig:
    """Returns the configuration with the largest batch, up to all rows, that the device can train at once."""
    training = Training(_with(config, batch_size=1), data, host, device)
    batch_size = largest_that_fits(training.fits, len(training.lengths))
    del training
    release_memory(device)
    if not batch_size:
        raise TrialFailure(FailReason.OOM, f"one example does not fit into {device}")
    return _with(config, batch_size=batch_size)
