"""The job of `harness rank`: the checkpoints of a study in order, by one forward pass over some training rows."""

from __future__ import annotations

import time
from dataclasses import dataclass
from math import isfinite, nan
from typing import Any

import numpy as np

from harness.data.prepare import prepare
from harness.data.prepared import PreparedData
from harness.errors import HarnessError, InputError
from harness.jobs.rank.score import h_score
from harness.spec.configure import models_of
from harness.spec.study import StudySpec
from harness.spec.tasks import facts_of
from harness.spec.trial import TrialConfig
from harness.tasks import task_of

__all__ = ["MAX_ROWS", "RankedCheckpoint", "rank"]

MAX_ROWS = 2000
_KINDS = ("label", "label_set")


@dataclass(frozen=True, slots=True, kw_only=True)
class RankedCheckpoint:
    """A checkpoint with its H-score (NaN with a `problem`), the width of its features, and the seconds that took."""

    checkpoint: str
    score: float
    rows: int
    width: int
    seconds: float
    problem: str = ""

    def to_json(self) -> dict[str, Any]:
        """The checkpoint as `harness rank --json` prints it."""
        return {
            "checkpoint": self.checkpoint,
            "h_score": self.score,
            "rows": self.rows,
            "width": self.width,
            "seconds": self.seconds,
            "problem": self.problem or None,
        }


def rank(spec: StudySpec, num_rows: int = MAX_ROWS) -> list[RankedCheckpoint]:
    """The checkpoints of a study, the one with the highest H-score first; nothing is trained.

    The features of a row are the mean of the hidden states of all layers and of all tokens. Those of at most `num_rows`
    training rows are computed. A checkpoint that cannot be loaded comes last, with the reason.

    Raises:
        InputError: the task has no labels.
        DataError: the data cannot be used.
    """
    facts = facts_of(spec.task)
    if facts.target is None or facts.target.kind not in _KINDS:
        raise InputError(
            f"task: {spec.task} has no labels to tell apart, by which harness rank scores checkpoints; it works for "
            "text-classification, multi-label-classification and image-classification"
        )
    data = prepare(spec)
    task_of(spec.task)  # a task of the user's own is only run where it is trusted
    ranked = [_ranked(config.in_precision("fp32"), data, num_rows) for config in models_of(spec)]
    return sorted(ranked, key=lambda each: -each.score if isfinite(each.score) else float("inf"))


def _ranked(config: TrialConfig, data: PreparedData, num_rows: int) -> RankedCheckpoint:
    import torch

    from harness.training.features import layer_features

    model, began = config.model, time.perf_counter()
    name = model.checkpoint if model.layers is None else f"{model.checkpoint}#layers={model.layers}"
    try:
        device = torch.accelerator.current_accelerator(check_available=True) or torch.device("cpu")
        features, targets = layer_features(config, data, num_rows, device)
    except HarnessError as error:
        seconds, problem = time.perf_counter() - began, str(error).splitlines()[0]
        return RankedCheckpoint(checkpoint=name, score=nan, rows=0, width=0, seconds=seconds, problem=problem)
    # Of several labels each is two classes: that of rows with it, and that of rows without it.
    labels = np.asarray(targets["labels"])[None] if "labels" in targets else np.asarray(targets["label_sets"]).T
    score = float(np.mean([h_score(features, column.astype(np.int64)) for column in labels]))
    seconds, (rows, width) = time.perf_counter() - began, features.shape
    return RankedCheckpoint(checkpoint=name, score=score, rows=rows, width=width, seconds=seconds)
