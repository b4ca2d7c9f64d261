"""The kinds of fields that hold the words of a text, and a tag for each of them.

Tags are those of entities: B-TYPE for the first word, I-TYPE for those after it, O outside (IOB2). Other ways of
writing are read as that: I-TYPE for first words too (IOB1), E- for the last and S- for a single word (BIOES), L- and U-
for the same (BILOU), types without a letter, and B and I without a type.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.data.clean import normalised
from harness.data.kinds.base import Kind
from harness.data.kinds.lists import lists_of
from harness.data.kinds.spellings import natural_order
from harness.data.values import as_text, is_missing
from harness.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["OUTSIDE", "Tags", "Words"]

OUTSIDE = "O"
#: The type of entities whose tags name none.
NO_TYPE = "entity"
_TAG = re.compile(r"([BIESLU])(?:-(.+))?")


class Words(Kind):
    """The words of a text, as a list of str. A text is cut at white space."""

    def read(self, place: str, column: str, values: Sequence[Any]) -> list[Any]:
        """Returns lists of words."""
        return [
            _parts_of(f"{place}: row {row}: '{column}'", value, "word")
            for row, value in enumerate(lists_of(values), start=1)
        ]

    def words_in(self, value: Any) -> list[str]:
        """Returns the words."""
        return list(value)

    def of_words(self, words: Sequence[str]) -> Any:
        """Returns the words."""
        return list(words)

    def same(self, value: Any) -> str:
        """Returns the words after normalisation."""
        return normalised(" ".join(value))


class Tags(Kind):
    """A tag for each word, as a list of str.

    Prepared data holds ids: 0 is O, type t has 2t + 1 (B-) and 2t + 2 (I-).
    """

    target = "tags"
    is_by_word = True

    def read(self, place: str, column: str, values: Sequence[Any]) -> list[Any]:
        """Returns lists of tags as they are written; `unify` makes them IOB2."""
        return [
            _parts_of(f"{place}: row {row}: '{column}'", value, "tag")
            for row, value in enumerate(lists_of(values), start=1)
        ]

    def parts(self, value: Any) -> Sequence[Any]:
        """Returns the tags of a list, or of a text that is cut at white space."""
        return value.split() if isinstance(value, str) else super().parts(value)

    def unify(self, place: str, column: str, values: Mapping[str, list[Any]]) -> dict[str, list[Any]]:
        """Returns IOB2 tags. Where no tag of train but O has a letter, all are types: runs of one type are entities.

        Without O each word is an entity of its own, as for parts of speech.

        Raises:
            DataError: tags are numbers, or some have a letter and some have none.
        """
        as_types, outside = _are_types(values["train"]), _has_outside(values["train"])
        unified: dict[str, list[Any]] = {}
        for split, rows in values.items():
            where = place if split == "train" else split
            unified[split] = [
                None if tags is None else _iob2(f"{where}: row {row}: '{column}'", tags, as_types, outside)
                for row, tags in enumerate(rows, start=1)
            ]
        return unified

    def read_notes(self, column: str, values: Mapping[str, Sequence[Any]]) -> list[str]:
        """Says how tags that are not IOB2 were read."""
        rows = [tags for of_split in values.values() for tags in of_split if tags is not None]
        if _are_types(values["train"]):
            what = "runs of one type are an entity" if _has_outside(values["train"]) else "each word is one"
            return [f"'{column}': tags without B- and I- are read as types of entities: {what}"]
        letters = {match[1] for tags in rows for tag in tags if (match := _TAG.fullmatch(tag))}
        notes = [f"'{column}': BIOES tags are read as BIO"] if letters & set("ESLU") else []
        begun = sum(_begun_inside(tags) for tags in rows) if not letters & set("ESLU") else 0
        notes += [f"'{column}': {begun} entities begin with I- (IOB1): it is read as B-"] if begun else []
        return notes

    def names(self, values: Iterable[Any]) -> tuple[str, ...]:
        """Returns O, then B- and I- of each type, in the order of the types."""
        types = {tag.partition("-")[2] for tags in values for tag in tags if tag != OUTSIDE}
        return (OUTSIDE, *(f"{letter}-{kind}" for kind in natural_order(types) for letter in "BI"))

    def known(self, names: Sequence[str]) -> list[Any] | None:
        """Returns None: names are IOB2, however tags were written."""
        return None

    def of_new_words(self, values: Sequence[Any], rows: Sequence[Sequence[str]]) -> list[Any]:
        """Returns O for each word."""
        return [np.zeros(len(words), dtype=np.int64) for words in rows]

    def stored(self, values: Sequence[Any], names: Sequence[str]) -> list[Any]:
        """Returns tag ids, int64 [words]; None for a row with a tag that `names` lack."""
        ids = {name: number for number, name in enumerate(names)}
        return [
            np.array([ids[tag] for tag in tags], dtype=np.int64)
            if tags is not None and ids.keys() >= set(tags)
            else None
            for tags in values
        ]

    def counts(self, values: Sequence[Any], names: Sequence[str]) -> dict[str, int]:
        """Returns the words with each tag."""
        counts = Counter(tag for tags in values for tag in tags)
        return {name: counts[name] for name in names}

    def same(self, value: Any) -> str:
        """Returns the tags as one text."""
        return "\0".join(value)

    def match(self, place: str, column: str, values: Sequence[Any], rows: Sequence[int], inputs: pd.DataFrame) -> None:
        """Refuses a row whose words and tags are not equally many."""
        for name in inputs:
            for row, tags, words in zip(rows, values, inputs[name], strict=True):
                if len(tags) != len(words):
                    raise DataError(f"{place}: row {row}: {len(words)} words and {len(tags)} tags in '{column}'")

    def split_notes(self, values: Mapping[str, Sequence[Any]]) -> list[str]:
        """Lists the types that train lacks."""
        of_split = {
            split: {tag[2:] for tags in rows for tag in tags if tag != OUTSIDE} for split, rows in values.items()
        }
        return [
            f"entities of type '{kind[:40]}' are in {split} but not in train: they cannot be learned"
            for split in ("validation", "test")
            for kind in natural_order(of_split[split] - of_split["train"])
        ]

    def check(self, place: str, column: str, values: Sequence[Any]) -> None:
        """Refuses rows without any entity."""
        if all(tag == OUTSIDE for tags in values for tag in tags):
            raise DataError(f"{place}: every tag in '{column}' is {OUTSIDE}, so there is no entity to learn")

    def check_split(self, values: Sequence[Any]) -> None:
        """Refuses rows without any entity."""
        if all(tag == OUTSIDE for tags in values for tag in tags):
            raise DataError("the training split has no entity after splitting; give more rows that have one")

    def strata(self, values: Sequence[Any]) -> np.ndarray:
        """Returns the rarest type of entity of each row, by name or by number; empty or -1 for a row without one."""
        if isinstance(next(iter(values), None), np.ndarray):
            types: list[set[Any]] = [set(((tags[tags > 0] - 1) // 2).tolist()) for tags in values]
            none: Any = -1
        else:
            types, none = [{tag[2:] for tag in tags if tag != OUTSIDE} for tags in values], ""
        rows = Counter(kind for kinds in types for kind in kinds)
        return np.asarray([min(kinds, key=lambda kind: (rows[kind], kind), default=none) for kinds in types])


def _parts_of(place: str, value: Any, what: str) -> list[str] | None:
    """Returns the words or tags of a list, or of a text that is cut at white space; None where there are none."""
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if isinstance(value, str):
        value = value.split()
    elif is_missing(value):
        return None
    if not isinstance(value, (list, tuple)):
        raise DataError(f"{place} holds a {type(value).__name__}, not a list of {what}s: {str(value)[:60]}")
    parts = ["" if is_missing(part) else as_text(place, part).strip() for part in value]
    if "" in parts:
        raise DataError(f"{place}: {what} {parts.index('') + 1} is empty")
    return parts or None


def _are_types(rows: Sequence[Any]) -> bool:
    """True where no tag but O begins with a letter of a scheme and a hyphen, or is one."""
    tags = {tag for tags in rows if tags is not None for tag in tags} - {OUTSIDE}
    return bool(tags) and not any(_TAG.fullmatch(tag) for tag in tags)


def _has_outside(rows: Sequence[Any]) -> bool:
    return any(OUTSIDE in tags for tags in rows if tags is not None)


def _iob2(place: str, tags: Sequence[str], as_types: bool, has_outside: bool) -> list[str]:
    """Returns the tags of a row in IOB2."""
    found: list[str] = []
    last = ""
    for at, tag in enumerate(tags, start=1):
        if tag == OUTSIDE:
            found.append(tag)
            last = ""
            continue
        match = _TAG.fullmatch(tag)
        if as_types:
            if tag.isdecimal():
                raise DataError(f"{place}: tag {at} is {tag}, a number; write tags by their names, such as B-PER")
            letter, kind = "I" if has_outside else "B", tag
        elif match is None:
            raise DataError(f"{place}: tag {at} is '{tag[:40]}'; others are O, B-TYPE, I-TYPE: write all alike")
        else:
            letter, kind = match[1], match[2] or NO_TYPE
        begins = letter in "BSU" or kind != last
        found.append(f"{'B' if begins else 'I'}-{kind}")
        last = "" if letter in "ESLU" else kind
    return found


def _begun_inside(tags: Sequence[str]) -> int:
    """Returns how many entities of a row begin with I-."""
    types = ["", *(tag.partition("-")[2] or NO_TYPE if tag != OUTSIDE else "" for tag in tags)]
    return sum(
        tag.startswith("I") and (before == "" or before != types[at])
        for at, (tag, before) in enumerate(zip(tags, types, strict=False), start=1)
    )
