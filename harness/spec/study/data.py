"""The section `data` of a study file."""

from __future__ import annotations

import codecs
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from harness.spec.space import Choices, Frozen, Range, Searchable, SearchableList
from harness.spec.study.types import Count, Positive, Seed, Text

__all__ = [
    "DELIMITER_PATTERN",
    "FILE_KEYS",
    "REVISION_PATTERN",
    "AugmentStep",
    "DataSpec",
    "HubSpec",
    "PreprocessStep",
    "SplitSpec",
]

REVISION_PATTERN = r"^[0-9a-f]{40}$"
DELIMITER_PATTERN = r"^(comma|semicolon|tab|pipe|[^\"\r\n])$"

PreprocessStep = Literal["nfkc", "lowercase", "strip_punctuation", "remove_stop_words", "collapse_whitespace"]
AugmentStep = Literal["delete", "swap"]


def _column_name(value: Any) -> Any:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


Column = Annotated[Text, BeforeValidator(_column_name, json_schema_input_type=Text | Annotated[int, Field(ge=1)])]

Columns = Annotated[tuple[Column, ...], Field(min_length=1)]


#: Python's codecs that are no encodings of files.
_NO_ENCODINGS = frozenset(["idna", "punycode", "undefined", "unicode-escape", "raw-unicode-escape"])


def _known_encoding(name: str) -> str:
    try:
        codec = codecs.lookup(name)
        if codec.name.replace("_", "-") in _NO_ENCODINGS:
            raise ValueError(f"{name!r} is no encoding of files; give one such as utf-8, cp1252 or gb18030")
        "".encode(name)  # refuses codecs of bytes
    except LookupError:
        raise ValueError(f"{name!r} is no encoding that Python knows, such as utf-8, cp1252 or gb18030") from None
    return name


class SplitSpec(Frozen):
    """Shares of train, validation and test, and how rows are dealt."""

    train: Positive = Field(default=0.8, description="the share of rows to train on")
    validation: Positive = Field(default=0.1, description="the share of rows that picks the winner")
    test: Positive = Field(default=0.1, description="the share of rows that is opened once, to score the winner")
    seed: Seed = Field(default=42, description="of the draw of rows")
    stratify: bool = Field(default=True, description="true: each split has about the same share of every class")
    by: Text | None = Field(
        default=None,
        description="a column of dates, numbers or texts: train has the first rows in its order, test the last",
        examples=["date"],
    )
    group: Text | None = Field(
        default=None, description="a column whose values never straddle splits that are made", examples=["user"]
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        total = self.train + self.validation + self.test
        if abs(total - 1) > 1e-6:
            raise ValueError(f"train + validation + test must be 1, not {total:g}")
        return self


class HubSpec(Frozen):
    """A Hugging Face data set, pinned to a commit."""

    id: Text = Field(description="owner/name of the data set", examples=["CogComp/trec"])
    revision: Annotated[str, Field(pattern=REVISION_PATTERN)] = Field(
        description="commit of the data set, 40 hex digits", examples=["0123456789abcdef0123456789abcdef01234567"]
    )
    config: Text | None = Field(
        default=None, description="the configuration of a data set that has several", examples=["en"]
    )


#: The keys of `data` that say how a file is read.
FILE_KEYS = ("delimiter", "encoding", "quoting", "header", "label_separator")


class DataSpec(Frozen):
    """Where the labelled rows come from and how they become examples. Exactly one of path, hub and builtin.

    A source on the command line replaces the file's. Another kind of source has other columns, so `text` and `label`
    then go back to their defaults, and so do the keys of files, unless they are on the command line too.
    """

    path: Text | None = Field(
        default=None,
        description="a table (CSV, TSV, JSON, Parquet, Arrow, Excel; gzip or zip), or a folder of splits",
        examples=["reviews.csv"],
    )
    hub: HubSpec | None = Field(
        default=None,
        description="a data set of the Hugging Face Hub",
        examples=[{"id": "CogComp/trec", "revision": "0123456789abcdef0123456789abcdef01234567"}],
    )
    builtin: Literal["digits"] | None = Field(
        default=None, description="a data set of an installed package", examples=["digits"]
    )
    delimiter: Annotated[str, Field(pattern=DELIMITER_PATTERN)] | None = Field(
        default=None,
        description="what separates the cells of a text file: comma, semicolon, tab, pipe or a sign; null: found out",
        examples=["semicolon"],
    )
    encoding: Annotated[Text, AfterValidator(_known_encoding)] | None = Field(
        default=None,
        description="the encoding of a text file, as Python names it; null: found out",
        examples=["cp1252"],
    )
    quoting: Literal["double", "backslash", "none"] | None = Field(
        default=None,
        description="double: double quotes enclose cells, and are doubled in a cell; backslash: a backslash stands "
        "before those in a cell; none: they are plain text; null: found out",
        examples=["backslash"],
    )
    header: Literal["none"] | Count | None = Field(
        default=None, description="the line of the header; none: the file has none; null: found out", examples=["none"]
    )
    text: Column = Field(default="text", description="the column of texts: its name, or its number from 1")
    text_pair: Column | None = Field(
        default=None, description="second text column; the two make a pair", examples=["answer"]
    )
    label: Column = Field(default="label", description="the column of the target, whatever the task learns")
    columns: dict[str, Column | Columns] = Field(
        default={},
        description="columns by the names of the task's fields; a list of columns for labels that have one each",
        examples=[{"question": "q", "context": "passage"}],
    )
    label_separator: Text | None = Field(
        default=None, description="what separates the labels in a cell that holds several", examples=[";"]
    )
    split: SplitSpec = Field(default=SplitSpec(), description="how rows are dealt where the data has no splits")
    resample_by: Text | None = Field(
        default=None,
        description="a column (a user, a passage): rows with the same value are drawn together for intervals and "
        "comparisons",
        examples=["user"],
    )
    preprocess: SearchableList[tuple[PreprocessStep, ...]] = Field(
        default=(),
        description="steps that change every text, in this order",
        examples=[{"choices": [[], ["lowercase", "strip_punctuation"]]}],
    )
    augment: SearchableList[tuple[AugmentStep, ...]] = Field(
        default=(),
        description="for each step a changed copy of every training text is added",
        examples=[{"choices": [[], ["delete"]]}],
    )
    max_length: Searchable[Count] = Field(
        default=128, description="the most tokens of a text; what is longer is cut", examples=[[64, 128]]
    )
    train_rows: Searchable[Count | None] = Field(
        default=None,
        description="how many rows of the training split are used, drawn by data.split.seed; null: all",
        examples=[2000],
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        sources = [name for name in ("path", "hub", "builtin") if getattr(self, name) is not None]
        if len(sources) != 1:
            raise ValueError(f"give exactly one of path, hub, builtin (given: {', '.join(sources) or 'none'})")
        of_files = [name for name in FILE_KEYS if getattr(self, name) is not None]
        if of_files and self.path is None:
            raise ValueError(f"{', '.join(of_files)}: goes with data.path")
        return self

    @property
    def most_train_rows(self) -> int | None:
        """The most training rows that a trial may have; None: the whole split."""
        rows = self.train_rows
        if isinstance(rows, Range):
            return rows.high
        counts = rows.choices if isinstance(rows, Choices) else (rows,)
        finite = [count for count in counts if count is not None]
        return max(finite) if len(finite) == len(counts) else None
