"""`harness bench` with its options, and benchmark files in `harness compare`.

Imports of the package are inside the functions, so that `--help` is quick.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from harness.cli.guard import guarded
from harness.errors import InputError
from harness.runtime import program

if TYPE_CHECKING:
    from harness.benchmark.plan import BenchOptions
    from harness.benchmark.run import Bench

__all__ = ["bench", "compare_all"]

T = TypeVar("T")


@guarded
def bench(
    of: Annotated[
        Path | None,
        typer.Argument(
            metavar="[STUDY.yaml|RUN]",
            help="A study (or a bundled one: quickstart), or a finished run. Default: made-up texts.",
        ),
    ] = None,
    overrides: Annotated[
        list[str] | None, typer.Argument(metavar="[key=value]...", help="Replace values of the study.")
    ] = None,
    checkpoint: Annotated[list[str] | None, typer.Option(help="Pretrained checkpoints, comma-separated.")] = None,
    batch_size: Annotated[str | None, typer.Option(help="Numbers; max: the largest that fits.")] = None,
    length: Annotated[str | None, typer.Option(help="Tokens a text; study: as the study's texts are.")] = None,
    precision: Annotated[str | None, typer.Option(help="fp32, bf16, fp16, auto.")] = None,
    mode: Annotated[str, typer.Option(help="train, evaluate, predict.")] = "train",
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, mps, xpu.")] = "auto",
    threads: Annotated[str | None, typer.Option(help="Threads of a process. Default: what it may use.")] = None,
    seconds: Annotated[float, typer.Option(help="How long a run of a cell is timed.")] = 3.0,
    repeats: Annotated[int, typer.Option(help="Runs of each cell, each in a new process.")] = 2,
    slots: Annotated[str | None, typer.Option(help="Measure so many trials side by side instead.")] = None,
    price_per_hour: Annotated[float | None, typer.Option(help="What this machine costs; any currency.")] = None,
    json: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Default: reports/bench/MACHINE.json.")
    ] = None,
    markdown: Annotated[Path | None, typer.Option(metavar="FILE", help="Everything measured, as Markdown too.")] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Measure again what the file has already.")] = False,
    trusted: Annotated[
        list[str] | None,
        typer.Option("--trust", metavar="MODULE:NAME", help="A task of your own that a run may import."),
    ] = None,
) -> None:
    """Measure the training speed of this machine, or go on measuring."""
    from harness.benchmark.plan import BenchOptions
    from harness.spec.foreign import trust

    trust(*trusted or ())
    options = BenchOptions(
        checkpoints=_parse_list("--checkpoint", ",".join(checkpoint) if checkpoint else None, str),
        batch_sizes=_parse_list("--batch-size", batch_size, _number_or("max")),
        lengths=_parse_list("--length", length, _number_or("study")),
        precisions=_parse_list("--precision", precision, str),
        modes=_parse_list("--mode", mode, str) or ("train",),
        device=device,
        threads=_parse_list("--threads", threads, int),
        seconds=seconds,
        repeats=repeats,
        price_per_hour=price_per_hour,
    )
    options.check()
    side_by_side = _parse_list("--slots", slots, int)
    if of is not None and of.is_dir():
        bench_run = _measure_run(of, options, json, fresh=fresh, others=side_by_side or overrides)
    else:
        bench_run = _measure(of, overrides or [], options, json, fresh=fresh, slots=side_by_side)
    _finish(bench_run, markdown)


def _finish(bench_run: Bench, markdown: Path | None) -> None:
    from harness.benchmark.start import refuse_nothing_measured
    from harness.report.benchmark.markdown import write_bench_markdown

    bench_run.view.end(bench_run.file)
    if markdown is not None:
        write_bench_markdown(bench_run.path, markdown)
    refuse_nothing_measured(bench_run.file)


def _parse_list(option: str, text: str | None, read: Callable[[str], T]) -> tuple[T, ...] | None:
    """Returns the parts of a comma-separated list; None for None."""
    if text is None:
        return None
    try:
        return tuple(dict.fromkeys(read(part.strip()) for part in text.split(",") if part.strip())) or _refuse(option)
    except ValueError:
        raise InputError(f"{option} '{text}' is not a list of whole numbers such as 1,8,32") from None


def _refuse(option: str) -> tuple[T, ...]:
    raise InputError(f"{option}: the list is empty")


def _number_or(word: str) -> Callable[[str], int | str]:
    return lambda text: word if text == word else int(text)


def _open(json: Path | None, *, fresh: bool) -> Bench:
    from harness.terminal.bench import open_bench
    from harness.terminal.console import make_console

    return open_bench(make_console(), json, fresh=fresh)


def _measure(
    study: Path | None,
    overrides: list[str],
    options: BenchOptions,
    json: Path | None,
    *,
    fresh: bool,
    slots: tuple[int, ...] | None,
) -> Bench:
    from harness.benchmark.start import measure, read_for_bench
    from harness.spec.reader import load_study

    if study is None and overrides:
        raise InputError(f"key=value needs a study: {program()} bench STUDY.yaml key=value")
    spec = None if study is None else read_for_bench(lambda more: load_study(study, [*overrides, *more]))
    return measure(lambda: _open(json, fresh=fresh), spec, options, slots)


def _measure_run(run: Path, options: BenchOptions, json: Path | None, *, fresh: bool, others: object) -> Bench:
    from harness.benchmark.start import measure_run

    return measure_run(lambda: _open(json, fresh=fresh), run, options, others=others)


def compare_all(paths: Sequence[Path], out: Path, *, force: bool) -> Path:
    """Writes the page about runs, or about benchmark files, and returns its path.

    Raises:
        InputError: some are runs and some are benchmark files.
    """
    from harness.records.bench_files import is_bench_file

    files = [path for path in paths if is_bench_file(path)]
    if not files:
        from harness.report.compare.page import write_comparison

        return write_comparison(paths, out)
    if len(files) < len(paths):
        other = next(path for path in paths if path not in files)
        raise InputError(f"{files[0]} is a benchmark file and {other} is a run folder: compare one kind at a time")
    from harness.report.benchmark.page import write_bench_comparison

    return write_bench_comparison(paths, out, force=force)
