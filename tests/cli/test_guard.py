"""How commands end: exit codes, one line, no traceback."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from harness.cli.guard import Terminated, guarded
from harness.errors import EngineError, InputError, Problem, SpecError, StudyFailed

ROOT = Path(__file__).resolve().parents[2]


def ended_by(action: Callable[[], None]) -> Result:
    app = typer.Typer()
    app.command()(guarded(action))
    return CliRunner().invoke(app, [])


def raising(error: BaseException) -> Callable[[], None]:
    def command() -> None:
        raise error

    return command


@pytest.mark.parametrize(
    ("error", "code"),
    [(InputError("wrong"), 2), (StudyFailed("none"), 1), (EngineError("no workers"), 1), (KeyboardInterrupt(), 130),
     (Terminated(), 143), (BrokenPipeError(), 141), (OSError(errno.ENOSPC, "full"), 2), (KeyError("x"), 1)],
)  # fmt: skip
def test_guarded_exit_code(error: BaseException, code: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    done = ended_by(raising(error))
    assert done.exit_code == code
    assert "Traceback" not in done.output


def test_guarded_lists_every_mistake() -> None:
    problems = [Problem(key="a", message="is missing", line=1), Problem(key="b", message="is missing", line=2)]
    assert ended_by(raising(SpecError("s.yaml", problems))).stderr.splitlines() == [
        "error: s.yaml:1: a: is missing",
        "error: s.yaml:2: b: is missing",
    ]


def test_guarded_interrupt_says_how_to_go_on() -> None:
    assert ended_by(raising(KeyboardInterrupt())).stderr == "interrupted: run the same command to go on\n"


def test_guarded_full_disk_names_the_file() -> None:
    done = ended_by(raising(OSError(errno.ENOSPC, "No space left on device", "/data/x")))
    assert done.stderr == "error: /data/x: No space left on device; make room, then run the same command again\n"


def test_guarded_unusable_path_is_bad_input() -> None:
    done = ended_by(raising(NotADirectoryError(errno.ENOTDIR, "Not a directory", "notes.txt/model")))
    assert done.stderr == "error: notes.txt/model cannot be used: Not a directory\n"
    assert done.exit_code == 2


def test_guarded_fault_leaves_its_traceback_in_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    done = ended_by(raising(KeyError("lost")))
    (file,) = tmp_path.iterdir()
    assert done.stderr == f"error: KeyError: 'lost'; this is a fault of harness: please report it with {file}\n"
    assert "Traceback" in file.read_text("utf-8")
    assert "KeyError: 'lost'" in file.read_text("utf-8")


def test_guarded_escapes_what_a_terminal_would_obey() -> None:
    assert ended_by(raising(InputError("no file \x1b[2J\x07.csv"))).stderr == "error: no file \\x1b[2J\\x07.csv\n"


def test_guarded_keeps_signature_and_exit() -> None:
    app = typer.Typer()

    @app.command()
    @guarded
    def command(number: int) -> None:
        raise typer.Exit(number)

    assert CliRunner().invoke(app, ["7"]).exit_code == 7
    assert CliRunner().invoke(app, ["seven"]).exit_code == 2


def _start(code: str) -> subprocess.Popen[bytes]:
    environ = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", code]
    return subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


WAITS = """
import sys, time, typer
import harness.cli
from harness.cli import commands
from harness.cli.guard import guarded
@commands.app.command()
@guarded
def wait():
    try:
        print("ready", flush=True)
        time.sleep(60)
    except KeyboardInterrupt:
        raise KeyboardInterrupt from None  # as Ray does, whatever a handler has raised in its calls
    finally:
        print("cleaned", flush=True)
sys.argv = ["harness", "wait"]
harness.cli.main()
"""


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_main_cleans_up_after_a_signal(number: signal.Signals, code: int) -> None:
    with _start(WAITS) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        process.send_signal(number)
        out, err = process.communicate(timeout=30)
    assert (process.returncode, out) == (code, b"cleaned\n")
    assert err == b"interrupted: run the same command to go on\n"


def test_main_is_quiet_when_nobody_reads() -> None:
    code = "import sys, harness.cli; sys.argv = ['harness', 'schema']; sys.stdin.readline(); harness.cli.main()"
    environ = os.environ | {"PYTHONPATH": str(ROOT)}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", code], env=environ, **pipes) as process:  # type: ignore[call-overload]
        process.stdout.close()
        process.stdin.write(b"\n")
        process.stdin.close()
        error = process.stderr.read()
    assert error == b""
    assert process.returncode == 141
