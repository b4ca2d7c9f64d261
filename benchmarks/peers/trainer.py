"""Hugging Face's Trainer as its defaults stand, or as an expert would set it, over encoded data."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import torch
import transformers
from datasets import Dataset, disable_progress_bars
from peers.tables import SEED, Tables
from sklearn.metrics import accuracy_score
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    DataCollatorWithPadding,
    EvalPrediction,
    Trainer,
    TrainingArguments,
)

__all__ = ["Peer"]

#: What an expert switches on: batches of texts of like length, and products in bf16.
TUNED = {"train_sampling_strategy": "group_by_length", "bf16": True}


class Peer:
    """Builds Trainers over one data set; each text is as long as the longest of its batch."""

    def __init__(self, tables: Tables, checkpoint: str, *, max_length: int, folder: Path, tuned: bool) -> None:
        disable_progress_bars()
        transformers.logging.set_verbosity_error()
        self.tokenizer = AutoTokenizer.from_pretrained(checkpoint)
        self._checkpoint, self._max_length, self._folder = checkpoint, max_length, folder
        self._num_labels = len(tables.labels)
        self._tuned = TUNED if tuned else {}
        self.train, self.valid, self.test = (
            self._encode(frame, tables.ids(frame)) for frame in (tables.train, tables.valid, tables.test)
        )

    def _encode(self, frame: pd.DataFrame, labels: list[int]) -> Dataset:
        rows = Dataset.from_dict({"text": frame["text"].tolist(), "label": labels})
        return rows.map(
            lambda batch: self.tokenizer(batch["text"], truncation=True, max_length=self._max_length),
            batched=True,
            remove_columns=["text"],
        )

    def _model(self, trial: object = None) -> Any:
        return AutoModelForSequenceClassification.from_pretrained(self._checkpoint, num_labels=self._num_labels)

    def build(self, epochs: int, chosen: Mapping[str, Any] | None = None, **more: Any) -> Trainer:
        """A Trainer; `chosen` are the searched arguments, `more` further ones."""
        usual = {
            "output_dir": str(self._folder),
            "num_train_epochs": epochs,
            "per_device_eval_batch_size": 64,
            "eval_strategy": "epoch",
            "save_strategy": "no",
            "logging_strategy": "no",
            "report_to": [],
            "disable_tqdm": True,
            "use_cpu": not torch.accelerator.is_available(),
            "seed": SEED,
        }
        return Trainer(
            model_init=self._model,
            args=TrainingArguments(**(usual | self._tuned | dict(chosen or {}) | more)),
            train_dataset=self.train,
            eval_dataset=self.valid,
            processing_class=self.tokenizer,
            data_collator=DataCollatorWithPadding(self.tokenizer),
            compute_metrics=_accuracy,
        )


def _accuracy(predicted: EvalPrediction) -> dict[str, float]:
    return {"accuracy": float(accuracy_score(predicted.label_ids, predicted.predictions.argmax(-1)))}
