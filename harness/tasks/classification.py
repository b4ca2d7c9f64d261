"""What all tasks of one class a row share, whatever their inputs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from harness.data.encoded import Arrays, Encoded, Ragged
from harness.data.prepared import PreparedData
from harness.errors import look_up
from harness.spec.trial import TrialConfig
from harness.tasks.base import TaskBase

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedConfig

    from harness.tasks.losses import CrossEntropy

__all__ = ["Classification"]


class Classification(TaskBase):
    """One class a row. The target `labels` [rows] int64 holds class ids, the output `probabilities` [rows, classes]."""

    shown: ClassVar[tuple[str, ...]] = ("label", "probability")

    def set_head(self, settings: PreTrainedConfig, data: PreparedData) -> None:
        """A head with a logit for each class, which knows their names."""
        settings.id2label = dict(enumerate(data.labels))
        settings.label2id = {label: number for number, label in enumerate(data.labels)}
        settings.problem_type = "single_label_classification"

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

    def chance(self, data: PreparedData) -> dict[str, float]:
        """What a guess has that knows the class shares of training and looks at no row.

        The better of two guesses: always the majority class, or each class as often as it comes in training (macro F1
        is higher so). Log loss is that of the training shares as probabilities. From the counts of the classes alone:
        the first trial does not wait for it.
        """
        train, validation = (_shares(data, split) for split in ("train", "validation"))
        return {
            "accuracy": float(validation[train.argmax()]),
            "macro_f1": max(_macro_f1(np.eye(len(train))[train.argmax()], validation), _macro_f1(train, validation)),
            "mcc": 0.0,
            "roc_auc": 0.5,
            "log_loss": float(-(validation * np.log(np.clip(train, 1e-7, 1.0))).sum()),
        }

    def summary(self, labels: Sequence[str]) -> str:
        """The rows, and the classes."""
        return f"{self.facts.inputs.capitalize()} into {len(labels)} classes ({', '.join(labels)})"

    def usage(self, folder: str) -> str:
        """The pipeline of the facts."""
        return (
            "from transformers import pipeline\n\n"
            f"classify = pipeline({json.dumps(self.facts.pipeline)}, model={json.dumps(folder)})"
        )

    def predict(self, outputs: Arrays, row: int, labels: Sequence[str]) -> dict[str, Any]:
        """The likeliest label, its probability, and the probability of each label."""
        probabilities = [float(probability) for probability in np.asarray(outputs["probabilities"])[row]]
        best = int(np.argmax(probabilities))
        return {
            "label": labels[best],
            "probability": probabilities[best],
            "probabilities": dict(zip(labels, probabilities, strict=True)),
        }


def _shares(data: PreparedData, split: str) -> np.ndarray:
    """The share of each class [num_labels]."""
    counts = np.array([data.meta.counts[split][label] for label in data.labels], dtype=float)
    shares: np.ndarray = counts / max(1.0, counts.sum())
    return shares


def _macro_f1(guessed: np.ndarray, true: np.ndarray) -> float:
    """Of guesses with these shares [num_labels] that do not look: precision is the true share, recall the guessed."""
    there = guessed + true > 0
    return float(np.mean(2 * guessed[there] * true[there] / (guessed + true)[there]))
