"""Tables in gzip and zip files."""

from __future__ import annotations

import bz2
import gzip
import lzma
import zipfile
from pathlib import Path

import pytest

from harness.data.formats import read_columns
from harness.data.readers import file
from harness.errors import DataError, InputError

CSV = "text,label\na,x\nb,y\n"
COLUMNS = {"text": ["a", "b"], "label": ["x", "y"]}


def zipped(path: Path, **members: str) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def refused(path: Path) -> str:
    with pytest.raises(InputError) as caught:
        read_columns(path, ["text", "label"])
    return str(caught.value)


def test_packed_tables_are_read(tmp_path: Path) -> None:
    (tmp_path / "t.csv.gz").write_bytes(gzip.compress(CSV.encode()))
    assert read_columns(tmp_path / "t.csv.gz", ["text", "label"]) == COLUMNS
    (tmp_path / "t.csv.bz2").write_bytes(bz2.compress(CSV.encode()))
    (tmp_path / "t.csv.xz").write_bytes(lzma.compress(CSV.encode()))
    for name in ("t.csv.bz2", "t.csv.xz"):
        assert read_columns(tmp_path / name, ["text", "label"]) == COLUMNS
        (tmp_path / f"cut.{name}").write_bytes((tmp_path / name).read_bytes()[:-9])
        assert "is damaged or cut off" in refused(tmp_path / f"cut.{name}")
    path = zipped(tmp_path / "t.zip", **{"folder/t.tsv": CSV.replace(",", "\t"), "__MACOSX/t.tsv": "x"})
    assert read_columns(path, ["text", "label"]) == COLUMNS


def test_zip_of_a_table_and_its_documents_is_read(tmp_path: Path) -> None:
    path = zipped(tmp_path / "t.zip", **{"README.txt": "about", "LICENSE": "x", "t.csv": CSV, "paper.pdf": "%PDF"})
    assert read_columns(path, ["text"]) == read_columns(zipped(tmp_path / "u.zip", **{"t.csv": CSV}), ["text"])


def test_what_file_managers_leave_in_a_zip_does_not_count(tmp_path: Path) -> None:
    litter = ["__MACOSX/d/._t.csv", "d/.DS_Store", "d/desktop.ini", "d/Thumbs.db", "._t.csv", ".gitkeep"]
    path = zipped(tmp_path / "t.zip", **{"d/t.csv": CSV, **dict.fromkeys(litter, "x,y")})
    assert read_columns(path, ["text", "label"]) == COLUMNS


def test_zip_of_several_files_or_none_is_refused_with_their_names(tmp_path: Path) -> None:
    said = refused(zipped(tmp_path / "t.zip", **{"a.csv": CSV, "b.csv": CSV}))
    assert "t.zip: holds 2 files (a.csv, b.csv), not one table; unpack it" in said
    assert "holds 0 files (nothing)" in refused(zipped(tmp_path / "t.zip"))
    assert "t.zip: a.md: is not a table that can be read" in refused(zipped(tmp_path / "t.zip", **{"a.md": CSV}))


def test_what_unpacks_to_too_much_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file, "SMALL_BYTES", 1000)
    text = CSV + "a,x\n" * 100_000
    assert "t.zip: unpacks to 400019 bytes, above the bound of" in refused(
        zipped(tmp_path / "t.zip", **{"a.csv": text})
    )
    (tmp_path / "t.csv.gz").write_bytes(gzip.compress(text.encode()))
    assert "t.csv.gz: unpacks to more than" in refused(tmp_path / "t.csv.gz")
    monkeypatch.setattr(file, "MAX_RATIO", 10_000)
    assert len(read_columns(tmp_path / "t.csv.gz", ["text"])["text"]) == 100_002


def test_cut_off_gzip_is_refused(tmp_path: Path) -> None:
    (tmp_path / "t.csv.gz").write_bytes(gzip.compress(CSV.encode() * 1000)[:-20])
    with pytest.raises(DataError, match="is damaged or cut off"):
        read_columns(tmp_path / "t.csv.gz", ["text"])


POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n"
LINES = b'{"text": "a", "label": "x"}\n'


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("t.csv.gz", POINTER, "is a Git LFS pointer, not the data, where its name says gzip; fetch the data: git lfs"),
        ("t.zip", POINTER, "is a Git LFS pointer, not the data, where its name says zip; fetch the data: git lfs pull"),
        ("t.csv.gz", b"<!DOCTYPE html><p>", "is a web page (HTML or XML), where its name says gzip; download the"),
        ("t.zip", b"<html><p>", "is a web page (HTML or XML), where its name says zip; download the file itself"),
        ("t.csv.gz", CSV.encode(), "is text that is not packed, where its name says gzip; rename it: mv t.csv.gz "),
        ("t.zip", CSV.encode(), "is text that is not packed, where its name says zip; rename it: mv t.zip t.csv"),
        ("t.zip", LINES, "is text that is not packed, where its name says zip; rename it: mv t.zip t.jsonl"),
        ("t.csv.xz", bz2.compress(CSV.encode()), "is packed with bzip2, where its name says xz; rename it: mv t.csv.xz "
         "t.csv.bz2"),
        ("t.csv.bz2", gzip.compress(CSV.encode()), "is packed with gzip, where its name says bzip2; rename it: mv "),
        ("t.csv.gz", b"PK\x03\x04", "is packed with zip, where its name says gzip; rename it: mv t.csv.gz t.csv.zip"),
        ("t.csv.gz", b"PAR1\0\0", "is a Parquet file, where its name says gzip; name it .parquet"),
        ("t.csv.gz", b"", "the file is empty"),
        ("t.csv.gz.gz", gzip.compress(gzip.compress(CSV.encode())), "it is packed twice: unpack it once, and give the"),
    ],
)  # fmt: skip
def test_packed_name_of_something_else_is_told_as_that(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    said = refused(tmp_path / name)
    assert message in said
    assert "damaged" not in said


def test_packed_table_in_a_zip_is_told_to_be_packed_twice(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "t.zip", "w") as archive:
        archive.writestr("x.csv.gz", gzip.compress(CSV.encode()))
    assert "t.zip: x.csv.gz: is not a table that can be read; it is packed twice" in refused(tmp_path / "t.zip")


def test_text_under_the_name_of_another_format_is_told_as_text(tmp_path: Path) -> None:
    for name, content, message in (
        ("t.parquet", CSV, "is text, where its name says Parquet; name it by what it is: t.csv"),
        ("t.arrow", "text\tlabel\na\tx\n", "is text, where its name says Arrow; name it by what it is: t.tsv"),
        ("t.xlsx", LINES.decode(), "is text, where its name says Excel; name it by what it is: t.jsonl"),
        ("t.xlsx", "<table><tr><td>a</td></tr></table>", "is a web page (HTML or XML), where its name says Excel"),
        ("t.parquet", "<div class='x'>", "is a web page (HTML or XML), where its name says Parquet"),
        ("t.parquet", "PA\0R", "is no Parquet file; was it cut off when it was copied?"),
    ):
        (tmp_path / name).write_text(content, encoding="utf-8")
        assert message in refused(tmp_path / name)
