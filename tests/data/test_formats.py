from __future__ import annotations

import csv
import json
import zipfile
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from harness.data.formats import FORMATS, Form, read_columns, read_files, rename_hint
from harness.errors import DataError
from tests.conftest import num_examples

WANTED = ["text", "label"]


def written(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


@pytest.mark.parametrize("bom", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_csv_keeps_texts_as_written(tmp_path: Path, bom: bytes, end: str) -> None:
    rows = ["text,label,more", '"a, ""b""",NA,1', "null,None,", '"two\nlines",1.0,x', "", "好。,积极,y"]
    path = written(tmp_path, "t.csv", bom + end.join(rows).encode())
    assert read_columns(path, WANTED) == {
        "text": ['a, "b"', "null", "two\nlines", "好。"],
        "label": ["NA", "None", "1.0", "积极"],
    }


def test_tsv_is_cut_at_tabs(tmp_path: Path) -> None:
    path = written(tmp_path, "t.tsv", "label\ttext\nyes\ta, b\n")
    assert read_columns(path, WANTED) == {"text": ["a, b"], "label": ["yes"]}


def test_jsonl_keeps_the_types_of_values(tmp_path: Path) -> None:
    path = written(tmp_path, "t.jsonl", '{"text": "NA", "label": 1}\n\n{"label": null, "text": "b", "x": 0}\n')
    assert read_columns(path, WANTED) == {"text": ["NA", "b"], "label": [1, None]}


def test_parquet_gives_plain_values(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    pd.DataFrame({"x": [1, 2], "text": ["NA", "b"], "label": [0, 1]}).to_parquet(path)
    assert read_columns(path, WANTED) == {"text": ["NA", "b"], "label": [0, 1]}


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("t.csv", "text,label\na,x\nb,y,z\n", "line 3: 3 fields where the header has 2"),
        ("t.csv", "text,label\na\n", "line 2: 1 fields where the header has 2: none for 'label'"),
        ("t.csv", 'text,label\n"a, b",x\n"c, d",x\n"a,x\nb,y\n', "line 4 to 5: unexpected end of data; is a double"),
        ("t.csv", "text,label\na,x\n\x1a", "ends with the byte 0x1a (Ctrl-Z)"),
        ("t.jsonl", '{"text": "a", "label": 1}\n\x1a\r\n', "ends with the byte 0x1a (Ctrl-Z)"),
        ("t.tsv", "text\tlabel\na\tx\n\0\0\0", "ends with NUL bytes"),
        ("t.csv", "", "the file is empty"),
        ("t.csv", "\n \n", "the file is empty"),
        ("t.csv", b"\xef\xbb\xbf\n", "the file is empty"),
        ("t.jsonl", " \n", "the file is empty"),
        ("t.csv", "txt,label\na,b\n", "no column 'text' (columns: 'txt', 'label'); did you mean 'txt'?"),
        ("t.csv", "text,label,text\na,b,c\n", "column 'text' occurs twice"),
        ("t.csv", b"text,label\nok,a\n\xe9\xff\x81t\xe9,b\n", "not UTF-8 (line 3: byte 0xe9)"),
        ("t.csv", b"\xff\xfea\0,\0\xd8", "it starts like UTF-16"),
        ("t.jsonl", '{"text": "a", "label": 1}\n{"text": }\n', "line 2: not JSON"),
        ("t.jsonl", "[1]\n", "item 1: int instead of an object"),
        ("t.jsonl", '{"text": "a"}\n5\n', "line 2: int instead of an object"),
        ("t.jsonl", '{"txt": "a", "label": 1}\n{"label": 1}\n', "no column 'text' (columns: 'txt', 'label')"),
        ("t.json", '[{"text": "a", "label": 1}, {"text": ]', "item 2 of the list: not JSON"),
        ("t.json", '[{"text": "a", "label": 1}', "no ',' or ']' behind item 1 of the list"),
        ("t.json", '[{"text": "a", "label": 1}\n{"text": "a"}]', "no ',' or ']' behind item 1 of the list"),
        ("t.json", '[{"text": "a", "label": 1}] x', "text behind the list's end"),
        ("t.json", '{\n"data": []}', "is one object ('data') and no table"),
        ("t.jsonl", "[" * 100_000, "item 1 of the list: not JSON"),
        ("t.parquet", "PAR1 nothing", "cannot be read as .parquet"),
        ("t.parquet", "a\0b", "is no Parquet file"),
        ("t.arrow", "ARROW1 nothing", "cannot be read as .arrow"),
        ("t.csv", "version https://git-lfs.github.com/spec/v1\noid x\n", "is a Git LFS pointer, not the data"),
        ("t.csv", b"\x1f\x8b\x08", "is gzip-compressed, where its name says CSV; add .gz to its name"),
        ("t.csv", b"PK\x03\x04", "is a zip file, where its name says CSV"),
        ("t.jsonl", " <!DOCTYPE html><html>", "is a web page (HTML or XML), where its name says JSON"),
        ("t.parquet", b"ARROW1\0\0", "is an Arrow (Feather) file, where its name says Parquet; name it .arrow"),
        ("t.csv.gz", b"\x1f\x8b\x08", "is damaged or cut off"),
        ("t.zip", b"PK\x03\x04", "is damaged or cut off"),
        ("t.csv", '{"text": "a, b", "label": 1}\n', "is JSON, where its name says CSV; name it .jsonl or .json"),
        ("t.tsv", '[\n {"text": "a", "label": 1}]', "is JSON, where its name says TSV"),
        ("t.csv", '{"text": "' + "a, " * 300 + '"}', "is JSON, where its name says CSV"),
        (
            "t.json",
            '{"train": [{"text": "a"}], "test": [{"text": "b"}]}',
            "holds several lists of rows ('train', 'test')",
        ),
        ("reviews", "text,label\na,b\n", "name a table by what it is: mv reviews reviews.csv; allowed: .csv, .tsv"),
        ("t.jl.gz", b"\x1f\x8b\x08", "mv t.jl.gz t.jl.jsonl.gz"),
        ("t.tar.gz", b"\x1f\x8b\x08", "is not a table that can be read; unpack it and give the table in it; allowed"),
    ],
)
def test_broken_files_are_refused_in_one_line(tmp_path: Path, name: str, content: str | bytes, said: str) -> None:
    path = written(tmp_path, name, content)
    with pytest.raises(DataError) as caught:
        read_columns(path, WANTED)
    message = str(caught.value)
    assert said in message
    assert str(path) in message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("a", "mv a a.csv"),
        ("a.dat", "mv a.dat a.dat.csv"),
        ("a.jl", "mv a.jl a.jl.jsonl"),
        ("a.bz2", "mv a.bz2 a.csv.bz2"),
        ("a.xlsm", "mv a.xlsm a.xlsx"),
        ("a.xls", "save the sheet as .xlsx or .csv"),
        ("a.tar.gz", "unpack it and give the table in it"),
        ("a.csv.zst", "unpack it and give the table in it"),
        ("a.dta", "'.dta' is no format that is read: convert the table to .csv, .jsonl or .parquet"),
        ("a.sas7bdat", "'.sas7bdat' is no format that is read"),
        ("a.yaml", "'.yaml' is no format that is read"),
    ],
)
def test_what_to_do_with_a_file_of_another_ending(name: str, said: str) -> None:
    hint = rename_hint(Path(name))
    assert said in hint
    assert ("mv " in hint) == ("mv " in said)


