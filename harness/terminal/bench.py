"""Prints a benchmark on a console: a line as each cell is measured, and a table at the end."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.text import Text

from harness.benchmark.machine import describe_machine
from harness.benchmark.plan import default_file
from harness.benchmark.run import Bench
from harness.records.bench import BenchFile, Cell, Sharing, SlotsRow
from harness.report.benchmark.table import measurement_facts, shown_columns, warnings, why
from harness.report.kit.text import duration, number, percent, plural
from harness.runtime import program, shown_path
from harness.terminal.table import Line, TextColumn, fitted
from harness.terminal.words import plain

__all__ = ["ConsoleView", "open_bench"]


def open_bench(console: Console, file: Path | None, *, fresh: bool = False) -> Bench:
    """Opens a benchmark file, or this machine's own, with a view on the console.

    Raises:
        InputError: the file is of another machine, or is no benchmark file.
    """
    path = file or default_file(describe_machine().id)
    return Bench(path, ConsoleView(console, path), fresh=fresh)


class ConsoleView:
    """Prints the progress and the result of a benchmark."""

    def __init__(self, console: Console, path: Path) -> None:
        self._console, self._path = console, path
        self._ended: Cell | None = None

    def say(self, line: str) -> None:
        """Prints one line."""
        self._console.print(Text(plain(line)))

    def measured(self, cell: Cell) -> None:
        """Notes that a run of a cell ended; `progress` prints its line."""
        self._ended = cell

    def progress(self, done: int, total: int, left_s: float | None) -> None:
        """Prints the last measured cell, the number of runs done, and the time left."""
        if self._ended is None:
            return
        cell, width = self._ended, len(str(total))
        result = f"{number(cell.samples_per_second)} samples/s" if cell.state == "ok" else why(cell)
        left = f", about {duration(left_s)} left" if left_s else ""
        self.say(f"[{done:>{width}}/{total}] {cell.title}: {result}{left}")

    def end(self, bench: BenchFile) -> None:
        """Prints the table, its noise and warnings, and the path of the file."""
        self._console.print()
        if bench.cells:
            self._cells(bench)
        if bench.slots:
            self._slots(bench)
        for sharing in bench.sharing:
            self.say(_shared(sharing, bench.noise.spread or 0.0))
        self._console.print(Text(f"file    {self._path}"), soft_wrap=True)
        if bench.cells:
            command = f"{program()} compare {shown_path(self._path)} OTHER.json"
            self._console.print(Text(f"compare {command}"), soft_wrap=True)

    def _cells(self, bench: BenchFile) -> None:
        measured = shown_columns(bench.cells)
        columns = [TextColumn(title="cell", right=False)]
        columns += [TextColumn(title=col.title, right=not col.words, rank=col.rank) for col in measured]
        lines = [
            Line((plain(cell.title), *(column.text(cell) for column in measured)), _style(cell)) for cell in bench.cells
        ]
        table, left_out = fitted(columns, lines, self._console.width)
        self._console.print(table)
        if left_out:
            self.say(f"left out for lack of width: {', '.join(left_out)}")
        for cell in bench.cells:
            if cell.state != "ok":
                self.say(f"{cell.title}: {why(cell)}")
        self._console.print()
        for line in [*measurement_facts(bench), *(f"warning: {line}" for line in warnings(bench))]:
            self.say(line)

    def _slots(self, bench: BenchFile) -> None:
        columns = [
            TextColumn(title=title) for title in ("slots", "threads each", "trials/hour", "samples/s each", "slowdown")
        ]
        table, _ = fitted(columns, [_slots_line(row) for row in bench.slots], self._console.width)
        self._console.print(table)
        apart = max((row.spread for row in bench.slots if row.spread is not None), default=None)
        if apart is not None:
            self.say(f"two passes were apart by up to {percent(apart)} in trials/hour; smaller gains are none")
        self.say(f"use engine.slots_per_device={bench.recommended_slots}")


def _slots_line(row: SlotsRow) -> Line:
    failed = f" ({plural(row.failed, 'trial')} failed)" if row.failed else ""
    cells = (f"{row.trials_per_hour:.0f}{failed}", number(row.samples_per_second), f"{row.slowdown:.2f} x")
    return Line((str(row.slots), str(row.threads), *cells))


def _style(cell: Cell) -> str:
    return "" if cell.state == "ok" else "red"


def _shared(sharing: Sharing, noise: float) -> str:
    beside = f"on one of {sharing.slots} slots" if sharing.slots > 1 else "on the only slot"
    cost = sharing.cost
    cost_it = f"sharing cost {percent(cost, 0)} of its speed" if cost > 0 else "sharing cost it nothing"
    verdict = "no more than two runs differ by: sharing cost it nothing" if 0 < cost <= noise else cost_it
    alone = f"{number(sharing.alone)} alone with the same {plural(sharing.threads, 'thread')}"
    whole = f", {number(sharing.whole_machine)} with all of the machine" if sharing.whole_machine else ""
    return (
        f"trial {sharing.trial} of {sharing.run}: {number(sharing.recorded)} samples/s as recorded {beside}, "
        f"{alone}{whole}: {verdict}"
    )
