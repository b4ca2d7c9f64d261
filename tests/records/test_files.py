"""Whatever stops a writer, and wherever, a reader finds what was there before or what was to be there."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from math import inf, nan
from pathlib import Path
from typing import Any

import pytest

from harness.records import files
from harness.records.files import (
    fill_folder,
    leftovers,
    plain,
    replace_folder,
    staging_path,
    write_bytes,
    write_json,
    write_text,
)


class Calls:
    """What is asked of the system, in order; the call `stop_at` is interrupted before or after it is done."""

    def __init__(self, patch: pytest.MonkeyPatch, root: Path) -> None:
        self.done: list[str] = []
        self.stop_at = -1
        self.after = False
        self._root, self._paths = root, dict[int, Path]()
        for name in ("fsync", "rename", "replace"):
            patch.setattr(os, name, self._watched(name, getattr(os, name)))
        patch.setattr(files, "_exchange", self._watched("exchange", files._exchange))
        opened = os.open

        def open_(path: Any, *arguments: Any, **options: Any) -> int:
            descriptor = opened(path, *arguments, **options)
            self._paths[descriptor] = Path(path)
            return descriptor

        patch.setattr(os, "open", open_)

    def _watched(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def watched(*arguments: Any) -> Any:
            number = len(self.done)
            self.done.append(" ".join([name, *map(self._shown, arguments)]))
            if number == self.stop_at and not self.after:
                raise KeyboardInterrupt
            found = call(*arguments)
            if found is False:
                self.done[number] += ": not possible"
            if number == self.stop_at:
                raise KeyboardInterrupt
            return found

        return watched

    def _shown(self, argument: Any) -> str:
        """A path below the root; of a file that is synced also how much is in it."""
        path = self._paths[argument] if isinstance(argument, int) else Path(argument)
        name = path.relative_to(self._root).as_posix().replace(str(threading.get_native_id()), "ID")
        size = f"({path.stat().st_size})" if isinstance(argument, int) and path.is_file() else ""
        return f"{name}{size}"


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Calls:
    return Calls(monkeypatch, tmp_path)


@pytest.fixture(params=["exchanged", "renamed twice"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """The two ways in which a folder is replaced; the first only where the system has it."""
    if request.param == "renamed twice":
        monkeypatch.setattr(files, "_exchange", lambda one, other: False)
    elif not exchanges(tmp_path):
        pytest.skip("folders cannot be exchanged here")
    return str(request.param)


def exchanges(root: Path) -> bool:
    one, other = root / "probe one", root / "probe other"
    one.mkdir()
    other.mkdir()
    try:
        return files._exchange(one, other)
    finally:
        one.rmdir()
        other.rmdir()


def fill(text: str) -> Callable[[Path], None]:
    def write(new: Path) -> None:
        (new / "deep").mkdir()
        for path in (new / "a", new / "deep" / "b"):
            path.write_text(text, encoding="utf-8")

    return write


def read(folder: Path) -> dict[str, str]:
    found = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_text(encoding="utf-8") for path in found}


def whole(text: str) -> dict[str, str]:
    return {"a": text, "deep/b": text}


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


# The order in which the disk is asked


def test_file_is_synced_before_it_is_renamed_and_its_folder_after(calls: Calls, tmp_path: Path) -> None:
    write_text(tmp_path / "file", "all of it")
    assert calls.done == ["fsync .file.ID.tmp(9)", "replace .file.ID.tmp file", "fsync ."]


def test_file_that_need_not_last_is_not_synced(calls: Calls, tmp_path: Path) -> None:
    write_json(tmp_path / "file", {}, durable=False)
    assert calls.done == ["replace .file.ID.tmp file"]


def test_folder_is_synced_before_it_is_exchanged_and_the_one_above_after(
    way: str, calls: Calls, tmp_path: Path
) -> None:
    fill_folder(tmp_path / "folder", fill("old"))
    first, calls.done = calls.done, []
    fill_folder(tmp_path / "folder", fill("newer"))
    synced = ["fsync .folder.new/a({})", "fsync .folder.new/deep", "fsync .folder.new/deep/b({})", "fsync .folder.new"]
    assert sorted(first[:4]) == sorted(line.format(3) for line in synced)
    assert first[4:] == ["rename .folder.new folder", "fsync ."]
    assert sorted(calls.done[:4]) == sorted(line.format(5) for line in synced)
    steps = {
        "exchanged": ["exchange .folder.new folder"],
        "renamed twice": [
            "exchange .folder.new folder: not possible",
            "rename folder .folder.old",
            "rename .folder.new folder",
        ],
    }[way]
    assert calls.done[4:] == [*steps, "fsync ."]


# Interruption at each call, before it and after it


def interruptions(calls: Calls, write: Callable[[], object]) -> Iterator[bool]:
    """Has `write` interrupted at each of its calls; yields whether the new was in place by then."""
    number = 0
    while True:
        for after in (False, True):
            calls.done, calls.stop_at, calls.after = [], number, after
            try:
                write()
            except KeyboardInterrupt:
                yield placed(calls.done if after else calls.done[:number])
            else:
                assert number >= 3, "nothing was interrupted"
                return
        number += 1


def placed(done: list[str]) -> bool:
    """Whether the step was done that puts the new in place."""
    steps = ("replace", "exchange", "rename .folder.new")
    return any(line.startswith(steps) and not line.endswith("not possible") for line in done)


def test_interrupted_file_is_the_old_or_the_new(calls: Calls, tmp_path: Path) -> None:
    path, seen = tmp_path / "file", set()
    path.write_text("old", encoding="utf-8")
    for new in interruptions(calls, lambda: write_text(path, "new")):
        assert path.read_text(encoding="utf-8") == ("new" if new else "old")
        assert names(tmp_path) == ["file"]
        path.write_text("old", encoding="utf-8")
        seen.add(new)
    assert seen == {False, True}


@pytest.mark.usefixtures("way")
def test_interrupted_folder_is_the_old_or_the_new(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    folder, seen = tmp_path / "folder", set()
    fill_folder(folder, fill("old"))
    calls = Calls(monkeypatch, tmp_path)
    for new in interruptions(calls, lambda: fill_folder(folder, fill("new"))):
        assert read(folder) == whole("new" if new else "old")
        assert set(names(tmp_path)) <= {"folder", ".folder.old"}
        calls.stop_at = -1
        fill_folder(folder, fill("old"))
        assert names(tmp_path) == ["folder"]
        seen.add(new)
    assert seen == {False, True}


def test_interrupted_new_folder_is_none_or_whole(calls: Calls, tmp_path: Path) -> None:
    folder, seen = tmp_path / "folder", set()
    for new in interruptions(calls, lambda: fill_folder(folder, fill("new"))):
        assert read(folder) == (whole("new") if new else {})
        assert folder.exists() == new
        calls.stop_at = -1
        if new:
            replace_folder(folder, tmp_path / "aside")
        seen.add(new)
    assert seen == {False, True}


def test_folder_whose_filling_fails_is_the_old(tmp_path: Path) -> None:
    fill_folder(tmp_path / "folder", fill("old"))

    def fail(new: Path) -> None:
        fill("half")(new)
        raise OSError(28, "full")

    with pytest.raises(OSError, match="full"):
        fill_folder(tmp_path / "folder", fail)
    assert read(tmp_path / "folder") == whole("old")
    assert names(tmp_path) == ["folder"]


# A kill at each call: nothing is cleaned up

KILLED = """
import os, sys
from pathlib import Path
from harness.records import files

