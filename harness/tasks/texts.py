"""The parts that all tasks on texts or pairs share: cleaning, tokens, batches, and the tokenizer of an export."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from harness.data.augment import augment
from harness.data.cache import built_once
from harness.data.checkpoints import resolve
from harness.data.clean import clean
from harness.data.encoded import Arrays, Encoded, by_row
from harness.data.prepared import PreparedData
from harness.data.resident import Resident
from harness.errors import CheckpointError
from harness.spec.study import PreprocessStep
from harness.spec.trial import TrialConfig, TrialModel
from harness.tasks.base import TaskBase
from harness.tasks.models import build, model_config, quiet, saved_config
from harness.tasks.token_ids import WITHOUT_VOCABULARY, encode_texts, least_tokens, length_limit, padding_of
from harness.tasks.tokenizers import load_tokenizer, tokenizer_digest, train_tokenizer

if TYPE_CHECKING:
    import pandas as pd
    import torch
    from transformers import PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

__all__ = ["TextTask", "text_config", "uses_segments"]

_DEFAULT_POSITIONS = 512
_DEFAULT_VOCABULARY = 30_000


class TextTask(TaskBase):
    """A task whose inputs are one field of kind text or, for pairs, two: at most `max_texts`."""

    max_texts: ClassVar[int] = 2
    #: The fields of encoded examples that no model reads.
    beside: ClassVar[tuple[str, ...]] = ()
    auto: ClassVar[str] = "AutoModelForSequenceClassification"

    def encode_key(self, config: TrialConfig) -> Mapping[str, Any]:
        """Returns cleaning, length and tokenizer (a hash of its files, or what it is trained from)."""
        key = config.data.model_dump(mode="json", include={"preprocess", "augment", "max_length"})
        key |= self.texts_key(config)
        if config.model.checkpoint == "scratch":
            return key | {"architecture": config.model.architecture}
        return key | {"tokenizer": tokenizer_digest(resolve(config.model.checkpoint).folder)}

    def encode(self, frame: pd.DataFrame, split: str, config: TrialConfig, data: PreparedData) -> Encoded:
        """Cleans, on train augments, and tokenizes. Row i's copy j is at `i + j * len(frame)`."""
        steps = config.data.augment if split == "train" else ()
        seed, texts_of = data.meta.seed, self.as_texts(frame, config, data)
        columns = [
            augment(clean(texts, config.data.preprocess), steps, seed + 2**32 * number)
            for number, texts in enumerate(self.texts(texts_of))
        ]
        targets = by_row(self.row_targets(frame), np.tile(np.arange(len(frame)), 1 + len(steps)))
        tokenizer = self.load_tokenizer(self.processor_folder(config, data))
        return _encoded(columns, targets, tokenizer, text_config(config), config.data.max_length)

    def collate(self, encoded: Encoded, rows: np.ndarray, length: int | None = None) -> dict[str, torch.Tensor]:
        """Returns input_ids, attention_mask (and token_type_ids): int64 [rows, longest row], with padding."""
        import torch

        offsets = np.asarray(encoded.fields["input_ids"].offsets)  # type: ignore[union-attr]
        starts = offsets[rows]
        lengths = offsets[np.asarray(rows) + 1] - starts
        padded = int(lengths.max()) if length is None else length
        if isinstance(encoded, Resident) and encoded.tensors:
            read = {name: tensor for name, tensor in encoded.tensors.items() if name not in self.beside}
            return _collated_on_device(encoded, read, starts, lengths, padded)
        columns = np.arange(padded) - _shift(encoded, padded, lengths[:, None])
        mask = (columns >= 0) & (columns < lengths[:, None])
        # Beyond a row's ends the index stays on one of its tokens: always valid, and replaced by padding below.
        at = starts[:, None] + np.clip(columns, 0, lengths[:, None] - 1)
        padding = _padding(encoded)
        inputs = {"attention_mask": torch.from_numpy(mask.astype(np.int64))}
        for name, field in encoded.fields.items():
            if name in self.beside:
                continue
            values = np.asarray(field.values)[at].astype(np.int64)  # type: ignore[union-attr]
            inputs[name] = torch.from_numpy(np.where(mask, values, padding.get(name, 0)))
        return inputs

    def build_model(self, config: TrialConfig, data: PreparedData) -> PreTrainedModel:
        """Returns the checkpoint under the head of `set_head`, with the pad token in its configuration."""
        tokenizer = self.load_tokenizer(self.processor_folder(config, data))
        settings = text_config(config)
        settings.pad_token_id = tokenizer.pad_token_id
        if config.model.checkpoint == "scratch":
            settings.bos_token_id, settings.eos_token_id = tokenizer.cls_token_id, tokenizer.sep_token_id
            if settings.is_encoder_decoder:
                settings.decoder_start_token_id = tokenizer.pad_token_id
        vocab_size = getattr(settings, "vocab_size", None)  # CANINE hashes characters and has none
        if vocab_size is not None and len(tokenizer) > vocab_size:
            raise CheckpointError(
                f"model.checkpoint: '{config.model.checkpoint}': its tokenizer has {len(tokenizer)} tokens, its model "
                f"{vocab_size}{_beyond(tokenizer, vocab_size)}"
            )
        self.set_head(settings, data)
        return self.built(config.model, settings)

    def built(self, model: TrialModel, settings: PreTrainedConfig) -> PreTrainedModel:
        """Returns the checkpoint under the task's head, whose settings are in the model's configuration."""
        return build(self.auto, model, settings)

    def load_tokenizer(self, folder: Path) -> PreTrainedTokenizerBase:
        """Returns the tokenizer of a folder."""
        return load_tokenizer(folder)

    def set_head(self, settings: PreTrainedConfig, data: PreparedData) -> None:
        """Sets the configuration of the model's head."""

    def show(self, row: Mapping[str, Any]) -> str:
        """Returns the text; of a pair, both, a line each."""
        return "\n".join(str(row[name]) for name in self.facts.texts if row.get(name) is not None)

    def write_processor(self, config: TrialConfig, data: PreparedData, folder: Path) -> None:
        """Writes the tokenizer, which pads on the side on which the model was trained with padding."""
        tokenizer = self.load_tokenizer(self.processor_folder(config, data))
        side = "left" if padding_of(text_config(config)) == "left" else "right"
        tokenizer.padding_side = tokenizer.init_kwargs["padding_side"] = side
        with quiet():
            tokenizer.save_pretrained(folder)

    def predict_inputs(
        self,
        rows: Sequence[Mapping[str, Any]],
        folder: Path,
        max_length: int,
        preprocess: Sequence[PreprocessStep] = (),
    ) -> Encoded:
        """Encodes rows as training did, from the files of an exported model alone."""
        names = [name for name in self.facts.texts if rows and rows[0].get(name) is not None]
        columns = [clean([str(row[name]) for row in rows], preprocess) for name in names]
        return _encoded(columns, {}, self.load_tokenizer(folder), saved_config(folder), max_length)

    def as_texts(self, frame: pd.DataFrame, config: TrialConfig, data: PreparedData) -> pd.DataFrame:
        """Returns the rows with the texts that the model reads: those of the table, unless a task makes others."""
        return frame

    def texts_key(self, config: TrialConfig) -> dict[str, Any]:
        """Returns what these texts depend on, where a task makes them: JSON."""
        return {}

    def texts(self, frame: pd.DataFrame) -> list[pd.Series[str]]:
        """Returns the columns of texts: one, or two of pairs."""
        return [frame[name] for name in self.facts.texts if name in frame]

    def cleaned_texts(self, frame: pd.DataFrame, steps: Sequence[PreprocessStep]) -> list[str]:
        """Returns all texts, column by column, as the model reads them."""
        return [text for column in self.texts(frame) for text in clean(column, steps)]

    def joined_texts(self, frame: pd.DataFrame) -> list[str]:
        """Returns each row as one text: of a pair, both with a space between."""
        return [" ".join(parts) for parts in zip(*self.texts(frame), strict=True)]

    def processor_folder(self, config: TrialConfig, data: PreparedData) -> Path:
        """Returns the checkpoint's folder; for `scratch`, that of a tokenizer trained on the cleaned training split."""
        if config.model.checkpoint != "scratch":
            return resolve(config.model.checkpoint).folder
        settings = text_config(config)
        positions = getattr(settings, "max_position_embeddings", _DEFAULT_POSITIONS)
        vocab_size = getattr(settings, "vocab_size", _DEFAULT_VOCABULARY)
        key = {"preprocess": config.data.preprocess, "vocab_size": vocab_size, "positions": positions}
        key |= {"segments": uses_segments(settings), **self.texts_key(config)}
        name = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:16]

        def build(folder: Path) -> None:
            rows = self.as_texts(data.frame("train"), config, data)
            texts = self.cleaned_texts(rows, config.data.preprocess)
            train_tokenizer(texts, vocab_size, positions, uses_segments(settings), folder)

        return built_once(data.folder / "tokenizers" / name, build)


