"""The part of a text that answers a question, with any checkpoint that has such a head and a fast tokenizer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from harness.data.augment import augment
from harness.data.clean import clean
from harness.data.encoded import Arrays, Encoded, Ragged, by_row
from harness.data.prepared import PreparedData
from harness.spec.study import PreprocessStep
from harness.spec.tasks import ANSWERS, CONTEXT, QUESTION, facts_of
from harness.spec.trial import TrialConfig
from harness.stats.answers import NO_ANSWER, gold_of
from harness.stats.chance import scores_of_constant
from harness.stats.ragged import ragged_of
from harness.tasks.answering.baselines import guesses, no_answers, sentence_answers
from harness.tasks.answering.best_spans import best_spans, tokens_of_rows
from harness.tasks.answering.examples import MOST_TOKENS, STRIDE, encoded_windows, notes_of, options_of, windows_of
from harness.tasks.answering.no_answer import THRESHOLD, best_threshold, with_spans
from harness.tasks.answering.texts import answer_code, num_words, utf8
from harness.tasks.answering.windows import ENDS, POSITIONS, STARTS, load_offset_tokenizer, positions_of
from harness.tasks.models import saved_config
from harness.tasks.texts import TextTask, text_config

if TYPE_CHECKING:
    import pandas as pd
    import torch
    from transformers import PreTrainedTokenizerBase

    from harness.tasks.losses import SpanCrossEntropy

__all__ = ["TASK", "QuestionAnswering"]


class QuestionAnswering(TextTask):
    """Finds the answer to a question in its context, or that there is none.

    An example is a window of the context with the question; `harness.stats.answers` describes targets and outputs.
    Cleaning and augmenting change the question alone: answers are places in the context.
    """

    facts = facts_of("question-answering")
    auto: ClassVar[str] = "AutoModelForQuestionAnswering"
    reads: ClassVar[tuple[str, ...]] = ("start_logits", "end_logits")
    value_columns: ClassVar[tuple[str, ...]] = ("answer", "score", "start", "end")
    beside: ClassVar[tuple[str, ...]] = (STARTS, ENDS, POSITIONS)

    def encode_key(self, config: TrialConfig) -> Mapping[str, Any]:
        """Returns what texts depend on, and the options."""
        return {**super().encode_key(config), **options_of(config.task_options)}

    def row_targets(self, frame: pd.DataFrame) -> dict[str, np.ndarray | Ragged]:
        """Returns the contexts, their gold answers, and how many words a question has (characters in Chinese)."""
        answers = frame[ANSWERS.name].tolist()
        spans = [(int(start), int(end)) for of_row in answers for start, end in of_row]
        offsets = np.concatenate([[0], np.cumsum([len(of_row) for of_row in answers])]).astype(np.int64)
        return {
            "contexts": utf8(frame[CONTEXT.name].tolist()),
            "spans": Ragged(values=np.array(spans, dtype=np.int64).reshape(-1, 2), offsets=offsets),
            "question_words": num_words(frame[QUESTION.name].tolist()),
        }

    def encode(self, frame: pd.DataFrame, split: str, config: TrialConfig, data: PreparedData) -> Encoded:
        """Cleans and, on train, augments questions, and cuts contexts into windows."""
        steps = config.data.augment if split == "train" else ()
        questions = augment(clean(frame[QUESTION.name], config.data.preprocess), steps, data.meta.seed)
        copies = 1 + len(steps)
        tokenizer = self.load_tokenizer(self.processor_folder(config, data))
        windows, stats = windows_of(
            questions,
            frame[CONTEXT.name].tolist() * copies,
            tokenizer,
            text_config(config),
            config.data.max_length,
            options_of(config.task_options),
        )
        answers = frame[ANSWERS.name].tolist() * copies
        fields: Arrays = {**windows.fields, POSITIONS: positions_of(windows, answers)}
        targets = by_row(self.row_targets(frame), np.tile(np.arange(len(frame)), copies))
        stats["notes"] = notes_of(split, stats, options_of(config.task_options)[STRIDE])
        return encoded_windows(windows, stats, fields, targets)

    def targets(self, encoded: Encoded, rows: np.ndarray, length: int | None = None) -> dict[str, torch.Tensor]:
        """Returns the first and the last token of each window's answer [windows, 2], and where padding is."""
        import torch

        lengths = np.asarray(encoded.lengths)[rows]
        padded = int(lengths.max()) if length is None else length
        start = padded - lengths if encoded.stats.get("padding") == "left" else np.zeros_like(lengths)
        columns = np.arange(padded)
        is_padding = (columns < start[:, None]) | (columns >= (start + lengths)[:, None])
        positions = np.asarray(encoded.fields[POSITIONS])[rows] + start[:, None]
        return {"positions": torch.from_numpy(positions), "padding": torch.from_numpy(is_padding)}

    def load_tokenizer(self, folder: Path) -> PreTrainedTokenizerBase:
        """Returns the tokenizer of a folder; one that does not say where its tokens are in a text is refused."""
        return load_offset_tokenizer(folder)

    def cleaned_texts(self, frame: pd.DataFrame, steps: Sequence[PreprocessStep]) -> list[str]:
        """Returns the questions, cleaned, and the contexts, as they are."""
        return [*clean(frame[QUESTION.name], steps), *frame[CONTEXT.name].tolist()]

    def make_loss(
        self, config: TrialConfig, data: PreparedData, encoded: Encoded, rows: np.ndarray, device: torch.device
    ) -> SpanCrossEntropy:
        """Returns the cross-entropies of the answer's first and last token."""
        from harness.tasks.losses import SpanCrossEntropy

        return SpanCrossEntropy()

    def outputs(self, output: Any, inputs: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor | Ragged]:
        """Returns the log-probabilities of start and end of each token of a window, fp32; `of_rows` takes rows'."""
        import torch

        mask = inputs["attention_mask"].bool()
        logits = torch.stack([output.start_logits, output.end_logits], dim=-1).float()
        logits = logits.masked_fill(~mask[..., None], torch.finfo(torch.float32).min)
        offsets = np.concatenate([[0], np.cumsum(mask.sum(dim=1).cpu().numpy())]).astype(np.int64)
        values = torch.log_softmax(logits, dim=1)[mask].cpu().numpy()
        return {"log_probabilities": Ragged(values=values, offsets=offsets)}

    def of_rows(self, outputs: Arrays, encoded: Encoded, rows: np.ndarray) -> Arrays:
        """Returns the likeliest answer of each row over its windows, and the tokens that it was chosen from."""
        examples = encoded.examples_of(rows)
        starts, ends = (ragged_of(encoded.fields[name]).take(examples) for name in (STARTS, ENDS))
        tokens = tokens_of_rows(
            ragged_of(outputs["log_probabilities"]), starts, ends, encoded.num_examples(np.asarray(rows))
        )
        spans, scores = best_spans(tokens, int(encoded.stats[MOST_TOKENS]))
        return {
            "candidates": spans,
            "scores": scores,
            "places": Ragged(values=tokens.places, offsets=tokens.offsets),
            "log_probabilities": Ragged(values=tokens.values, offsets=tokens.offsets),
        }

    def tuned(self, outputs: Arrays, targets: Arrays, config: TrialConfig) -> dict[str, Any]:
        """Returns the options, and from where on no answer is given, if some of these rows have none."""
        threshold = best_threshold(outputs, targets)
        return options_of(config.task_options) | ({} if threshold is None else {THRESHOLD: threshold})

    def decided(self, outputs: Arrays, settings: Mapping[str, Any]) -> Arrays:
        """Returns the outputs with `spans`: the answer that is given, (-1, -1) for none."""
        return with_spans(outputs, settings.get(THRESHOLD))

    def told(self, settings: Mapping[str, Any], names: Sequence[str]) -> str:
        """Says when no answer is given."""
        threshold = settings.get(THRESHOLD)
        if threshold is None:
            return ""
        return (
            "No answer is given where the log-probability of none is above that of the likeliest answer by more than "
            f"{threshold:.3f}, as tuned on validation."
        )

    def chance(self, data: PreparedData) -> dict[str, float]:
        """Returns the metrics of a model that never answers, and to which every word is as likely as another."""
        frame = data.frame("validation", [QUESTION.name, CONTEXT.name, ANSWERS.name])
        outputs = guesses(frame[CONTEXT.name].tolist())
        return scores_of_constant(self.facts.metrics, outputs, self.row_targets(frame))

    def baselines(
        self, train: pd.DataFrame, others: Mapping[str, pd.DataFrame], data: PreparedData
    ) -> Iterator[tuple[str, dict[str, Arrays]]]:
        """Yields the sentence that is most like the question, and no answer where some training rows have none."""
        contexts = {split: frame[CONTEXT.name].tolist() for split, frame in others.items()}
        yield (
            "the sentence with most words of the question",
            {
                split: sentence_answers(others[split][QUESTION.name].tolist(), texts)
                for split, texts in contexts.items()
            },
        )
        if not all(len(answers) for answers in train[ANSWERS.name]):
            yield "no answer", {split: no_answers(texts) for split, texts in contexts.items()}

    def answer_warnings(self, outputs: Arrays, targets: Arrays, names: Sequence[str]) -> list[str]:
        """Warns of a model that never answers."""
        gives_none = (np.asarray(outputs["spans"])[:, 0] == NO_ANSWER).all()
        if not gives_none or not any(gold_of(targets)):
            return []
        return ["The model gives no answer to any test question."]

    def summary(self, names: Sequence[str], *, pairs: bool = False) -> str:
        """Returns what is found."""
        return "The answer to a question, as a part of a text"

    def usage(self, folder: str, *, pairs: bool = False) -> str:
        """Returns code that loads the model: transformers 5 has no pipeline for this task."""
        return answer_code(folder)

    def predict_inputs(
        self,
        rows: Sequence[Mapping[str, Any]],
        folder: Path,
        max_length: int,
        preprocess: Sequence[PreprocessStep] = (),
    ) -> Encoded:
        """Encodes questions and contexts as training did, from the files of an exported model alone."""
        settings = saved_config(folder)
        questions = clean([str(row[QUESTION.name]) for row in rows], preprocess)
        contexts = [str(row[CONTEXT.name]) for row in rows]
        tokenizer = self.load_tokenizer(folder)
        windows, stats = windows_of(questions, contexts, tokenizer, settings, max_length, options_of(vars(settings)))
        return encoded_windows(windows, stats, windows.fields, {})

    def predict(self, outputs: Arrays, row: int, names: Sequence[str]) -> dict[str, Any]:
        """Returns start and end of the answer in characters, None for no answer, and its probability as `score`.

        `located` adds the text of the answer.
        """
        start, end = np.asarray(outputs["spans"])[row].tolist()
        is_none = start == NO_ANSWER
        score = float(np.exp(np.asarray(outputs["scores"])[row, int(is_none)]))
        none = None if is_none else ""
        return {"answer": none, "score": score, "start": None if is_none else start, "end": None if is_none else end}

    def located(self, prediction: Mapping[str, Any], row: Mapping[str, Any]) -> dict[str, Any]:
        """Returns the prediction with the text of the answer."""
        if prediction["start"] is None:
            return dict(prediction)
        return {**prediction, "answer": str(row[CONTEXT.name])[prediction["start"] : prediction["end"]]}


TASK = QuestionAnswering()
