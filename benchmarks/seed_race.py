"""Simulates confirmations: the race of `confirm: {top: 3, seeds: auto}` against three finalists with three seeds each.

Usage: python benchmarks/seed_race.py [--n 200]

The tables of `benchmarks/tables/` give what is drawn. A search has 16 cells of a table, whose final scores count as
true ones, and the three best on the validation rows are its finalists. Each row has a hardness; it is right where that,
the cell's level, and what cell, seed and row do to each other, all normal, add up to more than 0. The spread of the
hardness is such that two seeds of a good cell disagree on as many rows as they do in the table; that of the seeds'
levels such that their scores differ as much. True gaps of half the size stand for a sampler that has found the optimum.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from math import sqrt
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from scipy.optimize import brentq
from scipy.stats import multivariate_normal, norm

from harness.stats.race import race

TABLES = Path(__file__).parent / "tables"
NUM_TRIALS, TOP, SEEDS = 16, 3, 3
#: Cells whose scores are this near to the best of their table are good ones; finalists are among them.
NEAR = 0.15
#: The share of the noise of a row that is the same for all seeds of a cell.
OF_CELL = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """What a table shows: rows scored, true scores of its cells, and the pairs of seeds of good cells.

    A pair is the share of rows on which the two disagree, their difference, and their mean.
    """

    name: str
    num_rows: int
    cells: np.ndarray
    pairs: np.ndarray


def sources() -> list[Source]:
    """Returns the sources of all tables."""
    return [_source(path) for path in sorted(TABLES.glob("*.parquet"))]


def _source(path: Path) -> Source:
    rows = [row for row in pq.read_table(path).to_pylist() if row["step"] == row["total_steps"]]
    num_rows = int(rows[0]["num_rows"])
    hits: dict[tuple[float, int], list[np.ndarray]] = {}
    for row in sorted(rows, key=lambda row: row["seed"]):
        of_row = np.unpackbits(np.frombuffer(row["hits"], np.uint8), count=num_rows).astype(bool)
        hits.setdefault((row["learning_rate"], row["batch_size"]), []).append(of_row)
    best = max(seed.mean() for seeds in hits.values() for seed in seeds)
    twice = [seeds for seeds in hits.values() if len(seeds) == 2 and min(map(np.mean, seeds)) > best - NEAR]
    pairs = [((a != b).mean(), a.mean() - b.mean(), (a.mean() + b.mean()) / 2) for a, b in twice]
    cells = np.array([np.mean(seeds) for seeds in hits.values()])
    return Source(name=path.stem, num_rows=num_rows, cells=cells, pairs=np.array(pairs).reshape(-1, 3))


class Simulation:
    """Draws confirmations; `gaps` scales the distance of the true scores from the best."""

    def __init__(self, known: list[Source], gaps: float) -> None:
        self._sources, self._gaps = known, gaps
        every = np.concatenate([source.pairs for source in known])
        self._hardness = [_hardness(source.pairs if len(source.pairs) else every) for source in known]
        self._level = _level(known, every)

    def draw(self, at: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Returns the true scores of the finalists of a search, best first, and their hits [cell, seed, row]."""
        source, hardness = self._sources[at], self._hardness[at]
        true = rng.choice(source.cells, size=min(NUM_TRIALS, len(source.cells)), replace=False)
        true = true.max() - self._gaps * (true.max() - true)
        level = norm.ppf(np.clip(true, 0.005, 0.995)) * sqrt(1 + hardness + self._level**2)
        fixed = level[:, None] + rng.normal(0, sqrt(hardness), source.num_rows)
        fixed = fixed + rng.normal(0, sqrt(OF_CELL), fixed.shape)

        def train(cell: int) -> np.ndarray:
            noise = rng.normal(0, sqrt(1 - OF_CELL), source.num_rows)
            hits: np.ndarray = fixed[cell] + noise + rng.normal(0, self._level) > 0
            return hits

        first = [train(cell) for cell in range(len(true))]
        finalists = sorted(range(len(true)), key=lambda cell: -first[cell].mean())[:TOP]
        seeds = [[first[cell], *(train(cell) for _ in range(SEEDS - 1))] for cell in finalists]
        return true[finalists], np.array(seeds)


