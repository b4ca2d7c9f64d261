"""The keys of their own that the built-in tasks have, under `task_options`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from harness.spec.space import Frozen

__all__ = ["AnswerOptions", "CompletionOptions", "LabelSetOptions", "WritingOptions"]


class AnswerOptions(Frozen):
    """How question answering cuts long texts, and how long an answer may be."""

    doc_stride: Annotated[int, Field(ge=0)] = Field(
        default=64, description="tokens of the text that two windows share; a window has data.max_length tokens"
    )
    max_answer: Annotated[int, Field(ge=1)] = Field(default=30, description="the most tokens of an answer")


class LabelSetOptions(Frozen):
    """What multi-label classification can be told of its loss and of its decisions."""

    pos_weight: Annotated[float, Field(gt=0, le=1000)] | Literal["balanced"] = Field(
        default=1.0,
        description="how much a row that has a label counts in its loss against one that has not; balanced: as much",
    )
    thresholds: Literal["shared", "each", "half"] = Field(
        default="shared",
        description="from which probability on a label is given: tuned on validation, one number for all labels or one "
        "for each; half: 0.5",
    )


class WritingOptions(Frozen):
    """How much a model writes to be judged."""

    generate_rows: Annotated[int, Field(ge=1)] = Field(
        default=512,
        description="for so many rows of a split at most a trained model writes its text, to be judged by the metrics "
        "of what is written",
    )
    generate_tokens: Annotated[int, Field(ge=1)] | None = Field(
        default=None, description="the most tokens of a written text; null: as many as the longest training target has"
    )


class CompletionOptions(WritingOptions):
    """How a causal language model is asked, and how much it writes to be judged."""

    template: Literal["auto", "none"] = Field(
        default="auto",
        description="auto: prompts are asked by the chat template of the tokenizer, where it has one; none: a prompt, "
        "the separator and the completion follow each other as plain text",
    )
    separator: str = Field(
        default="\n", description="stands between a prompt and its completion where there is no chat template"
    )
