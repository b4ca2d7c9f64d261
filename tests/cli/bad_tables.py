"""Tables that cannot be read, by the names that docs/errors.md uses."""

from __future__ import annotations

import gzip
import json
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

__all__ = ["make_bad_tables"]

Rows = Sequence[tuple[str, str]]


def make_bad_tables(folder: Path, rows: Rows) -> None:
    """Writes files and folders of tables, each with one fault, into `folder`."""
    good = _csv(rows)
    texts = {
        "empty.csv": "",
        "reviews-utf8.csv": good.replace("far", "f\u00e4r"),
        "utf7.csv": good.replace("so far", "caf+AOk-", 1),
        "ragged.csv": good + "a text, with a comma,positive\n",
        "single.csv": good + "'a text, with a comma','positive'\n",
        "short.csv": good + "a text\n",
        "twice.csv": good.replace("text,label", "text,label,text").replace("\n", ",\n").replace("text,\n", "text\n"),
        "no-header.csv": good.partition("\n")[2],
        "quotes.csv": _quotes(rows),
        "open-quote.csv": good.replace("so far", "so, far") + '"an open quote,positive\na text,negative\n',
        "backslash.csv": good + '"she said \\"no\\" and left",negative\n',
        "numbers.csv": good.replace("text,label", "0,1"),
        "cut-texts.csv": "label,text\n" + "".join(f"{label},{text}\n" for text, label in rows),
        "pointer.csv": "version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 9\n",
        "page.csv": "<!DOCTYPE html>\n<html></html>\n",
        "reviews.ods": "PK",
        "broken.jsonl": _json_lines(rows) + '{"text": \n',
        "number.jsonl": _json_lines(rows) + "5\n",
        "other-keys.jsonl": '{"review": "good", "label": 1}\n',
        "object.json": '{\n"rows": []\n}\n',
        "cut.json": json.dumps([{"text": text, "label": label} for text, label in rows])[:-1],
        "open.json": '[{"text": "good", "label": ',
        "two.json": "[] []\n",
        "lists.jsonl": "".join(json.dumps({"text": text, "label": [label, "long"]}) + "\n" for text, label in rows),
        "counted.csv": "text,good,stars\n" + "".join(f'"{text}",1,4\n' for text, _ in rows),
        "joined.csv": "text,label\n" + "".join(f"text {at},a{at};b{at}\n" for at in range(12)),
        "tags.jsonl": '{"words": ["a", "b"], "tags": ["B-X"]}\n' * 12,
        "mixed.conll": "Mira B-PER\nVale PER\n\n" * 12,
        "answers.jsonl": _questions({"text": ["Bern"], "answer_start": [15]}),
        "starts.jsonl": _questions({"text": ["a"], "answer_start": [0]}),
        "numbers.jsonl": _questions([5]),
        "dated.csv": _dated(rows),
        "odd-date.csv": _dated(rows).replace("03/04/2024", "03/14/2024").replace("03/14/2024", "unknown", 1),
        "ctrl-z.csv": _csv(rows) + "\x1a",
        "nul.tsv": good.replace(",", "\t") + "\0\0\0",
        "json.csv": _json_lines(rows),
        "splits.json": json.dumps({split: [{"text": text, "label": label} for text, label in rows] for split in "ab"}),
        "nested.json": json.dumps({"data": {split: [{"text": text} for text, _ in rows] for split in "ab"}}),
        "lines.txt": "".join(f"__label__{label} {text}\n" for text, label in rows),
        "no-rows.jsonl": " \n",
        "ids.csv": _csv([(f"{text} {at}", f"id-{at}") for at, (text, _) in enumerate(rows)]),
        "many.csv": _csv([(f"text {at}", f"id-{at % 1001}") for at in range(2002)]),
        "kilos.csv": _csv([(text, f"{at} kg") for at, (text, _) in enumerate(rows)]),
        "large.csv": _csv([(text, f"{at}e30") for at, (text, _) in enumerate(rows)]),
        "equal.csv": _csv([(text, "5") for text, _ in rows]),
        "few.csv": _csv(rows[:9]),
        "objects.jsonl": "".join(json.dumps({"text": {"en": text}, "label": label}) + "\n" for text, label in rows),
        "words.jsonl": "".join(json.dumps({"text": text.split(), "label": label}) + "\n" for text, label in rows),
        "studio.json": json.dumps([_annotated(text, label) for text, label in rows]),
        "python.jsonl": "".join(f"{ {'text': text, 'label': label} }\n" for text, label in rows),
        "pretty.jsonl": "\n".join(json.dumps({"text": text, "label": label}, indent=1) for text, label in rows),
        "commas.jsonl": _json_lines(rows).replace("\n", ",\n"),
        "dump.txt": "--\n-- MySQL dump 10.13\n" + good,
        "signs.txt": "text::label\n" + "".join(f"{text.replace(',', '')}::{label}\n" for text, label in rows),
        "weeks.csv": "text,label,week\n"
        + "".join(f'"{text}",{label},week {at + 5}\n' for at, (text, label) in enumerate(rows)),
        "reviews.dat": good,
        "no-authors.csv": good.replace("\n", ",\n").replace("label,", "label,author"),
        "one-author.csv": good.replace("\n", ",ann\n").replace("label,ann", "label,author"),
        "rare.csv": _csv([(f"{text}, {at}", "positive") for at in range(2) for text, _ in rows]) + "a fraud,negative\n",
    }
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
    words = ["Größe", "žluťoučký", "ñandú", "ação", "świetna", "¿qué?"]
    contents = {
        "doubt.csv": _csv([(word, "positive") for word in words]).encode("cp1250", "ignore"),
        "utf16.csv": good.encode("utf-16")[:-1],
        "zipped.csv": b"PK\x03\x04",
        "table.parquet": good.encode(),
        "old.feather": b"FEA1" + bytes(60) + b"FEA1",
        "cut.parquet": b"PAR1 and more",
        "book.xlsx": good.encode(),
        "cut.csv.gz": gzip.compress(good.encode())[:-9],
        "bomb.zip": b"",
    }
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    _zip(folder / "two.zip", {"a.csv": good, "b.csv": good})
    _zip(folder / "bomb.zip", {"a.csv": good + " " * 2**28})
    (folder / "one-header").mkdir()
    for number, header in enumerate(["text,label\n", ""]):
        (folder / "one-header" / f"train-0000{number}-of-00002.csv").write_text(good.replace("text,label\n", header))
    body = good.partition("\n")[2]
    numbered = good.replace("positive", "1").replace("negative", "0")
    for name, train, test in [
        ("first-line", body, "a new text,rare\n" + body),
        ("other-order", good, "label,text\n" + "".join(f'{label},"{text}"\n' for text, label in rows)),
        ("other-labels", good, numbered),
    ]:
        (folder / name).mkdir()
        (folder / name / "train.csv").write_text(train, encoding="utf-8")
        (folder / name / "test.csv").write_text(test, encoding="utf-8")
    _folder(folder / "shards-missing", "data-00000-of-00003.csv", "data-00001-of-00003.csv")
    _folder(folder / "copies")
    for split in ("train", "test"):
        (folder / "copies" / f"{split}.csv").write_text(good, encoding="utf-8")
    for kind in ("negative", "positive"):
        (folder / "texts" / kind).mkdir(parents=True)
        for at in range(10):
            (folder / "texts" / kind / f"{at}.txt").write_text("a text", encoding="utf-8")
    _folder(folder / "two-trains", "train.csv", "train.tsv")
    _folder(folder / "shard-missing", "train-00000-of-00002.csv")
    _folder(folder / "two-formats", "part-0.csv", "part-1.tsv")
    _folder(folder / "saved", "state.json")
    _folder(folder / "saved-index", "data-0.arrow")
    state = {"_data_files": [{"filename": "data-0.arrow"}], "_indices_data_files": [{"filename": "indices.arrow"}]}
    (folder / "saved-index" / "state.json").write_text(json.dumps(state), encoding="utf-8")
    _folder(folder / "saved-cut", "README.md")
    (folder / "saved-cut" / "state.json").write_text(json.dumps(state), encoding="utf-8")


