"""This process: imports, quiet libraries, training without speed-ups, low priority, and the command that starts it."""

from __future__ import annotations

import gc
import logging
import os
import shlex
import shutil
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

__all__ = [
    "IMPORTING",
    "PLAIN",
    "expanded",
    "hush_libraries",
    "program",
    "quick_imports",
    "shown_path",
    "stand_back",
    "trains_plain",
    "without_collector",
]

#: The environment variable that switches the speed-ups of `training/fast/` off.
PLAIN = "HARNESS_PLAIN"
#: Held by a thread while it imports torch, transformers, scikit-learn or scipy for the first time. Their modules import
#: each other in circles, and where two threads go through a circle at once, Python gives one of them a module that is
#: not finished: "cannot import name".
IMPORTING = threading.RLock()
#: Environment variables that silence libraries, in this process and in those that it starts.
_SILENCE = {
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "TRANSFORMERS_VERBOSITY": "error",
    "TRANSFORMERS_NO_ADVISORY_WARNINGS": "1",
}

#: A thread with this niceness gets a tenth of a core beside one of usual priority, and a whole core that is idle.
NICENESS = 10


@contextmanager
def quick_imports() -> Iterator[None]:
    """Lets this thread alone import within the block, with the garbage collector switched off.

    Importing torch and transformers makes a million objects that all stay, and the collector walks through them time
    and again: 4.1 s without this, 3.3 s with it.
    """
    with IMPORTING, without_collector():
        yield


@contextmanager
def without_collector() -> Iterator[None]:
    """Switches the garbage collector off within the block, which makes many objects that stay and no circles of them.

    Objects that nothing refers to any more are freed all the same.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def hush_libraries() -> None:
    """Keeps progress bars, notes and warnings of libraries off the terminal; what the user has set stays.

    They concern the code that calls the libraries, and users can do nothing about them.
    """
    for name, value in _SILENCE.items():
        os.environ.setdefault(name, value)
    logging.getLogger().addHandler(logging.NullHandler())
    if not sys.warnoptions:
        # Not by a filter: scikit-learn puts filters of its own before it.
        warnings.showwarning = lambda *arguments, **options: None


def trains_plain() -> bool:
    """Returns True when this process trains without speed-ups: `HARNESS_PLAIN=1`."""
    return os.environ.get(PLAIN, "0") not in ("", "0")


def stand_back() -> None:
    """Gives the calling thread, and those that it starts, a lower priority than the other threads of the machine.

    Does nothing except on Linux, where each thread has its own niceness.
    """
    if sys.platform == "linux":
        thread = threading.get_native_id()
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, thread, max(NICENESS, os.getpriority(os.PRIO_PROCESS, thread)))


def shown_path(path: Path) -> str:
    """Returns a path for the shell: relative when it is below the current folder, and quoted."""
    absolute, current = path.absolute(), Path.cwd()
    text = str(absolute.relative_to(current) if absolute.is_relative_to(current) else absolute)
    return shlex.quote(text) if text.isprintable() else ascii(text)


def quoted(text: str) -> str:
    """A text as one word of a shell; one with an apostrophe is in double quotes, where the shell reads it as it is."""
    if "'" in text and not set(text) & set('"$`\\!'):
        return f'"{text}"'
    return shlex.quote(text)


def program() -> str:
    """Returns the words that run this program in a shell in the current folder.

    They are `harness` where PATH finds this program under that name, else its path, and the interpreter with `-m` where
    the program is not installed.
    """
    script = Path(sys.argv[0])
    if script.name != "harness" or not script.is_file():
        script = Path(sys.executable).with_name("harness")
    if not script.is_file():
        return f"{_word(Path(sys.executable))} -m harness"
    found = shutil.which("harness")
    is_it = found is not None and script.samefile(found)
    return "harness" if is_it else _word(script)


def _word(path: Path) -> str:
    """The path of a program for the shell, with a slash in it: without one a shell looks it up on PATH."""
    text = shown_path(path)
    return text if "/" in text else f"./{text}"


def expanded(path: Path | str) -> Path:
    """Returns a path with the home of `~` or `~user`; as it is where there is no such home."""
    return Path(os.path.expanduser(path))  # noqa: PTH111 - the method of Path raises there