def test_a_workbook_with_macros_is_read_under_the_other_name(tmp_path: Path) -> None:
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    for row in (["text", "label"], ["a", "x"]):
        book.active.append(row)
    book.save(tmp_path / "plain.xlsx")
    plain, macros = "openxmlformats-officedocument.spreadsheetml.sheet.main", "ms-excel.sheet.macroEnabled.main"
    with zipfile.ZipFile(tmp_path / "plain.xlsx") as source, zipfile.ZipFile(tmp_path / "a.xlsx", "w") as written:
        for name in source.namelist():
            written.writestr(name, source.read(name).replace(plain.encode(), macros.encode()))
    assert macros.encode() in zipfile.ZipFile(tmp_path / "a.xlsx").read("[Content_Types].xml")
    assert read_columns(tmp_path / "a.xlsx", ["text", "label"]) == {"text": ["a"], "label": ["x"]}


def test_braces_in_the_first_cell_are_no_json(tmp_path: Path) -> None:
    path = written(tmp_path, "t.tsv", '{"a": 1}\tx\n{"a": 2}\ty\n')
    assert read_files([path], ["1"], Form(header="none")).columns == {"1": ['{"a": 1}', '{"a": 2}']}


def test_a_folder_is_no_table(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is a folder; give one table"):
        read_columns(tmp_path, WANTED)


def test_parquet_without_the_column_lists_what_there_is(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    pd.DataFrame({"review": ["a"], "label": [1]}).to_parquet(path)
    with pytest.raises(DataError, match=r"no column .text. .columns: .review., .label.."):
        read_columns(path, WANTED)


cells = st.text(st.characters(codec="utf-8"), max_size=20)


@settings(max_examples=num_examples(60), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@example(rows=[(",\n", "")])
@given(rows=st.lists(st.tuples(cells, cells), min_size=1, max_size=5))
def test_csv_gives_back_any_text(tmp_path: Path, rows: list[tuple[str, str]]) -> None:
    path = tmp_path / "t.csv"
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, quoting=csv.QUOTE_ALL)
        writer.writerows([WANTED, *rows])
    found = read_columns(path, WANTED)
    assert list(zip(found["text"], found["label"], strict=True)) == rows


@settings(max_examples=num_examples(60), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=60))
def test_any_bytes_are_a_table_or_a_data_error(tmp_path: Path, content: bytes) -> None:
    for suffix in FORMATS.keys() - {".xlsx"}:
        path = written(tmp_path, f"t{suffix}", b'text,label\n"' + content)
        try:
            columns = read_columns(path, WANTED)
        except DataError as error:
            assert "\n" not in str(error).replace(str(path), "") or "'" in str(error)
        else:
            assert set(columns) == set(WANTED)


def test_jsonl_and_parquet_agree(tmp_path: Path) -> None:
    rows = [{"text": f"t{i}", "label": i % 3} for i in range(7)]
    lines = written(tmp_path, "t.jsonl", "\n".join(map(json.dumps, rows)))
    pd.DataFrame(rows).to_parquet(tmp_path / "t.parquet")
    assert read_columns(lines, WANTED) == read_columns(tmp_path / "t.parquet", WANTED)
