"""What a model got right and wrong on the test rows: per class, as a matrix, by confidence, row by row.

Knows nothing of figures. Predictions are an .npz of the run folder; the rows themselves are read from the prepared
data, when it is still there.
"""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from harness.data.prepared import PreparedData
from harness.errors import HarnessError
from harness.records.final import FinalModel
from harness.report.kit.text import clip
from harness.report.kit.view import View
from harness.stats.metric import Arrays

__all__ = ["Mistake", "Scores", "class_names", "mistakes", "scores_of", "validation_scores"]


@dataclass(frozen=True)
class Scores:
    """The probabilities of one model on the rows of a split: labels [rows], probabilities [rows, num_labels]."""

    labels: np.ndarray
    probabilities: np.ndarray

    @property
    def outputs(self) -> Arrays:
        """What the model said, as the metrics take it."""
        return {"probabilities": self.probabilities}

    @property
    def targets(self) -> Arrays:
        """What is true, as the metrics take it."""
        return {"labels": self.labels}

    @cached_property
    def predicted(self) -> np.ndarray:
        found: np.ndarray = self.probabilities.argmax(axis=1)
        return found

    @cached_property
    def correct(self) -> np.ndarray:
        found: np.ndarray = self.predicted == self.labels
        return found

    @cached_property
    def confidence(self) -> np.ndarray:
        found: np.ndarray = self.probabilities.max(axis=1)
        return found

    @cached_property
    def confusion(self) -> np.ndarray:
        """Rows by true class and predicted class: [num_labels, num_labels]."""
        size = self.probabilities.shape[1]
        return np.bincount(self.labels * size + self.predicted, minlength=size**2).reshape(size, size)

    def per_class(self) -> list[tuple[float, float, float, int]]:
        """Precision, recall, F1 and support of each class; NaN where a class was never predicted or never there."""
        hits, predicted, there = np.diag(self.confusion), self.confusion.sum(axis=0), self.confusion.sum(axis=1)
        with np.errstate(invalid="ignore", divide="ignore"):
            precision, recall, f1 = hits / predicted, hits / there, 2 * hits / (predicted + there)
        return [(float(p), float(r), float(f), int(n)) for p, r, f, n in zip(precision, recall, f1, there, strict=True)]


def scores_of(view: View, model: FinalModel, split: str = "test") -> Scores | None:
    """The predictions of a model that saw the test split; None when the file is gone or unreadable."""
    return _read(view.file(model.predictions), f"{split}_labels", f"{split}_probabilities")


def validation_scores(view: View, number: int) -> Scores | None:
    """The validation predictions of a configuration: of the final model, or of the weights kept for it."""
    for model in view.models.values():
        if model.number == number and (found := scores_of(view, model, "validation")) is not None:
            return found
    for run in view.seeds(view.by_number[number]):
        folder = view.file(run.weights) if run.weights else None
        if folder is not None and (found := _read(folder / "validation.npz", "labels", "probabilities")) is not None:
            return found
    return None


def _read(path: Path | None, labels: str, probabilities: str) -> Scores | None:
    if path is None or not zipfile.is_zipfile(path):
        return None
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            found = Scores(arrays[labels].astype(np.int64), arrays[probabilities].astype(float))
    except (OSError, KeyError, ValueError, zipfile.BadZipFile):
        return None
    return found if _fits(found.labels, found.probabilities) else None


def _fits(labels: np.ndarray, probabilities: np.ndarray) -> bool:
    if labels.ndim != 1 or probabilities.ndim != 2 or not 0 < len(labels) == len(probabilities):
        return False
    return bool(labels.min() >= 0 and labels.max() < probabilities.shape[1])


def class_names(view: View, count: int) -> list[str]:
    """The names of the classes, on one line each; numbers where they are not known."""
    data = _prepared(view)
    names = data.labels if data else view.results.manifest.data.labels
    known = [clip(name, 300) or "(no name)" for name in names]
    return known if len(known) == count else [f"class {place}" for place in range(count)]


def _prepared(view: View) -> PreparedData | None:
    """The prepared data of the run, if it still exists."""
    folder = view.results.manifest.data.folder
    return PreparedData(Path(folder)) if folder and (Path(folder) / "meta.json").is_file() else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Mistake:
    """A row that the model got wrong; `text` is empty when the data is gone."""

    row: int
    label: int
    predicted: int
    confidence: float
    text: str


def mistakes(view: View, scores: Scores, limit: int = 25) -> list[Mistake]:
    """The wrong rows that the model was surest of."""
    wrong = np.flatnonzero(~scores.correct)
    wrong = wrong[np.argsort(-scores.confidence[wrong], kind="stable")][:limit]
    texts = _texts(view, wrong, len(scores.labels))
    return [
        Mistake(
            row=int(row),
            label=int(scores.labels[row]),
            predicted=int(scores.predicted[row]),
            confidence=float(scores.confidence[row]),
            text=texts.get(int(row), ""),
        )
        for row in wrong
    ]


def _texts(view: View, rows: np.ndarray, num_rows: int) -> Mapping[int, str]:
    """The rows as a person reads them; nothing when the data is gone or is another one."""
    data = _prepared(view)
    if data is None:
        return {}
    try:
        frame = data.frame("test")
    except (OSError, ValueError):
        return {}
    if len(frame) != num_rows:
        return {}
    rows_by_place = {int(row): {str(name): frame[name].iloc[row] for name in frame} for row in rows}
    return {int(row): clip(_shown(view, rows_by_place[int(row)]), 600) for row in rows}


def _shown(view: View, row: Mapping[str, Any]) -> str:
    from harness.tasks import task_of

    try:
        return task_of(view.results.spec.task).show(row)
    except (HarnessError, KeyError):
        return ""
