"""Starts a benchmark of a study or of a run, for the command line and for Python."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from harness.benchmark.plan import BenchOptions, bench_study
from harness.benchmark.run import Bench
from harness.data.prepare import prepare
from harness.errors import InputError, SpecError, StudyFailed
from harness.records.bench import BenchFile
from harness.spec.study import StudySpec

__all__ = ["measure", "measure_run", "read_for_bench", "refuse_nothing_measured"]

T = TypeVar("T")


def read_for_bench(read: Callable[[Sequence[str]], T]) -> T:
    """Reads a study with more overrides; unlike a sweep's, it may have several trials and search nothing.

    Raises:
        SpecError: the study has other mistakes.
    """
    try:
        return read(())
    except SpecError as error:
        if [problem.key for problem in error.problems] != ["search.trials"]:
            raise
        with suppress(SpecError):
            return read(("search.trials=1",))
        raise


def measure(
    open_bench: Callable[[], Bench],
    study: StudySpec | None,
    options: BenchOptions,
    slots: Sequence[int] | None = None,
) -> Bench:
    """Measures the cells of the options on a study's rows, or on made-up texts; with `slots` trials side by side.

    `open_bench` is called when the study and the options are known to be right.

    Raises:
        InputError: options exclude each other, or a length is above the model's maximum.
        DeviceError: the machine has no such device.
    """
    if slots is not None:
        options.refuse_all_but(
            "--slots runs trials of the study's default recipe; change that by key=value",
            "seconds", "repeats", "price_per_hour", "device", *(() if study else ("checkpoints",)),
        )  # fmt: skip
    spec = study or bench_study(options.checkpoints)
    bench = open_bench()
    data = prepare(spec)
    if slots is None:
        bench.cells(spec, data, options, own_texts=study is not None)
    else:
        from harness.benchmark.slots import measure_slots

        bench.price(options.price_per_hour)
        measure_slots(bench, spec, data, slots, options)
    return bench


def measure_run(open_bench: Callable[[], Bench], run: Path, options: BenchOptions, others: object = None) -> Bench:
    """Measures the winner of a run as it was trained; `others` are options that would change that.

    Raises:
        InputError: there are such options.
        RunError: the run has no winner whose speed was recorded, its data changed, or it ran on other hardware.
    """
    from harness.benchmark.sharing import measure_sharing
    from harness.records.results import load
    from harness.tasks import task_of

    refusal = "a run's winner is measured as it was; give a study file for other settings"
    if others:
        raise InputError(f"{run}: {refusal}")
    options.refuse_all_but(refusal, "seconds", "repeats", "price_per_hour")
    results = load(run)
    task_of(results.spec.task)  # raises for a task of the user's own that is not trusted
    bench = open_bench()
    bench.price(options.price_per_hour)
    measure_sharing(bench, results, seconds=options.seconds, repeats=options.repeats)
    return bench


def refuse_nothing_measured(file: BenchFile) -> None:
    """Raises StudyFailed where there are cells, and none of them has a speed."""
    if file.cells and not any(cell.samples_per_second for cell in file.cells):
        raise StudyFailed("no cell could be measured")
