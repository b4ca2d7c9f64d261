"""docs/data.md is true: every example in it gives the rows that it promises."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd
import pytest

from harness.data.formats import ENDINGS, Form, read_columns, read_files
from harness.data.kinds import KINDS
from harness.data.partitions import read_partitioned
from harness.data.sources import find_source
from harness.spec.study import DataSpec

DOCS = (Path(__file__).parents[2] / "docs" / "data.md").read_text(encoding="utf-8")
ROWS = {"text": ["good, yes", "so, so"], "label": ["yes", "no"]}
FILES = dict(re.findall(r"^`([\w.]+)`[^`]*\n\n```\n(.*?)```", DOCS, re.DOTALL | re.MULTILINE))
SNIPPETS = re.findall(r"```python\n(.*?)```", DOCS, re.DOTALL)


@pytest.mark.parametrize("name", FILES)
def test_example_is_read(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text(FILES[name], encoding="utf-8")
    if name == "numbered.csv":
        columns = read_files([tmp_path / name], ["2", "1"], Form(header="none")).columns
        assert columns == {"2": ROWS["text"], "1": ROWS["label"]}
    elif name == "studio.json":
        keys = dict(re.findall(r"data\.(text|label)=([\w.]+)", DOCS.partition("An export of Label")[2]))
        text, label = read_columns(tmp_path / name, [keys["text"], keys["label"]]).values()
        assert {"text": text, "label": [name for names in label for name in names]} == ROWS
    else:
        assert read_columns(tmp_path / name, ["text", "label"]) == ROWS


def test_snippets_write_what_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    exec(SNIPPETS[0], names)  # noqa: S102
    written = list(tmp_path.iterdir())
    assert len(written) == 4
    for path in written:
        assert read_files([path], None).columns == ROWS


def test_snippet_of_excel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("openpyxl")
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    exec(SNIPPETS[0] + SNIPPETS[1], names)  # noqa: S102
    assert read_columns(tmp_path / "reviews.xlsx", ["text", "label"]) == ROWS


def test_folders_that_name_a_column(tmp_path: Path) -> None:
    table = DOCS.partition("| files |")[2].partition("\n\n")[0]
    names = re.findall(r"`(label=\w+/part-0\.parquet)`", table)
    for name, text, label in zip(names, ROWS["text"], ROWS["label"], strict=True):
        assert name.startswith(f"label={label}/")
        (tmp_path / name).parent.mkdir()
        pd.DataFrame({"text": [text]}).to_parquet(tmp_path / name)
    source = find_source(DataSpec(path=str(tmp_path)))
    columns = read_partitioned(source.files["train"], source.partitions, ["text", "label"]).columns
    assert sorted(zip(*columns.values(), strict=True)) == sorted(zip(*ROWS.values(), strict=True))


def test_what_is_said_of_labels_and_numbers() -> None:
    kind = KINDS["label"]
    values = kind.read("t", "label", ["100", "1E2", "1.0", "1 "])
    assert "`1.0` is `1`, which a note says; `1E2` stays `1E2`" in DOCS
    assert kind.unify("t", "label", {"train": values})["train"] == ["100", "1E2", "1", "1"]


def test_number_of_json_as_text(tmp_path: Path) -> None:
    (tmp_path / "t.jsonl").write_text('{"text": 1.10}\n{"text": 0.12345678901234567890}\n', encoding="utf-8")
    assert "the number `1.10` is `1.1` as a text or a label" in DOCS
    assert [str(value) for value in read_columns(tmp_path / "t.jsonl", ["text"])["text"]] == [
        "1.1",
        "0.12345678901234567890",
    ]


def test_every_ending_is_documented() -> None:
    table = DOCS.partition("| ending")[2].partition("\n\n")[0]
    assert set(re.findall(r"`(\.\w+)`", table)) == set(ENDINGS)
    assert len(FILES) == 12
