"""The values that readers give: exact numbers, None for what is missing, and names for class ids."""

from __future__ import annotations

import gzip
import json
import math
import sys
import zipfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import feather, ipc, parquet

from harness.data.formats import Content, read_columns, read_files
from harness.errors import DataError, MissingColumn, MissingPackage


def of_json(folder: Path, text: str, name: str = "t.jsonl") -> dict[str, list[Any]]:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return read_columns(path, ["text", "label"])


def test_json_missing_keys_null_and_nan_are_none(tmp_path: Path) -> None:
    lines = '{"text": NaN, "label": null}\n{"label": "nan"}\n{"text": "null"}\n'
    expected = {"text": [None, None, "null"], "label": [None, "nan", None]}
    assert of_json(tmp_path, lines) == expected
    assert of_json(tmp_path, f"[{','.join(lines.splitlines())}]", "t.json") == expected


def test_json_numbers_are_exact(tmp_path: Path) -> None:
    lines = (
        '{"text": 12345678901234567890123, "label": 12345678901234567.0}\n'
        '{"text": 0.5, "label": 0.1234567890123456789}\n'
        '{"text": true, "label": 1}\n{"text": 1e5, "label": 1e999}\n'
    )
    assert of_json(tmp_path, lines) == {
        "text": [12345678901234567890123, 0.5, True, 1e5],
        "label": ["12345678901234567.0", "0.1234567890123456789", 1, "1e999"],
    }


@pytest.mark.parametrize("chars", [1, 7, 1000])
def test_json_list_is_read_in_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chars: int) -> None:
    monkeypatch.setattr("harness.data.readers.json_files.rows._CHUNK_CHARS", chars)
    rows = [{"text": f"a, ]{number}" * number, "label": number} for number in range(20)]
    for indent in (None, 2):
        columns = of_json(tmp_path, f"\n {json.dumps(rows, indent=indent)} \n", "t.json")
        assert columns == {"text": [row["text"] for row in rows], "label": list(range(20))}


def test_json_all_columns(tmp_path: Path) -> None:
    (tmp_path / "t.jsonl").write_text('{"a": 1}\n{"b": 2}\n', encoding="utf-8")
    assert read_files([tmp_path / "t.jsonl"], None).columns == {"a": [1, None], "b": [None, 2]}


def test_json_of_the_hubs_viewer(tmp_path: Path) -> None:
    features = [
        {"feature_idx": 0, "name": "text", "type": {"dtype": "string", "_type": "Value"}},
        {"feature_idx": 1, "name": "label", "type": {"names": ["no", "yes"], "_type": "ClassLabel"}},
    ]
    rows = [{"row_idx": at, "row": {"text": "ab"[at], "label": at}, "truncated_cells": []} for at in range(2)]
    page = json.dumps({"features": features, "rows": rows, "num_rows_total": 2, "partial": False}, indent=1)
    assert of_json(tmp_path, page, "t.json") == {"text": ["a", "b"], "label": ["no", "yes"]}
    (tmp_path / "t.json").write_text(json.dumps({"rows": rows}), encoding="utf-8")
    assert read_columns(tmp_path / "t.json", ["row.text"]) == {"row.text": ["a", "b"]}


@pytest.mark.parametrize("index", [("0", "1"), ("x", "y"), ("17", "y")])
def test_json_of_rows_by_their_index(tmp_path: Path, index: tuple[str, str]) -> None:
    rows = [{"text": "a", "label": 1}, {"text": "b", "label": 0}]
    columns: dict[str, list[Any]] = {"text": ["a", "b"], "label": [1, 0]}
    for indent in (None, 1):
        text = json.dumps(dict(zip(index, rows, strict=True)), indent=indent)
        assert of_json(tmp_path, text, "t.json") == columns
    by_column = {name: dict(zip(index, values, strict=True)) for name, values in columns.items()}
    assert of_json(tmp_path, json.dumps(by_column), "t.json") == columns
    (tmp_path / "t.json").write_text(json.dumps({"0": rows[0], "1": rows[1]}), encoding="utf-8")
    assert read_files([tmp_path / "t.json"], None).columns == columns


