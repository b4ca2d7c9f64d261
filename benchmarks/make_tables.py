"""Trains full grids of learning rate and batch size, and keeps every evaluation in a small Parquet file a grid.

Usage: python benchmarks/make_tables.py --data FOLDER --checkpoints FOLDER [--only NAME ...] [--seeds 0 1]
       [--minutes N] [--workers N] [--out FOLDER]

The tables stand for searches that are replayed with other pruners and samplers; `benchmarks/tables/README.md` describes
them. FOLDER of --data holds banking77, trec6, sst2_sentences and zh_chnsenticorp_hotel, each with train.csv, test.csv
and perhaps validation.csv (columns text and label); that of --checkpoints holds multilingual_e5_small_zh_en. A table is
written after every cell, and what it has is not trained again. Each worker trains one cell at a time on one thread.
"""

from __future__ import annotations

import argparse
import math
import os
import signal
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from multiprocessing import active_children, get_context
from pathlib import Path

from grids.sets import GRIDS, Grid, config_of, located, planned
from grids.table import Table, about
from grids.train import Job, Row, train

from harness.data.prepare import prepare
from harness.errors import HarnessError
from harness.machine.resources import cores
from harness.machine.slots import plan_slots
from harness.spec.study import EngineSpec

__all__ = ["Folders", "fill", "jobs_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Folders:
    """The folders of the data sets, the checkpoints and the tables, and one for files that are not kept."""

    data: Path
    checkpoints: Path
    out: Path
    scratch: Path


def jobs_of(
    grid: Grid, folders: Folders, seeds: Sequence[int] = (), until: float = math.inf
) -> tuple[Table, list[Job]]:
    """Prepares a grid's data; returns its table, and the cells that the table lacks."""
    spec = located(grid, folders.data, folders.checkpoints, folders.scratch)
    data = prepare(spec)
    table = Table(folders.out / f"{spec.name}.parquet", about(grid, data))
    return table, [
        Job(
            table=spec.name,
            config=config_of(spec, params, seed, data.meta.rows),
            data=str(data.folder),
            until=until,
        )
        for params, seed in planned(spec, seeds)
        if not table.has(params, seed)
    ]


def fill(tables: Mapping[str, Table], results: Iterable[tuple[Job, list[Row]]]) -> None:
    """Adds each trained cell to its table."""
    for job, rows in results:
        if rows:
            table = tables[job.table]
            table.add(rows)
            last = rows[-1]
            print(
                f"{time.strftime('%H:%M:%S')} {job}: accuracy {last['accuracy']:.3f}, test {last['test_accuracy']:.3f},"
                f" {last['elapsed_s']:.0f} s, {last['cpu_s']:.0f} s of CPU; {table.num_cells} cells",
                flush=True,
            )


def trained(jobs: Sequence[Job], workers: int) -> Iterator[tuple[Job, list[Row]]]:
    """Yields each job with its rows, in this process or as processes end them."""
    if workers == 1:
        yield from ((job, train(job)) for job in jobs)
        return
    pool = ProcessPoolExecutor(workers, mp_context=get_context("spawn"))
    try:
        futures = {pool.submit(train, job): job for job in jobs}
        for future in as_completed(futures):
            yield futures[future], future.result()
    except BaseException:
        for worker in active_children():  # else the cells that they have begun, and one more, would be waited for
            worker.terminate()
        raise
    finally:
        pool.shutdown(cancel_futures=True)


def main() -> None:
    grids = {grid.spec.name: grid for grid in GRIDS}
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path(), help="folder of the data sets")
    parser.add_argument("--checkpoints", type=Path, default=Path(), help="folder of the checkpoint of hotel_zh")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "tables", help="default: benchmarks/tables")
    parser.add_argument("--only", nargs="+", choices=grids, default=list(grids), metavar="NAME", help=", ".join(grids))
    parser.add_argument("--seeds", nargs="+", type=int, default=[], help="the whole grid with each of these seeds")
    parser.add_argument("--minutes", type=float, default=math.inf, help="no training is begun after so many minutes")
    parser.add_argument("--workers", type=int, default=cores(), help="processes of one thread each; default: the cores")
    asked = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    os.environ |= plan_slots(EngineSpec(device="cpu", threads_per_slot=1), num_trials=asked.workers)[0].env
    asked.out.mkdir(parents=True, exist_ok=True)
    until = time.time() + 60 * asked.minutes
    with tempfile.TemporaryDirectory(prefix="grids-") as scratch:
        folders = Folders(data=asked.data, checkpoints=asked.checkpoints, out=asked.out, scratch=Path(scratch))
        try:
            made = {name: jobs_of(grids[name], folders, asked.seeds, until) for name in asked.only}
        except HarnessError as error:
            parser.error(str(error))
        jobs = [job for _, missing in made.values() for job in missing]
        fill({name: table for name, (table, _) in made.items()}, trained(jobs, asked.workers))


if __name__ == "__main__":
    main()
