"""Summarises measurements: a cell from its repeats, and how far repeats of all cells are apart."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from math import exp, log
from statistics import NormalDist, fmean, median
from typing import Any

from harness.benchmark.timing import step_time
from harness.records.bench import BenchFile, Cell, Machine, Measurement, Noise, Setup

__all__ = ["noise_of", "summarised", "with_ceiling", "with_setup"]

#: From the median of absolute differences to their 95th percentile, when differences are normal.
_FROM_MEDIAN = NormalDist().inv_cdf(0.975) / NormalDist().inv_cdf(0.75)


def summarised(cell: Cell, setup: Setup | None, price_per_hour: float | None) -> Cell:
    """Returns the cell with everything that follows from its repeats; unchanged when it has none."""
    runs = cell.repeats
    if not runs:
        return cell
    seconds = sum(run.seconds for run in runs)
    tokens = sum(run.tokens for run in runs)
    tokens_per_second = tokens / seconds
    flops = _total(run.model_flops for run in runs)
    moved = _total(run.moved_bytes for run in runs)
    ceiling = setup.ceiling.get(runs[-1].precision) if setup else None
    return cell.model_copy(
        update={
            "batch_size": runs[-1].batch_size,
            "micro_batch_size": runs[-1].micro_batch_size,
            "precision": runs[-1].precision,
            "attention": runs[-1].attention,
            "samples_per_second": sum(run.samples for run in runs) / seconds,
            "tokens_per_second": tokens_per_second,
            "padding_fraction": 1 - tokens / sum(run.positions for run in runs),
            "step_ms": step_time([step for run in runs for step in run.steps_ms]),
            "split_ms": _split([run.split_ms for run in runs]),
            "peak_memory_mib": max(run.peak_memory_mib for run in runs),
            "model_flops_per_second": flops / seconds if flops is not None else None,
            "mfu": flops / seconds / (ceiling * 1e9) if flops is not None and ceiling else None,
            "flops_ratio": runs[-1].flops_ratio,
            "intensity": flops / moved if flops is not None and moved else None,
            "build_s": median(run.build_s for run in runs),
            "first_step_s": median(run.first_step_s for run in runs),
            "steady": all(run.steady for run in runs),
            "others_cpu": fmean(run.others_cpu for run in runs),
            **_energy(runs),
            "cost_per_million_tokens": price_per_hour / 3600 / tokens_per_second * 1e6 if price_per_hour else None,
        }
    )


def _total(values: Iterable[float | None]) -> float | None:
    """Returns the sum; None when one of the values is None."""
    numbers = list(values)
    return sum(value for value in numbers if value is not None) if None not in numbers else None


def _split(parts: Sequence[Mapping[str, float]]) -> dict[str, float]:
    names = dict.fromkeys(name for part in parts for name in part)
    return {name: fmean(part.get(name, 0.0) for part in parts) for name in names}


def _energy(runs: Sequence[Measurement]) -> dict[str, Any]:
    joules, tokens = _total(run.energy_j for run in runs), sum(run.energy_tokens for run in runs)
    if joules is None or not tokens:
        return {"energy_j_per_million_tokens": None, "energy_source": None}
    return {"energy_j_per_million_tokens": joules / tokens * 1e6, "energy_source": runs[-1].energy_source}


def noise_of(cells: Iterable[Cell]) -> Noise:
    """Returns how far A/A pairs are apart: each repeat of a cell against the next one, as a ratio above 1."""
    apart = [
        abs(log((a.samples / a.seconds) / (b.samples / b.seconds))) for cell in cells for a, b in pairwise(cell.repeats)
    ]
    if not apart:
        return Noise()
    most = max(apart)
    return Noise(pairs=len(apart), spread=exp(min(most, _FROM_MEDIAN * median(apart))) - 1, most=exp(most) - 1)


def with_setup(bench: BenchFile, measured: Setup) -> BenchFile:
    """Returns the file with a set-up measured again; its ceiling is the best ever measured."""
    earlier = bench.setup(measured.device, measured.threads)
    if earlier is not None:
        measured = measured.model_copy(
            update={
                "ceiling": _best([earlier.ceiling, measured.ceiling]),
                "memory_bandwidth_gib_per_second": max(
                    earlier.memory_bandwidth_gib_per_second or 0, measured.memory_bandwidth_gib_per_second or 0
                ),
            }
        )
    others = tuple(setup for setup in bench.setups if setup != earlier)
    setups = (*others, measured)
    return bench.model_copy(update={"setups": setups, "machine": with_ceiling(bench.machine, setups)})


def with_ceiling(machine: Machine, setups: Sequence[Setup]) -> Machine:
    """Returns the machine with the best ceilings of its set-ups."""
    speeds = [setup.memory_bandwidth_gib_per_second for setup in setups if setup.memory_bandwidth_gib_per_second]
    software = dict(machine.software)
    for setup in setups:
        software |= setup.software
    best = {"ceiling": _best([setup.ceiling for setup in setups]), "software": software}
    return machine.model_copy(update=best | {"memory_bandwidth_gib_per_second": max(speeds, default=None)})


def _best(ceilings: Sequence[Mapping[str, float]]) -> dict[str, float]:
    names = sorted({name for ceiling in ceilings for name in ceiling})
    return {name: max(ceiling[name] for ceiling in ceilings if name in ceiling) for name in names}
