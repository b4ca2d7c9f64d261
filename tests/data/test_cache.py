from __future__ import annotations

import os
import stat
import tempfile
import threading
from pathlib import Path

import pytest

from harness.data.cache import built_once, default_cache
from harness.errors import InputError


def test_built_once_builds_once_however_many_ask(tmp_path: Path) -> None:
    calls: list[Path] = []
    started = threading.Barrier(4)

    def build(folder: Path) -> None:
        calls.append(folder)
        folder.mkdir()
        (folder / "x").write_text("whole", encoding="utf-8")

    def ask() -> None:
        started.wait()
        assert (built_once(tmp_path / "a" / "b", build) / "x").read_text(encoding="utf-8") == "whole"

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(calls) == 1
    assert (tmp_path / "a" / "b" / "x").exists()


def test_built_once_is_all_or_nothing(tmp_path: Path) -> None:
    (tmp_path / ".b.tmpdead").mkdir()  # as after kill -9

    def fail(folder: Path) -> None:
        folder.mkdir()
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        built_once(tmp_path / "b", fail)
    assert [path.name for path in tmp_path.iterdir()] == [".b.lock"]


def test_default_cache_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "x"))
    monkeypatch.setenv("HARNESS_CACHE", "~/own")
    assert default_cache() == tmp_path / "home" / "own"
    monkeypatch.delenv("HARNESS_CACHE")
    assert default_cache() == tmp_path / "x" / "harness"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert default_cache() == tmp_path / "home" / ".cache" / "harness"


def test_default_cache_without_a_home_is_a_private_temporary_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.delenv("HARNESS_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", "not/absolute")
    monkeypatch.setenv("HOME", str(tmp_path / "file"))  # as little a folder that can be written as / is
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    folder = default_cache()
    assert folder == tmp_path / f"harness-{os.getuid()}"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    folder.chmod(0o777)  # another user may have put files there
    with pytest.raises(InputError, match="name one in HARNESS_CACHE"):
        default_cache()
    folder.rmdir()
    folder.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InputError, match="name one in HARNESS_CACHE"):
        default_cache()
