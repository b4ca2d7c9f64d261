"""One cell, measured: the trial function that a benchmark's slots run.

Knows nothing of other cells. The settings that a trial's configuration has no place for travel in its `params`:
mode, length, rows, seconds, steps, largest.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import psutil
import torch

from harness.bench.data import of_length
from harness.bench.energy import open_meter
from harness.bench.flops import AGREE, Flops, count_flops, flops_formula, tokens_of
from harness.bench.memory import admit, estimated_bytes, largest_that_fits, moved_bytes, release_memory
from harness.bench.outcome import Outcome
from harness.bench.timing import WINDOW, Settling, StepCost, is_steady
from harness.bench.work import UNTIMED, Evaluating, Predicting, Training, Work
from harness.data.checkpoints import resolve
from harness.data.prepared import PreparedData
from harness.errors import DataError, FailReason, TrialFailure
from harness.records.bench import Measurement
from harness.spec.trial import TrialConfig
from harness.tasks.encode import encoded
from harness.tasks.models import model_config
from harness.training import device as devices
from harness.training.host import Host

__all__ = ["run_cell"]

MIN_STEPS, MAX_STEPS = 3, 500
#: Rows of the batch whose FLOPs torch counts: the formula is held against them.
COUNTED_ROWS = 4
#: The search for the largest batch stops here.
LARGEST = 2**14


def run_cell(config: TrialConfig, data: str, host: Host, resume: Path | None = None) -> Iterator[Outcome]:
    """Measures one cell; yields once.

    Raises:
        TrialFailure: reason oom when it does not fit, data when there is no text of the length asked for.
    """
    device = devices.bind(host.place)
    host.cache.clear()
    release_memory(device)
    precision = devices.resolve_precision(config.training.precision, device)
    prepared, config = _with_length(PreparedData(Path(data)), _with(config, precision=precision))
    with tempfile.TemporaryDirectory(prefix="harness-bench-") as folder:
        config = _largest(config, prepared, host, device) if config.params.get("largest") else config
        start = time.perf_counter()
        work = _open(config, prepared, host, device, Path(folder))
        found = _measure(work, config, device, build_s=time.perf_counter() - start)
        del work
    release_memory(device)
    yield Outcome(config, found.model_dump(mode="json"), found.samples / found.seconds)


def _with(config: TrialConfig, **training: Any) -> TrialConfig:
    return config.model_copy(update={"training": config.training.model_copy(update=training)})


def _with_length(data: PreparedData, config: TrialConfig) -> tuple[PreparedData, TrialConfig]:
    """The data and configuration of a fixed length; as they are for the study's own lengths."""
    length, rows = config.params["length"], config.params["rows"]
    if not isinstance(length, int) or not isinstance(rows, int):
        return data, config
    fixed = config.data.model_copy(update={"max_length": length, "preprocess": (), "augment": (), "train_rows": None})
    return of_length(data, length, rows), config.model_copy(update={"data": fixed})


def _open(config: TrialConfig, data: PreparedData, host: Host, device: torch.device, folder: Path) -> Work:
    if device.type == "cpu":
        _admit(config, data)
    mode = config.params["mode"]
    work: Work
    if mode == "predict":
        work = Predicting(config, data, host, device, folder)
    elif mode == "evaluate":
        work = Evaluating(config, data, host, device)
    else:
        work = Training(config, data, host, device)
    asked = config.params["length"]
    if isinstance(asked, int) and not (work.lengths == asked).all():
        most = int(work.lengths.max())
        raise TrialFailure(FailReason.DATA, f"length {asked} is more than the {most} tokens that this model can take")
    if len(work.lengths) < config.training.batch_size:
        raise DataError(f"there are {len(work.lengths)} rows, less than one batch of {config.training.batch_size}")
    return work


def _admit(config: TrialConfig, data: PreparedData) -> None:
    """Refuses what the kernel would kill."""
    image = data.meta.get("image")
    settings = model_config(config.model, **({"image_size": image[0]} if image else {}))
    longest = int(np.asarray(encoded(data, config, "train").lengths).max())
    needed = estimated_bytes(
        settings,
        resolve(config.model.checkpoint).parameters or 0,
        rows=config.training.batch_size,
        length=tokens_of(settings, longest),
        precision=config.training.precision,
        training=config.params["mode"] == "train",
    )
    admit(needed)


def _largest(config: TrialConfig, data: PreparedData, host: Host, device: torch.device) -> TrialConfig:
    """The configuration with the largest batch that the device can train at once."""
    training = Training(_with(config, batch_size=1), data, host, device)
    found = largest_that_fits(training.fits, LARGEST)
    del training
    release_memory(device)
    if not found:
        raise TrialFailure(FailReason.OOM, f"one example does not fit into {device}")
    return _with(config, batch_size=found)


