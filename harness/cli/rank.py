"""`harness rank` with its options. Imports of the package are inside, so that `--help` is quick."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from harness.cli.guard import guarded
from harness.cli.options import Json, Overrides

__all__ = ["rank"]


@guarded
def rank(
    study: Annotated[Path, typer.Argument(metavar="STUDY.yaml", help="A study file with several checkpoints.")],
    overrides: Overrides = None,
    rows: Annotated[int, typer.Option(metavar="N", min=2, help="The most training rows.")] = 2000,
    as_json: Json = False,
) -> None:
    """Rank checkpoints without training them."""
    from harness.jobs.rank.ranking import rank as ranked
    from harness.jobs.refusals import mistakes_of_files
    from harness.records.files import plain
    from harness.spec.reader import load_study
    from harness.terminal.console import make_console
    from harness.terminal.ranking import print_ranking

    found = ranked(load_study(study, list(overrides or ()), mistakes_of_files), rows)
    if as_json:
        sys.stdout.write(json.dumps(plain([each.to_json() for each in found]), indent=1, ensure_ascii=False) + "\n")
    else:
        print_ranking(make_console(), found)
