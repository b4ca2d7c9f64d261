"""Prints checkpoints in the order of `harness rank`."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite

from rich.console import Console
from rich.text import Text

from harness.jobs.rank.ranking import RankedCheckpoint
from harness.stats.shown import NONE
from harness.terminal.table import Line, TextColumn, fitted
from harness.terminal.words import plain

__all__ = ["print_ranking"]


def print_ranking(console: Console, ranked: Sequence[RankedCheckpoint]) -> None:
    """Prints a line for each checkpoint, and what the score says."""
    columns = [
        TextColumn(title="rank"),
        TextColumn(title="H-score"),
        TextColumn(title="rows", rank=2),
        TextColumn(title="width", rank=3),
        TextColumn(title="seconds", rank=1),
        TextColumn(title="checkpoint", right=False),
    ]
    console.print(fitted(columns, [_line(at, each) for at, each in enumerate(ranked, start=1)], console.width)[0])
    for each in ranked:
        if each.problem:
            console.print(Text(plain(each.problem), style="red"), soft_wrap=True)
    note = "H-score: how far classes lie apart in a checkpoint's hidden states before any training; higher is better"
    console.print(Text(note, style="dim"))


def _line(place: int, each: RankedCheckpoint) -> Line:
    has_score = isfinite(each.score)
    cells = (
        str(place) if has_score else NONE,
        f"{each.score:.3f}" if has_score else NONE,
        f"{each.rows:,}" if has_score else NONE,
        f"{each.width:,}" if has_score else NONE,
        f"{each.seconds:.1f}",
        plain(each.checkpoint),
    )
    return Line(cells, "" if has_score else "red")