def arrow_table() -> pa.Table:
    info = {
        "info": {
            "features": {
                "label": {"names": ["no", "yes"], "_type": "ClassLabel"},
                "tags": {"feature": {"names": ["x", "y"], "_type": "ClassLabel"}, "_type": "Sequence"},
                "text": {"dtype": "string", "_type": "Value"},
            }
        }
    }
    table = pa.table(
        {
            "text": ["a", None, "nan", "d"],
            "label": [0, 1, -1, None],
            "tags": [[0], [], [1, 0], None],
            "number": [1.5, float("nan"), None, 2.0],
            "big": [2**53 + 1, 0, 1, 2],
            "kind": pa.array(["u", "v", "u", "v"]).dictionary_encode(),
        }
    )
    return table.replace_schema_metadata({"huggingface": json.dumps(info)})


EXPECTED = {
    "text": ["a", None, "nan", "d"],
    "label": ["no", "yes", None, None],
    "tags": [["x"], [], ["y", "x"], None],
    "number": [1.5, None, None, 2.0],
    "big": [2**53 + 1, 0, 1, 2],
    "kind": ["u", "v", "u", "v"],
}


def test_parquet_and_arrow_give_the_same_values(tmp_path: Path) -> None:
    table = arrow_table()
    parquet.write_table(table, tmp_path / "t.parquet", row_group_size=3)
    feather.write_feather(table, str(tmp_path / "t.feather"))
    with ipc.new_stream(tmp_path / "t.arrow", table.schema) as stream:
        stream.write_table(table, max_chunksize=2)
    for name in ("t.parquet", "t.feather", "t.arrow"):
        assert read_files([tmp_path / name], None).columns == EXPECTED, name
        assert read_columns(tmp_path / name, ["big", "text"]) == {name: EXPECTED[name] for name in ("big", "text")}
        with pytest.raises(DataError, match="no column 'labels'"):
            read_columns(tmp_path / name, ["labels"])


def test_excel_is_read_as_a_csv_is(tmp_path: Path) -> None:
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    for row in (["Reviews of May"], ["text", "label", "more"], ["a", 1, None], [None, 0.5, True], [], ["nan", 2]):
        book.active.append(row)
    book.create_sheet("notes")
    book.save(tmp_path / "t.xlsx")
    found = read_files([tmp_path / "t.xlsx"], ["text", "label"])
    assert found.columns == {"text": ["a", None, "nan"], "label": [1, 0.5, 2]}
    assert found.notes == (
        "t.xlsx: of 2 sheets 'Sheet' is read",
        "t.xlsx: line 2 is the header, 1 rows above it are left out (data.header)",
    )


def test_sheet_with_the_columns_is_read(tmp_path: Path) -> None:
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    book.active.append(["see the other sheet"])
    sheet = book.create_sheet("reviews")
    for row in (["text", "label"], ["a", "x"]):
        sheet.append(row)
    book.save(tmp_path / "t.xlsx")
    found = read_files([tmp_path / "t.xlsx"], ["text", "label"])
    assert found == Content({"text": ["a"], "label": ["x"]}, ("t.xlsx: of 2 sheets 'reviews' is read",))
    with pytest.raises(DataError, match="no column 'other' \\(columns: 'see the other sheet'\\)"):
        read_columns(tmp_path / "t.xlsx", ["other"])


def workbook(path: Path, **sheets: tuple[str, list[list[str]]]) -> None:
    """Writes sheets, each with its state and rows."""
    import openpyxl

    book = openpyxl.Workbook()
    for title, (state, rows) in sheets.items():
        sheet = book.create_sheet(title)
        sheet.sheet_state = state
        for row in rows:
            sheet.append(row)
    book.active = 1
    book.remove(book.worksheets[0])
    book.save(path)


