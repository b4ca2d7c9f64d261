"""The command line: `harness sweep`, `results`, `status`, `report`, `compare`, `bench`, `export`, `predict`, ...

Knows nothing that costs time to import: every command imports what it needs when it runs.
"""

from __future__ import annotations

import atexit
import gc
import sys
from contextlib import suppress

from harness.cli.commands import app
from harness.cli.guard import catch_termination

__all__ = ["app", "main"]


def main() -> None:
    """The program `harness`."""
    catch_termination()
    atexit.register(gc.freeze)  # nothing is collected at the end, where it took up to half a second
    for stream in (sys.stdout, sys.stderr):
        # A terminal that cannot show a character gets another one instead of a crash.
        with suppress(AttributeError):
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    app(prog_name="harness")
