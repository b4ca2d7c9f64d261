"""The parts that all tasks of one class a row share, whatever their inputs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from harness.data.encoded import Arrays, Encoded, Ragged
from harness.data.prepared import PreparedData
from harness.errors import look_up
from harness.records.imbalance import imbalance, keys_for_rare_classes
from harness.spec.trial import TrialConfig
from harness.stats.chance import scores_of_constant
from harness.tasks.base import PAIR, TaskBase
from harness.tasks.baselines import features_baseline, majority_baseline

if TYPE_CHECKING:
    import pandas as pd
    import torch
    from transformers import PreTrainedConfig

    from harness.tasks.losses import CrossEntropy

__all__ = ["Classification", "as_outputs"]


class Classification(TaskBase):
    """One class a row. The target `labels` [rows] int64 holds class ids, the output `probabilities` [rows, classes]."""

    value_columns: ClassVar[tuple[str, ...]] = ("label", "probability")
    features_baseline: ClassVar[str] = "logistic regression on frozen features"

    def set_head(self, settings: PreTrainedConfig, data: PreparedData) -> None:
        """Configures a head with a logit for each class, and the names of the classes."""
        settings.id2label = dict(enumerate(data.names))
        settings.label2id = {label: number for number, label in enumerate(data.names)}
        settings.problem_type = "single_label_classification"

    def make_loss(
        self, config: TrialConfig, data: PreparedData, encoded: Encoded, rows: np.ndarray, device: torch.device
    ) -> CrossEntropy:
        """Returns cross-entropy with the recipe's smoothing and class weights, taken from the classes of `rows`."""
        from harness.tasks.losses import CLASS_WEIGHTS, CrossEntropy

        labels, recipe = np.asarray(encoded.targets["labels"]), config.training
        weigh = look_up(CLASS_WEIGHTS, recipe.class_weights, "training.class_weights")
        weights = weigh(labels[rows], len(data.names))
        return CrossEntropy(labels, weights, recipe.label_smoothing, device)

    def outputs(self, output: Any, inputs: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor | Ragged]:
        """Returns the softmax of the logits, fp32."""
        import torch

        return {"probabilities": torch.softmax(output.logits.float(), dim=-1)}

    def chance(self, data: PreparedData) -> dict[str, float]:
        """Returns the metrics of a guess that uses the class shares of training and looks at no row.

        It is the same probabilities for every row, those shares. Guessing each class as often as it occurs in training
        may give a higher macro F1. Only the counts of the classes are used, so the first trial does not wait for it.
        """
        train, validation = (_shares(data, split) for split in ("train", "validation"))
        labels = np.repeat(np.arange(len(train)), [data.meta.counts["validation"][label] for label in data.names])
        outputs = {"probabilities": np.broadcast_to(train, (len(labels), len(train)))}
        chance = scores_of_constant(self.facts.metrics, outputs, {"labels": labels})
        if "macro_f1" in chance:
            chance["macro_f1"] = max(chance["macro_f1"], _macro_f1(train, validation))
        return chance

    def baselines(
        self, train: pd.DataFrame, others: Mapping[str, pd.DataFrame], data: PreparedData
    ) -> Iterator[tuple[str, dict[str, Arrays]]]:
        """Yields the majority class, with the class shares of the training rows as probabilities."""
        labels = np.asarray(self.row_targets(train)["labels"])
        num_rows = {split: len(frame) for split, frame in others.items()}
        name, probabilities = majority_baseline(labels, num_rows, len(data.names))
        yield name, as_outputs(probabilities)

    def on_features(
        self,
        train_features: np.ndarray,
        train_targets: Arrays,
        features: Mapping[str, np.ndarray],
        data: PreparedData,
    ) -> dict[str, Arrays] | None:
        """Returns the probabilities of logistic regression."""
        labels = np.asarray(train_targets["labels"])
        return as_outputs(features_baseline(train_features, labels, features, len(data.names)))

    def data_warnings(self, config: TrialConfig, data: PreparedData) -> list[str]:
        """Warns of a class with most of the training rows, and advises what the study does not have yet."""
        counts, keys = data.meta.counts["train"], keys_for_rare_classes(self.facts, config)
        largest = imbalance({name: counts[name] for name in data.names})
        if not largest or not keys:
            return []
        advice = ", ".join(f"{override} {effect}" for override, effect in keys.items())
        return [f"{largest}: {advice}"]

    def answer_warnings(self, outputs: Arrays, targets: Arrays, names: Sequence[str]) -> list[str]:
        """Warns of a model that gives every row the same class where the rows have several."""
        answers = np.unique(np.asarray(outputs["probabilities"]).argmax(axis=1))
        if len(answers) != 1 or len(np.unique(np.asarray(targets["labels"]))) < 2:
            return []
        return [f"The model answers '{names[answers[0]][:40]}' for every test row."]

    def summary(self, names: Sequence[str], *, pairs: bool = False) -> str:
        """Returns the rows and the classes."""
        inputs = f"pairs of {self.facts.inputs}" if pairs else self.facts.inputs
        return f"{inputs.capitalize()} into {len(names)} classes ({', '.join(names)})"

    def usage(self, folder: str, *, pairs: bool = False) -> str:
        """Returns code for the pipeline of the facts."""
        call = f"\nclassify({PAIR})" if pairs else ""
        return (
            "from transformers import pipeline\n\n"
            f"classify = pipeline({json.dumps(self.facts.pipeline)}, model={json.dumps(folder)}){call}"
        )

    def predict(self, outputs: Arrays, row: int, names: Sequence[str]) -> dict[str, Any]:
        """Returns the likeliest label, its probability, and the probability of each label."""
        probabilities = [float(probability) for probability in np.asarray(outputs["probabilities"])[row]]
        best = int(np.argmax(probabilities))
        return {
            "label": names[best],
            "probability": probabilities[best],
            "probabilities": dict(zip(names, probabilities, strict=True)),
        }


def as_outputs(probabilities: Mapping[str, np.ndarray]) -> dict[str, Arrays]:
    """Returns the outputs of a classifier by split."""
    return {split: {"probabilities": values} for split, values in probabilities.items()}


def _shares(data: PreparedData, split: str) -> np.ndarray:
    """Returns the share of each class [num_labels]."""
    counts = np.array([data.meta.counts[split][label] for label in data.names], dtype=float)
    shares: np.ndarray = counts / max(1.0, counts.sum())
    return shares


def _macro_f1(guessed: np.ndarray, true: np.ndarray) -> float:
    """Returns the macro F1 of guesses with shares `guessed` [num_labels] that look at no row.

    Their precision is the true share of a class, their recall the guessed share.
    """
    occurs = guessed + true > 0
    return float(np.mean(2 * guessed[occurs] * true[occurs] / (guessed + true)[occurs]))
