from __future__ import annotations

import gc
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from harness.runtime import NICENESS, expanded, program, shown_path, stand_back, without_collector

ROOT = Path(__file__).parents[1]


def test_expanded_home_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/ann")
    assert [expanded("~/a"), expanded(Path("b"))] == [Path("/home/ann/a"), Path("b")]
    assert expanded("~no-such-user/a") == Path("~no-such-user/a")


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


def test_without_collector_leaves_it_as_it_was() -> None:
    with pytest.raises(KeyError), without_collector():
        assert not gc.isenabled()
        raise KeyError
    assert gc.isenabled()
    gc.disable()
    try:
        with without_collector():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()


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


#: Runs a command and prints the libraries that a thread imports, beside others that may, without holding the lock.
WATCH = """
import builtins, sys, threading
from harness.runtime import IMPORTING
watched, idle = {"torch", "transformers", "sklearn", "scipy", "tokenizers", "pandas"}, {"heartbeat", "loggers"}
inner, found, plain = threading.local(), [], builtins.__import__

def watch(name, globals=None, locals=None, fromlist=(), level=0):
    first = level == 0 and name.partition(".")[0] in watched and name not in sys.modules
    others = sum(thread.name not in idle for thread in threading.enumerate()) > 1
    if first and others and not getattr(inner, "depth", 0) and not IMPORTING._is_owned():
        found.append(f"{threading.current_thread().name}: {name}")
    inner.depth = getattr(inner, "depth", 0) + 1
    try:
        return plain(name, globals, locals, fromlist, level)
    finally:
        inner.depth -= 1

builtins.__import__ = watch
from typer.testing import CliRunner
from harness.cli import app
done = CliRunner().invoke(app, sys.argv[1:])
print(done.exit_code, sorted(set(found)))
"""


@pytest.mark.long
@pytest.mark.parametrize(
    ("engine", "sampler"),
    [("inline", "tpe"), *(("local", name) for name in ("tpe", "gp", "cmaes"))],
)
def test_threads_never_import_a_library_at_once(engine: str, sampler: str, tmp_path: Path) -> None:
    command = [sys.executable, "-c", WATCH, "sweep", str(ROOT / "studies" / "smoke.yaml"), "--engine", engine]
    command += [f"search.sampler={sampler}", "search.trials=8", "training.epochs=0.2", "confirm=null"]
    environ = os.environ | {"PYTHONPATH": str(ROOT), "HARNESS_CACHE": str(tmp_path / "cache")}
    done = subprocess.run(command, cwd=tmp_path, env=environ, capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "0 []", done.stdout + done.stderr


#: Warns and logs in every way that the libraries do.
NOISE = """
import sys, warnings, logging
from harness import cli
cli.app = lambda **options: None
cli.main()
from sklearn.exceptions import ConvergenceWarning
import sklearn, transformers
warnings.warn("not converged", ConvergenceWarning)
warnings.warn_explicit("old", DeprecationWarning, "x.py", 1, module="sklearn.linear_model")
transformers.utils.logging.get_logger("transformers.modeling_utils").warning("newly initialized")
transformers.utils.logging.get_logger("transformers.tokenization_utils_base").warning_advice("too long")
logging.getLogger("another.package").warning("beware")
for _ in transformers.utils.logging.tqdm(range(3)):
    pass
"""


@pytest.mark.parametrize("quiet", [True, False])
def test_the_program_keeps_libraries_off_the_terminal(quiet: bool) -> None:
    command = [sys.executable, *([] if quiet else ["-Wdefault"]), "-c", NOISE]
    environ = os.environ | {"PYTHONPATH": str(ROOT), "TRANSFORMERS_VERBOSITY": "error" if quiet else "warning"}
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=True)
    shown = done.stdout + done.stderr
    if quiet:
        assert not any(text in shown for text in ("converged", "old", "initialized", "too long", "beware")), shown
    else:
        assert "not converged" in shown and "newly initialized" in shown
