"""Writes a benchmark of one machine in Markdown, to be committed or read in a pull request."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from harness.records.bench import BenchFile, Cell
from harness.report.benchmark.join import read_setups
from harness.report.benchmark.table import measurement_facts, shown_columns, warnings, why
from harness.report.benchmark.tables import machines_table, sharing_tables
from harness.report.kit.html import save_document
from harness.report.kit.sections import Table
from harness.report.kit.text import for_markdown, join, number
from harness.report.study.summary import markdown_table

__all__ = ["write_bench_markdown"]


def write_bench_markdown(bench_file: Path, out: Path) -> Path:
    """Writes the content of a benchmark file as a Markdown page and returns its path.

    Raises:
        InputError: the file cannot be read, or is not a benchmark file.
    """
    setups = read_setups([bench_file], least=0)
    lines = []
    for bench in {id(setup.bench): setup.bench for setup in setups}.values():
        lines += _bench_lines(bench)
    tables = [machines_table(setups), *sharing_tables(setups)] if setups else []
    for table in tables:
        lines += ["", f"### {for_markdown(table.title)}", "", markdown_table(table)]
    return save_document(out, "\n".join(lines) + "\n")


def _bench_lines(bench: BenchFile) -> list[str]:
    models = join(dict.fromkeys(cell.checkpoint.rstrip("/").rpartition("/")[2] for cell in bench.cells))
    codes = join(dict.fromkeys(cell.code for cell in bench.cells if cell.code))
    lines = [f"## {for_markdown(models)} on {for_markdown(bench.machine.name)}{_days(bench)}", ""]
    lines += [f"- {for_markdown(line, 600)}" for line in [*measurement_facts(bench), f"code: {codes}"]]
    lines += [f"\n> [!WARNING]\n> {for_markdown(line, 400)}" for line in warnings(bench)]
    return [*lines, "", "### Cells", "", markdown_table(_cells(bench)), "", "### Runs of each cell", "",
            markdown_table(_runs(bench))]  # fmt: skip


def _days(bench: BenchFile) -> str:
    times = [run.at for cell in bench.cells for run in cell.repeats if run.at]
    return f", {datetime.fromtimestamp(max(times), UTC):%Y-%m-%d}" if times else ""


def _cells(bench: BenchFile) -> Table:
    columns = shown_columns(bench.cells)
    rows = [[cell.title, *(column.text(cell) for column in columns)] for cell in bench.cells if cell.repeats]
    rows += [[cell.title, why(cell), *[""] * (len(columns) - 1)] for cell in bench.cells if not cell.repeats]
    numeric = frozenset(at for at, column in enumerate(columns, start=1) if not column.words)
    return Table(title="", head=["cell", *(column.title for column in columns)], rows=rows, numeric=numeric)


def _runs(bench: BenchFile) -> Table:
    """The speed of every run of each cell, of which successive ones are the A/A pairs."""
    most = max((len(cell.repeats) for cell in bench.cells), default=0)
    head = ["samples/s of run", *map(str, range(1, most + 1)), "steps timed", "warm-up steps", "cores busy otherwise"]
    rows = [[cell.title, *_padded(_rates(cell), most), *_counts(cell)] for cell in bench.cells if cell.repeats]
    return Table(title="", head=head, rows=rows, numeric=frozenset(range(1, len(head))))


def _rates(cell: Cell) -> list[str]:
    return [number(run.samples / run.seconds) for run in cell.repeats]


def _padded(texts: list[str], most: int) -> list[str]:
    return texts + [""] * (most - len(texts))


def _counts(cell: Cell) -> tuple[str, str, str]:
    timed = " + ".join(str(len(run.steps_ms)) for run in cell.repeats)
    return timed, " + ".join(str(run.warm_up_steps) for run in cell.repeats), f"{cell.others_cpu:.2f}"