def _shift(encoded: Encoded, padded: int, lengths: Any) -> Any:
    """Returns the position of each row's first token in a batch of length `padded`."""
    return padded - lengths if encoded.stats.get("padding") == "left" else 0


def _beyond(tokenizer: Any, vocab_size: int) -> str:
    """Says which special tokens transformers has added behind a vocabulary that calls its own otherwise."""
    names = {name: token for name, token in tokenizer.special_tokens_map.items() if isinstance(token, str)}
    ids = {name: tokenizer.convert_tokens_to_ids(token) for name, token in names.items()}
    size = min(vocab_size, tokenizer.vocab_size)
    added = [f"{name} '{names[name]}'" for name, number in ids.items() if number is not None and number >= size]
    if not added:
        return ""
    return (
        f": {', '.join(added)} added behind it; say in its tokenizer_config.json what the vocabulary calls them, for "
        'example "pad_token": "[PAD]"'
    )


def _padding(encoded: Encoded) -> dict[str, int]:
    """Returns the value that pads a field, by its name, where it is not 0."""
    return {"input_ids": int(encoded.stats["pad_token_id"])}


def _collated_on_device(
    encoded: Resident, tensors: Mapping[str, torch.Tensor], starts: np.ndarray, lengths: np.ndarray, padded: int
) -> dict[str, torch.Tensor]:
    """Returns what `collate` returns, made on the device; only the starts and lengths of rows are copied there."""
    import torch

    begin, end = encoded.upload(np.stack([starts, lengths])[..., None])
    columns = torch.arange(padded, device=begin.device) - _shift(encoded, padded, end)
    beyond = (columns < 0) | (columns >= end)
    at, mask = begin + columns.clamp(min=0), ~beyond
    padding = _padding(encoded)
    inputs = {"attention_mask": mask.long()}
    for name, values in tensors.items():
        inputs[name] = values[at].long().masked_fill_(beyond, padding.get(name, 0))
    return inputs


