"""`harness evaluate` with its options. Imports of the package are inside, so that `--help` is quick."""

from __future__ import annotations

import json
import sys
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from harness.cli.guard import guarded
from harness.cli.options import Json, Trust

__all__ = ["evaluate"]


@guarded
def evaluate(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="An exported model.")],
    table: Annotated[Path, typer.Argument(metavar="TABLE", help="A table with the right answers.")],
    by: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="Intervals draw the values of this column, not rows.")
    ] = None,
    required: Annotated[
        list[str] | None,
        typer.Option("--require", metavar="'METRIC >= NUMBER'", help="Exit 1 unless the scores meet it."),
    ] = None,
    trusted: Trust = None,
    as_json: Json = False,
) -> None:
    """Score an exported model on a new labelled table."""
    from harness.jobs.predict import open_export
    from harness.jobs.tables.evaluate import check_evaluation
    from harness.jobs.tables.evaluate import evaluate as evaluated
    from harness.records.files import plain
    from harness.spec.foreign import trust
    from harness.spec.requirement import parse_requirements
    from harness.spec.tasks import facts_of
    from harness.terminal.console import make_console
    from harness.terminal.evaluation import print_evaluation

    trust(*trusted or ())
    say = partial(typer.echo, err=True)
    export = open_export(folder)
    requirements = parse_requirements(required or (), facts_of(export.task))
    found = evaluated(export, table, by, say)
    if as_json:
        sys.stdout.write(json.dumps(plain(found.to_json()), indent=1, ensure_ascii=False) + "\n")
    else:
        print_evaluation(make_console(), found)
    check_evaluation(found, requirements, say)
