"""Class names: how a value becomes one, and which of them may be the same class under two spellings."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any

from harness.data.clean import normalised
from harness.data.values import as_text, is_missing, number_of
from harness.errors import DataError

__all__ = ["alike_note", "label_name", "whole_numbers"]

_TRUTH = {"true": "1", "false": "0"}
MAX_LISTED = 20


def label_name(place: str, value: Any) -> str | None:
    """Returns the class name of a value; None for a missing one. A list of one label is that label.

    Raises:
        DataError: the value holds several labels, or is no label; `place` begins the message.
    """
    if isinstance(value, (list, tuple)):
        if len(value) > 1:
            raise DataError(
                f"{place} holds {len(value)} labels, {str(value)[:60]}: several labels a row are multi-label "
                "classification (multi-label-classification), which is not among the tasks; give one label a row"
            )
        return label_name(place, value[0]) if value else None
    if is_missing(value):
        return None
    return str(value).lower() if isinstance(value, bool) else as_text(place, value).strip()


def whole_numbers(labels: Sequence[str | None]) -> list[str | None]:
    """Returns the labels with whole numbers written without fraction and exponent: "1.0" is "1"."""
    names = {label: _whole_number(label) for label in set(labels) if label is not None}
    return [None if label is None else names[label] for label in labels]


def _whole_number(label: str) -> str:
    number = number_of(label) if set(label) & set(".eE") else None
    return str(int(number)) if number is not None and number == int(number) else label


def alike_note(column: str, labels: Iterable[str]) -> list[str]:
    """Returns a note on labels that differ in their spelling only; empty where there are none."""
    rows = Counter(labels)
    groups: dict[str | Decimal, list[str]] = {}
    for label in sorted(rows):
        groups.setdefault(_folded(label), []).append(label)
    alike = [group for group in groups.values() if len(group) > 1]
    if not alike:
        return []
    listed = [" and ".join(f"{_shown(label, group)} ({rows[label]} rows)" for label in group) for group in alike]
    more = [f"{len(listed) - MAX_LISTED} more"] if len(listed) > MAX_LISTED else []
    return [
        f"'{column}': labels that differ only in case, Unicode form, spaces or the way a number or a truth value is "
        f"written are classes of their own: {'; '.join([*listed[:MAX_LISTED], *more])}; write alike what is one class"
    ]


def _folded(label: str) -> str | Decimal:
    text = normalised(label)
    number = number_of(_TRUTH.get(text, text))
    return text if number is None else number


def _shown(label: str, group: Sequence[str]) -> str:
    """Returns a label in quotes; with escapes where another one of the group looks the same."""
    same = [other for other in group if unicodedata.normalize("NFC", other) == unicodedata.normalize("NFC", label)]
    return ascii(label[:40]) if len(same) > 1 else f"'{label[:40]}'"
