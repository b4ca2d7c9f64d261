"""The console that everything is printed on.

Knows nothing of what is printed.
"""

from __future__ import annotations

import os

from rich.console import Console

__all__ = ["make_console"]

#: Where there is no terminal nothing need be left out for lack of width.
_WIDE = 160


def make_console() -> Console:
    """Standard output, without guesses at what numbers and paths mean; wide where it is no terminal."""
    console = Console(highlight=False, markup=False, emoji=False)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = _WIDE
    return console
