"""Several labels for a text or a pair, with any checkpoint that has a sequence-classification head."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from harness.data.encoded import Arrays, Encoded, Ragged
from harness.data.prepared import PreparedData
from harness.spec.tasks import LABELS, facts_of
from harness.spec.trial import TrialConfig
from harness.stats.chance import scores_of_constant
from harness.stats.thresholds import DEFAULT, best_threshold
from harness.tasks.base import PAIR
from harness.tasks.baselines import label_probabilities, labels_on_features, text_vectors
from harness.tasks.texts import TextTask

if TYPE_CHECKING:
    import pandas as pd
    import torch
    from transformers import PreTrainedConfig, PreTrainedModel

    from harness.tasks.losses import BinaryCrossEntropy

__all__ = ["TASK", "MultiLabelClassification"]

#: The key of config.json that holds the threshold of each label.
THRESHOLDS = "label_thresholds"


class MultiLabelClassification(TextTask):
    """Any number of labels for each text.

    Target `label_sets` [rows, num_labels] 0 or 1; outputs `probabilities` [rows, num_labels] and `decisions`, the same
    shape, bool.
    """

    facts = facts_of("multi-label-classification")
    value_columns: ClassVar[tuple[str, ...]] = ("labels",)
    features_baseline: ClassVar[str] = "one-vs-rest logistic regression on frozen features"

    def row_targets(self, frame: pd.DataFrame) -> dict[str, np.ndarray | Ragged]:
        """Returns 0 or 1 for each row and label."""
        rows = frame[LABELS.name].tolist()
        return {"label_sets": np.stack(rows) if rows else np.zeros((0, 0), dtype=np.uint8)}

    def set_head(self, settings: PreTrainedConfig, data: PreparedData) -> None:
        """Configures a head with a logit for each label, and the names of the labels."""
        settings.id2label = dict(enumerate(data.names))
        settings.label2id = {label: number for number, label in enumerate(data.names)}
        settings.problem_type = "multi_label_classification"

    def build_model(self, config: TrialConfig, data: PreparedData) -> PreTrainedModel:
        """Returns the checkpoint under a new head whose logits begin at the log-odds of the training rows.

        With weights of true labels they begin where such a loss is smallest.
        """
        from harness.tasks.heads import scale_head

        model = super().build_model(config, data)
        shares = _shares(data)
        log_odds = np.log(shares / (1 - shares)) + np.log(_pos_weight(config, shares))
        scale_head(model, log_odds.tolist(), 1.0)
        return model

    def make_loss(
        self, config: TrialConfig, data: PreparedData, encoded: Encoded, rows: np.ndarray, device: torch.device
    ) -> BinaryCrossEntropy:
        """Returns the sum of the labels' binary cross-entropies, with the option `pos_weight`."""
        from harness.tasks.losses import BinaryCrossEntropy

        return BinaryCrossEntropy(_pos_weight(config, _shares(data)), device)

    def outputs(self, output: Any, inputs: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor | Ragged]:
        """Returns the sigmoid of the logits, fp32."""
        return {"probabilities": output.logits.float().sigmoid()}

    def tuned(self, outputs: Arrays, targets: Arrays, config: TrialConfig) -> dict[str, Any]:
        """Returns the threshold of each label with the highest F1 on these rows: of all labels together, or its own."""
        kind = config.task_options.get("thresholds", "shared")
        probabilities, true = np.asarray(outputs["probabilities"]), np.asarray(targets["label_sets"])
        return {THRESHOLDS: _thresholds(probabilities, true, str(kind))}

    def decided(self, outputs: Arrays, settings: Mapping[str, Any]) -> Arrays:
        """Returns the outputs with `decisions`: the labels whose probability is at least their threshold."""
        return _decided(np.asarray(outputs["probabilities"]), settings.get(THRESHOLDS, DEFAULT))

    def told(self, settings: Mapping[str, Any], names: Sequence[str]) -> str:
        """Returns the thresholds as a sentence."""
        thresholds = settings.get(THRESHOLDS, [])
        if set(thresholds) == {DEFAULT}:
            return "A label is given from a probability of 0.5 on."
        if len(set(thresholds)) == 1:
            return f"A label is given from a probability of {thresholds[0]:.3f} on, as tuned on validation."
        listed = ", ".join(f"{name} {value:.3f}" for name, value in zip(names, thresholds, strict=False))
        return f"A label is given from its own probability on, as tuned on validation: {listed}."

    def chance(self, data: PreparedData) -> dict[str, float]:
        """Returns the metrics of a model that gives every row the training shares as probabilities.

        Its macro F1 is that of giving every label, its exact match that of the commonest set, where these are higher.
        """
        true = np.asarray(self.row_targets(data.frame("validation", [LABELS.name]))["label_sets"]).astype(bool)
        probabilities = np.broadcast_to(_shares(data), true.shape)
        outputs = _decided(probabilities, _thresholds(probabilities, true, "shared"))
        chance = scores_of_constant(self.facts.metrics, outputs, {"label_sets": true})
        every = _decided(probabilities, 0.0)
        for name, value in scores_of_constant(self.facts.metrics, every, {"label_sets": true}).items():
            chance[name] = max(chance[name], value) if name == "macro_f1" else chance[name]
        if len(true):
            commonest = np.unique(true, axis=0, return_counts=True)[1].max() / len(true)
            chance["exact_match"] = max(chance["exact_match"], float(commonest))
        return chance

    def baselines(
        self, train: pd.DataFrame, others: Mapping[str, pd.DataFrame], data: PreparedData
    ) -> Iterator[tuple[str, dict[str, Arrays]]]:
        """Yields the shares of the labels, and one logistic regression a label on TF-IDF; thresholds are tuned too."""
        true = np.asarray(self.row_targets(train)["label_sets"])
        shares = true.mean(axis=0)
        yield "label shares", _with_decisions({name: np.tile(shares, (len(f), 1)) for name, f in others.items()}, data)
        texts = self.joined_texts(train)
        kind, vectors = text_vectors(texts)
        rows = {name: vectors.transform(self.joined_texts(frame)) for name, frame in others.items() if len(frame)}
        fitted = label_probabilities(vectors.transform(texts), true, rows)
        name = f"TF-IDF ({kind} 1-2-grams) + one-vs-rest logistic regression"
        yield name, _with_decisions(fitted, data)

    def on_features(
        self,
        train_features: np.ndarray,
        train_targets: Arrays,
        features: Mapping[str, np.ndarray],
        data: PreparedData,
    ) -> dict[str, Arrays] | None:
        """Returns the outputs of one logistic regression a label."""
        true = np.asarray(train_targets["label_sets"])
        return _with_decisions(labels_on_features(train_features, true, features), data)

    def answer_warnings(self, outputs: Arrays, targets: Arrays, names: Sequence[str]) -> list[str]:
        """Warns of a model that gives every row the same labels where the rows have several sets."""
        given = np.unique(np.asarray(outputs["decisions"]), axis=0)
        if len(given) != 1 or len(np.unique(np.asarray(targets["label_sets"]), axis=0)) < 2:
            return []
        listed = ", ".join(f"'{names[label][:40]}'" for label in np.flatnonzero(given[0])[:5]) or "no label"
        return [f"The model gives every test row the same labels: {listed}."]

    def summary(self, names: Sequence[str], *, pairs: bool = False) -> str:
        """Returns the rows and the labels."""
        return f"{'Pairs of texts' if pairs else 'Texts'} to any number of {len(names)} labels ({', '.join(names)})"

    def usage(self, folder: str, *, pairs: bool = False) -> str:
        """Returns code for the classification pipeline."""
        call = f"classify({PAIR})\n" if pairs else ""
        return (
            "from transformers import pipeline\n\n"
            f"classify = pipeline({json.dumps(self.facts.pipeline)}, model={json.dumps(folder)}, top_k=None)\n"
            f"{call}# all labels with their probabilities; {THRESHOLDS} of config.json says from where on one is given"
        )

    def predict(self, outputs: Arrays, row: int, names: Sequence[str]) -> dict[str, Any]:
        """Returns the labels that are given, the likeliest first, and the probability of each label."""
        probabilities, given = (np.asarray(outputs[name])[row] for name in ("probabilities", "decisions"))
        order = np.argsort(-probabilities, kind="stable")
        return {
            "labels": [names[label] for label in order if given[label]],
            "probabilities": dict(zip(names, probabilities.astype(float).tolist(), strict=True)),
        }