@pytest.mark.parametrize("state", ["hidden", "veryHidden"])
def test_hidden_sheets_are_passed_over_and_said(tmp_path: Path, state: str) -> None:
    pytest.importorskip("openpyxl")
    old, new = [["text", "label"], ["old", "x"]], [["text", "label"], ["new", "y"]]
    path = tmp_path / "t.xlsx"
    workbook(path, old=(state, old), empty=(state, []), new=("visible", new))
    found = read_files([path], ["text", "label"])
    note = "t.xlsx: of 3 sheets 'new' is read; hidden ones are passed over: 'old'"
    assert found == Content({"text": ["new"], "label": ["y"]}, (note,))
    workbook(path, old=(state, old), new=("visible", [["Text"], ["new"]]))
    with pytest.raises(MissingColumn, match=r"columns: 'Text'\).*unhide .*; hidden ones are passed over: 'old'"):
        read_files([path], ["text", "label"])
    workbook(path, old=(state, old), empty=("visible", []))
    found = read_files([path], ["text", "label"])
    note = "t.xlsx: of 2 sheets 'old' is read, which is hidden: no other has rows"
    assert found == Content({"text": ["old"], "label": ["x"]}, (note,))


@pytest.mark.parametrize(
    "table",
    [
        {"text": ["a", "b"], "label": ["x", "y"]},
        {"text": {"0": "a", "1": "b"}, "label": {"0": "x", "1": "y"}},
        {"columns": ["text", "label"], "index": [0, 1], "data": [["a", "x"], ["b", "y"]]},
        {"version": 1, "rows": [{"text": "a", "label": "x"}, {"label": "y", "text": "b"}]},
    ],
)
@pytest.mark.parametrize("indent", [None, 1])
def test_one_json_object_with_all_rows(tmp_path: Path, table: dict[str, object], indent: int | None) -> None:
    (tmp_path / "t.json").write_text(json.dumps(table, indent=indent))
    (tmp_path / "t.json.gz").write_bytes(gzip.compress((tmp_path / "t.json").read_bytes()))
    for name in ("t.json", "t.json.gz"):
        assert read_columns(tmp_path / name, ["text", "label"]) == {"text": ["a", "b"], "label": ["x", "y"]}


def test_json_object_that_is_no_table(tmp_path: Path) -> None:
    (tmp_path / "t.json").write_text('{"text": ["a", "b"],\n "label": ["x"]}')
    with pytest.raises(DataError, match="is one object \\('text', 'label'\\) and no table"):
        read_columns(tmp_path / "t.json", ["text"])
    (tmp_path / "t.json").write_text('{"text":\n1')
    with pytest.raises(DataError, match="line 1: not JSON"):
        read_columns(tmp_path / "t.json", ["text"])


def test_names_within_objects(tmp_path: Path) -> None:
    (tmp_path / "t.jsonl").write_text('{"review": {"text": "a", "n.b": 1}}\r{"review": {}}\r{"review.text": "c"}')
    assert read_columns(tmp_path / "t.jsonl", ["review.text"]) == {"review.text": ["a", None, "c"]}
    with pytest.raises(DataError, match=r"no column 'text' \(columns: 'review.text', 'review.n.b', 'review'"):
        read_columns(tmp_path / "t.jsonl", ["text"])


def test_names_within_structs(tmp_path: Path) -> None:
    rows = [{"text": "a", "by": {"id": 1.0}}, {"text": None, "by": None}, None, {"text": "d", "by": {"id": math.nan}}]
    table = pa.table({"review": rows, "a.b": [1, 2, 3, 4]})
    parquet.write_table(table, tmp_path / "t.parquet", row_group_size=3)
    feather.write_feather(table, str(tmp_path / "t.feather"))
    for name in ("t.parquet", "t.feather"):
        found = read_columns(tmp_path / name, ["review.by.id", "review.text", "a.b"])
        assert found == {
            "review.by.id": [1.0, None, None, None],
            "review.text": ["a", None, None, "d"],
            "a.b": [1, 2, 3, 4],
        }
        for missing in ("review.by.name", "review.text.x", "other.text"):
            with pytest.raises(DataError, match=f"no column '{missing}'"):
                read_columns(tmp_path / name, [missing])


