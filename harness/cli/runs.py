"""`harness runs` and `harness remove`. Imports of the package are inside, so that `--help` is quick."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from harness.cli.guard import guarded
from harness.cli.options import Json

__all__ = ["remove", "runs"]


@guarded
def runs(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Where run folders are.")] = Path("runs"),
    as_json: Json = False,
) -> None:
    """List the runs: state, best score, age, size."""
    from harness.jobs.run_folders.listing import entries
    from harness.records.files import plain
    from harness.terminal.console import make_console
    from harness.terminal.runs import print_runs

    found = entries(folder)
    if as_json:
        document = plain([entry.to_json() for entry in found])
        sys.stdout.write(json.dumps(document, indent=1, ensure_ascii=False) + "\n")
    elif not found:
        typer.echo(f"no runs in {folder}")
    else:
        print_runs(make_console(), found)


@guarded
def remove(
    run: Annotated[list[Path], typer.Argument(metavar="RUN", help="Run folders.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Remove runs with their models and records."""
    from harness.errors import InputError
    from harness.jobs.run_folders.listing import size_of
    from harness.jobs.run_folders.removal import checked
    from harness.jobs.run_folders.removal import remove as removed
    from harness.terminal.runs import size_text

    for path in run:
        checked(path)
    if not yes:
        what = f"{len(run)} runs" if len(run) > 1 else str(run[0])
        size = size_text(sum(map(size_of, run)))
        if not _may_ask():
            raise InputError(f"{what} ({size}) would be gone for good, the exported model too; say so with --yes")
        if not _agreed(f"remove {what} ({size}) for good, the exported model too?"):
            raise typer.Exit(1)
    for path in run:
        typer.echo(f"removed {path}, {size_text(removed(path))}")


def _may_ask() -> bool:
    return sys.stdin.isatty()


def _agreed(question: str) -> bool:
    """Returns the answer of the person at the terminal; Ctrl-C and Ctrl-D are a no."""
    try:
        return typer.confirm(question)
    except typer.Abort:
        return False
