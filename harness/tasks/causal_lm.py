"""Causal language modelling: the completions of prompts, the answers of chats, or documents, with any decoder."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from harness.data.augment import augment
from harness.data.cache import built_once
from harness.data.clean import clean
from harness.data.encoded import Arrays, Encoded, Ragged, by_row
from harness.data.kinds.completion import ASSISTANT, chat_of
from harness.data.prepared import PreparedData
from harness.errors import DataError
from harness.spec.study import PreprocessStep
from harness.spec.task_options import CompletionOptions
from harness.spec.tasks import COMPLETION, DOCUMENT, MESSAGES, PROMPT, facts_of
from harness.spec.trial import TrialConfig
from harness.stats.completions import texts_of, utf8
from harness.tasks.completions.baselines import commonest, nearest
from harness.tasks.completions.dialogue import AnsweredPrompt, Dialogue, encode_dialogues
from harness.tasks.models import quiet, saved_config
from harness.tasks.texts import TextTask, text_config
from harness.tasks.token_ids import length_limit
from harness.tasks.tokenizers import train_byte_tokenizer

if TYPE_CHECKING:
    import pandas as pd
    import torch
    from transformers import PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

    from harness.tasks.losses import CompletionCrossEntropy

__all__ = ["TASK", "CausalLM"]

#: The key of config.json that says how a model is asked.
FORMAT = "completion_format"
#: The tokens by which a document is continued, unless the study says how many.
_CONTINUED = 64
#: Of so many of the longest training completions the tokens are counted.
_LONGEST = 64
_DEFAULT_VOCABULARY = 8000


class CausalLM(TextTask):
    """Text behind text. Outputs are those of `harness.stats.completions`; the target is `completions`, ragged UTF-8.

    A row has one prompt or chat with its answer, of which the answer's tokens have a loss, or one document.
    """

    facts = facts_of("causal-lm")
    auto: ClassVar[str] = "AutoModelForCausalLM"
    max_texts: ClassVar[int] = 1
    value_columns: ClassVar[tuple[str, ...]] = ("completion",)
    features_baseline: ClassVar[str] = "untrained checkpoint"
    scores_checkpoint: ClassVar[bool] = True
    writes: ClassVar[bool] = True
    beside: ClassVar[tuple[str, ...]] = ("prompt_lengths", "bytes")

    def encode_key(self, config: TrialConfig) -> Mapping[str, Any]:
        """Returns what other texts depend on, and how a prompt is asked."""
        return {**super().encode_key(config), **_format(config)}

    def row_targets(self, frame: pd.DataFrame) -> dict[str, np.ndarray | Ragged]:
        """Returns the completions."""
        return {"completions": utf8(frame[COMPLETION.name])}

    def encode(self, frame: pd.DataFrame, split: str, config: TrialConfig, data: PreparedData) -> Encoded:
        """Cleans and, on train, augments the prompts, and tokenizes; completions are learned as they are.

        Raises:
            DataError: the study cleans documents, or augments anything but prompts.
        """
        steps = config.data.augment if split == "train" else ()
        _refuse_changes(config, frame)
        rows = [{str(name): value for name, value in row.items()} for row in frame.to_dict("records")]
        copies = [dict(row) for _ in range(1 + len(steps)) for row in rows]
        if PROMPT.name in frame:
            prompts = clean(frame[PROMPT.name], config.data.preprocess)
            for row, prompt in zip(copies, augment(prompts, steps, data.meta.seed), strict=True):
                row[PROMPT.name] = prompt
        tokenizer = self.load_tokenizer(self.processor_folder(config, data))
        settings, format_ = text_config(config), _format(config)
        # Prompts were cleaned above, before copies were made of them.
        preprocess = () if PROMPT.name in frame else config.data.preprocess
        encoded = _encoded(copies, tokenizer, settings, format_, config.data.max_length, 0, preprocess)
        targets = by_row(self.row_targets(frame), np.tile(np.arange(len(frame)), 1 + len(steps)))
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
        import torch

        ids, keeps = (_ragged(encoded.fields[name]).take(rows) for name in ("input_ids", "logits_to_keep"))
        learned, lengths = np.flatnonzero(keeps.values), np.diff(keeps.offsets)
        row_of = np.repeat(np.arange(len(rows)), lengths)[learned]
        kept = np.zeros((len(rows), int(lengths.max()) if length is None else length), dtype=bool)
        kept[row_of, learned - keeps.offsets[row_of]] = True
        tokens = ids.values[learned + 1].astype(np.int64)
        return {"tokens": torch.from_numpy(tokens), "kept": torch.from_numpy(kept)}

    def make_loss(
        self, config: TrialConfig, data: PreparedData, encoded: Encoded, rows: np.ndarray, device: torch.device
    ) -> CompletionCrossEntropy:
        """Returns the cross-entropy of the learned tokens, with the recipe's smoothing."""
        from harness.tasks.losses import CompletionCrossEntropy

        keeps = _ragged(encoded.fields["logits_to_keep"])
        sums = np.concatenate([[0], np.cumsum(keeps.values, dtype=np.int64)])
        offsets = np.asarray(keeps.offsets)
        return CompletionCrossEntropy(sums[offsets[1:]] - sums[offsets[:-1]], config.training.label_smoothing)

    def outputs(self, output: Any, inputs: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor | Ragged]:
        """Returns the sums over each row's learned tokens: nll (nats, fp64), hits and tokens."""
        from harness.tasks.losses import completion_sums

        return dict(completion_sums(output.logits, inputs["input_ids"], inputs["logits_to_keep"]))

    def of_rows(self, outputs: Arrays, encoded: Encoded, rows: np.ndarray) -> Arrays:
        """Returns the outputs with the bytes of what is learned."""
        return {**outputs, "bytes": np.asarray(encoded.fields["bytes"])[rows]}

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

        Of a trial with `config` these are `generate_rows` of the rows, and no documents. Without one it is all rows.
        """
        from harness.tasks.completions.writing import generation_settings, written

        if config is not None and not encoded.stats["has_prompts"]:
            return {}
        chosen = np.arange(len(rows))
        most = len(rows) if config is None else int(_option(config, "generate_rows"))
        if most < len(rows):
            chosen = np.sort(np.random.default_rng(0).permutation(len(rows))[:most])
        format_ = getattr(model.config, FORMAT)
        tokenizer = self.load_tokenizer(folder)
        stops = _dialogue(tokenizer, format_).stop_ids
        settings = generation_settings(stops, int(tokenizer.pad_token_id), format_["generate_tokens"])
        ids, lengths = _ragged(encoded.fields["input_ids"]), np.asarray(encoded.fields["prompt_lengths"])
        starts = np.asarray(ids.offsets)[rows]
        prompts = [np.asarray(ids.values[starts[at] : starts[at] + lengths[rows[at]]]) for at in chosen]
        limit = length_limit(model.config, tokenizer, 2**31)
        answers = written(model, prompts, settings, limit, device)
        texts = [""] * len(rows)
        for at, answer in zip(chosen, answers, strict=True):
            texts[at] = tokenizer.decode(answer, skip_special_tokens=True)
        is_written = np.zeros(len(rows), dtype=np.uint8)
        is_written[chosen] = bool(encoded.stats["has_prompts"])
        return {"texts": utf8(texts), "is_written": is_written}

    def build_model(self, config: TrialConfig, data: PreparedData) -> PreTrainedModel:
        """Returns the checkpoint with its own head; what is asked and how is in its configuration.

        Raises:
            CheckpointError: it is no causal language model.
        """
        from harness.tasks.completions.writing import refuse_lookahead, spare

        model = spare(super().build_model(config, data))
        refuse_lookahead(model, config.model.checkpoint)
        tokenizer = self.load_tokenizer(self.processor_folder(config, data))
        if config.model.checkpoint == "scratch":
            model.config.eos_token_id = tokenizer.eos_token_id
        most = self._most_tokens(config, data, tokenizer)
        setattr(model.config, FORMAT, {**_format(config), "generate_tokens": most})
        return model

    def _most_tokens(self, config: TrialConfig, data: PreparedData, tokenizer: PreTrainedTokenizerBase) -> int:
        """Returns the most tokens of an answer: those of the study, or of the longest training completion."""
        asked = _option(config, "generate_tokens")
        if asked is not None:
            return int(asked)
        if DOCUMENT.name in data.meta.columns:
            return _CONTINUED
        texts = sorted(set(data.frame("train", [COMPLETION.name])[COMPLETION.name]), key=len)[-_LONGEST:]
        return 1 + max(map(len, tokenizer(texts, add_special_tokens=False)["input_ids"]))

    def processor_folder(self, config: TrialConfig, data: PreparedData) -> Path:
        """Returns the checkpoint's folder; for `scratch`, that of a tokenizer of bytes trained on the training rows."""
        if config.model.checkpoint != "scratch":
            return super().processor_folder(config, data)
        vocab_size = getattr(text_config(config), "vocab_size", _DEFAULT_VOCABULARY)
        key = json.dumps(["bytes", config.data.preprocess, vocab_size])
        name = hashlib.sha256(key.encode()).hexdigest()[:16]

        def build(folder: Path) -> None:
            columns = self.texts(data.frame("train"))
            train_byte_tokenizer([text for column in columns for text in column], vocab_size, folder)

        return built_once(data.folder / "tokenizers" / name, build)

    def write_processor(self, config: TrialConfig, data: PreparedData, folder: Path) -> None:
        """Writes the tokenizer, which pads on the left as answers are written, and how they are written."""
        from harness.tasks.completions.writing import generation_settings

        tokenizer = self.load_tokenizer(self.processor_folder(config, data))
        stops = _dialogue(tokenizer, _format(config)).stop_ids
        most = self._most_tokens(config, data, tokenizer)
        tokenizer.padding_side = tokenizer.init_kwargs["padding_side"] = "left"
        # Chat templates write special tokens, which plain transformers must read as such.
        tokenizer.split_special_tokens = tokenizer.init_kwargs["split_special_tokens"] = False
        with quiet():
            tokenizer.save_pretrained(folder)
            generation_settings(stops, int(tokenizer.pad_token_id), most).save_pretrained(folder)

    def texts(self, frame: pd.DataFrame) -> list[pd.Series[str]]:
        """Returns the prompts (of chats all turns before the answer), and the completions."""
        columns = [frame[COMPLETION.name]]
        if PROMPT.name in frame:
            columns.insert(0, frame[PROMPT.name])
        if MESSAGES.name in frame:
            columns.insert(0, frame[MESSAGES.name].map(_joined))
        return columns

    def baselines(
        self, train: pd.DataFrame, others: Mapping[str, pd.DataFrame], data: PreparedData
    ) -> Iterator[tuple[str, dict[str, Arrays]]]:
        """Yields the answer of the nearest training prompt, and the commonest completion; none for documents."""
        if DOCUMENT.name in train:
            return
        prompts = {split: self.texts(frame)[0].tolist() for split, frame in others.items()}
        completions = train[COMPLETION.name].tolist()
        name, answers = nearest(self.texts(train)[0].tolist(), completions, prompts)
        yield name, {split: _said(texts) for split, texts in answers.items()}
        most = commonest(completions)
        yield "commonest completion", {split: _said([most] * len(frame)) for split, frame in others.items()}

    def answer_warnings(self, outputs: Arrays, targets: Arrays, names: Sequence[str]) -> list[str]:
        """Warns of a model that writes the same for every prompt."""
        if "texts" not in outputs:
            return []
        written = np.flatnonzero(np.asarray(outputs["is_written"]))
        texts = set(texts_of(_ragged(outputs["texts"]).take(written)))
        return ["The model writes the same text for every test row."] if len(written) > 1 and len(texts) == 1 else []

    def show(self, row: Mapping[str, Any]) -> str:
        """Returns the prompt, the turns of a chat, or the document."""
        if row.get(MESSAGES.name) is not None:
            return _joined(row[MESSAGES.name])
        return str(row[PROMPT.name] if row.get(PROMPT.name) is not None else row[DOCUMENT.name])

    def summary(self, names: Sequence[str], *, pairs: bool = False) -> str:
        """Returns what the model does."""
        return "The text that follows a prompt"

    def usage(self, folder: str, *, pairs: bool = False) -> str:
        """Returns code for the pipeline; the export's generation_config.json says how answers end."""
        path = json.dumps(folder)
        return (
            "from transformers import pipeline\n\n"
            f"complete = pipeline({json.dumps(self.facts.pipeline)}, model={path})\n"
            f'separator = complete.model.config.{FORMAT}["separator"]\n'
            f'if complete.tokenizer.chat_template and complete.model.config.{FORMAT}["template"] == "auto":\n'
            '    print(complete([{"role": "user", "content": "a prompt"}], return_full_text=False))\n'
            "else:\n"
            '    print(complete("a prompt" + separator, return_full_text=False))'
        )

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
        return _encoded(
            rows, self.load_tokenizer(folder), settings, format_, max_length, format_["generate_tokens"], preprocess
        )

    def predict(self, outputs: Arrays, row: int, names: Sequence[str]) -> dict[str, Any]:
        """Returns the text that follows the prompt; null for a row that the model was not asked to answer."""
        if "texts" not in outputs:
            return {"completion": None}
        return {"completion": texts_of(_ragged(outputs["texts"]).take(np.array([row])))[0]}


