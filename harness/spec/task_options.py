"""The keys of their own that the built-in tasks have, under `task_options`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from harness.spec.space import Frozen

__all__ = [
    "AnswerOptions",
    "ClickOptions",
    "CompletionOptions",
    "DetectionOptions",
    "ImageOptions",
    "LabelSetOptions",
    "WritingOptions",
]


class AnswerOptions(Frozen):
    """How question answering cuts long texts, and how long an answer may be."""

    doc_stride: Annotated[int, Field(ge=0)] = Field(
        default=64, description="tokens of the text that two windows share; a window has data.max_length tokens"
    )
    max_answer: Annotated[int, Field(ge=1)] = Field(default=30, description="the most tokens of an answer")


class ClickOptions(Frozen):
    """How click-through prediction reads the columns of a table."""

    template: Annotated[str, Field(min_length=1)] | None = Field(
        default=None,
        description="for checkpoints that read text: a row as text, with the names of columns in braces; null: each "
        "column's name and value",
    )
    separator: Annotated[str, Field(min_length=1)] | None = Field(
        default="auto",
        description="what separates the categories in a cell of data.columns.categories that holds several; auto: | or "
        "; where most cells of a column hold it; null: nothing",
    )
    ids: Literal["vocabulary", "hashing"] = Field(
        default="vocabulary",
        description="vocabulary: each category of the training rows has a number; hashing: a category has the number "
        "that its hash gives, of as many as buckets says",
    )
    buckets: Annotated[int, Field(ge=2, le=10_000_000)] = Field(
        default=100_000, description="how many numbers the categories of each column share with ids: hashing"
    )
    rank_users: Annotated[int, Field(ge=1)] = Field(
        default=200,
        description="for so many users of a split at most a trained model ranks the items that it could recommend",
    )


class DetectionOptions(Frozen):
    """The size to which object detection brings all pictures, and how it changes those that it learns from."""

    height: Annotated[int, Field(ge=16, le=4096)] | None = Field(
        default=None,
        description="all pictures are resized to so many pixels, and the boxes with them; null: as the checkpoint "
        "says, or 480 for one that says nothing",
    )
    width: Annotated[int, Field(ge=16, le=4096)] | None = Field(
        default=None, description="as height; the shape of most pictures suits best"
    )
    flip: Literal["none", "horizontal", "both"] = Field(
        default="horizontal",
        description="half of the pictures that are learned from are mirrored, left to right, or also top to bottom, "
        "each time anew, and their boxes with them",
    )
    crop: Annotated[float, Field(ge=0, le=0.9)] = Field(
        default=0.0,
        description="of the pictures that are learned from a part is cut out, each time another one, and enlarged: "
        "each side is shorter by at most this share; boxes of which less than half is left are not learned",
    )


class ImageOptions(Frozen):
    """The size of pictures, and how they are changed at random in training."""

    image_size: Annotated[int, Field(ge=8, le=4096)] | None = Field(
        default=None, description="height and width of pictures in pixels; null: what the checkpoint's processor says"
    )
    flip: bool = Field(default=False, description="in training half of the pictures are mirrored, left for right")
    crop: Annotated[float, Field(ge=0, le=0.5)] = Field(
        default=0.0,
        description="in training pictures are moved at random, by up to this share of their sides; what comes in is 0",
    )
    colour: Annotated[float, Field(ge=0, le=1)] = Field(
        default=0.0,
        description="in training brightness, contrast and saturation are changed at random, by up to this share",
    )


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
