"""What all tasks of one class a row share, whatever their inputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from harness.data.encoded import Arrays, Encoded, Ragged
from harness.data.prepared import PreparedData
from harness.errors import look_up
from harness.spec.trial import TrialConfig
from harness.tasks.metrics import classification_metrics

if TYPE_CHECKING:
    import pandas as pd
    import torch

    from harness.tasks.losses import CrossEntropy

__all__ = ["Classification"]


class Classification:
    """One class a row. The target `labels` [rows] int64 holds class ids, the output `probabilities` [rows, classes]."""

    reads: ClassVar[tuple[str, ...]] = ("logits",)
    shown: ClassVar[tuple[str, ...]] = ("label", "probability")

    def row_targets(self, frame: pd.DataFrame) -> dict[str, np.ndarray | Ragged]:
        """The class ids of prepared rows."""
        return {"labels": frame["label"].to_numpy(dtype=np.int64)}

    def strata(self, targets: Arrays) -> np.ndarray:
        """The class ids."""
        return np.asarray(targets["labels"])

    def targets(self, encoded: Encoded, rows: np.ndarray, length: int | None = None) -> dict[str, torch.Tensor]:
        """The class ids of `rows`; there is nothing to pad."""
        import torch

        return {"labels": torch.from_numpy(np.asarray(encoded.targets["labels"])[rows])}

    def make_loss(
        self, config: TrialConfig, data: PreparedData, encoded: Encoded, rows: np.ndarray, device: torch.device
    ) -> CrossEntropy:
        """Cross-entropy with the recipe's smoothing, and weights by the classes of `rows` where it asks for them."""
        from harness.tasks.losses import CLASS_WEIGHTS, CrossEntropy

        labels, recipe = np.asarray(encoded.targets["labels"]), config.training
        weigh = look_up(CLASS_WEIGHTS, recipe.class_weights, "training.class_weights")
        weights = weigh(labels[rows], len(data.labels))
        return CrossEntropy(labels, weights, recipe.label_smoothing, device)

    def outputs(self, output: Any, inputs: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor | Ragged]:
        """The softmax of the logits, fp32."""
        import torch

        return {"probabilities": torch.softmax(output.logits.float(), dim=-1)}

    def metrics(self, outputs: Arrays, targets: Arrays) -> dict[str, float]:
        """Accuracy, macro F1, MCC, ROC AUC and log loss."""
        return classification_metrics(np.asarray(targets["labels"]), np.asarray(outputs["probabilities"]))

    def predict(self, outputs: Arrays, row: int, labels: Sequence[str]) -> dict[str, Any]:
        """The likeliest label, its probability, and the probability of each label."""
        scores = [float(score) for score in np.asarray(outputs["probabilities"])[row]]
        best = int(np.argmax(scores))
        return {
            "label": labels[best],
            "probability": scores[best],
            "probabilities": dict(zip(labels, scores, strict=True)),
        }