root, way = Path(sys.argv[1]), sys.argv[2]
if way == "renamed twice":
    files._exchange = lambda one, other: False
fill = lambda text: lambda new: (new / "a").write_text(text)

def kill_at(number):
    left = [number]
    def watched(call):
        def step(*arguments, **options):
            found = call(*arguments, **options)
            left[0] -= 1
            if not left[0]:
                os._exit(9)
            return found
        return step
    for name in ("fsync", "rename", "replace", "rmdir", "mkdir", "unlink"):
        setattr(os, name, watched(getattr(os, name)))
    files._exchange = watched(files._exchange)

for number in range(1, 99):
    home = root / str(number)
    home.mkdir()
    files.fill_folder(home / "folder", fill("old"))
    files.write_text(home / "file", "old")
    child = os.fork()
    if not child:
        kill_at(number)
        files.fill_folder(home / "folder", fill("new"))
        files.write_text(home / "file", "new")
        os._exit(0)
    if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0:
        break
"""


def test_killed_writer_leaves_the_old_or_the_new(tmp_path: Path, way: str) -> None:
    subprocess.run([sys.executable, "-c", KILLED, str(tmp_path), way], check=True)
    homes = sorted((path for path in tmp_path.iterdir() if path.name.isdigit()), key=lambda path: int(path.name))
    assert len(homes) > 8
    found = [(read(home / "folder").get("a", "none"), (home / "file").read_text("utf-8")) for home in homes]
    assert found[0] == ("old", "old")
    assert found[-1] == ("new", "new")
    assert {file for _, file in found} == {"old", "new"}
    between = {"none"} if way == "renamed twice" else set()
    assert {folder for folder, _ in found} == {"old", "new"} | between
    for home in homes:
        with pytest.raises(FileNotFoundError):  # the next writer fails, but puts back what a kill took away
            replace_folder(home / "missing", home / "folder")
        assert read(home / "folder")["a"] in ("old", "new")
        fill_folder(home / "folder", fill("last"))
        assert read(home / "folder") == whole("last")
        assert not any(path.exists() for path in leftovers(home / "folder"))


# What is written


def test_staged_folder_is_put_in_place(tmp_path: Path) -> None:
    staged = staging_path(tmp_path / "folder")
    assert staged.parent == tmp_path
    for text in ("first", "second"):
        staged.mkdir()
        fill(text)(staged)
        replace_folder(staged, tmp_path / "folder")
        assert read(tmp_path / "folder") == whole(text)
        assert names(tmp_path) == ["folder"]


def test_filled_folder_is_private(tmp_path: Path) -> None:
    fill_folder(tmp_path / "folder", fill("x"))
    assert mode(tmp_path / "folder") == 0o700


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_file_has_the_usual_mode_or_that_of_the_old_one(tmp_path: Path) -> None:
    usual, path = tmp_path / "usual", tmp_path / "file"
    usual.touch()
    assert mode(write_bytes(path, b"\xff")) == mode(usual)
    path.chmod(0o640)
    assert mode(write_bytes(path, b"\xfe")) == 0o640
    assert path.read_bytes() == b"\xfe"
    assert mode(write_json(path, {})) == 0o600


def test_json_that_is_none_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "file.json"
    write_json(path, {"a": 1})
    with pytest.raises(TypeError):
        write_json(path, {"a": object()})
    assert json.loads(path.read_text()) == {"a": 1}
    assert names(tmp_path) == ["file.json"]


@pytest.mark.parametrize("place", ["target", "temporary"])
def test_file_does_not_follow_a_planted_link(tmp_path: Path, place: str) -> None:
    victim = tmp_path / "victim"
    victim.write_text("mine")
    link = "file.json" if place == "target" else f".file.json.{threading.get_native_id()}.tmp"
    (tmp_path / link).symlink_to(victim)
    write_json(tmp_path / "file.json", {})
    assert victim.read_text() == "mine"
    assert not (tmp_path / "file.json").is_symlink()
    assert names(tmp_path) == ["file.json", "victim"]


def test_file_of_a_long_name_is_written(tmp_path: Path) -> None:
    assert write_text(tmp_path / ("n" * 255), "x").read_text() == "x"


def test_file_system_that_cannot_sync_folders_will_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sync = os.fsync

    def refuse_folders(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(22, "Invalid argument")
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", refuse_folders)
    fill_folder(tmp_path / "folder", fill("x"))
    write_text(tmp_path / "file", "x")
    assert names(tmp_path) == ["file", "folder"]


def test_plain_has_no_nan() -> None:
    value = {"a": nan, "b": [1.0, inf, {"c": -inf}], "d": (1, "x", None, True)}
    assert plain(value) == {"a": None, "b": [1.0, None, {"c": None}], "d": [1, "x", None, True]}
