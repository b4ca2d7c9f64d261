"""Causal language modelling: the completions of prompts, the answers of chats, or documents, with any decoder."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from harness.data.encoded import Arrays, Encoded, Ragged, by_row
from harness.data.prepared import PreparedData
from harness.spec.study import PreprocessStep
from harness.spec.tasks import DOCUMENT, PROMPT, facts_of
from harness.spec.trial import TrialConfig
from harness.tasks.completions.examples import (
    FORMAT,
    augmented_rows,
    completion_code,
    dialogue_of,
    encoded_rows,
    shown,
    text_columns,
)
from harness.tasks.completions.learned import learned_counts, learned_tokens, prompts_of
from harness.tasks.completions.task import MOST_TOKENS, WritingTask
from harness.tasks.models import saved_config
from harness.tasks.texts import text_config

if TYPE_CHECKING:
    import pandas as pd
    import torch
    from transformers import GenerationConfig, PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

__all__ = ["TASK", "CausalLM"]

#: The tokens by which a document is continued, unless the study says how many.
_CONTINUED = 64


class CausalLM(WritingTask):
    """Text behind text.

    A row has one prompt or chat with its answer, of which the answer's tokens have a loss, or one document.
    """

    facts = facts_of("causal-lm")
    auto: ClassVar[str] = "AutoModelForCausalLM"
    value_columns: ClassVar[tuple[str, ...]] = ("completion",)
    beside: ClassVar[tuple[str, ...]] = ("prompt_lengths", "bytes", "whole_bytes")

    def encode_key(self, config: TrialConfig) -> Mapping[str, Any]:
        """Returns what other texts depend on, and how a prompt is asked."""
        return {**super().encode_key(config), **self._asking(config)}

    def encode(self, frame: pd.DataFrame, split: str, config: TrialConfig, data: PreparedData) -> Encoded:
        """Cleans and, on train, augments the prompts, and tokenizes; completions are learned as they are.

        Raises:
            DataError: the study cleans documents, or augments anything but prompts.
        """
        copies = augmented_rows(frame, config, data.meta.seed if split == "train" else None)
        tokenizer = self.load_tokenizer(self.processor_folder(config, data))
        # Prompts were cleaned before copies were made of them.
        preprocess = () if PROMPT.name in frame else config.data.preprocess
        settings, asking = text_config(config), self._asking(config)
        encoded = encoded_rows(copies, tokenizer, settings, asking, config.data.max_length, preprocess=preprocess)
        targets = by_row(self.row_targets(frame), np.arange(len(copies)) % len(frame))
        notes = [f"{split}: {note}" for note in encoded.stats["notes"]]
        return replace(encoded, targets=targets, stats={**encoded.stats, "notes": notes})

    def collate(self, encoded: Encoded, rows: np.ndarray, length: int | None = None) -> dict[str, torch.Tensor]:
        """Returns input_ids and attention_mask int64, and logits_to_keep bool, all [rows, longest row].

        `logits_to_keep` is true where the next token is learned; the model computes logits [tokens, vocabulary] there.
        """
        inputs = super().collate(encoded, rows, length)
        inputs["logits_to_keep"] = inputs["logits_to_keep"].bool()
        return inputs

    def targets(self, encoded: Encoded, rows: np.ndarray, length: int | None = None) -> dict[str, torch.Tensor]:
        """Returns the learned tokens of all rows, one row after the other [tokens] int64, and where they follow.

        `kept` [rows, longest row] is for models that compute all logits.
        """
        return learned_tokens(encoded, rows, length)

    def num_learned(self, encoded: Encoded) -> np.ndarray:
        """Returns how many tokens of each example are learned [examples]."""
        return learned_counts(encoded)

    def outputs(self, output: Any, inputs: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor | Ragged]:
        """Returns the sums over each row's learned tokens: nll (nats, fp64), hits and tokens."""
        from harness.tasks.losses import completion_sums

        kept = inputs["logits_to_keep"]
        return dict(completion_sums(output.logits, inputs["input_ids"].roll(-1, dims=1)[kept], kept))

    def write(
        self,
        model: PreTrainedModel,
        encoded: Encoded,
        rows: np.ndarray,
        device: torch.device,
        folder: Path,
        config: TrialConfig | None = None,
    ) -> Arrays:
        """Returns what the model writes behind prompts; documents are continued where somebody asks for it."""
        if encoded.stats["has_prompts"]:
            return super().write(model, encoded, rows, device, folder, config)
        if config is not None:
            return {}
        outputs = super().write(model, encoded, rows, device, folder)
        return {**outputs, "is_written": np.zeros(len(rows), dtype=np.uint8)}

    def prompts(self, encoded: Encoded, rows: np.ndarray) -> list[np.ndarray]:
        """Returns the tokens before the answer of each row."""
        return prompts_of(encoded, rows)

    def generation(
        self, settings: PreTrainedConfig, tokenizer: PreTrainedTokenizerBase, format_: Mapping[str, Any]
    ) -> GenerationConfig:
        """Returns settings for answers that end as the turns of the chat template do, or with the end token."""
        from harness.tasks.completions.writing import generation_settings

        stops = dialogue_of(tokenizer, format_).stop_ids
        return generation_settings(stops, int(tokenizer.pad_token_id), format_[MOST_TOKENS])

    def format_of(self, config: TrialConfig, data: PreparedData, tokenizer: PreTrainedTokenizerBase) -> dict[str, Any]:
        """Returns template, separator, and the most tokens of an answer."""
        return {**self._asking(config), **super().format_of(config, data, tokenizer)}

    def _asking(self, config: TrialConfig) -> dict[str, Any]:
        return {name: self.option(config, name) for name in ("template", "separator")}

    def build_model(self, config: TrialConfig, data: PreparedData) -> PreTrainedModel:
        """Returns the checkpoint with its own head; how it is asked is in its configuration.

        Raises:
            CheckpointError: it is no causal language model.
        """
        from harness.tasks.completions.writing import refuse_lookahead

        model = super().build_model(config, data)
        refuse_lookahead(model, config.model.checkpoint)
        return model

    def most_tokens(self, config: TrialConfig, data: PreparedData, tokenizer: PreTrainedTokenizerBase) -> int:
        """Returns the most tokens of an answer; a document is continued by a fixed number."""
        if DOCUMENT.name in data.meta.columns and self.option(config, MOST_TOKENS) is None:
            return _CONTINUED
        return super().most_tokens(config, data, tokenizer)

    def set_for_export(self, tokenizer: PreTrainedTokenizerBase) -> None:
        """Pads on the left, as answers are written, and reads special tokens as such: chat templates write them."""
        tokenizer.padding_side = tokenizer.init_kwargs["padding_side"] = "left"
        tokenizer.split_special_tokens = tokenizer.init_kwargs["split_special_tokens"] = False

    def texts(self, frame: pd.DataFrame) -> list[pd.Series[str]]:
        """Returns the prompts (of chats all turns before the answer), and the completions."""
        return text_columns(frame)

    def baselines(
        self, train: pd.DataFrame, others: Mapping[str, pd.DataFrame], data: PreparedData
    ) -> Iterator[tuple[str, dict[str, Arrays]]]:
        """Yields the answer of the nearest training prompt, and the commonest completion; none for documents."""
        if DOCUMENT.name not in train:
            yield from super().baselines(train, others, data)

    def show(self, row: Mapping[str, Any]) -> str:
        """Returns the prompt, the turns of a chat, or the document."""
        return shown(row)

    def summary(self, names: Sequence[str], *, pairs: bool = False) -> str:
        """Returns what the model does."""
        return "The text that follows a prompt"

    def usage(self, folder: str, *, pairs: bool = False) -> str:
        """Returns code for the pipeline; the export's generation_config.json says how answers end."""
        return completion_code(folder, str(self.facts.pipeline))

    def predict_inputs(
        self,
        rows: Sequence[Mapping[str, Any]],
        folder: Path,
        max_length: int,
        preprocess: Sequence[PreprocessStep] = (),
    ) -> Encoded:
        """Encodes rows with a `prompt`, `messages` or a `text`; a row with a `completion` too is one of a data set."""
        settings = saved_config(folder)
        format_ = getattr(settings, FORMAT)
        tokenizer, room = self.load_tokenizer(folder), format_[MOST_TOKENS]
        return encoded_rows(rows, tokenizer, settings, format_, max_length, room, preprocess)


TASK = CausalLM()
