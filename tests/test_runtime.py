from __future__ import annotations

import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from harness.runtime import NICENESS, program, shown_path, stand_back


def niceness() -> int:
    return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())


@pytest.mark.skipif(sys.platform != "linux", reason="niceness is a thread's own on Linux only")
def test_stand_back_is_for_the_calling_thread_and_those_that_it_starts() -> None:
    before = niceness()

    def inner() -> int:
        with ThreadPoolExecutor(1) as pool:
            return pool.submit(niceness).result()

    with ThreadPoolExecutor(1, initializer=stand_back) as pool:
        assert pool.submit(niceness).result() == max(before, NICENESS)
        assert pool.submit(inner).result() == max(before, NICENESS)
    assert niceness() == before


def test_shown_path_is_what_one_types(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert shown_path(tmp_path / "runs" / "a b") == "'runs/a b'"
    assert shown_path(Path("/elsewhere/x")) == "/elsewhere/x"
    assert "\x1b" not in shown_path(Path("/a\x1b[31m"))


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The program, run by its path in a folder of a project; another program of its name is in the folder `other`."""
    monkeypatch.chdir(tmp_path)
    for folder in (".venv/bin", "other", "a b"):
        script = tmp_path / folder / "harness"
        script.parent.mkdir(parents=True)
        script.touch(mode=0o755)
    monkeypatch.setattr(sys, "argv", [".venv/bin/harness", "sweep"])
    monkeypatch.setenv("PATH", "")
    return tmp_path


def test_program_is_its_name_only_where_path_finds_it(installed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert program() == ".venv/bin/harness"
    monkeypatch.setenv("PATH", f"{installed}/other:{installed}/.venv/bin")
    assert program() == ".venv/bin/harness", "the name is another program's"
    monkeypatch.setenv("PATH", f"{installed}/.venv/bin:{installed}/other")
    assert program() == "harness"


def test_program_is_a_path_that_a_shell_takes(installed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["a b/harness"])
    assert program() == "'a b/harness'"
    monkeypatch.chdir(installed / "other")
    monkeypatch.setattr(sys, "argv", ["harness"])
    assert program() == "./harness"
    monkeypatch.chdir("/")
    monkeypatch.setattr(sys, "argv", [f"{installed}/other/harness"])
    assert program() == f"{installed}/other/harness".lstrip("/")


@pytest.mark.parametrize("argument", ["-c", "/elsewhere/harness/__main__.py", "tests/harness"])
def test_program_without_its_script_is_the_one_beside_the_interpreter(
    installed: Path, monkeypatch: pytest.MonkeyPatch, argument: str
) -> None:
    monkeypatch.setattr(sys, "argv", [argument])
    monkeypatch.setattr(sys, "executable", f"{installed}/.venv/bin/python")
    assert program() == ".venv/bin/harness"
    monkeypatch.setattr(sys, "executable", f"{installed}/bin/python3")
    assert program() == "bin/python3 -m harness"
