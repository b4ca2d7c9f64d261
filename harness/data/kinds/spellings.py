"""Spellings of class names: which may be one class under two of them, and in which order a person lists names."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from decimal import Decimal
from functools import lru_cache

from harness.data.clean import normalised
from harness.data.values import MISSING_WORDS, number_of

__all__ = ["MAX_LISTED", "alike_note", "doubtful_note", "natural_order"]

#: Classes that may stand for a missing label, in lower case: words of programs, errors of spreadsheets, and points or
#: strokes alone; "none" is a common name.
_DOUBTFUL = MISSING_WORDS - {"none"} | {"nat", "nil", "undefined", "(null)", "(blank)", "#na", "#n/a n/a"}
_DOUBTFUL |= {"#div/0!", "#name?", "#null!", "#num!", "#ref!", "#value!"}
_NO_NUMBER = re.compile(r"[+-]?(inf(inity)?|nan|1\.#(ind|qnan|inf))")
_NO_WORD = re.compile(r"[-.?_\u2013\u2014\u2026]+")
_TRUTH = {"true": "1", "false": "0"}
#: So many names are listed in a note.
MAX_LISTED = 20


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


def doubtful_note(column: str, labels: Iterable[str]) -> list[str]:
    """Returns a note on classes whose names are words for a missing value; empty where there are none."""
    rows = Counter(filter(_is_doubtful, labels))
    listed = ", ".join(f"'{label}' ({rows[label]} rows)" for label in sorted(rows))
    remedy = "where it stands for a missing label, leave the cell empty"
    return [f"'{column}': {listed} is taken as a class; {remedy}"] if listed else []


@lru_cache
def _is_doubtful(label: str) -> bool:
    name = label.lower()
    return name in _DOUBTFUL or bool(_NO_NUMBER.fullmatch(name) or _NO_WORD.fullmatch(name))


def _folded(label: str) -> str | Decimal:
    text = "".join(char for char in normalised(label) if unicodedata.category(char) != "Cf")  # zero-width signs
    number = number_of(_TRUTH.get(text, text))
    return text if number is None else number


def _shown(label: str, group: Sequence[str]) -> str:
    """Returns a label in quotes; with escapes where another one of the group looks the same."""
    same = [other for other in group if unicodedata.normalize("NFC", other) == unicodedata.normalize("NFC", label)]
    is_hidden = any(unicodedata.category(char) == "Cf" for char in label)
    return ascii(label[:40]) if len(same) > 1 or is_hidden else f"'{label[:40]}'"


def natural_order(labels: Iterable[str]) -> list[str]:
    """Sorts numbers by value, everything else as a person counts: item2 before item10."""

    def key(label: str) -> tuple[list[tuple[bool, int, str]], str]:
        parts = re.split(r"([0-9]{1,18})", label)
        return [(not part.isdecimal(), int(part) if part.isdecimal() else 0, part.casefold()) for part in parts], label

    def number(label: str) -> tuple[int, str]:
        return int(label), label

    names = list(labels)
    if all(re.fullmatch(r"[+-]?[0-9]{1,18}", label) for label in names):
        return sorted(names, key=number)
    return sorted(names, key=key)