def _shares(data: PreparedData) -> np.ndarray:
    """Returns the share of the training rows that have each label [num_labels], as if one row more had half of it."""
    counts = np.array([data.meta.counts["train"][name] for name in data.names], dtype=float)
    shares: np.ndarray = (counts + 0.5) / (data.meta.rows.get("train", int(counts.sum())) + 1)
    return shares


def _pos_weight(config: TrialConfig, shares: np.ndarray) -> np.ndarray:
    """Returns what a true label counts against one that is not [num_labels]."""
    weight = config.task_options.get("pos_weight", 1.0)
    return (1 - shares) / shares if weight == "balanced" else np.full(len(shares), float(str(weight)))


def _thresholds(probabilities: np.ndarray, true: np.ndarray, kind: str) -> list[float]:
    """Returns the threshold of each label: one for all (`shared`), its own (`each`), or 0.5 (`half`)."""
    num_labels = probabilities.shape[1]
    if kind == "half":
        return [DEFAULT] * num_labels
    if kind == "each":
        return [best_threshold(probabilities[:, label], true[:, label]) for label in range(num_labels)]
    return [best_threshold(probabilities.ravel(), true.ravel())] * num_labels


def _decided(probabilities: np.ndarray, thresholds: Any) -> dict[str, np.ndarray]:
    return {"probabilities": probabilities, "decisions": probabilities >= np.asarray(thresholds, dtype=float)}


def _with_decisions(probabilities: Mapping[str, np.ndarray], data: PreparedData) -> dict[str, Arrays]:
    """Returns the outputs by split; one threshold for all labels is tuned on validation, where that is among them."""
    thresholds: Any = DEFAULT
    if "validation" in probabilities:
        true = np.stack(data.frame("validation", [LABELS.name])[LABELS.name].tolist())
        thresholds = _thresholds(probabilities["validation"], true, "shared")
    return {split: _decided(values, thresholds) for split, values in probabilities.items()}


TASK = MultiLabelClassification()
