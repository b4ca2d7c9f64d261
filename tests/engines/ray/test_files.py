from __future__ import annotations

import io
import os
import tarfile
from contextlib import suppress
from pathlib import Path

import pytest

from harness.engines.ray.files import (
    COMPLETE,
    copy_in,
    copy_out,
    folders,
    key_of,
    mark_complete,
    newest_complete,
    pack,
    remove,
    unpack,
)
from harness.errors import EngineError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "one" / "deep").mkdir(parents=True)
    (tmp_path / "one" / "a.txt").write_text("a")
    (tmp_path / "one" / "deep" / "b.bin").write_bytes(bytes(range(256)))
    return tmp_path / "one"


def content(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_pack_follows_links(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "blob").write_text("weights")
    (folder / "model.safetensors").symlink_to("../blob")
    unpack(pack(folder), tmp_path / "two")
    assert content(tmp_path / "two") == content(folder)
    assert not (tmp_path / "two" / "model.safetensors").is_symlink()


def test_pack_unpack_is_the_same(folder: Path, tmp_path: Path) -> None:
    unpack(pack(folder), tmp_path / "two")
    assert content(tmp_path / "two") == content(folder)


def test_pack_depends_on_content_only(folder: Path, tmp_path: Path) -> None:
    first = key_of(pack(folder))
    os.utime(folder / "a.txt", (1, 1))
    assert key_of(pack(folder)) == first
    (folder / "a.txt").write_text("A")
    assert key_of(pack(folder)) != first


@pytest.mark.parametrize("absolute", [False, True])
def test_unpack_stays_inside(tmp_path: Path, absolute: bool) -> None:
    name = str(tmp_path / "out") if absolute else "../out"
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        entry = tarfile.TarInfo(name)
        entry.size = 3
        archive.addfile(entry, io.BytesIO(b"bad"))
    with suppress(tarfile.FilterError):
        unpack(buffer.getvalue(), tmp_path / "in")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("scheme", ["", "file://"])
def test_storage_copies_there_and_back(folder: Path, tmp_path: Path, scheme: str) -> None:
    place = f"{scheme}{tmp_path}/shared/study/trial"
    mark_complete(folder)
    copy_out(folder, place)
    assert folders(f"{scheme}{tmp_path}/shared/study") == ["trial"]
    copy_in(place, tmp_path / "back")
    assert content(tmp_path / "back") == {name: data for name, data in content(folder).items() if name != COMPLETE}
    remove(place)
    assert folders(f"{scheme}{tmp_path}/shared/study") == []
    remove(place)


def test_storage_that_is_not_there_is_empty(tmp_path: Path) -> None:
    assert folders(str(tmp_path / "none")) == []
    assert newest_complete(str(tmp_path / "none"), "search-1-") == ""


def test_storage_unknown_scheme_is_said() -> None:
    with pytest.raises(EngineError, match=r"engine.storage_path: 'ftp://host/x' cannot be used \("):
        folders("ftp://host/x")


def test_newest_complete_leaves_out_what_was_cut_off(tmp_path: Path) -> None:
    for trial, number in (("search-1-aa", 0), ("search-1-bb", 1), ("search-1-bb", 2), ("search-11-aa", 3)):
        checkpoint = tmp_path / trial / f"checkpoint_{number:06d}"
        checkpoint.mkdir(parents=True)
        (checkpoint / "state").write_text("all of it")
        mark_complete(checkpoint)
        os.utime(checkpoint, (number, number))
    assert newest_complete(str(tmp_path), "search-1-") == f"{tmp_path}/search-1-bb/checkpoint_000002"
    (tmp_path / "search-1-bb" / "checkpoint_000002" / "state").write_text("all")
    assert newest_complete(str(tmp_path), "search-1-") == f"{tmp_path}/search-1-bb/checkpoint_000001"
    (tmp_path / "search-1-bb" / "checkpoint_000001" / COMPLETE).unlink()
    assert newest_complete(str(tmp_path), "search-1-") == f"{tmp_path}/search-1-aa/checkpoint_000000"
