"""`harness replay` with its options. Imports of the package are inside, so that `--help` is quick."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from harness.cli.guard import guarded
from harness.cli.options import Json

__all__ = ["replay"]


@guarded
def replay(
    source: Annotated[Path, typer.Argument(metavar="TABLE|RUN", help="A table of full trainings, or a run folder.")],
    pruner: Annotated[
        str, typer.Option(metavar="NAME[,NAME...]", help="rungs, asha, hyperband, median, none.")
    ] = "rungs,asha,hyperband,median,none",
    sampler: Annotated[
        str | None, typer.Option(metavar="NAME[,NAME...]", help="tpe, gp, random, ... Default: the study's.")
    ] = None,
    n: Annotated[int, typer.Option("--n", metavar="N", help="Replays of each, with other seeds.")] = 200,
    trials: Annotated[int | None, typer.Option(metavar="N", help="Trials of a search. Default: the study's.")] = None,
    slots: Annotated[int, typer.Option(metavar="N", help="Trials side by side.")] = 1,
    as_json: Json = False,
) -> None:
    """Repeat a finished search with other pruners and samplers."""
    from harness.jobs.replay import ReplayOptions, outcomes
    from harness.records.curves import read_curves
    from harness.records.files import plain
    from harness.terminal.console import make_console
    from harness.terminal.replay import print_outcomes

    options = ReplayOptions(
        pruners=_names(pruner),
        samplers=() if sampler is None else _names(sampler),
        num_replays=n,
        num_trials=trials,
        num_slots=slots,
    )
    options.check()
    curves = read_curves(source)
    results = list(outcomes(curves, options))
    if as_json:
        replayed = {
            "name": curves.name,
            "objective": curves.spec.search.objectives[0],
            "replays": n,
            "trials": options.trials_of(curves),
            "outcomes": [outcome.to_json() for outcome in results],
        }
        sys.stdout.write(json.dumps(plain(replayed), indent=1) + "\n")
    else:
        print_outcomes(make_console(), curves, options, results)


def _names(text: str) -> tuple[str, ...]:
    """Returns the names of a comma-separated list, each once."""
    return tuple(dict.fromkeys(part.strip() for part in text.split(",")))
