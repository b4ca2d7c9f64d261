"""Options and arguments that several commands have."""

from __future__ import annotations

from typing import Annotated

import typer

__all__ = ["Json", "Overrides", "Trust"]

Json = Annotated[bool, typer.Option("--json", help="JSON and nothing else.")]
Overrides = Annotated[list[str] | None, typer.Argument(metavar="key=value", help="Replace values of the file.")]
Trust = Annotated[
    list[str] | None,
    typer.Option("--trust", metavar="MODULE:NAME", help="A task of your own that may be imported."),
]
