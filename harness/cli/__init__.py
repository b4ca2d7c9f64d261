"""The command line: `harness sweep`, `results`, `status`, `report`, `compare`, `bench`, `export`, `predict`, ...

Nothing slow is imported here: every command imports what it needs when it runs.
"""

from __future__ import annotations

import atexit
import gc
import sys
from contextlib import suppress

from harness.cli.commands import app
from harness.cli.guard import catch_termination
from harness.runtime import hush_libraries

__all__ = ["app", "main"]


def main() -> None:
    """Runs the program `harness`."""
    catch_termination()
    hush_libraries()
    atexit.register(gc.freeze)  # the collection at exit took up to half a second
    for stream in (sys.stdout, sys.stderr):
        # A character that the terminal's encoding lacks is escaped instead of raising.
        with suppress(AttributeError):
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    app(prog_name="harness")
