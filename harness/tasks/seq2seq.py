"""Texts turned into others, by an encoder-decoder such as T5 or BART, or two copies of an encoder such as BERT."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from harness.data.augment import augment
from harness.data.clean import clean
from harness.data.encoded import Arrays, Encoded, Ragged, by_row
from harness.data.prepared import PreparedData
from harness.spec.study import PreprocessStep
from harness.spec.tasks import SOURCE, TARGET, facts_of
from harness.spec.trial import TrialConfig, TrialModel
from harness.stats.ragged import ragged_of
from harness.tasks.completions.baselines import said
from harness.tasks.completions.examples import FORMAT
from harness.tasks.completions.pairs import LABELS, START, decoder_inputs, encoded_pairs, pair_code
from harness.tasks.completions.task import MOST_TOKENS, WritingTask
from harness.tasks.models import saved_config
from harness.tasks.texts import text_config
from harness.tasks.token_ids import end_of

if TYPE_CHECKING:
    import pandas as pd
    import torch
    from transformers import GenerationConfig, PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

__all__ = ["TASK", "Seq2Seq"]


class Seq2Seq(WritingTask):
    """A text for a text. The tokens of the target have a loss, with the one that ends it.

    Cleaning and augmenting change the source alone.
    """

    facts = facts_of("seq2seq")
    auto: ClassVar[str] = "AutoModelForSeq2SeqLM"
    value_columns: ClassVar[tuple[str, ...]] = ("target",)
    beside: ClassVar[tuple[str, ...]] = (LABELS, "bytes", "whole_bytes")
    asked: ClassVar[str] = "source"
    has_encoder: ClassVar[bool] = True

    def encode(self, frame: pd.DataFrame, split: str, config: TrialConfig, data: PreparedData) -> Encoded:
        """Cleans and, on train, augments the sources, and tokenizes; targets are learned as they are."""
        steps = config.data.augment if split == "train" else ()
        sources = augment(clean(frame[SOURCE.name], config.data.preprocess), steps, data.meta.seed)
        rows = np.tile(np.arange(len(frame)), 1 + len(steps))
        tokenizer, settings = self.load_tokenizer(self.processor_folder(config, data)), text_config(config)
        texts = frame[TARGET.name].tolist() * (1 + len(steps))
        start = _start_of(config.model, settings, tokenizer)
        encoded = encoded_pairs(sources, texts, tokenizer, settings, start, config.data.max_length)
        notes = [f"{split}: {note}" for note in encoded.stats["notes"]]
        return replace(encoded, targets=by_row(self.row_targets(frame), rows), stats={**encoded.stats, "notes": notes})

    def collate(self, encoded: Encoded, rows: np.ndarray, length: int | None = None) -> dict[str, torch.Tensor]:
        """Returns input_ids and attention_mask [rows, longest source], and what `decoder_inputs` makes of targets.

        The model never sees `labels` (see `spare`): `outputs` reads them. `length` is that of no part, and not used.
        """
        return {**super().collate(encoded, rows), **decoder_inputs(encoded, rows)}

    def targets(self, encoded: Encoded, rows: np.ndarray, length: int | None = None) -> dict[str, torch.Tensor]:
        """Returns the tokens of all targets, one row after the other [tokens] int64, and their places.

        `kept` [rows, longest target] is true where a logit is that of a target's token.
        """
        import torch

        labels = ragged_of(encoded.fields[LABELS]).take(rows)
        lengths = np.diff(labels.offsets)
        kept = np.arange(max(1, int(lengths.max()))) < lengths[:, None]
        return {"tokens": torch.from_numpy(labels.values.astype(np.int64)), "kept": torch.from_numpy(kept)}

    def num_learned(self, encoded: Encoded) -> np.ndarray:
        """Returns the tokens of each target [examples]."""
        return np.diff(np.asarray(ragged_of(encoded.fields[LABELS]).offsets))

    def outputs(self, output: Any, inputs: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor | Ragged]:
        """Returns the sums over the tokens of each target: nll (nats, fp64), hits and tokens."""
        from harness.tasks.losses import IGNORED, completion_sums

        labels = inputs[LABELS]
        kept = labels != IGNORED
        return dict(completion_sums(output.logits, labels[kept], kept))

    def prompts(self, encoded: Encoded, rows: np.ndarray) -> list[np.ndarray]:
        """Returns the tokens of the sources."""
        ids = ragged_of(encoded.fields["input_ids"])
        return [ids.of(rows[at : at + 1]) for at in range(len(rows))]

    def generation(
        self, settings: PreTrainedConfig, tokenizer: PreTrainedTokenizerBase, format_: Mapping[str, Any]
    ) -> GenerationConfig:
        """Returns settings for targets that begin with the decoder's start token and end with the end token."""
        from harness.tasks.completions.writing import generation_settings

        pad, start = int(tokenizer.pad_token_id), format_[START]
        return generation_settings([end_of(tokenizer)], pad, format_[MOST_TOKENS], start)

    def format_of(self, config: TrialConfig, data: PreparedData, tokenizer: PreTrainedTokenizerBase) -> dict[str, Any]:
        """Returns the token that the decoder begins with, and the most tokens of a target."""
        start = _start_of(config.model, text_config(config), tokenizer)
        return {START: start, **super().format_of(config, data, tokenizer)}

    def built(self, model: TrialModel, settings: PreTrainedConfig) -> PreTrainedModel:
        """Returns the encoder-decoder of a checkpoint, or two copies of an encoder."""
        from harness.tasks.completions.halves import build_encoder_decoder

        return build_encoder_decoder(self.auto, model, settings)

    def build_model(self, config: TrialConfig, data: PreparedData) -> PreTrainedModel:
        """Returns the encoder-decoder; how it writes is in its configuration.

        Raises:
            CheckpointError: the checkpoint is no encoder-decoder, and no encoder.
        """
        model = super().build_model(config, data)
        tokenizer = self.load_tokenizer(self.processor_folder(config, data))
        model.config.decoder_start_token_id = getattr(model.config, FORMAT)[START]
        model.config.pad_token_id, model.config.eos_token_id = tokenizer.pad_token_id, end_of(tokenizer)
        return model

    def set_for_export(self, tokenizer: PreTrainedTokenizerBase) -> None:
        """Pads on the right, as in training."""
        tokenizer.padding_side = tokenizer.init_kwargs["padding_side"] = "right"

    def texts(self, frame: pd.DataFrame) -> list[pd.Series[str]]:
        """Returns the sources and the targets."""
        return [frame[SOURCE.name], frame[TARGET.name]]

    def baselines(
        self, train: pd.DataFrame, others: Mapping[str, pd.DataFrame], data: PreparedData
    ) -> Iterator[tuple[str, dict[str, Arrays]]]:
        """Yields the target of the nearest training source, the commonest target, and the source itself."""
        yield from super().baselines(train, others, data)
        yield "copy of the source", {split: said(frame[SOURCE.name].tolist()) for split, frame in others.items()}

    def show(self, row: Mapping[str, Any]) -> str:
        """Returns the source."""
        return str(row[SOURCE.name])

    def summary(self, names: Sequence[str], *, pairs: bool = False) -> str:
        """Returns what the model does."""
        return "A text for a text"

    def usage(self, folder: str, *, pairs: bool = False) -> str:
        """Returns code that loads the model: transformers 5 has no pipeline for this task."""
        return pair_code(folder)

    def predict_inputs(
        self,
        rows: Sequence[Mapping[str, Any]],
        folder: Path,
        max_length: int,
        preprocess: Sequence[PreprocessStep] = (),
    ) -> Encoded:
        """Encodes rows with a `source`; the tokens of a `target` beside it have a loss."""
        settings, tokenizer = saved_config(folder), self.load_tokenizer(folder)
        sources = clean([str(row[SOURCE.name]) for row in rows], preprocess)
        targets = [row.get(TARGET.name) for row in rows]
        start = getattr(settings, FORMAT)[START]
        return encoded_pairs(sources, targets, tokenizer, settings, start, max_length)


def _start_of(model: TrialModel, settings: PreTrainedConfig, tokenizer: PreTrainedTokenizerBase) -> int:
    """Returns the token that the decoder begins with.

    Of a checkpoint it is what its configuration says. A model from scratch begins with the pad token, as T5 does, and
    the copy of an encoder with the token that begins a text, or the end token where there is none.
    """
    own = getattr(settings, START, None)
    if settings.is_encoder_decoder and model.checkpoint != "scratch" and own is not None:
        return int(own)
    if settings.is_encoder_decoder:
        return int(tokenizer.pad_token_id)
    found = (tokenizer.cls_token_id, tokenizer.bos_token_id, end_of(tokenizer))
    return int(next(number for number in found if number is not None))


TASK = Seq2Seq()
