"""Trains one cell of a grid and returns a row of the table for each of its evaluations."""

from __future__ import annotations

import math
import sys
import tempfile
import time
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from harness.data.prepared import PreparedData
from harness.errors import TrialFailure
from harness.machine.resources import processor_name
from harness.records.schema import Place, Progress
from harness.spec.steps import warmup_steps
from harness.spec.tasks import facts_of
from harness.spec.trial import TrialConfig
from harness.tasks import task_of
from harness.tasks.encode import encoded
from harness.tasks.models import load_saved
from harness.training.evaluate import predict
from harness.training.host import Host
from harness.training.model import tune_for
from harness.training.weights import DTYPES, cast_model
from harness.trial import Trial

__all__ = ["Job", "Row", "train"]

Row = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A cell to train: its table, its trial and the folder of its prepared data.

    After the Unix time `until` it is not begun.
    """

    table: str
    config: TrialConfig
    data: str
    until: float = math.inf

    def __str__(self) -> str:
        params = " ".join(f"{name}={value}" for name, value in self.config.params.items())
        return f"{self.table} {params} seed={self.config.training.seed}"


class CellTrial(Trial):
    """A trial whose latest evaluation counts as its best, so that its answers and saved weights are of that one."""

    @property
    def best_is_current(self) -> bool:
        return True


def train(job: Job) -> list[Row]:
    """Returns a row for each evaluation of a cell; none where it is too late to begin, or the training fails."""
    if time.time() > job.until:
        return []
    try:
        return _train(job, PreparedData(Path(job.data)))
    except TrialFailure as failure:
        print(f"{job} failed and is left out: {failure}", file=sys.stderr, flush=True)
        return []


def _train(job: Job, data: PreparedData) -> list[Row]:
    begun_s = time.process_time()
    trial = CellTrial(job.config, data, _host(), resume=None)
    rows = []
    for point, step in trial.points():
        progress = trial.advance(point, step)
        row = {"table": job.table, **job.config.params, "seed": job.config.training.seed}
        row |= _scores(job.config, trial, progress) | _costs(progress)
        rows.append(row | {"cpu_s": time.process_time() - begun_s, **_conditions(progress)})
    tested = _test_metrics(job.config, data, trial)
    empty = dict.fromkeys(tested)
    return [row | (tested if row is rows[-1] else empty) for row in rows]


@cache
def _host() -> Host:
    """Returns the slot of this process, one CPU thread, which keeps the base weights from cell to cell."""
    return Host(place=Place(node="here", device="cpu", slot=0, threads=1))


def _scores(config: TrialConfig, trial: Trial, progress: Progress) -> Row:
    """Returns where the training is, and the validation metrics with what they are made of, row by row."""
    metrics, answers = facts_of(config.task).metrics, trial.best_answers
    row: Row = {
        "step": progress.step,
        "total_steps": progress.total_steps,
        "fraction": progress.fraction,
        "epoch": progress.epoch,
        "warmup_end_step": warmup_steps(progress.total_steps, config.training.warmup_fraction),
        "train_loss": progress.train_loss,
        "num_rows": progress.num_rows,
    }
    row |= {metric.name: progress.metrics[metric.name] for metric in metrics}
    by_row = {
        metric.name: metric.row_stats(answers.outputs, answers.targets)[:, 0]
        for metric in metrics
        if answers is not None and metric.row_stats is not None
    }
    row["hits"] = np.packbits(by_row["accuracy"].astype(bool)).tobytes()
    row["losses"] = by_row["log_loss"].astype("<f2").tobytes()
    return row


def _costs(progress: Progress) -> Row:
    usage = progress.usage
    return {
        "elapsed_s": usage.elapsed_s,
        "step_s": usage.step_s,
        "evaluation_s": usage.evaluation_s,
        "samples_per_second": usage.samples_per_second,
        "tokens_per_second": usage.tokens_per_second,
    }


def _conditions(progress: Progress) -> Row:
    return {
        "threads": progress.threads,
        "precision": progress.precision,
        "processor": processor_name(),
        "torch": version("torch"),
    }


def _test_metrics(config: TrialConfig, data: PreparedData, trial: Trial) -> Row:
    """Returns the metrics of the trained model on the test rows, which may have words that training left out."""
    task, examples = task_of(config.task), encoded(data, config, "test")
    with tempfile.TemporaryDirectory() as folder:
        trial.save(Path(folder))
        model = load_saved(Path(folder), task.auto)
        tune_for(model, trial.device)
        cast_model(model.to(trial.device), DTYPES[config.training.precision])
        outputs = predict(model, task, examples, np.arange(len(examples)), trial.device)
    return {f"test_{name}": value for name, value in task.metrics(outputs, examples.targets).items()}
