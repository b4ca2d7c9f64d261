"""The cells of a table's rows by column, whichever field of the task a column belongs to, and a row as a text."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.data.kinds.columns import SEVERAL
from harness.data.many import joined_parts
from harness.errors import DataError
from harness.spec.tasks import CATEGORIES, ITEM, NOTE, NUMBERS, USER

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Cells", "rendered", "template_of"]

_BRACES = re.compile(r"\{([^{}]+)\}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cells:
    """Categories as texts [rows] and numbers [rows] float64, NaN where one is missing, by the names of columns.

    `many` are the columns of categories whose cells may hold several, `text` is that of texts ("": none), which stand
    among the categories, the last of them.
    """

    categories: Mapping[str, Sequence[str]]
    numbers: Mapping[str, np.ndarray]
    many: tuple[str, ...]
    text: str

    @classmethod
    def of(cls, frame: pd.DataFrame, columns: Mapping[str, str]) -> Cells:
        """Returns the cells of prepared rows; `columns` are the names in the source by field."""
        many = tuple(joined_parts(columns[CATEGORIES.name])) if CATEGORIES.name in columns else ()
        named = tuple(joined_parts(columns[NUMBERS.name])) if NUMBERS.name in columns else ()
        single = {columns[name]: frame[name].tolist() for name in (USER.name, ITEM.name) if name in columns}
        several = _transposed(frame, CATEGORIES.name, many, object)
        text = columns.get(NOTE.name, "")
        texts = {text: frame[NOTE.name].tolist()} if text else {}
        return cls(
            categories={**single, **several, **texts},
            numbers=_transposed(frame, NUMBERS.name, named, np.float64),
            many=many,
            text=text,
        )


def _transposed(frame: pd.DataFrame, field: str, names: Sequence[str], dtype: Any) -> dict[str, Any]:
    """Returns the values of each of the columns that a field holds as lists [rows]."""
    if not names:
        return {}
    values = np.array([list(row) for row in frame[field]], dtype=dtype).reshape(len(frame), len(names))
    return dict(zip(names, values.T, strict=True))


def template_of(columns: Mapping[str, str]) -> str:
    """Returns the template of a study that names none: "user 5, item 7, a text"."""
    fields = (USER.name, ITEM.name, CATEGORIES.name, NUMBERS.name)
    names = [name for field in fields if field in columns for name in joined_parts(columns[field])]
    text = [f"{{{columns[NOTE.name]}}}"] if NOTE.name in columns else []
    return ", ".join([*(f"{name} {{{name}}}" for name in names), *text])


def rendered(template: str, cells: Cells) -> list[str]:
    """Returns each row as a text: the template with the cells of the columns that it names in braces.

    Raises:
        DataError: it names a column that is not read.
    """
    numbers = {name: [_short(value) for value in values] for name, values in cells.numbers.items()}
    names = {name: [cell.replace(SEVERAL, " ") for cell in values] for name, values in cells.categories.items()}
    known = {**names, **numbers}
    parts = _BRACES.split(template)  # texts and names in turn
    if unknown := [name for name in parts[1::2] if name not in known]:
        listed = ", ".join(f"'{name}'" for name in known)
        raise DataError(
            f"task_options.template: '{unknown[0]}' is no column that is read; read are {listed} (data.columns)"
        )
    num_rows = len(next(iter(known.values())))
    pieces = [known[part] if at % 2 else [part] * num_rows for at, part in enumerate(parts)]
    return ["".join(row) for row in zip(*pieces, strict=True)]


def _short(value: float) -> str:
    return "" if value != value else f"{value:g}"