def _csv(rows: Rows) -> str:
    return "text,label\n" + "".join(f'"{text}",{label}\n' for text, label in rows)


def _dated(rows: Rows) -> str:
    """Rows with dates that are in one order by day and month, and in another by month and day."""
    days = ["03/04/2024", "04/03/2024"] * len(rows)
    return "text,label,day\n" + "".join(
        f'"{text}",{label},{day}\n' for (text, label), day in zip(rows, days, strict=False)
    )


def _quotes(rows: Rows) -> str:
    """Rows of which some need quotes, and two have one quote in their text."""
    lines = [f'"{text}, well",{label}' for text, label in rows]
    lines[3:6] = ['"a quote opens,positive', "a text,negative", 'a quote closes",positive']
    return "\n".join(["text,label", *lines, ""])


def _annotated(text: str, label: str) -> dict[str, Any]:
    """A row of an export of Label Studio."""
    return {"data": {"text": text}, "annotations": [{"result": [{"value": {"choices": [label]}}]}]}


def _questions(answers: Any) -> str:
    row = {"question": "When did it leave?", "context": "The train left Zug at noon.", "answers": answers}
    return (json.dumps(row) + "\n") * 12


def _json_lines(rows: Rows) -> str:
    return "".join(json.dumps({"text": text, "label": label}) + "\n" for text, label in rows)


def _zip(path: Path, members: dict[str, str]) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, content in members.items():
            archive.writestr(name, content)


def _folder(path: Path, *names: str) -> None:
    path.mkdir()
    for name in names:
        (path / name).write_text("text,label\n", encoding="utf-8")
