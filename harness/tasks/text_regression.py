"""Text regression: a number for a text or a pair, with any checkpoint that has a sequence-classification head."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from harness.data.encoded import Arrays, Encoded, Ragged
from harness.data.prepared import PreparedData
from harness.runtime import quick_imports
from harness.spec.tasks import NUMBER, facts_of
from harness.spec.trial import TrialConfig
from harness.stats.chance import scores_of_constant
from harness.tasks.base import PAIR
from harness.tasks.baselines import scaled_features, text_vectors
from harness.tasks.texts import TextTask

if TYPE_CHECKING:
    import pandas as pd
    import torch
    from transformers import PreTrainedConfig, PreTrainedModel

    from harness.tasks.losses import SquaredError

__all__ = ["TASK", "TextRegression"]


class TextRegression(TextTask):
    """One number for each text. Target `numbers` [rows] float64, output `predictions` [rows] in the same unit."""

    facts = facts_of("text-regression")
    value_columns: ClassVar[tuple[str, ...]] = ("number",)
    features_baseline: ClassVar[str] = "ridge on frozen features"

    def set_head(self, settings: PreTrainedConfig, data: PreparedData) -> None:
        """Configures a head with one output."""
        settings.num_labels = 1
        settings.problem_type = "regression"

    def build_model(self, config: TrialConfig, data: PreparedData) -> PreTrainedModel:
        """Returns the checkpoint under a new head that starts at mean and scale of the training split."""
        from harness.tasks.heads import scale_head

        model = super().build_model(config, data)
        scale_head(model, *_mean_and_scale(data, NUMBER.name))
        return model

    def make_loss(
        self, config: TrialConfig, data: PreparedData, encoded: Encoded, rows: np.ndarray, device: torch.device
    ) -> SquaredError:
        """Returns the squared error in units of the training split's variance."""
        from harness.tasks.losses import SquaredError

        return SquaredError(_mean_and_scale(data, NUMBER.name)[1])

    def outputs(self, output: Any, inputs: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor | Ragged]:
        """Returns the head's number, fp32."""
        return {"predictions": output.logits[:, 0].float()}

    def chance(self, data: PreparedData) -> dict[str, float]:
        """Returns the metrics of a model that always predicts the mean of the training split."""
        targets = self.row_targets(data.frame("validation", [NUMBER.name]))
        outputs = {"predictions": np.full(len(targets["numbers"]), _mean_and_scale(data, NUMBER.name)[0])}
        return scores_of_constant(self.facts.metrics, outputs, targets)

    def baselines(
        self, train: pd.DataFrame, others: Mapping[str, pd.DataFrame], data: PreparedData
    ) -> Iterator[tuple[str, dict[str, Arrays]]]:
        """Yields the mean of the training rows, and TF-IDF with ridge regression (see `_features` for pairs)."""
        with quick_imports():
            from sklearn.linear_model import Ridge

        numbers = np.asarray(self.row_targets(train)["numbers"])
        mean = float(np.mean(numbers))
        yield "mean", {name: {"predictions": np.full(len(frame), mean)} for name, frame in others.items()}
        kind, vectors = text_vectors(self.joined_texts(train))
        model = Ridge().fit(self._features(train, vectors), numbers)
        fitted: dict[str, Arrays] = {
            name: {"predictions": model.predict(self._features(frame, vectors))} for name, frame in others.items()
        }
        yield f"TF-IDF ({kind} 1-2-grams) + ridge regression", fitted

    def on_features(
        self,
        train_features: np.ndarray,
        train_targets: Arrays,
        features: Mapping[str, np.ndarray],
        data: PreparedData,
    ) -> dict[str, Arrays] | None:
        """Returns the predictions of ridge regression, with the penalty of that on TF-IDF."""
        with quick_imports():
            from sklearn.linear_model import Ridge

        scaled, scaled_others = scaled_features(train_features, features)
        model = Ridge().fit(scaled, np.asarray(train_targets["numbers"]))
        return {split: {"predictions": model.predict(rows)} for split, rows in scaled_others.items()}

    def summary(self, names: Sequence[str], *, pairs: bool = False) -> str:
        """Returns the rows and the target."""
        return f"A number for each {'pair of texts' if pairs else 'text'}"

    def usage(self, folder: str, *, pairs: bool = False) -> str:
        """Returns code for the classification pipeline, whose score is the number if no function is applied to it."""
        call = f"predict({PAIR})\n" if pairs else ""
        return (
            "from transformers import pipeline\n\n"
            f"predict = pipeline({json.dumps(self.facts.pipeline)}, model={json.dumps(folder)}, "
            f'function_to_apply="none")\n{call}'
            "# the score is the number; a head without bias (GPT-2's) lacks target_mean of config.json: add it"
        )

    def predict(self, outputs: Arrays, row: int, names: Sequence[str]) -> dict[str, Any]:
        """Returns the number."""
        return {"number": float(np.asarray(outputs["predictions"])[row])}

    def _features(self, frame: pd.DataFrame, vectors: Any) -> Any:
        """Returns the TF-IDF of a text.

        Of a pair it is the TF-IDF of both texts together, the cosine between them and their lengths in characters.
        """
        with quick_imports():
            from scipy.sparse import csr_array, hstack

        whole, texts = vectors.transform(self.joined_texts(frame)), self.texts(frame)
        if len(texts) == 1:
            return whole
        first, second = (vectors.transform(column) for column in texts)
        cosine = np.asarray(first.multiply(second).sum(axis=1)).ravel()
        lengths = [np.log1p(column.str.len().to_numpy()) for column in texts]
        shared = np.stack([cosine, *lengths, np.abs(lengths[0] - lengths[1])], axis=1)
        return hstack([whole, csr_array(shared)], format="csr")


def _mean_and_scale(data: PreparedData, field: str) -> tuple[float, float]:
    numbers = data.meta.numbers["train"][field]
    return numbers.mean, numbers.std or 1.0


TASK = TextRegression()