def _measure(work: Work, config: TrialConfig, device: torch.device, build_s: float) -> Measurement:
    seconds, steps = config.params["seconds"], config.params["steps"]
    settling, first_step_s, step_s = _warm_up(work, float(str(seconds)))
    if not isinstance(steps, int):
        steps = min(MAX_STEPS, max(MIN_STEPS, round(float(str(seconds)) / step_s)))
    meter, processor = open_meter(device), _Processor()
    work.rewind()
    if meter:
        meter.start()
    timed = work.run(UNTIMED + steps)
    energy_j, others = meter.joules() if meter else None, processor.others()
    kept = timed[UNTIMED:]
    return Measurement(
        **_rates(kept),
        peak_memory_mib=devices.peak_memory_mib(device),
        **_arithmetic(work, kept),
        precision=work.precision,
        attention=getattr(work.model.config, "_attn_implementation", None) or "",
        batch_size=config.training.batch_size,
        micro_batch_size=work.micro_batch_size,
        build_s=build_s,
        first_step_s=first_step_s,
        warm_up_steps=settling.num_steps,
        steady=is_steady(kept),
        energy_j=energy_j,
        energy_tokens=sum(int(step.lengths.sum()) for step in timed),
        energy_source=meter.source if meter else None,
        others_cpu=others,
        at=time.time(),
    )


def _warm_up(work: Work, seconds: float) -> tuple[Settling, float, float]:
    """Steps until the speed has settled or `seconds` are over; the first one's seconds, and those of one of late."""
    settling = Settling()
    start = time.perf_counter()
    work.run(1)
    first_step_s = step_s = time.perf_counter() - start
    while not settling.settled:
        count = min(WINDOW, int((start + seconds - time.perf_counter()) / step_s))
        if count < 1:
            break
        steps = work.run(count)
        settling.add(steps)
        step_s = median(step.seconds for step in steps)
    return settling, first_step_s, step_s


def _rates(steps: Sequence[StepCost]) -> dict[str, Any]:
    """What was done, and how long each step and each part of it took."""
    names = {name for step in steps for name in step.parts}
    return {
        "steps_ms": tuple(float(f"{1000 * step.seconds:.4g}") for step in steps),
        "split_ms": {name: 1000 * median(step.parts.get(name, 0.0) for step in steps) for name in sorted(names)},
        "samples": sum(len(step.lengths) for step in steps),
        "tokens": sum(int(step.lengths.sum()) for step in steps),
        "positions": sum(step.positions for step in steps),
        "seconds": sum(step.seconds for step in steps),
    }


def _arithmetic(work: Work, steps: Sequence[StepCost]) -> dict[str, Any]:
    """FLOPs of the real tokens and least memory traffic of the steps; the formula against torch's own count."""
    model, settings = work.model, work.model.config
    formula = flops_formula(model, training=work.trains)
    step, padded = work.once(COUNTED_ROWS)
    counted = count_flops(step)
    ratio = formula.of(padded) / counted if formula is not None and counted else None
    if formula is None or ratio is None or abs(ratio - 1) > AGREE:
        formula = Flops(0.0, counted / float(padded.sum()), 0.0)  # an architecture that the formula does not know
    parameters = sum(parameter.numel() for parameter in model.parameters())
    moved = [
        moved_bytes(
            settings,
            parameters,
            rows=len(each.lengths),
            length=tokens_of(settings, int(each.lengths.max())),
            precision=work.precision,
            training=work.trains,
        )
        for each in steps
    ]
    return {
        "parameters": parameters,
        "model_flops": sum(formula.of(each.lengths) for each in steps) if counted else None,
        "flops_ratio": ratio,
        "moved_bytes": sum(each for each in moved if each is not None) if None not in moved else None,
    }


class _Processor:
    """Says how many cores others kept busy: a benchmark beside other work measures that work too."""

    def __init__(self) -> None:
        self._start, self._busy, self._own = time.perf_counter(), _busy_s(), _own_s()

    def others(self) -> float:
        """Cores, on average since this object was made."""
        busy, own = _busy_s() - self._busy, _own_s() - self._own
        return max(0.0, (busy - own) / (time.perf_counter() - self._start))


def _busy_s() -> float:
    times = psutil.cpu_times()
    idle = times.idle + getattr(times, "iowait", 0.0)
    guest = getattr(times, "guest", 0.0) + getattr(times, "guest_nice", 0.0)  # counted in user and nice already
    return float(sum(times) - idle - guest)


def _own_s() -> float:
    times = psutil.Process().cpu_times()
    return float(times.user + times.system)