def test_names_within_lists_of_objects(tmp_path: Path) -> None:
    rows = [
        {"id": 1, "data": {"text": "a"}, "annotations": [{"result": [{"value": {"choices": ["yes"]}}]}]},
        {"id": 2, "data": {"text": "b"}, "annotations": [{"result": [{"value": {"choices": ["no", "so"]}}]}]},
        {"id": 3, "data": {"text": "c"}, "annotations": []},
    ]
    (tmp_path / "t.json").write_text(json.dumps(rows), encoding="utf-8")
    parquet.write_table(pa.Table.from_pylist(rows), tmp_path / "t.parquet")
    for name in ("t.json", "t.parquet"):
        for path, labels in (
            ("annotations.result.value.choices", [["yes"], ["no", "so"], None]),
            ("annotations.0.result.0.value.choices.0", ["yes", "no", None]),
        ):
            found = read_columns(tmp_path / name, ["data.text", path])
            assert found == {"data.text": ["a", "b", "c"], path: labels}
        with pytest.raises(DataError, match=r"no column 'text' .*'data\.text'.*; did you mean 'data\.text'\?"):
            read_columns(tmp_path / name, ["text"])
    with pytest.raises(
        DataError, match=r"Label Studio holds: data\.text=data\.text data\.label=annotations\.result\.val"
    ):
        read_columns(tmp_path / "t.json", ["text", "label"])


def test_class_ids_beyond_the_names_are_refused(tmp_path: Path) -> None:
    features = {"label": {"names": ["no", "yes"], "_type": "ClassLabel"}}
    metadata = {"huggingface": json.dumps({"info": {"features": features}})}
    for ids, wrong in (([0, 7, -1], 7), ([1, -2], -2)):
        table = pa.table({"text": ["a"] * len(ids), "label": ids}).replace_schema_metadata(metadata)
        parquet.write_table(table, tmp_path / "t.parquet")
        with pytest.raises(DataError, match=rf"'label' has the class id {wrong}, and the table's metadata names 2"):
            read_columns(tmp_path / "t.parquet", ["text", "label"])
    page = {"features": [{"name": "label", "type": features["label"]}], "rows": [{"row": {"text": "a", "label": 2}}]}
    (tmp_path / "t.json").write_text(json.dumps(page), encoding="utf-8")
    with pytest.raises(DataError, match="item 1: 'label' has the class id 2"):
        read_columns(tmp_path / "t.json", ["text", "label"])


@pytest.mark.parametrize("name", ["t.parquet", "t.feather"])
def test_two_columns_of_one_name(tmp_path: Path, name: str) -> None:
    table = pa.Table.from_arrays([pa.array(list("ab"))] * 4, names=["text", "label", "x", "x"])
    if name == "t.parquet":
        parquet.write_table(table, tmp_path / name)
    else:
        with ipc.new_file(tmp_path / name, table.schema) as file:
            file.write_table(table)
    expected = {"text": ["a", "b"], "label": ["a", "b"]}
    assert read_columns(tmp_path / name, ["text", "label"]) == expected
    assert read_files([tmp_path / name], None).columns == expected
    with pytest.raises(DataError, match="column 'x' occurs twice in the table; rename one of them"):
        read_columns(tmp_path / name, ["text", "x"])


