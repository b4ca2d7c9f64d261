"""`harness init` with its options. Imports of the package are inside the command, so that `--help` is quick."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.cli.guard import guarded

__all__ = ["init"]

STUDY = Path("study.yaml")


@guarded
def init(
    table: Annotated[Path, typer.Argument(metavar="TABLE", help="A table or a folder of splits.")],
    task: Annotated[str | None, typer.Option(metavar="TASK", help="Default: the likeliest by its columns.")] = None,
    checkpoint: Annotated[
        str | None, typer.Option(help="A folder, a Hub id or scratch. Default: one that is installed.")
    ] = None,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="The study file. Default: study.yaml.")] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the study as JSON and nothing else; with --out, write it too.")
    ] = False,
) -> None:
    """Write a study file for a table, which runs as it is."""
    import json

    from harness.jobs.init import draft, refuse_existing, write

    file = out or STUDY
    if out is not None or not as_json:
        refuse_existing(file)
    drafted = draft(table, out=file, task=task, checkpoint=checkpoint)
    command = write(drafted, file) if out is not None or not as_json else ""
    if as_json:
        typer.echo(json.dumps(drafted.study, indent=1, ensure_ascii=False))
        return
    for line in drafted.found:
        typer.echo(line)
    typer.echo(f"written: {file} ({drafted.study['task']}); run it: {command}")
