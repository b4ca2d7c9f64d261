"""`harness plan` with its options. Imports of the package are inside, so that `--help` is quick."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from harness.cli.guard import guarded
from harness.cli.options import Json, Overrides

__all__ = ["plan"]


@guarded
def plan(
    study: Annotated[Path, typer.Argument(metavar="STUDY.yaml", help="A study file, or the name of a bundled study.")],
    overrides: Overrides = None,
    price_per_hour: Annotated[
        float | None, typer.Option(metavar="PRICE", min=0.0, help="What an hour of this machine costs.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Tell what a study will take before it is run."""
    from harness.jobs.plan.planning import plan as planned
    from harness.jobs.refusals import mistakes_of_files
    from harness.records.files import plain
    from harness.spec.bundled import find_study
    from harness.spec.reader import load_study
    from harness.terminal.console import make_console
    from harness.terminal.plan import print_plan

    console = make_console(quiet=as_json)
    spec = load_study(find_study(study), list(overrides or ()), mistakes_of_files)
    found = planned(spec, console.print, price_per_hour)
    if as_json:
        sys.stdout.write(json.dumps(plain(found.to_json()), indent=1, ensure_ascii=False) + "\n")
    else:
        print_plan(console, found)
