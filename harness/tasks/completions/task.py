"""The parts that all tasks share whose models write text."""

from __future__ import annotations

import hashlib
import json
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from harness.data.cache import built_once
from harness.data.encoded import Arrays, Encoded, Ragged
from harness.data.prepared import PreparedData
from harness.spec.trial import TrialConfig
from harness.stats.completions import texts_of, utf8
from harness.stats.ragged import ragged_of
from harness.tasks.completions.baselines import commonest, nearest, said
from harness.tasks.completions.examples import FORMAT
from harness.tasks.completions.pairs import half_of
from harness.tasks.models import quiet
from harness.tasks.texts import TextTask, text_config
from harness.tasks.token_ids import length_limit
from harness.tasks.tokenizers import train_byte_tokenizer

if TYPE_CHECKING:
    import pandas as pd
    import torch
    from transformers import GenerationConfig, PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

    from harness.tasks.losses import CompletionCrossEntropy

__all__ = ["MOST_TOKENS", "WritingTask"]

#: The key of that for the most tokens of a text that is written.
MOST_TOKENS = "generate_tokens"
#: Of so many of the longest training targets the tokens are counted.
_LONGEST = 64
_DEFAULT_VOCABULARY = 8000


class WritingTask(TextTask):
    """Text that is learned token by token, and written. Outputs are those of `harness.stats.completions`.

    The target is `completions`, ragged UTF-8. `asked` is what a text that a model is asked with is called.
    `has_encoder` says that an encoder reads that text. Tokenizers that are trained then cut words at spaces alone, so
    that targets have few tokens, and end each text with the end token, as T5's do.
    """

    asked: ClassVar[str] = "prompt"
    has_encoder: ClassVar[bool] = False
    max_texts: ClassVar[int] = 1
    features_baseline: ClassVar[str] = "untrained checkpoint"
    scores_checkpoint: ClassVar[bool] = True
    writes: ClassVar[bool] = True

    @property
    def learned(self) -> str:
        """The name of the field that is learned."""
        return self.facts.target.name if self.facts.target is not None else ""

    @abstractmethod
    def num_learned(self, encoded: Encoded) -> np.ndarray:
        """Returns how many tokens of each example are learned [examples]."""

    @abstractmethod
    def prompts(self, encoded: Encoded, rows: np.ndarray) -> list[np.ndarray]:
        """Returns the tokens that a model is asked with for each of `rows`."""

    @abstractmethod
    def generation(
        self, settings: PreTrainedConfig, tokenizer: PreTrainedTokenizerBase, format_: Mapping[str, Any]
    ) -> GenerationConfig:
        """Returns how a model with the configuration `settings` writes; `format_` is that of `format_of`."""

    @abstractmethod
    def set_for_export(self, tokenizer: PreTrainedTokenizerBase) -> None:
        """Sets how plain transformers pads and reads texts with an export's tokenizer."""

    def format_of(self, config: TrialConfig, data: PreparedData, tokenizer: PreTrainedTokenizerBase) -> dict[str, Any]:
        """Returns how a trial's model is asked and how much it writes, as its config.json holds it."""
        return {MOST_TOKENS: self.most_tokens(config, data, tokenizer)}

    def option(self, config: TrialConfig, name: str) -> Any:
        """Returns the value of one of the task's options."""
        return config.task_options.get(name, self.facts.options.model_fields[name].default)

    def row_targets(self, frame: pd.DataFrame) -> dict[str, np.ndarray | Ragged]:
        """Returns the texts that are learned."""
        return {"completions": utf8(frame[self.learned])}

    def make_loss(
        self, config: TrialConfig, data: PreparedData, encoded: Encoded, rows: np.ndarray, device: torch.device
    ) -> CompletionCrossEntropy:
        """Returns the cross-entropy of the learned tokens, with the recipe's smoothing."""
        from harness.tasks.losses import CompletionCrossEntropy

        return CompletionCrossEntropy(self.num_learned(encoded), config.training.label_smoothing)

    def of_rows(self, outputs: Arrays, encoded: Encoded, rows: np.ndarray) -> Arrays:
        """Returns the outputs with the bytes of what is learned."""
        return {**outputs, **{name: np.asarray(encoded.fields[name])[rows] for name in ("bytes", "whole_bytes")}}

    def build_model(self, config: TrialConfig, data: PreparedData) -> PreTrainedModel:
        """Returns the checkpoint with its own head; how it is asked and how much it writes is in its configuration."""
        from harness.tasks.completions.writing import spare

        model = spare(super().build_model(config, data))
        tokenizer = self.load_tokenizer(self.processor_folder(config, data))
        if config.model.checkpoint == "scratch":
            model.config.eos_token_id = tokenizer.eos_token_id
        setattr(model.config, FORMAT, self.format_of(config, data, tokenizer))
        return model

    def write(
        self,
        model: PreTrainedModel,
        encoded: Encoded,
        rows: np.ndarray,
        device: torch.device,
        folder: Path,
        config: TrialConfig | None = None,
    ) -> Arrays:
        """Returns what the model writes, greedily: `texts`, and `is_written` for the rows that were asked.

        Of a trial with `config` these are `generate_rows` of the rows. Without one it is all rows.
        """
        from harness.tasks.completions.writing import written

        chosen = np.arange(len(rows))
        most = len(rows) if config is None else int(self.option(config, "generate_rows"))
        if most < len(rows):
            chosen = np.sort(np.random.default_rng(0).permutation(len(rows))[:most])
        tokenizer = self.load_tokenizer(folder)
        settings = self.generation(model.config, tokenizer, getattr(model.config, FORMAT))
        prompts = self.prompts(encoded, rows[chosen])
        limit = length_limit(half_of(model.config, "decoder"), tokenizer, 2**31)
        answers = written(model, prompts, settings, limit, device)
        texts = [""] * len(rows)
        for at, answer in zip(chosen, answers, strict=True):
            texts[at] = tokenizer.decode(answer, skip_special_tokens=True)
        is_written = np.zeros(len(rows), dtype=np.uint8)
        is_written[chosen] = 1
        return {"texts": utf8(texts), "is_written": is_written}

    def most_tokens(self, config: TrialConfig, data: PreparedData, tokenizer: PreTrainedTokenizerBase) -> int:
        """Returns the most tokens of a written text: those of the study, or of the longest training target."""
        asked = self.option(config, MOST_TOKENS)
        if asked is not None:
            return int(asked)
        texts = sorted(set(data.frame("train", [self.learned])[self.learned]), key=len)[-_LONGEST:]
        return 1 + max(map(len, tokenizer(texts, add_special_tokens=False)["input_ids"]))

    def processor_folder(self, config: TrialConfig, data: PreparedData) -> Path:
        """Returns the checkpoint's folder; for `scratch`, that of a tokenizer of bytes trained on the training rows."""
        if config.model.checkpoint != "scratch":
            return super().processor_folder(config, data)
        vocab_size = getattr(text_config(config), "vocab_size", _DEFAULT_VOCABULARY)
        key = json.dumps(["bytes", config.data.preprocess, vocab_size, *(["words"] if self.has_encoder else [])])
        name = hashlib.sha256(key.encode()).hexdigest()[:16]

        def build(folder: Path) -> None:
            texts = [text for column in self.texts(data.frame("train")) for text in column]
            train_byte_tokenizer(texts, vocab_size, folder, at_spaces=self.has_encoder, ends=self.has_encoder)

        return built_once(data.folder / "tokenizers" / name, build)

    def write_processor(self, config: TrialConfig, data: PreparedData, folder: Path) -> None:
        """Writes the tokenizer, and how texts are written."""
        tokenizer = self.load_tokenizer(self.processor_folder(config, data))
        settings = self.generation(text_config(config), tokenizer, self.format_of(config, data, tokenizer))
        self.set_for_export(tokenizer)
        with quiet():
            tokenizer.save_pretrained(folder)
            settings.save_pretrained(folder)

    def baselines(
        self, train: pd.DataFrame, others: Mapping[str, pd.DataFrame], data: PreparedData
    ) -> Iterator[tuple[str, dict[str, Arrays]]]:
        """Yields the target of the training row that is asked most alike, and the commonest target."""
        asked = {split: self.texts(frame)[0].tolist() for split, frame in others.items()}
        targets = train[self.learned].tolist()
        vectors, answers = nearest(self.texts(train)[0].tolist(), targets, asked)
        yield f"nearest training {self.asked} ({vectors})", {split: said(texts) for split, texts in answers.items()}
        most = commonest(targets)
        yield f"commonest {self.learned}", {split: said([most] * len(frame)) for split, frame in others.items()}

    def answer_warnings(self, outputs: Arrays, targets: Arrays, names: Sequence[str]) -> list[str]:
        """Warns of a model that writes the same for every row."""
        if "texts" not in outputs:
            return []
        written = np.flatnonzero(np.asarray(outputs["is_written"]))
        texts = set(texts_of(ragged_of(outputs["texts"]).take(written)))
        return ["The model writes the same text for every test row."] if len(written) > 1 and len(texts) == 1 else []

    def predict(self, outputs: Arrays, row: int, names: Sequence[str]) -> dict[str, Any]:
        """Returns the text that the model writes; null for a row that the model was not asked to answer."""
        texts = outputs.get("texts")
        return {self.learned: None if texts is None else texts_of(ragged_of(texts).take(np.array([row])))[0]}
