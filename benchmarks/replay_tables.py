"""Replays the tables of `benchmarks/tables/` with each pruner and sampler, and prints cost, regret and test score.

Usage: python benchmarks/replay_tables.py [--tables FOLDER] [--only NAME ...] [--n 200] [--samplers tpe random]

A line is the mean over `--n` searches of 16 trials with seeds 0, 1, 2 ...: cost in % of full training, regret in points
of validation accuracy with its 95 % interval, and the accuracy of the picks on test: mean, standard deviation, worst.
The test score is only stated: no pruner is chosen by it.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from harness.jobs.replay import REPLAYED, changed
from harness.records.curves import Curves, read_curves
from harness.search.replay import Replayed, replay
from harness.stats.intervals import seed_interval

TABLES = Path(__file__).parent / "tables"
NUM_TRIALS = 16
CELL = ["learning_rate", "batch_size", "seed"]


def test_scores(table: Path) -> dict[tuple[float, ...], float]:
    """The test accuracy of each trained cell, in %, by learning rate, batch size and seed."""
    rows = pd.read_parquet(table, columns=[*CELL, "test_accuracy"]).dropna(subset="test_accuracy")
    return {tuple(row[:3]): 100 * row[3] for row in rows.itertuples(index=False)}


def line(table: Path, curves: Curves, pruner: str, sampler: str, num_replays: int) -> str:
    """One line of the page."""
    replays = [
        replay(curves, changed(curves.spec, pruner, sampler, min(NUM_TRIALS, curves.num_params), seed))
        for seed in range(num_replays)
    ]
    regret = seed_interval([100 * each.regret for each in replays], rows=None)
    test = np.array(list(_tested(replays, test_scores(table))))
    cost = 100 * np.mean([each.cost for each in replays])
    cells = (
        table.stem,
        sampler,
        pruner,
        f"{cost:.1f}",
        f"{regret.value:.2f} ({regret.low:.2f} to {regret.high:.2f})",
        f"{test.mean():.1f} ± {test.std():.1f}, worst {test.min():.1f}",
    )
    return f"| {' | '.join(cells)} |"


def _tested(replays: Sequence[Replayed], scores: dict[tuple[float, ...], float]) -> Iterator[float]:
    """The test score of each pick: the mean over the seeds of its cell, as replays take either."""
    for each in replays:
        if each.picked is not None:
            params = (each.picked.params["learning_rate"], each.picked.params["batch_size"])
            yield float(np.mean([score for cell, score in scores.items() if cell[:2] == params]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tables", type=Path, default=TABLES)
    parser.add_argument("--only", nargs="*", default=[], metavar="NAME")
    parser.add_argument("--samplers", nargs="*", default=["tpe", "random"])
    parser.add_argument("--n", type=int, default=200)
    asked = parser.parse_args()
    print("| table | sampler | pruner | cost, % | regret, points (95 %) | test accuracy of picks, % |")
    print("|---|---|---|---|---|---|")
    for table in sorted(asked.tables.glob("*.parquet")):
        if asked.only and table.stem not in asked.only:
            continue
        curves = read_curves(table)
        for sampler in asked.samplers:
            for pruner in REPLAYED:
                print(line(table, curves, pruner, sampler, asked.n), flush=True)


if __name__ == "__main__":
    main()
