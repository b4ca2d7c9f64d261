"""Where `harness predict --out` writes."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from harness.cli.predictions import _as_csv, _write
from harness.errors import InputError


def test_out_replaces_the_file_behind_a_link(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("old", encoding="utf-8")
    (tmp_path / "link").symlink_to("file")
    _write(tmp_path / "link", "new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "file").read_text(encoding="utf-8") == "new"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "link"]


def test_out_that_cannot_be_written_whole_is_left_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    (tmp_path / "file").write_text("old", encoding="utf-8")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(InputError, match="cannot be written: No space left on device"):
        _write(tmp_path / "file", "new")
    assert (tmp_path / "file").read_text(encoding="utf-8") == "old"


def test_out_that_is_a_pipe_is_written_to(tmp_path: Path) -> None:
    pipe, found = tmp_path / "pipe", list[str]()
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: found.append(pipe.read_text(encoding="utf-8")))
    reader.start()
    _write(pipe, "new\n")
    reader.join()
    assert found == ["new\n"]
    assert pipe.is_fifo()


def test_out_that_is_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be written: Is a directory"):
        _write(tmp_path, "new")


def test_csv_quotes_what_needs_it() -> None:
    assert _as_csv([["text", "label"], ['a "b", c\nd', "x"]]) == 'text,label\n"a ""b"", c\nd",x\n'
