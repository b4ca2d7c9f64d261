from __future__ import annotations

import threading
from pathlib import Path

import pytest

from harness.data.cache import built_once, default_cache


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


def test_default_cache_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/somebody")
    monkeypatch.setenv("XDG_CACHE_HOME", "/x")
    monkeypatch.setenv("HARNESS_CACHE", "~/own")
    assert default_cache() == Path("/home/somebody/own")
    monkeypatch.delenv("HARNESS_CACHE")
    assert default_cache() == Path("/x/harness")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert default_cache() == Path("/home/somebody/.cache/harness")
