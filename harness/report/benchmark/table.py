"""The table of a benchmark's cells for console and Markdown: its columns, facts of the measurement, and warnings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from harness.records.bench import BenchFile, Cell
from harness.report.kit.text import metric, number, percent, plural

__all__ = ["COLUMNS", "CellColumn", "measurement_facts", "shown_columns", "warnings", "why"]

#: A machine is noisy when other processes keep more than this number of cores busy.
BUSY_CORES = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class CellColumn:
    """A column of the table of cells; `rank` 0 is always shown, the highest rank is left out first."""

    title: str
    text: Callable[[Cell], str]
    rank: int = 0
    words: bool = False


def _amount(of: Callable[[Cell], float | None], form: Callable[[float], str] = number) -> Callable[[Cell], str]:
    """The text of a column: `form` of the amount, "" where the cell has none."""

    def text(cell: Cell) -> str:
        amount = of(cell)
        return form(amount) if amount is not None else ""

    return text


def _step(cell: Cell) -> str:
    step = cell.step_ms
    return f"{number(step.median)} ({number(step.low)}–{number(step.high)})" if step else ""


def _split(cell: Cell) -> str:
    whole = sum(cell.split_ms.values())
    return " ".join(f"{name} {percent(part / whole, 0)}" for name, part in cell.split_ms.items()) if whole else ""


COLUMNS = (
    CellColumn(title="samples/s", text=_amount(lambda cell: cell.samples_per_second)),
    CellColumn(title="tokens/s", rank=1, text=_amount(lambda cell: cell.tokens_per_second)),
    CellColumn(title="ms a step (95 %)", rank=2, text=_step),
    CellColumn(title="p95", rank=6, text=_amount(lambda cell: cell.step_ms.p95 if cell.step_ms else None)),
    CellColumn(title="MFU", rank=3, text=_amount(lambda cell: cell.mfu, percent)),
    CellColumn(
        title="memory",
        rank=4,
        text=_amount(lambda cell: cell.peak_memory_mib, lambda mib: metric("peak_memory_mib", mib)),
    ),
    CellColumn(
        title="padding",
        rank=7,
        text=_amount(lambda cell: cell.padding_fraction or None, lambda share: percent(share, 0)),
    ),
    CellColumn(title="first step", rank=9, text=_amount(lambda cell: cell.first_step_s, lambda s: f"{number(s)} s")),
    CellColumn(title="J/M tokens", rank=5, text=_amount(lambda cell: cell.energy_j_per_million_tokens)),
    CellColumn(title="cost/M tokens", rank=5, text=_amount(lambda cell: cell.cost_per_million_tokens)),
    CellColumn(title="FLOPs formula/torch", rank=10, text=_amount(lambda cell: cell.flops_ratio, lambda r: f"{r:.4f}")),
    CellColumn(title="where a step goes", words=True, rank=8, text=_split),
)


def shown_columns(cells: Sequence[Cell]) -> list[CellColumn]:
    """The columns that have a text for at least one cell."""
    return [column for column in COLUMNS if any(column.text(cell) for cell in cells)]


def why(cell: Cell) -> str:
    """The reason why a cell has no speed."""
    kind = "out of memory" if cell.state == "oom" else "failed"
    return f"{kind} ({cell.message})" if cell.message else kind


def measurement_facts(bench: BenchFile) -> list[str]:
    """Facts of the measurement, a line each: noise, fastest cell, machine, energy."""
    machine, noise = bench.machine, bench.noise
    lines = []
    if noise.spread is not None:
        lines.append(
            f"A/A: two runs of a usual cell are apart by up to {percent(noise.spread)} (95 %, by the median of "
            f"{plural(noise.pairs, 'pair')}; the widest: {percent(noise.most or 0)}); smaller differences may be noise"
        )
    best = max((cell for cell in bench.cells if cell.tokens_per_second), key=_tokens, default=None)
    if best is not None:
        lines.append(f"most real tokens a second: {best.title}")
    ceilings = ", ".join(f"{name} {number(value)}" for name, value in machine.ceiling.items())
    lines.append(
        f"machine {machine.id} ({machine.name}): matrix products at {ceilings} GFLOP/s, memory at "
        f"{number(machine.memory_bandwidth_gib_per_second)} GiB/s"
    )
    if not any(cell.energy_j_per_million_tokens for cell in bench.cells):
        lines.append("energy: not available (no NVML energy counter, no RAPL counter that may be read)")
    return lines


def _tokens(cell: Cell) -> float:
    return cell.tokens_per_second or 0.0


def warnings(bench: BenchFile) -> list[str]:
    """Reasons to doubt the numbers, a line each."""
    lines = []
    busy = max((cell.others_cpu for cell in bench.cells), default=0.0)
    if busy > BUSY_CORES:
        lines.append(
            f"other processes kept up to {busy:.1f} cores busy meanwhile; measure on a quiet machine (--fresh)"
        )
    above = sum((cell.mfu or 0.0) > 1 for cell in bench.cells)
    if above:
        lines.append(f"{plural(above, 'cell')} went faster than the ceiling, which was measured while others worked")
    unsteady = sum(not cell.steady for cell in bench.cells)
    if unsteady:
        lines.append(f"{plural(unsteady, 'cell')} had not settled: the speed still changed while timed")
    return lines
