"""The checkpoints of a study, each in its best configuration.

They are compared on the validation rows, because only the final models are scored on test.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from harness.records.schema import TrialRecord, TrialState
from harness.report.kit.view import View
from harness.report.study.seeds import mean_interval
from harness.stats.intervals import Interval

__all__ = ["Candidate", "candidates"]

_MAX_HEADER_BYTES = 100_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A checkpoint with its best configuration. `cost_s` is the slot time of all its trials."""

    checkpoint: str
    best: TrialRecord
    score: Interval
    num_trials: int
    num_seeds: int
    num_parameters: int | None
    samples_per_second: float
    peak_memory_mib: float
    cost_s: float


def candidates(view: View) -> list[Candidate]:
    """The checkpoints that have a completed trial, best mean first."""
    leaders = []
    for checkpoint in view.checkpoints:
        own = [record for record in view.trials if view.checkpoint_of(record) == checkpoint]
        done = [record for record in view.ranked if record in own and record.state is TrialState.COMPLETE]
        if done:
            leaders.append(_candidate(view, checkpoint, own, done))
    return sorted(leaders, key=lambda candidate: view.metric.sort_key(candidate.score.value))


def _candidate(view: View, checkpoint: str, own: list[TrialRecord], done: list[TrialRecord]) -> Candidate:
    # Only those with the most seeds: a single run may be better than a mean over seeds by luck.
    most = max(len(view.seeds(record)) for record in done)
    ready = [record for record in done if len(view.seeds(record)) == most]
    best = min(ready, key=lambda record: view.metric.sort_key(view.mean(record)))
    runs = [run for record in own for run in (record, *view.confirmations.get(record.number, ()))]
    return Candidate(
        checkpoint=checkpoint,
        best=best,
        score=mean_interval(view, best),
        num_trials=len(own),
        num_seeds=most,
        num_parameters=_num_parameters(view, best),
        samples_per_second=view.cost(best, "samples_per_second"),
        peak_memory_mib=view.cost(best, "peak_memory_mib"),
        cost_s=sum(run.duration_s for run in runs),
    )


def _num_parameters(view: View, record: TrialRecord) -> int | None:
    """The number of parameters from the record, else from the header of a kept weights file; None without either."""
    if record.history and record.history[-1].num_parameters:
        return record.history[-1].num_parameters
    for run in view.seeds(record):
        path = view.file(f"{run.weights}/model.safetensors") if run.weights else None
        if path is not None and (count := _count_weights(path)) is not None:
            return count
    return None


def _count_weights(path: Path) -> int | None:
    try:
        with path.open("rb") as file:
            size = int.from_bytes(file.read(8), "little")
            head = json.loads(file.read(size)) if size < _MAX_HEADER_BYTES else {}
        shapes = [tensor["shape"] for name, tensor in head.items() if name != "__metadata__"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return sum(_product(shape) for shape in shapes) or None


def _product(shape: list[int]) -> int:
    size = 1
    for length in shape:
        size *= int(length)
    return size
