"""`harness.bench`: how fast this machine trains, as a data frame."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

    from harness.api.study import Study
    from harness.records.bench import BenchFile
    from harness.report.study.notebook import Run

__all__ = ["Benchmark", "bench"]

#: The values of a cell that are columns of the data frame, beside the time of a step.
COLUMNS = (
    *("checkpoint", "task", "mode", "device", "threads", "precision", "length", "batch_size", "state", "message"),
    *("samples_per_second", "tokens_per_second", "padding_fraction", "mfu", "peak_memory_mib", "first_step_s"),
    *("energy_j_per_million_tokens", "cost_per_million_tokens"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Benchmark:
    """A benchmark file and what is in it: `file.cells`, `file.slots`, `file.sharing`, `file.machine`."""

    path: Path
    file: BenchFile

    @property
    def cells(self) -> pd.DataFrame:
        """One row a cell: its settings, `samples_per_second`, `step_ms` (median), `mfu` (share), memory (MiB), ...

        The meanings are those of docs/bench.md.
        """
        import pandas as pd

        rows = [
            {name: getattr(cell, name) for name in COLUMNS} | {"step_ms": cell.step_ms.median if cell.step_ms else None}
            for cell in self.file.cells
        ]
        return pd.DataFrame(rows, columns=[*COLUMNS, "step_ms"])


def bench(
    study: str | Path | Mapping[str, Any] | Study | Run | None = None,
    data: str | Path | pd.DataFrame | None = None,
    *,
    changes: Mapping[str, Any] | None = None,
    checkpoints: Sequence[str] | None = None,
    batch_sizes: Sequence[int | str] | None = None,
    lengths: Sequence[int | str] | None = None,
    precisions: Sequence[str] | None = None,
    modes: Sequence[str] = ("train",),
    device: str = "auto",
    threads: Sequence[int] | None = None,
    seconds: float = 3.0,
    repeats: int = 2,
    price_per_hour: float | None = None,
    slots: Sequence[int] | None = None,
    file: str | Path | None = None,
    fresh: bool = False,
    trust: Sequence[str] = (),
    progress: bool = True,
) -> Benchmark:
    """Measures how fast this machine trains, or goes on measuring; the options are those of `harness bench`.

    Args:
        study: a study as `sweep` takes it, or a run (or its folder), whose winner is measured again; None: made-up
            texts.
        data: a table's path or a data frame, instead of the study's own data.
        changes: values that replace the study's, by dotted keys.
        checkpoints: pretrained checkpoints.
        batch_sizes: numbers, or "max": the largest that fits.
        lengths: tokens a text, or "study": as the study's texts are.
        precisions: "fp32", "bf16", "fp16", "auto".
        modes: "train", "evaluate", "predict".
        device: "auto", "cpu", "cuda", "cuda:1", "mps", "xpu".
        threads: threads of a process; None: what it may use.
        seconds: how long a run of a cell is timed.
        repeats: runs of each cell, each in a new process.
        price_per_hour: what this machine costs, in any currency.
        slots: measure so many trials side by side instead of cells.
        file: the benchmark file; None: reports/bench/MACHINE.json.
        fresh: measure again what the file has already.
        trust: tasks of your own that a run may import.
        progress: print a line as each cell is measured, and a table.

    Raises:
        InputError: study, data or options cannot be used; messages name options as the command line does.
        StudyFailed: no cell could be measured.
    """
    from harness.benchmark.plan import BenchOptions
    from harness.benchmark.start import measure, measure_run, refuse_nothing_measured
    from harness.report.study.notebook import Run
    from harness.spec.foreign import trust as trust_names
    from harness.terminal.bench import open_bench
    from harness.terminal.console import make_console

    trust_names(*trust)
    options = BenchOptions(
        checkpoints=_tuple(checkpoints),
        batch_sizes=_tuple(batch_sizes),
        lengths=_tuple(lengths),
        precisions=_tuple(precisions),
        modes=tuple(modes),
        device=device,
        threads=_tuple(threads),
        seconds=seconds,
        repeats=repeats,
        price_per_hour=price_per_hour,
    )
    options.check()
    console, path = make_console(quiet=not progress), None if file is None else Path(file)

    def opened() -> Any:
        return open_bench(console, path, fresh=fresh)

    folder = study.folder if isinstance(study, Run) else study
    if isinstance(folder, (str, Path)) and Path(folder).is_dir():
        measured = measure_run(opened, Path(folder), options, others=slots or changes or data is not None)
    else:
        spec = None if folder is None else _study(folder, data, changes)
        measured = measure(opened, spec, options, _tuple(slots))
    measured.view.end(measured.file)
    refuse_nothing_measured(measured.file)
    return Benchmark(path=measured.path, file=measured.file)


def _tuple(values: Sequence[Any] | None) -> tuple[Any, ...] | None:
    return None if values is None else tuple(values)


def _study(study: Any, data: Any, changes: Mapping[str, Any] | None) -> Any:
    from harness.api.study import Study
    from harness.benchmark.start import read_for_bench

    def read(more: Sequence[str]) -> Study:
        return Study(study, data, {**(changes or {}), **({"search.trials": 1} if more else {})})

    return read_for_bench(read).spec
