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
from typing import Any

import numpy as np

from harness.data.cache import built_once, default_cache
from harness.data.prepared import PreparedData
from harness.errors import InputError
from harness.spec.tasks import FieldKind, facts_of

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
    is_cut = facts.target is not None and facts.target.kind == "answers"
    num_rows = -(-num_rows // WINDOWS) if is_cut else num_rows
    frame = source.iloc[np.arange(num_rows) % len(source)].reset_index(drop=True).assign(row=np.arange(num_rows))
    for field in (facts.field(name) for name in facts.texts if name in source):
        by_word = field.kind == "words"
        texts = source[field.name].tolist()
        if field.kind == "messages":
            texts = [turn["content"] for turns in texts for turn in turns]
        words = np.array([word for text in texts for word in (text if by_word else text.split())], dtype=object)
        num_words = WINDOWS * length if is_cut and field.name == facts.texts[-1] else length + SPARE_WORDS
        drawn = words[random.integers(len(words), size=(num_rows, num_words))]
        frame[field.name] = [_value(row, field.kind) for row in drawn]
        if by_word and facts.target is not None:  # a target for each word
            frame = frame.assign(**{facts.target.name: list(np.zeros(drawn.shape, dtype=np.int64))})
        elif is_cut and facts.target is not None:
            first_words: Any = [[[0, len(row[0])]] for row in drawn]  # the answer to each question
            frame = frame.assign(**{facts.target.name: first_words})
    folder.mkdir(mode=0o700)
    splits = ("train", "validation", "test")
    for split in splits:
        frame.to_parquet(folder / f"{split}.parquet", index=False)
    changed = {"rows": dict.fromkeys(splits, num_rows), "notes": ()}
    meta = data.meta.model_copy(update=changed | {"rows_sha256": ""})
    (folder / "meta.json").write_text(meta.model_dump_json(), encoding="utf-8")


def _value(words: np.ndarray, kind: FieldKind) -> Any:
    """Returns words as a field of texts holds them."""
    if kind == "messages":
        return [{"role": "user", "content": " ".join(words)}]
    return words.tolist() if kind == "words" else " ".join(words)


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
