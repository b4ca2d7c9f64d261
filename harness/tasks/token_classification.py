"""A tag for each word of a text, with any checkpoint that has a token-classification head and a fast tokenizer."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from harness.data.clean import clean
from harness.data.encoded import Arrays, Encoded, Ragged
from harness.data.prepared import PreparedData
from harness.spec.study import PreprocessStep
from harness.spec.tasks import TAGS, WORDS, facts_of
from harness.spec.trial import TrialConfig
from harness.stats.chance import scores_of_constant
from harness.stats.ragged import ragged_of
from harness.stats.tags import entities, row_numbers
from harness.tasks.models import saved_config
from harness.tasks.tagging.baselines import longest_matches, tag_outputs, window_probabilities
from harness.tasks.tagging.word_pieces import FIRST_PIECES, encode_words, load_word_tokenizer, with_places, words_of
from harness.tasks.texts import TextTask, text_config
from harness.tasks.token_ids import length_limit, padding_of

if TYPE_CHECKING:
    import pandas as pd
    import torch
    from transformers import PreTrainedConfig, PreTrainedTokenizerBase

    from harness.tasks.losses import TokenCrossEntropy

__all__ = ["TASK", "TokenClassification"]


class TokenClassification(TextTask):
    """A tag for each word. Target `tags`, a ragged array of ids [words]; output `probabilities`, ragged [words, tags].

    The first token of a word has its tag, the others none. A word that is cut off has equal probabilities for all tags,
    so that it counts as outside of any entity.
    """

    facts = facts_of("token-classification")
    auto: ClassVar[str] = "AutoModelForTokenClassification"
    max_texts: ClassVar[int] = 1
    value_columns: ClassVar[tuple[str, ...]] = ("entities",)
    beside: ClassVar[tuple[str, ...]] = (FIRST_PIECES,)

    def row_targets(self, frame: pd.DataFrame) -> dict[str, np.ndarray | Ragged]:
        """Returns the tag ids of each row."""
        rows = frame[TAGS.name].tolist()
        offsets = np.concatenate([[0], np.cumsum([len(tags) for tags in rows])]).astype(np.int64)
        return {"tags": Ragged(values=np.concatenate([*rows, np.zeros(0)]).astype(np.int64), offsets=offsets)}

    def encode(self, frame: pd.DataFrame, split: str, config: TrialConfig, data: PreparedData) -> Encoded:
        """Cleans each word by itself and tokenizes it; words beyond `max_length` are told in `notes` of the stats."""
        tokenizer = self.load_tokenizer(self.processor_folder(config, data))
        rows, steps = frame[WORDS.name].tolist(), config.data.preprocess
        examples = _encoded(rows, tokenizer, text_config(config), config.data.max_length, steps)
        stats = {**examples.stats, "notes": []}
        if stats["cut_words"]:
            counts = f"{stats['cut_words']} words of {stats['cut_rows']} rows"
            stats["notes"].append(
                f"{split}: {counts} lie beyond {stats['length_limit']} tokens (data.max_length): they count as outside "
                "of any entity, so entities there are missed"
            )
        return replace(examples, targets=self.row_targets(frame), stats=stats)

    def targets(self, encoded: Encoded, rows: np.ndarray, length: int | None = None) -> dict[str, torch.Tensor]:
        """Returns the tag of each token [rows, longest row] int64: that of its word, or -100 behind its first one."""
        import torch

        from harness.tasks.losses import IGNORED

        first, tags = (ragged_of(part).take(rows) for part in (encoded.fields[FIRST_PIECES], encoded.targets["tags"]))
        lengths = np.asarray(encoded.lengths)[rows]
        padded = int(lengths.max()) if length is None else length
        row_of, found = row_numbers(first.offsets), first.values >= 0
        start = padded - lengths if encoded.stats.get("padding") == "left" else np.zeros_like(lengths)
        labels = np.full((len(rows), padded), IGNORED, dtype=np.int64)
        labels[row_of[found], (first.values + start[row_of])[found]] = tags.values[found]
        return {"tags": torch.from_numpy(labels)}

    def load_tokenizer(self, folder: Path) -> PreTrainedTokenizerBase:
        """Returns the tokenizer of a folder; one that does not say which tokens a word has is refused."""
        return load_word_tokenizer(folder)

    def texts(self, frame: pd.DataFrame) -> list[pd.Series[str]]:
        """Returns the words of each row with a space between."""
        return [frame[WORDS.name].map(" ".join)]

    def set_head(self, settings: PreTrainedConfig, data: PreparedData) -> None:
        """Configures a head with a logit for each tag, and the names of the tags."""
        settings.id2label = dict(enumerate(data.names))
        settings.label2id = {tag: number for number, tag in enumerate(data.names)}

    def make_loss(
        self, config: TrialConfig, data: PreparedData, encoded: Encoded, rows: np.ndarray, device: torch.device
    ) -> TokenCrossEntropy:
        """Returns the cross-entropy of the tags of first tokens, with the recipe's smoothing."""
        from harness.tasks.losses import TokenCrossEntropy

        first = ragged_of(encoded.fields[FIRST_PIECES])
        counts = np.bincount(row_numbers(first.offsets), weights=np.asarray(first.values) >= 0, minlength=len(first))
        return TokenCrossEntropy(counts, config.training.label_smoothing)

    def outputs(self, output: Any, inputs: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor | Ragged]:
        """Returns the softmax of the logits of each token, fp32; `of_rows` takes those of words."""
        import torch

        mask = inputs["attention_mask"].bool()
        offsets = np.concatenate([[0], np.cumsum(mask.sum(dim=1).cpu().numpy())]).astype(np.int64)
        return {
            "probabilities": Ragged(
                values=torch.softmax(output.logits.float(), dim=-1)[mask].cpu().numpy(), offsets=offsets
            )
        }

    def of_rows(self, outputs: Arrays, encoded: Encoded, rows: np.ndarray) -> Arrays:
        """Returns the probabilities of the tags of each word."""
        tokens, first = ragged_of(outputs["probabilities"]), ragged_of(encoded.fields[FIRST_PIECES]).take(rows)
        found = first.values >= 0
        at = np.asarray(tokens.offsets)[row_numbers(first.offsets)] + first.values
        num_tags = tokens.values.shape[1]
        values = np.full((len(first.values), num_tags), 1 / num_tags, dtype=np.float32)
        values[found] = tokens.values[at[found]]
        return {"probabilities": Ragged(values=values, offsets=first.offsets)}

    def chance(self, data: PreparedData) -> dict[str, float]:
        """Returns the metrics of a model that gives every word the tags' shares of training as probabilities."""
        targets = self.row_targets(data.frame("validation", [TAGS.name]))
        tags = ragged_of(targets["tags"])
        counts = np.array([data.meta.counts["train"][name] for name in data.names], dtype=float)
        values = np.tile(counts / max(1.0, counts.sum()), (len(tags.values), 1))
        return scores_of_constant(
            self.facts.metrics, {"probabilities": Ragged(values=values, offsets=tags.offsets)}, targets
        )

    def baselines(
        self, train: pd.DataFrame, others: Mapping[str, pd.DataFrame], data: PreparedData
    ) -> Iterator[tuple[str, dict[str, Arrays]]]:
        """Yields the longest matches of the training rows' entities, and logistic regression on windows of words."""
        words, tags = train[WORDS.name].tolist(), train[TAGS.name].tolist()
        rows = {split: frame[WORDS.name].tolist() for split, frame in others.items()}
        num_tags = len(data.names)
        yield "longest match of training entities", tag_outputs(longest_matches(words, tags, rows, num_tags), rows)
        name = "logistic regression on windows of words"
        yield name, tag_outputs(window_probabilities(words, tags, rows, num_tags), rows)

    def answer_warnings(self, outputs: Arrays, targets: Arrays, names: Sequence[str]) -> list[str]:
        """Warns of a model that finds no entity at all."""
        if (ragged_of(outputs["probabilities"]).values.argmax(axis=-1) != 0).any():
            return []
        return ["The model finds no entity in any test row."]

    def show(self, row: Mapping[str, Any]) -> str:
        """Returns the words with a space between."""
        return " ".join(row[WORDS.name])

    def summary(self, names: Sequence[str], *, pairs: bool = False) -> str:
        """Returns what is found."""
        types = [name.removeprefix("B-") for name in names if name.startswith("B-")]
        return f"The entities in texts, of {len(types)} type{'s' if len(types) != 1 else ''} ({', '.join(types)})"

    def usage(self, folder: str, *, pairs: bool = False) -> str:
        """Returns code for the pipeline, which cuts words in its own way."""
        return (
            "from transformers import pipeline\n\n"
            f"tag = pipeline({json.dumps(self.facts.pipeline)}, model={json.dumps(folder)}, "
            'aggregation_strategy="first")\n'
            "# it cuts texts into words at white space: put a space around signs, as harness predict does"
        )

    def predict_inputs(
        self,
        rows: Sequence[Mapping[str, Any]],
        folder: Path,
        max_length: int,
        preprocess: Sequence[PreprocessStep] = (),
    ) -> Encoded:
        """Encodes rows whose `words` are lists of words, or texts, which are cut at white space and around signs."""
        words = [words_of(row[WORDS.name]) for row in rows]
        return _encoded(words, self.load_tokenizer(folder), saved_config(folder), max_length, preprocess)

    def predict(self, outputs: Arrays, row: int, names: Sequence[str]) -> dict[str, Any]:
        """Returns the tag of each word, and the entities: type, first and last word, and the mean probability."""
        values = ragged_of(outputs["probabilities"]).take(np.array([row])).values
        tags, scores = values.argmax(axis=-1), values.max(axis=-1, initial=0.0)
        found = [
            {
                "type": names[2 * kind + 1].removeprefix("B-"),
                "words": [start, end],
                "score": float(scores[start:end].mean()),
            }
            for start, end, kind in entities(tags, np.array([0, len(tags)])).tolist()
        ]
        return {"tags": [names[tag] for tag in tags], "entities": found}

    def located(self, prediction: Mapping[str, Any], row: Mapping[str, Any]) -> dict[str, Any]:
        """Returns the prediction with the text of each entity, and its start and end in characters."""
        return with_places(prediction, row[WORDS.name])


def _encoded(
    rows: Sequence[Sequence[str]],
    tokenizer: PreTrainedTokenizerBase,
    settings: PreTrainedConfig,
    max_length: int,
    steps: Sequence[PreprocessStep],
) -> Encoded:
    cleaned = [clean(words, steps) for words in rows] if steps else rows
    fields, stats = encode_words(tokenizer, cleaned, length_limit(settings, tokenizer, max_length))
    stats["padding"] = padding_of(settings)
    return Encoded(
        fields=fields, targets={}, lengths=np.diff(fields["input_ids"].offsets).astype(np.int32), stats=stats
    )


TASK = TokenClassification()