def _option(config: TrialConfig, name: str) -> Any:
    return config.task_options.get(name, CompletionOptions.model_fields[name].default)


def _format(config: TrialConfig) -> dict[str, Any]:
    return {name: _option(config, name) for name in ("template", "separator")}


def _dialogue(tokenizer: PreTrainedTokenizerBase, format_: Mapping[str, Any]) -> Dialogue:
    return Dialogue(tokenizer, format_["template"], format_["separator"])


def _refuse_changes(config: TrialConfig, frame: pd.DataFrame) -> None:
    """Raises DataError for steps that would change what is learned, or for copies of what is no prompt."""
    if config.data.preprocess and DOCUMENT.name in frame:
        raise DataError(
            f"data.preprocess: {config.data.preprocess[0]} would change the documents, which are learned as they are; "
            "leave it out"
        )
    if config.data.augment and PROMPT.name not in frame:
        what = "documents, which are learned as they are" if DOCUMENT.name in frame else "the turns of chats"
        raise DataError(f"data.augment: {config.data.augment[0]} would change {what}; leave it out")


def _encoded(
    rows: Sequence[Mapping[str, Any]],
    tokenizer: PreTrainedTokenizerBase,
    settings: PreTrainedConfig,
    format_: Mapping[str, Any],
    max_length: int,
    room: int,
    preprocess: Sequence[PreprocessStep],
) -> Encoded:
    dialogue = _dialogue(tokenizer, format_)
    limit = length_limit(settings, tokenizer, max_length)
    laid_out = [_laid_out(dialogue, row, preprocess) for row in rows]
    fields, stats = encode_dialogues(tokenizer, laid_out, limit, min(room, limit // 2))
    stats["has_prompts"] = not any(row.get(DOCUMENT.name) is not None for row in rows)
    stats["padding"] = "right"
    lengths = np.diff(_ragged(fields["input_ids"]).offsets).astype(np.int32)
    return Encoded(fields=fields, targets={}, lengths=lengths, stats=stats)


def _laid_out(dialogue: Dialogue, row: Mapping[str, Any], preprocess: Sequence[PreprocessStep]) -> AnsweredPrompt:
    answer = row.get(COMPLETION.name)
    if row.get(DOCUMENT.name) is not None:
        return dialogue.document(str(row[DOCUMENT.name]), is_learned=answer is not None)
    if row.get(MESSAGES.name) is None:
        return dialogue.row(clean([str(row[PROMPT.name])], preprocess)[0], answer)
    turns = _turns(row[MESSAGES.name])
    asked = [
        turn if turn["role"] == ASSISTANT else {**turn, "content": clean([turn["content"]], preprocess)[0]}
        for turn in turns
    ]
    return dialogue.row(asked, answer)


def _turns(value: Any) -> list[dict[str, str]]:
    """Returns the turns of a chat up to the one that is to be answered; a plain text is a chat of one turn."""
    if isinstance(value, str) and not value.lstrip().startswith("["):
        return [{"role": "user", "content": value}]
    turns = chat_of("messages", value) or []
    return turns[:-1] if turns and turns[-1]["role"] == ASSISTANT else turns


def _joined(turns: Any) -> str:
    return "\n".join(f"{turn['role']}: {turn['content']}" for turn in _turns(turns))


def _said(texts: Sequence[str]) -> Arrays:
    return {"texts": utf8(texts), "is_written": np.ones(len(texts), dtype=np.uint8)}


def _ragged(array: np.ndarray | Ragged) -> Ragged:
    if not isinstance(array, Ragged):
        raise TypeError("tokens and texts are ragged arrays")
    return array


TASK = CausalLM()