@pytest.mark.parametrize("size", ["A1", "A1:A2", "A1:B2"])
def test_rows_beyond_the_size_that_a_workbook_gives_are_read(tmp_path: Path, size: str) -> None:
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    for row in (["text", "label"], ["a", "x"], ["b", "y"], ["c", "z"]):
        book.active.append(row)
    book.save(tmp_path / "whole.xlsx")
    with zipfile.ZipFile(tmp_path / "whole.xlsx") as whole, zipfile.ZipFile(tmp_path / "t.xlsx", "w") as written:
        for name in whole.namelist():
            content = whole.read(name)
            small = content.replace(b'<dimension ref="A1:B4"', f'<dimension ref="{size}"'.encode())
            assert (small != content) == (name == "xl/worksheets/sheet1.xml")
            written.writestr(name, small)
    assert read_columns(tmp_path / "t.xlsx", ["text", "label"]) == {"text": ["a", "b", "c"], "label": ["x", "y", "z"]}


def test_errors_of_formulas_are_missing(tmp_path: Path) -> None:
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    for row in (["text", "label"], ["a", "x"], ["#N/A", "y"], ["c", "#REF!"]):
        book.active.append(row)
    book.save(tmp_path / "t.xlsx")
    assert read_columns(tmp_path / "t.xlsx", ["text", "label"]) == {"text": ["a", None, "c"], "label": ["x", "y", None]}


@pytest.mark.parametrize("first", [True, False])
def test_sheets_of_charts_hold_no_rows(tmp_path: Path, first: bool) -> None:
    openpyxl = pytest.importorskip("openpyxl")
    from openpyxl.chart import BarChart, Reference

    book = openpyxl.Workbook()
    for row in (["text", "label"], ["a", "x"], ["b", "y"]):
        book.active.append(row)
    chart = BarChart()
    chart.add_data(Reference(book.active, min_col=2, min_row=1, max_row=3), titles_from_data=True)
    book.create_chartsheet("Chart", 0 if first else None).add_chart(chart)
    book.save(tmp_path / "t.xlsx")
    _without(tmp_path / "t.xlsx", "xl/chartsheets/_rels")
    found = read_files([tmp_path / "t.xlsx"], ["text", "label"])
    assert found == Content({"text": ["a", "b"], "label": ["x", "y"]})


