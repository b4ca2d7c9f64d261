"""A task of a user's own whose targets and outputs are ragged: which tokens of a text have an odd id."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.data.encoded import Encoded, Ragged
from harness.data.prepared import PreparedData
from harness.spec.tasks import TEXT, TaskFacts
from harness.spec.trial import TrialConfig
from harness.stats.metric import Arrays, Metric, ratio
from harness.tasks.texts import TextTask

if TYPE_CHECKING:
    import pandas as pd
    import torch
    from transformers import PreTrainedConfig


def errors(outputs: Arrays, targets: Arrays) -> np.ndarray:
    """Returns the wrong tokens and all tokens of each row [rows, 2]."""
    said, odd = outputs["odd"], targets["odd"]
    sums = np.concatenate([[0], np.cumsum((said.values > 0.5) != odd.values)])
    return np.stack([np.diff(sums[odd.offsets]), np.diff(odd.offsets)], axis=1).astype(float)


class Entropy:
    """The binary cross-entropy of the tokens; a batch is divided by how many it has."""

    def __init__(self, lengths: np.ndarray) -> None:
        self._lengths = lengths

    def weight(self, rows: np.ndarray) -> float:
        """Returns the tokens of the rows."""
        return float(self._lengths[rows].sum())

    def __call__(self, output: Any, targets: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """Returns the sum over the tokens of a micro-batch."""
        from torch.nn import functional

        odd = targets["odd"]
        logits = output.logits[..., 0].float()[odd >= 0]
        return functional.binary_cross_entropy_with_logits(logits, odd[odd >= 0].float(), reduction="sum")


class OddTokens(TextTask):
    """Whether each token has an odd id: target `odd`, 0 or 1, and output `odd`, a probability, ragged."""

    facts = TaskFacts(
        name="odd-tokens",
        inputs="texts",
        fields=(TEXT,),
        metrics=(
            Metric(
                name="wrong",
                title="wrong tokens",
                percent=True,
                maximize=False,
                low=0.0,
                high=1.0,
                row_stats=errors,
                of_sums=lambda sums: ratio(sums[..., 0], sums[..., 1]),
            ),
        ),
        loss="wrong",
    )
    auto = "AutoModelForTokenClassification"
    value_columns = ("odd",)

    def set_head(self, settings: PreTrainedConfig, data: PreparedData) -> None:
        """Configures a head with one output a token."""
        settings.num_labels = 1

    def encode(self, frame: pd.DataFrame, split: str, config: TrialConfig, data: PreparedData) -> Encoded:
        """Adds the target, which follows from the tokens."""
        encoded = super().encode(frame, split, config, data)
        ids = encoded.fields["input_ids"]
        assert isinstance(ids, Ragged)
        return replace(encoded, targets={"odd": Ragged(values=ids.values % 2, offsets=ids.offsets)})

    def targets(self, encoded: Encoded, rows: np.ndarray, length: int | None = None) -> dict[str, torch.Tensor]:
        """Returns the targets of rows, padded with -1."""
        import torch

        odd = encoded.targets["odd"]
        assert isinstance(odd, Ragged)
        lengths, padded = np.diff(odd.take(rows).offsets), np.asarray(encoded.lengths)[rows].max()
        values = np.full((len(rows), padded if length is None else length), -1, dtype=np.int64)
        values[np.arange(values.shape[1]) < lengths[:, None]] = odd.of(rows)
        return {"odd": torch.from_numpy(values)}

    def make_loss(
        self, config: TrialConfig, data: PreparedData, encoded: Encoded, rows: np.ndarray, device: torch.device
    ) -> Entropy:
        """Returns cross-entropy over the tokens."""
        return Entropy(np.asarray(encoded.lengths))

    def outputs(self, output: Any, inputs: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor | Ragged]:
        """Returns the probability of each token of each row."""
        is_token = inputs["attention_mask"].bool()
        offsets = np.concatenate([[0], np.cumsum(is_token.sum(dim=1).cpu().numpy())])
        probabilities = output.logits[..., 0].float().sigmoid()[is_token].cpu().numpy()
        return {"odd": Ragged(values=probabilities, offsets=offsets)}

    def predict(self, outputs: Arrays, row: int, names: Sequence[str]) -> dict[str, Any]:
        """Returns the places of the odd tokens."""
        return {"odd": np.flatnonzero(outputs["odd"].of(np.array([row])) > 0.5).tolist()}
