"""Creates the console that all commands print on."""

from __future__ import annotations

import os

from rich.console import Console

__all__ = ["make_console"]

#: The width when the output is no terminal, so that no column is left out.
_WIDE = 160


def make_console(*, stderr: bool = False, quiet: bool = False) -> Console:
    """Returns a console on standard output or error without highlighting; wide when that is no terminal.

    A notebook gets plain lines, as a file does. A quiet console prints nothing.
    """
    is_terminal = False if quiet else None
    console = Console(
        highlight=False,
        markup=False,
        emoji=False,
        stderr=stderr,
        quiet=quiet,
        force_terminal=is_terminal,
        force_jupyter=False,
    )
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = _WIDE
    return console
