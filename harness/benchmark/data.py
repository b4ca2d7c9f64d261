"""Texts of an exact length in tokens, and a small table of made-up words for a benchmark without a study.

A text has more words than the length has tokens, and the tokenizer cuts it to exactly that many, so fixed lengths go
through the same tokenizer, cache and batches as a study's own texts.
"""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from harness.data.cache import built_once, default_cache
from harness.data.kinds import kind_of, kind_of_target
from harness.data.prepared import PreparedData
from harness.errors import InputError
from harness.spec.tasks import facts_of

__all__ = ["made_up_table", "of_length"]

VERSION = 2
#: A word may be one that a tokenizer drops (a lone control character).
SPARE_WORDS = 16
#: A text that is cut into windows has so many times the words of one; all windows of a row but the last are full.
WINDOWS = 4
ROWS, WORDS, VOCABULARY = 400, 12, 4000
SYLLABLES = [first + vowel for first in "bdfgklmnprstvz" for vowel in "aeiou"]


def of_length(data: PreparedData, length: int, num_rows: int) -> PreparedData:
    """Returns `num_rows` training rows of `data`, repeated, with texts of more than `length` words drawn from theirs.

    Rows whose texts are cut into windows are fewer and longer.

    Raises:
        InputError: the data has no texts.
    """
    if data.meta.image:
        raise InputError("--length is for texts; the images of a study have one size")
    name = hashlib.sha256(json.dumps([VERSION, length, num_rows]).encode()).hexdigest()[:16]
    folder = data.folder / "bench" / name
    built_once(folder, lambda staging: _write(data, length, num_rows, staging))
    return PreparedData(folder)


def _write(data: PreparedData, length: int, num_rows: int, folder: Path) -> None:
    source = data.frame("train")
    random = np.random.default_rng(0)
    facts = facts_of(data.meta.task)
    target = kind_of_target(facts)
    num_rows = -(-num_rows // WINDOWS) if target.is_in_windows else num_rows
    frame = source.iloc[np.arange(num_rows) % len(source)].reset_index(drop=True).assign(row=np.arange(num_rows))
    drawn: list[list[str]] = []
    for field in map(facts.field, facts.texts_in(list(map(str, source)))):
        kind = kind_of(field)
        words = np.array([word for value in source[field.name] for word in kind.words_in(value)], dtype=object)
        is_cut = target.is_in_windows and field.name == facts.texts[-1]
        size = (num_rows, WINDOWS * length if is_cut else length + SPARE_WORDS)
        drawn = words[random.integers(len(words), size=size)].tolist()
        frame[field.name] = [kind.of_words(row) for row in drawn]
    if facts.target is not None:
        name = facts.target.name
        frame = frame.assign(**{name: target.of_new_words(frame[name].tolist(), drawn)})
    folder.mkdir(mode=0o700)
    splits = ("train", "validation", "test")
    for split in splits:
        frame.to_parquet(folder / f"{split}.parquet", index=False)
    changed = {"rows": dict.fromkeys(splits, num_rows), "notes": ()}
    meta = data.meta.model_copy(update=changed | {"rows_sha256": ""})
    (folder / "meta.json").write_text(meta.model_dump_json(), encoding="utf-8")


def made_up_table(cache: Path | None = None) -> Path:
    """Returns a CSV file of short texts with two labels: made-up words with the frequencies of real ones (Zipf)."""
    folder = (cache or default_cache()) / "bench" / f"words-{VERSION}"
    built_once(folder, _write_table)
    return folder / "words.csv"


def _write_table(folder: Path) -> None:
    folder.mkdir(mode=0o700)
    random = np.random.default_rng(0)
    words = list(dict.fromkeys(_words(random)))
    shares = 1 / np.arange(1, len(words) + 1)
    with (folder / "words.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["text", "label"])
        for row in range(ROWS):
            drawn = random.choice(len(words), size=WORDS, p=shares / shares.sum())
            writer.writerow([" ".join(words[at] for at in drawn), ("a", "b")[row % 2]])


def _words(random: np.random.Generator) -> Iterator[str]:
    for _ in range(VOCABULARY):
        parts = random.integers(len(SYLLABLES), size=int(random.integers(1, 4)))
        yield "".join(SYLLABLES[part] for part in parts)
