"""Measures a cell's work: warms it up, times it, and relates it to FLOPs, memory traffic and energy."""

from __future__ import annotations

import time
from collections.abc import Sequence
from statistics import median
from typing import Any

import psutil
import torch

from harness.benchmark.energy import open_meter
from harness.benchmark.flops import AGREE, Flops, count_flops, flops_formula, tokens_of
from harness.benchmark.memory import moved_bytes
from harness.benchmark.timing import WINDOW, Settling, StepCost, is_steady
from harness.benchmark.work import UNTIMED, Workload
from harness.records.bench import Measurement
from harness.training import device as devices

__all__ = ["MAX_STEPS", "MIN_STEPS", "measure", "measurement_of", "warm_up"]

MIN_STEPS, MAX_STEPS = 3, 500
#: Rows of the batch whose FLOPs torch counts to check the formula.
COUNTED_ROWS = 4


def measure(work: Workload, *, batch_size: int, device: torch.device, seconds: float, steps: int | None) -> Measurement:
    """Warms up and times `steps` steps; None means as many as take about `seconds`."""
    settling, first_step_s, step_s = warm_up(work, seconds)
    steps = steps or min(MAX_STEPS, max(MIN_STEPS, round(seconds / step_s)))
    meter, processor = open_meter(device), _Processor()
    work.rewind()
    if meter:
        meter.start()
    timed = work.run(UNTIMED + steps)
    energy_j, others = meter.joules() if meter else None, processor.others()
    return measurement_of(
        work,
        timed[UNTIMED:],
        batch_size=batch_size,
        device=device,
        first_step_s=first_step_s,
        warm_up_steps=settling.num_steps,
        energy_j=energy_j,
        energy_tokens=sum(int(step.lengths.sum()) for step in timed),
        energy_source=meter.source if meter else None,
        others_cpu=others,
    )


def measurement_of(
    work: Workload, steps: Sequence[StepCost], *, batch_size: int, device: torch.device, **facts: Any
) -> Measurement:
    """Returns the measurement of timed steps; `facts` are its further fields."""
    return Measurement(
        **_rates(steps),
        peak_memory_mib=devices.peak_memory_mib(device),
        **_arithmetic(work, steps),
        precision=work.precision,
        attention=getattr(work.model.config, "_attn_implementation", None) or "",
        batch_size=batch_size,
        micro_batch_size=work.micro_batch_size,
        steady=is_steady(steps),
        at=time.time(),
        **facts,
    )


def warm_up(work: Workload, seconds: float) -> tuple[Settling, float, float]:
    """Runs until the speed has settled or `seconds` are over; returns seconds of the first step and of a late one."""
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
    """Returns the counts of the steps, and how long each step and each part of it took."""
    names = {name for step in steps for name in step.parts}
    return {
        "steps_ms": tuple(float(f"{1000 * step.seconds:.4g}") for step in steps),
        "split_ms": {name: 1000 * median(step.parts.get(name, 0.0) for step in steps) for name in sorted(names)},
        "samples": sum(len(step.lengths) for step in steps),
        "tokens": sum(int(step.lengths.sum()) for step in steps),
        "positions": sum(step.positions for step in steps),
        "seconds": sum(step.seconds for step in steps),
    }


def _arithmetic(work: Workload, steps: Sequence[StepCost]) -> dict[str, Any]:
    """Returns FLOPs of the real tokens, the least memory traffic, and the formula's ratio to torch's own count."""
    model, settings = work.model, work.model.config
    formula = flops_formula(model, training=work.moments is not None)
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
            rows=len(timed.lengths),
            length=tokens_of(settings, int(timed.lengths.max())),
            precision=work.precision,
            moments=work.moments,
        )
        for timed in steps
    ]
    return {
        "parameters": parameters,
        "model_flops": sum(formula.of(timed.lengths) for timed in steps) if counted else None,
        "flops_ratio": ratio,
        "moved_bytes": sum(timed for timed in moved if timed is not None) if None not in moved else None,
    }


class _Processor:
    """Counts how many cores other processes kept busy: their load distorts a measurement."""

    def __init__(self) -> None:
        self._start, self._busy, self._own = time.perf_counter(), _busy_s(), _own_s()

    def others(self) -> float:
        """Returns the cores, on average since this object was made."""
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