def text_config(config: TrialConfig) -> PreTrainedConfig:
    """Returns the configuration of a trial's model.

    Raises:
        CheckpointError: it cannot be read, or is of a model without a vocabulary.
    """
    settings = model_config(config.model)
    if not hasattr(settings, "vocab_size") and settings.model_type not in WITHOUT_VOCABULARY:
        raise CheckpointError(f"model: a {settings.model_type} model has no vocabulary: it does not take texts")
    return settings


def _encoded(
    columns: Sequence[Sequence[str]],
    targets: Arrays,
    tokenizer: PreTrainedTokenizerBase,
    settings: PreTrainedConfig,
    max_length: int,
) -> Encoded:
    segments = len(columns) == 2 and uses_segments(settings) and "token_type_ids" in tokenizer.model_input_names
    fields, stats = encode_texts(
        tokenizer,
        columns,
        length_limit(settings, tokenizer, max_length),
        segments=segments,
        end_id=tokenizer.eos_token_id or tokenizer.sep_token_id if settings.is_encoder_decoder else None,
        least=least_tokens(settings),
    )
    lengths = np.diff(fields["input_ids"].offsets).astype(np.int32)
    stats["padding"] = padding_of(settings)
    return Encoded(fields=fields, targets=targets, lengths=lengths, stats=stats)


def uses_segments(settings: PreTrainedConfig) -> bool:
    """True where the model distinguishes the two texts of a pair by token_type_ids."""
    return getattr(settings, "type_vocab_size", 0) >= 2