def _without(path: Path, start: str) -> None:
    """Writes a zip file again without the members whose names start so, as other programs do."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    kept = {name: content for name, content in members.items() if not name.startswith(start)}
    assert len(kept) < len(members)
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in kept.items():
            archive.writestr(name, content)


def test_feather_of_the_first_version_is_named(tmp_path: Path) -> None:
    for name in ("t.feather", "t.csv"):
        (tmp_path / name).write_bytes(b"FEA1" + bytes(60) + b"FEA1")
        with pytest.raises(
            DataError, match=r"is a file of Feather's first version, where its name says .*; write it again"
        ):
            read_columns(tmp_path / name, ["text"])


def test_formulas_without_values_are_told(tmp_path: Path) -> None:
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    for row in (["text", "label", "more"], ["a", '=IF(1, "x", "y")', None], ["b", '="y"', None]):
        book.active.append(row)
    book.save(tmp_path / "t.xlsx")
    with pytest.raises(DataError, match="column 'label' is empty, and the sheet has formulas whose values were not"):
        read_columns(tmp_path / "t.xlsx", ["text", "label"])
    assert read_columns(tmp_path / "t.xlsx", ["text"]) == {"text": ["a", "b"]}


def test_rows_that_an_annotator_refused_are_said(tmp_path: Path) -> None:
    rows = [
        {"text": "a", "label": "x", "answer": answer, "_input_hash": 1} for answer in ("accept", "reject", "ignore")
    ]
    (tmp_path / "t.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    found = read_files([tmp_path / "t.jsonl"], ["text", "label"])
    assert [note.partition(", as")[0] for note in found.notes] == ["t.jsonl: 2 rows have the answer reject or ignore"]
    assert not read_files([tmp_path / "t.jsonl"], ["text", "answer"]).notes


def test_excel_without_its_package_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    (tmp_path / "t.xlsx").write_bytes(b"PK\x03\x04")
    with pytest.raises(MissingPackage, match=r"pip install 'finetune-harness\[xlsx\]'"):
        read_columns(tmp_path / "t.xlsx", ["text"])


ROWS = [{"text": "a", "label": 1}, {"text": "b", "label": 0}]
COLUMNS: dict[str, list[Any]] = {"text": ["a", "b"], "label": [1, 0]}


@pytest.mark.parametrize(
    ("document", "path"),
    [
        ({"version": "1.0", "data": ROWS}, ""),
        ({"data": {"rows": ROWS}}, "data.rows"),
        ({"status": "ok", "n": 2, "result": {"page": {"items": ROWS}, "next": None}}, "result.page.items"),
        ({"classes": [{"id": 0}], "data": ROWS}, "data"),
        ({"meta": {"authors": [{"name": "A"}]}, "data": {"rows": ROWS, "text": 3}}, "data.rows"),
        ({"meta": {"n": 2}, "data": COLUMNS}, "data"),
        ({"a": {"b": {"text": ["a", "b"], "label": [1, 0], "id": [7, 8]}}}, "a.b"),
        ({"text": ["a", "b"], "label": [1, 0], "spans": [{"at": 1}, {"at": 2}]}, ""),
    ],
)
def test_json_of_rows_within_objects(tmp_path: Path, document: dict[str, Any], path: str) -> None:
    for indent in (None, 1):
        (tmp_path / "t.json").write_text(json.dumps(document, indent=indent), encoding="utf-8")
        content = read_files([tmp_path / "t.json"], ["text", "label"])
        assert content.columns == COLUMNS
        said = path if "." in path or "classes" in document else ""
        assert content.notes == ((f"t.json: the rows are those of '{said}'",) if said else ())


def test_json_of_several_lists_within_objects_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"holds several lists of rows \('data\.a', 'data\.b'\); write each to a file"):
        of_json(tmp_path, json.dumps({"data": {"a": ROWS, "b": ROWS}}), "t.json")
    with pytest.raises(DataError, match=r"no column 'text' \(columns: 'title', 'body'\)"):
        of_json(tmp_path, json.dumps({"data": {"a": [{"title": "x", "body": "y"}]}}), "t.json")


def test_json_of_rows_without_labels_within_objects(tmp_path: Path) -> None:
    texts = [{"text": row["text"]} for row in ROWS]
    (tmp_path / "t.json").write_text(json.dumps({"links": [{"href": "x"}], "page": {"items": texts}}), encoding="utf-8")
    with pytest.raises(MissingColumn, match=r"no column 'label' \(columns: 'text'\)"):
        read_columns(tmp_path / "t.json", ["text", "label"])
    assert read_columns(tmp_path / "t.json", ["text"]) == {"text": ["a", "b"]}


def test_json_of_objects_within_rows_within_objects(tmp_path: Path) -> None:
    hits = [{"_id": at, "_source": row} for at, row in enumerate(ROWS)]
    (tmp_path / "t.json").write_text(json.dumps({"took": 1, "hits": {"total": 2, "hits": hits}}), encoding="utf-8")
    assert read_columns(tmp_path / "t.json", ["_source.text"]) == {"_source.text": ["a", "b"]}


def test_json_of_one_row_that_holds_objects(tmp_path: Path) -> None:
    row = {"text": "a", "label": 1, "spans": [{"at": 1}], "meta": {"tags": [{"x": 1}]}}
    assert of_json(tmp_path, json.dumps(row), "t.json") == {"text": ["a"], "label": [1]}


def test_json_of_rows_of_words_by_their_index(tmp_path: Path) -> None:
    rows = {str(at): {"text": ["a", "b"], "label": ["x", "y"]} for at in range(2)}
    expected = {"text": [["a", "b"]] * 2, "label": [["x", "y"]] * 2}
    assert of_json(tmp_path, json.dumps(rows), "t.json") == expected
