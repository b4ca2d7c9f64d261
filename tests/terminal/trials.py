"""Trials that never ran, for boards and screens."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from harness.errors import FailReason
from harness.records.schema import Place, Progress, TrialRecord, TrialState, Usage, record_of
from harness.spec.configure import default_params, resolve
from harness.spec.reader import load_study
from harness.spec.study import StudySpec
from harness.spec.trial import TrialConfig
from harness.terminal.board import Board

STUDIES = Path(__file__).resolve().parents[2] / "studies"
SLOTS = (Place(node="box", device="cpu", slot=0, threads=1), Place(node="box", device="cpu", slot=1, threads=1))
FIXED = (
    "training.epochs=3",
    "search.trials=16",
    "search.pruner={name: rungs, reduction_factor: 4, min_fraction: 0.0625}",
    "confirm={top: 2, seeds: 2}",
    "budget.minutes=30",
)


def study(*overrides: str) -> StudySpec:
    """16 trials of four params, rungs at 1/16 and 1/4, confirmation of two configurations with two seeds."""
    return load_study(STUDIES / "quickstart.yaml", [*FIXED, *overrides])


def config(spec: StudySpec, number: int, **params: Any) -> TrialConfig:
    return resolve(spec, number=number, params=default_params(spec) | params)


def progress(number: int, step: int, accuracy: float, *, elapsed_s: float = 0.0, total: int = 160) -> Progress:
    usage = Usage(elapsed_s=elapsed_s, steady_s=1.0, steady_samples=200)
    return Progress(
        number=number, step=step, total_steps=total, epoch=3 * step / total, num_rows=100,
        metrics={"accuracy": accuracy, "log_loss": 0.5}, train_loss=0.5, usage=usage,
    )  # fmt: skip


def ended(found: TrialConfig, state: TrialState, *history: Progress, **fields: Any) -> TrialRecord:
    if state is TrialState.FAIL:
        fields = {"reason": FailReason.NAN, "message": "the loss is not finite at step 40"} | fields
    return record_of(found, state, history, place=SLOTS[0], **fields)


def board(spec: StudySpec, now: float = 0.0) -> Board:
    """A board on which the search of `spec` has just begun, at a time that stands still."""
    made = Board(spec, clock=lambda: now)
    made.begin("search", spec.search.trials, SLOTS)
    return made
