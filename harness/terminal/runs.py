"""Prints a list of runs."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.text import Text

from harness.jobs.run_folders.listing import RunEntry
from harness.runtime import shown_path
from harness.stats.shown import NONE, shown
from harness.terminal.table import Line, TextColumn, fitted
from harness.terminal.words import plain

__all__ = ["print_runs", "size_text"]

_MEGA, _GIGA = 1e6, 1e9


def size_text(size_bytes: float) -> str:
    """ "0.3 MB", "1.2 GB": 10^6 and 10^9 bytes."""
    return f"{size_bytes / _GIGA:.1f} GB" if size_bytes >= _GIGA else f"{size_bytes / _MEGA:.1f} MB"


def print_runs(console: Console, entries: Sequence[RunEntry]) -> None:
    """Prints a line for each run, and what they take together."""
    columns = [
        TextColumn(title="run", right=False),
        TextColumn(title="state", right=False),
        TextColumn(title="trials", rank=1),
        TextColumn(title="best", right=False),
        TextColumn(title="changed", right=False, rank=2),
        TextColumn(title="size"),
    ]
    console.print(fitted(columns, [_line(entry) for entry in entries], console.width)[0])
    for entry in entries:
        if entry.problem:
            console.print(Text(plain(entry.problem), style="red"), soft_wrap=True)
    total = size_text(sum(entry.size_bytes for entry in entries))
    console.print(Text(f"{total} together; harness remove RUN frees what one takes", style="dim"))


def _line(entry: RunEntry) -> Line:
    best = NONE
    if entry.metric is not None and entry.score is not None:
        split = "test" if entry.is_test else "validation"
        best = f"{entry.metric.title} {shown(entry.metric, entry.score)} on {split}"
    trials = NONE if entry.problem else f"{entry.ended} of {entry.trials}"
    changed = entry.changed_at.strftime("%Y-%m-%d %H:%M")
    cells = (plain(shown_path(entry.folder)), entry.state, trials, best, changed, size_text(entry.size_bytes))
    return Line(cells, "red" if entry.problem else "")
