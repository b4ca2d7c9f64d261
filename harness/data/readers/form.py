"""What a reader is asked for, and what it returns."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from harness.data.readers.file import TableFile
from harness.errors import MissingColumn, nearest
from harness.spec.study import DataSpec

__all__ = ["Content", "Form", "Reader", "require_columns"]

_DELIMITERS = {"comma": ",", "semicolon": ";", "tab": "\t", "pipe": "|"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """How the text of a file is cut into cells; None is found out from the file.

    `header` is the line of the header, or "none" where a file has no header. `label_separator` cuts cells that hold
    several labels. `by_word` says that a text file may have a word a line. `expected` are columns by which the header
    is known where all columns are read.
    """

    delimiter: str | None = None
    encoding: str | None = None
    quoting: Literal["double", "backslash", "none"] | None = None
    header: int | Literal["none"] | None = None
    label_separator: str | None = None
    by_word: bool = False
    expected: tuple[str, ...] = ()

    @classmethod
    def of(cls, spec: DataSpec) -> Form:
        """Returns the form that a study gives."""
        delimiter = _DELIMITERS.get(spec.delimiter, spec.delimiter) if spec.delimiter else None
        return cls(
            delimiter=delimiter,
            encoding=spec.encoding,
            quoting=spec.quoting,
            header=spec.header,
            label_separator=spec.label_separator,
        )


@dataclass(frozen=True, slots=True)
class Content:
    """Columns by name, each a list with a value for each row, and notes on how the file was read.

    `header` is the line that was taken for the header where columns are asked for by number; None where all are rows.
    `absent` are the columns that the file lacks and that hold None, each with what the message of a missing one says.
    `names` are those of the class ids of a column, which its values are called by already. `present` are the columns of
    the file, as far as its format names them.
    """

    columns: dict[str, list[Any]]
    notes: tuple[str, ...] = ()
    header: tuple[str, ...] | None = field(default=None, compare=False)
    absent: Mapping[str, str] = field(default_factory=dict, compare=False)
    names: Mapping[str, Sequence[str]] = field(default_factory=dict, compare=False)
    present: tuple[str, ...] = field(default=(), compare=False)


class Reader(Protocol):
    """Reads one format."""

    def __call__(self, file: TableFile, names: Sequence[str] | None, form: Form) -> Content:
        """Returns the columns `names` of a file, or all columns.

        Raises:
            DataError: the file is broken (with its line), or lacks a column.
        """
        ...


def require_columns(place: str, names: Iterable[str], present: Sequence[str], hint: str = "") -> None:
    """Raises MissingColumn, which says the nearest column, when one of `names` is missing."""
    for name in names:
        if name not in present:
            listed = ", ".join(f"'{column}'" for column in present[:20]) or "none"
            more = f" and {len(present) - 20} more" if len(present) > 20 else ""
            raise MissingColumn(
                name,
                f"{place}: no column '{name}' (columns: {listed}{more}){_near(name, present)}",
                hint or "name it with data.text=, data.text_pair= or data.label=",
                present,
            )


def _near(name: str, present: Sequence[str]) -> str:
    """Returns a question for the column that ends with the name, such as `data.text`, or is the nearest."""
    within = [column for column in present if column.endswith(f".{name}")]
    return f"; did you mean '{within[0]}'?" if within else nearest(name, present)
