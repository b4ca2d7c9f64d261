"""A benchmark on a console: a line as each cell is measured, and a table at the end.

Knows nothing of how cells are measured.
"""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.text import Text

from harness.records.bench import BenchFile, Cell, Sharing, SlotsRow
from harness.report.text import duration, metric, number, percent, plural
from harness.terminal.table import Column, Line, fitted
from harness.terminal.words import plain

__all__ = ["ConsoleView"]

#: Other processes that keep busy more than this many cores make a machine a noisy one.
BUSY_CORES = 0.25


class ConsoleView:
    """Tells a person what a benchmark does."""

    def __init__(self, console: Console, path: Path) -> None:
        self._console, self._path = console, path
        self._ended: Cell | None = None

    def say(self, line: str) -> None:
        """One fact, one line."""
        self._console.print(Text(plain(line)))

    def measured(self, cell: Cell) -> None:
        """A run of a cell ended; the line comes with the progress."""
        self._ended = cell

    def progress(self, done: int, total: int, left_s: float | None) -> None:
        """So many runs of cells are done."""
        if self._ended is None:
            return
        cell, width = self._ended, len(str(total))
        found = f"{number(cell.samples_per_second)} samples/s" if cell.state == "ok" else _why(cell)
        left = f", about {duration(left_s)} left" if left_s else ""
        self.say(f"[{done:>{width}}/{total}] {cell.title}: {found}{left}")

    def end(self, bench: BenchFile) -> None:
        """The table, how far to trust it, and where it is."""
        self._console.print()
        if bench.cells:
            self._cells(bench)
        if bench.slots:
            self._slots(bench)
        for sharing in bench.sharing:
            self.say(_shared(sharing))
        self._console.print(Text(f"file    {self._path}"), soft_wrap=True)
        self._console.print(Text(f"compare harness compare {self._path} OTHER.json"), soft_wrap=True)

    def _cells(self, bench: BenchFile) -> None:
        shown = [column for column, values in _COLUMNS if any(values(cell) for cell in bench.cells)]
        columns = [Column(title="cell", right=False), *shown]
        lines = [
            Line((plain(cell.title), *(values(cell) for column, values in _COLUMNS if column in shown)), _style(cell))
            for cell in bench.cells
        ]
        table, left_out = fitted(columns, lines, self._console.width)
        self._console.print(table)
        if left_out:
            self.say(f"left out for lack of width: {', '.join(left_out)}")
        for cell in bench.cells:
            if cell.state != "ok":
                self.say(f"{cell.title}: {_why(cell)}")
        self._console.print()
        for line in _told(bench):
            self.say(line)

    def _slots(self, bench: BenchFile) -> None:
        columns = [
            Column(title=title) for title in ("slots", "threads each", "trials/hour", "samples/s each", "slowdown")
        ]
        table, _ = fitted(columns, [_slots_line(row) for row in bench.slots], self._console.width)
        self._console.print(table)
        self.say(f"use engine.slots_per_device={bench.recommended_slots}")


def _slots_line(row: SlotsRow) -> Line:
    failed = f" ({plural(row.failed, 'trial')} failed)" if row.failed else ""
    cells = (f"{row.trials_per_hour:.0f}{failed}", number(row.samples_per_second), f"{row.slowdown:.2f} x")
    return Line((str(row.slots), str(row.threads), *cells))


def _why(cell: Cell) -> str:
    """Why a cell has no number."""
    kind = "out of memory" if cell.state == "oom" else "failed"
    return f"{kind} ({cell.message})" if cell.message else kind


def _style(cell: Cell) -> str:
    return "" if cell.state == "ok" else "red"


def _step(cell: Cell) -> str:
    step = cell.step_ms
    if step is None:
        return ""
    return f"{number(step.median)} ({number(step.low)}–{number(step.high)})"


def _split(cell: Cell) -> str:
    whole = sum(cell.split_ms.values())
    return " ".join(f"{name} {percent(part / whole, 0)}" for name, part in cell.split_ms.items()) if whole else ""


_COLUMNS = (
    (Column(title="samples/s"), lambda cell: number(cell.samples_per_second) if cell.samples_per_second else ""),
    (Column(title="tokens/s", rank=1), lambda cell: number(cell.tokens_per_second) if cell.tokens_per_second else ""),
    (Column(title="ms a step (95 %)", rank=2), _step),
    (Column(title="p95", rank=6), lambda cell: number(cell.step_ms.p95) if cell.step_ms else ""),
    (Column(title="MFU", rank=3), lambda cell: percent(cell.mfu) if cell.mfu is not None else ""),
    (
        Column(title="memory", rank=4),
        lambda cell: metric("peak_memory_mib", cell.peak_memory_mib) if cell.repeats else "",
    ),
    (Column(title="padding", rank=7), lambda cell: percent(cell.padding_fraction, 0) if cell.padding_fraction else ""),
    (Column(title="where a step goes", right=False, rank=8), _split),
    (
        Column(title="J/M tokens", rank=5),
        lambda cell: number(cell.energy_j_per_million_tokens) if cell.energy_j_per_million_tokens else "",
    ),
    (
        Column(title="cost/M tokens", rank=5),
        lambda cell: number(cell.cost_per_million_tokens) if cell.cost_per_million_tokens else "",
    ),
)


def _told(bench: BenchFile) -> list[str]:
    """What the numbers rest on."""
    machine, noise = bench.machine, bench.noise
    lines = []
    if noise.spread is not None:
        lines.append(
            f"A/A: two runs of one cell were apart by up to {percent(noise.spread)} (95 % of "
            f"{plural(noise.pairs, 'pair')}); smaller differences are none"
        )
    best = max((cell for cell in bench.cells if cell.samples_per_second), key=_rate, default=None)
    if best is not None:
        lines.append(f"most real tokens a second: {best.title}")
    ceilings = ", ".join(f"{name} {number(value)}" for name, value in machine.ceiling.items())
    lines.append(
        f"machine {machine.id} ({machine.name}): matrix products at {ceilings} GFLOP/s, memory at "
        f"{number(machine.memory_bandwidth_gib_per_second)} GiB/s"
    )
    if not any(cell.energy_j_per_million_tokens for cell in bench.cells):
        lines.append("energy: not available (no NVML energy counter, no RAPL counter that may be read)")
    busy = [cell for cell in bench.cells if cell.others_cpu > BUSY_CORES]
    if busy:
        most = max(cell.others_cpu for cell in busy)
        lines.append(
            f"warning: other processes kept up to {most:.1f} cores busy meanwhile; measure on a quiet machine (--fresh)"
        )
    unsteady = [cell for cell in bench.cells if not cell.steady]
    if unsteady:
        lines.append(f"warning: {plural(len(unsteady), 'cell')} had not settled: the speed still changed while timed")
    return lines


def _rate(cell: Cell) -> float:
    return cell.tokens_per_second or 0.0


def _shared(sharing: Sharing) -> str:
    beside = f"on one of {sharing.slots} slots" if sharing.slots > 1 else "on the only slot"
    cost = sharing.cost
    verdict = f"sharing cost {percent(cost, 0)} of its speed" if cost > 0 else "sharing cost it nothing"
    alone = f"{number(sharing.alone)} alone with the same {plural(sharing.threads, 'thread')}"
    whole = f", {number(sharing.whole_machine)} with all of the machine" if sharing.whole_machine else ""
    return (
        f"trial {sharing.trial} of {sharing.run}: {number(sharing.recorded)} samples/s as recorded {beside}, "
        f"{alone}{whole}: {verdict}"
    )
