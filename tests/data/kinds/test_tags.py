"""Tags of words: schemes that are converted, what is refused, ids, and how they are read from tables."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from harness.data.kinds.tags import Tags, Words
from harness.data.prepare import prepare
from harness.data.prepared import PreparedData
from harness.errors import DataError, InputError
from harness.spec.reader import load_study
from harness.spec.study import DataSpec, ModelSpec, StudySpec

KIND = Tags()


def unified(*rows: str) -> list[str]:
    return [" ".join(tags) for tags in KIND.unify("t", "l", {"train": [row.split() for row in rows]})["train"]]


def notes(*rows: str) -> list[str]:
    return KIND.read_notes("l", {"train": [row.split() for row in rows]})


@pytest.mark.parametrize(
    ("given", "expected", "note"),
    [
        ("O B-PER I-PER O", "O B-PER I-PER O", None),
        ("I-PER I-PER B-PER O I-LOC", "B-PER I-PER B-PER O B-LOC", "2 entities begin with I-"),
        ("I-PER I-LOC I-LOC", "B-PER B-LOC I-LOC", "2 entities begin with I-"),
        ("S-PER O B-LOC I-LOC E-LOC S-LOC", "B-PER O B-LOC I-LOC I-LOC B-LOC", "BIOES"),
        ("U-PER O B-LOC L-LOC", "B-PER O B-LOC I-LOC", "BIOES"),
        ("B I O B", "B-entity I-entity O B-entity", None),
        ("PER PER O LOC", "B-PER I-PER O B-LOC", "runs of one type are an entity"),
        ("NOUN VERB NOUN NOUN", "B-NOUN B-VERB B-NOUN B-NOUN", "each word is one"),
    ],
)
def test_schemes_are_read_as_iob2(given: str, expected: str, note: str | None) -> None:
    assert unified(given) == [expected]
    found = notes(given)
    assert (note is None and not found) or (note is not None and note in found[0])


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (("B-PER O", "PER O"), "t: row 2: 'l': tag 1 is 'PER'; others are O, B-TYPE, I-TYPE"),
        (("O O", "0 3"), "t: row 2: 'l': tag 1 is 0, a number"),
    ],
)
def test_tags_without_a_scheme_are_refused(rows: tuple[str, ...], message: str) -> None:
    with pytest.raises(DataError, match=message):
        unified(*rows)


def test_ids_alternate_between_first_words_and_others() -> None:
    rows = [["B-b", "I-b"], ["O", "B-a10"], ["B-a2"]]
    names = KIND.names(rows)
    assert names == ("O", "B-a2", "I-a2", "B-a10", "I-a10", "B-b", "I-b")
    ids = [tags.tolist() for tags in KIND.stored(rows, names)]
    assert ids == [[5, 6], [0, 3], [1]]
    assert KIND.stored([["B-z"], None], names) == [None, None]
    assert KIND.strata(KIND.stored(rows, names)).tolist() == [2, 1, 0]
    assert KIND.strata(rows).tolist() == ["b", "a10", "a2"]


@pytest.mark.parametrize(
    ("value", "words"),
    [(["a", 1], ["a", "1"]), ("a  b", ["a", "b"]), ("['a', 'b']", ["a", "b"]), (None, None), ([], None), ("", None)],
)
def test_words(value: Any, words: list[str] | None) -> None:
    assert Words().read("t", "w", [value]) == [words]


def test_an_empty_word_is_refused() -> None:
    with pytest.raises(DataError, match="t: row 1: 'w': word 2 is empty"):
        Words().read("t", "w", [["a", " "]])


def prepared(path: Path, **data: Any) -> PreparedData:
    spec = DataSpec.model_validate({"path": str(path), **data})
    study = StudySpec(name="s", task="token-classification", data=spec, model=ModelSpec(checkpoint="x"))
    return prepare(study, path.parent / "cache")


def rows() -> list[dict[str, Any]]:
    return [{"tokens": [f"w{at}", "x", "."], "tags": ["B-A" if at % 2 else "O", "O", "O"]} for at in range(40)]


def tags_of(data: PreparedData) -> dict[str, list[str]]:
    frames = [data.frame(split) for split in ("train", "validation", "test")]
    pairs = [pair for frame in frames for pair in zip(frame["words"], frame["tags"], strict=True)]
    return {" ".join(words): [data.names[tag] for tag in tags] for words, tags in pairs}


EXPECTED = {" ".join(row["tokens"]): row["tags"] for row in rows()}


def test_lists_of_json(tmp_path: Path) -> None:
    (tmp_path / "t.jsonl").write_text("\n".join(map(json.dumps, rows())), encoding="utf-8")
    data = prepared(tmp_path / "t.jsonl", columns={"words": "tokens"})
    assert tags_of(data) == EXPECTED
    assert data.names == ("O", "B-A", "I-A")
    assert data.meta.counts["train"]["B-A"] == 16


@pytest.mark.parametrize("name", ["t.conll", "t.txt", "t.tsv", "t.bio"])
def test_conll(name: str, tmp_path: Path) -> None:
    sentences = [
        "\n".join(f"{word}\tX\t{tag}" for word, tag in zip(row["tokens"], row["tags"], strict=True)) for row in rows()
    ]
    (tmp_path / name).write_text("-DOCSTART-\tX\tO\n\n" + "\n\n".join(sentences) + "\n", encoding="utf-8")
    assert tags_of(prepared(tmp_path / name)) == EXPECTED
    assert tags_of(prepared(tmp_path / name, columns={"words": 1, "tags": 3})) == EXPECTED


def test_words_and_tags_must_be_equally_many(tmp_path: Path) -> None:
    wrong = rows()
    wrong[4]["tags"] = ["O"]
    (tmp_path / "t.jsonl").write_text("\n".join(map(json.dumps, wrong)), encoding="utf-8")
    with pytest.raises(DataError, match="row 5: 3 words and 1 tags in 'tags'"):
        prepared(tmp_path / "t.jsonl", text="tokens")


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("data.augment=[delete]", "delete changes which words a text has, and each word has a tag of its own"),
        ("data.preprocess=[lowercase, strip_punctuation]", "strip_punctuation changes which words a text has"),
        ("data.preprocess={choices: [[], [remove_stop_words]]}", "remove_stop_words changes which words a text has"),
        ("training.class_weights=balanced", "token-classification has no use for it"),
        ("task_options={thresholds: each}", "token-classification has no such option"),
    ],
)
def test_keys_that_do_not_go_with_tags_are_refused(key: str, message: str, tmp_path: Path) -> None:
    text = (
        "name: x\ntask: token-classification\ndata: {path: t.conll}\nmodel: {checkpoint: tiny}\nsearch: {trials: 1}\n"
    )
    (tmp_path / "s.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=message):
        load_study(tmp_path / "s.yaml", [key])
    assert load_study(tmp_path / "s.yaml", ["data.preprocess=[lowercase]"]).task == "token-classification"
