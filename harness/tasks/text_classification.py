"""Text classification, of single texts and of pairs, with any checkpoint that has a sequence-classification head."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from harness.data.encoded import Arrays
from harness.data.prepared import PreparedData
from harness.spec.tasks import facts_of
from harness.tasks.baselines import text_baseline
from harness.tasks.classification import Classification, as_outputs
from harness.tasks.texts import TextTask

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["TASK", "TextClassification"]


class TextClassification(Classification, TextTask):
    """One class for each text, or pair of texts."""

    facts = facts_of("text-classification")

    def baselines(
        self, train: pd.DataFrame, others: Mapping[str, pd.DataFrame], data: PreparedData
    ) -> Iterator[tuple[str, dict[str, Arrays]]]:
        """Yields the majority class, and TF-IDF with logistic regression, on the texts without preprocessing."""
        yield from super().baselines(train, others, data)
        texts = {name: self.joined_texts(frame) for name, frame in others.items()}
        name, probabilities = text_baseline(self.joined_texts(train), train["label"].to_numpy(), texts, len(data.names))
        yield name, as_outputs(probabilities)


TASK = TextClassification()
