"""Turns every error of a command into an exit code and a line on standard error, without a traceback."""

from __future__ import annotations

import errno
import functools
import os
import signal
import sys
import tempfile
import traceback
from collections.abc import Callable
from contextlib import suppress
from typing import ParamSpec

import typer

from harness.errors import HarnessError

__all__ = ["Terminated", "catch_termination", "guarded"]

INTERRUPTED, TERMINATED, BROKEN_PIPE = 130, 143, 141
GO_ON = "interrupted: run the same command to go on"
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
#: Errors of a path that the user gave, or of the current folder.
NO_ACCESS = (
    *(errno.EACCES, errno.EPERM, errno.EEXIST, errno.ENOTDIR, errno.EISDIR),
    *(errno.ENAMETOOLONG, errno.ELOOP),
)

P = ParamSpec("P")


class Terminated(KeyboardInterrupt):
    """Raised at SIGTERM: cleans up like Ctrl-C, with another exit code.

    `came` is True after the first one: inside Ray's calls, an exception of a handler becomes a plain KeyboardInterrupt.
    """

    came = False


def catch_termination() -> None:
    """Makes SIGTERM raise in the main thread, so that workers are stopped and files closed."""

    def terminate(number: int, frame: object) -> None:
        Terminated.came = True
        raise Terminated

    signal.signal(signal.SIGTERM, terminate)


def guarded(command: Callable[P, None]) -> Callable[P, None]:
    """Returns the command with its errors as lines on standard error, and exit codes by the kind of error."""

    @functools.wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            command(*args, **kwargs)
            sys.stdout.flush()
        except typer.Exit:
            raise
        except HarnessError as error:
            raise _exit(str(error), error.exit_code) from None
        except KeyboardInterrupt as error:
            _say(GO_ON)
            raise typer.Exit(TERMINATED if isinstance(error, Terminated) or Terminated.came else INTERRUPTED) from None
        except BrokenPipeError:
            _forget_output()
            raise typer.Exit(BROKEN_PIPE) from None
        except OSError as error:
            if error.errno in NO_ACCESS and error.filename:
                raise _exit(f"{error.filename} cannot be used: {error.strerror}", 2) from None
            if error.errno not in NO_ROOM:
                raise _exit(_unexpected(error), 1) from None
            what = f"{error.filename or 'the disk'}: {error.strerror}"
            raise _exit(f"{what}; make room, then run the same command again", 2) from None
        except Exception as error:
            raise _exit(_unexpected(error), 1) from None

    return run


def _exit(message: str, code: int) -> typer.Exit:
    for line in message.splitlines() or [""]:
        _say(f"error: {line}")
    return typer.Exit(code)


def _say(line: str) -> None:
    """Prints a line on standard error; control characters, which a file name may have, are escaped."""
    escaped = "".join(char if char.isprintable() else char.encode("unicode_escape").decode("ascii") for char in line)
    with suppress(OSError):
        typer.echo(escaped, err=True)


def _unexpected(error: Exception) -> str:
    """Returns one line on the error, and writes the traceback to a file for a bug report."""
    text = "".join(traceback.format_exception(error))
    what = f"{type(error).__name__}: {error}".splitlines()[0]
    try:
        with tempfile.NamedTemporaryFile(
            "w", prefix="harness-error-", suffix=".txt", delete=False, encoding="utf-8", errors="backslashreplace"
        ) as file:
            file.write(text)
    except OSError:
        return f"{what}; this is a fault of harness\n{text}"
    return f"{what}; this is a fault of harness: please report it with {file.name}"


def _forget_output() -> None:
    """Redirects standard output to nowhere after its reader is gone, so that the last flush raises nothing."""
    null = os.open(os.devnull, os.O_WRONLY)
    with suppress(OSError, ValueError):
        os.dup2(null, sys.stdout.fileno())
    os.close(null)