def _hardness(pairs: np.ndarray) -> float:
    """The variance of the hardness of rows with which two seeds disagree on as many rows as `pairs` do."""
    disagree, _, score = pairs.mean(axis=0)
    cut = norm.ppf(score)

    def excess(hardness: float) -> float:
        shared = (hardness + OF_CELL) / (1 + hardness)
        both = multivariate_normal.cdf([cut, cut], cov=[[1, shared], [shared, 1]])
        return float(2 * (score - both) - disagree)

    return float(brentq(excess, 0.01, 1e4))


def _level(known: list[Source], every: np.ndarray) -> float:
    """The standard deviation of the levels of seeds with which differences of scores are as large as in the tables.

    Their mean square is that of rows that change on their own, and that of the levels times the slope of the score.
    """
    by_rows = np.concatenate([source.pairs[:, 0] / source.num_rows for source in known])
    differ = by_rows > 0
    ratio = float(np.mean(every[differ, 1] ** 2 / by_rows[differ]))
    more = max(0.0, ratio - 1) * float(np.mean(by_rows))
    slopes = [norm.pdf(norm.ppf(score)) / sqrt(1 + _hardness(every)) for score in every[:, 2]]
    return sqrt(more / 2) / float(np.mean(slopes))


def confirm(hits: np.ndarray) -> tuple[int, int]:
    """Returns the pick of a race over the seeds of finalists, and how many further seeds were trained for it."""
    scores = hits.mean(axis=2)
    pairs = [(a, b) for b in range(TOP) for a in range(b)]
    differences = np.array([hits[a, 0].astype(float) - hits[b, 0] for a, b in pairs])
    row_sd = sqrt(np.mean(differences.var(axis=1)) / hits.shape[2])
    known = [[score] for score in scores[:, 0]]
    while (stands := race(known, row_sd, SEEDS)).untrained:
        for at in stands.untrained:
            known[at].append(scores[at, len(known[at])])
    pick = max(stands.left, key=lambda at: (np.mean(known[at]), -at))
    return pick, sum(map(len, known)) - TOP


def report(num: int, gaps: float) -> None:
    """Prints what `num` simulated confirmations come to."""
    known = sources()
    simulation, rng = Simulation(known, gaps), np.random.default_rng(0)
    equal, trained, losses = [], [], []
    for at in range(num):
        true, hits = simulation.draw(at % len(known), rng)
        full = int(hits.mean(axis=(1, 2)).argmax())
        pick, further = confirm(hits)
        equal.append(pick == full)
        trained.append(further)
        losses.append(true.max() - true[[pick, full, 0]])
    race_, full_, none_ = 100 * np.mean(losses, axis=0)
    more = 100 * (np.array(losses)[:, 0] - np.array(losses)[:, 1])
    error = 1.96 * more.std(ddof=1) / sqrt(num)
    further_share, all_share = np.mean(trained) / (TOP * (SEEDS - 1)), (TOP + np.mean(trained)) / (TOP * SEEDS)
    print(
        f"{num} confirmations, gaps x {gaps:g}: the same pick in {100 * np.mean(equal):.1f} %; {further_share:.2f} of "
        f"the further trainings, {all_share:.2f} with those of the search counted\n"
        f"  points of true score lost: race {race_:.2f}, 3 x 3 {full_:.2f}, no confirmation {none_:.2f}; "
        f"race less 3 x 3: {more.mean():+.3f} (95 % interval {more.mean() - error:+.3f} to {more.mean() + error:+.3f})"
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=200, help="confirmations (200)")
    asked = parser.parse_args()
    for size in (1.0, 0.5):
        report(asked.n, size)
