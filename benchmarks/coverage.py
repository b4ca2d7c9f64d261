"""How often the 95 % intervals of test scores hold the true value, in simulated test splits.

Usage: python benchmarks/coverage.py [--splits 4000] [--seconds 1200] [--rows 100,450,2000] [--metrics rmse,...]
       [--differences]

Splits are drawn from known populations, and the interval of each is the product's own (`harness.stats.resampling`).
The true value is that of one sample of two million rows. `--differences` does the same for the difference of two models
that are scored on the same rows. A figure ends after `--seconds` of CPU time, if need be with fewer splits. It is
printed as the share of intervals that hold the true value, their mean width, and the number of splits.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import sqrt
from typing import TypeAlias

import numpy as np

from harness.stats.classification import CLASSIFICATION
from harness.stats.intervals import Interval
from harness.stats.metric import Arrays, Metric, score
from harness.stats.regression import REGRESSION
from harness.stats.resampling import compare, interval

METRICS = {metric.name: metric for metric in (*CLASSIFICATION, *REGRESSION)}
TRUTH_ROWS = 2_000_000
LOWEST, HIGHEST = 0.93, 0.97

Split: TypeAlias = tuple[Arrays, Arrays, Arrays]
"""The outputs of a model, those of a slightly worse one, and the targets."""


@dataclass(frozen=True)
class Population:
    """Where test splits come from: `draw` makes one of so many rows."""

    name: str
    metrics: tuple[str, ...]
    draw: Callable[[np.random.Generator, int], Split]


@dataclass(frozen=True)
class Figure:
    """The share of intervals that hold the true value, their mean width, and how many there are."""

    covered: float
    width: float
    num_splits: int

    def __str__(self) -> str:
        mark = "" if LOWEST <= self.covered <= HIGHEST else "**"
        return f"{mark}{self.covered:.1%}{mark} ({self.width:.3g}; {self.num_splits:,})"


def classes(name: str, shares: tuple[float, ...], signal: float) -> Population:
    """Returns a population of classes; a model sees each class as a normal score, `signal` higher for the true one."""

    def probabilities(scores: np.ndarray, signal: float) -> Arrays:
        weights = np.array(shares) * np.exp(signal * (scores - scores.max(axis=1, keepdims=True)))
        return {"probabilities": weights / weights.sum(axis=1, keepdims=True)}

    def draw(rng: np.random.Generator, num_rows: int) -> Split:
        labels = rng.choice(len(shares), size=num_rows, p=shares)
        seen = rng.normal(size=(num_rows, len(shares)))  # by both models
        noise = (sqrt(0.6) * seen + sqrt(0.4) * rng.normal(size=seen.shape) for _ in range(2))
        right = np.eye(len(shares))[labels]
        a, b = (
            probabilities(of_model + strength * right, strength)
            for of_model, strength in zip(noise, (signal, 0.9 * signal), strict=True)
        )
        return a, b, {"labels": labels}

    return Population(name, tuple(metric.name for metric in CLASSIFICATION), draw)


def numbers(name: str, noise: Callable[[np.random.Generator, int], np.ndarray]) -> Population:
    """Returns a population of a linear signal with noise, and models that miss a part of the signal."""

    def draw(rng: np.random.Generator, num_rows: int) -> Split:
        signal = rng.normal(size=num_rows)
        a, b = ({"predictions": share * signal + 0.3 * rng.normal(size=num_rows)} for share in (0.9, 0.8))
        return a, b, {"numbers": signal + noise(rng, num_rows)}

    return Population(name, tuple(metric.name for metric in REGRESSION), draw)


POPULATIONS = (
    classes("3 equal classes, 78 % right", (1 / 3, 1 / 3, 1 / 3), 1.56),
    classes("3 equal classes, 96 % right", (1 / 3, 1 / 3, 1 / 3), 2.83),
    classes("classes of 80, 15 and 5 %, 90 % right", (0.80, 0.15, 0.05), 1.7),
    numbers("normal noise", lambda rng, num_rows: rng.normal(size=num_rows)),
    numbers("Laplace noise", lambda rng, num_rows: rng.laplace(size=num_rows)),
    numbers("noise of Student's t, 5 degrees", lambda rng, num_rows: rng.standard_t(5, size=num_rows)),
)


def true_value(metric: Metric, population: Population, differences: bool) -> float:
    """Returns the metric of a very large sample, or its difference between both models."""
    a, b, targets = population.draw(np.random.default_rng(1), TRUTH_ROWS)
    return score(metric, a, targets) - (score(metric, b, targets) if differences else 0.0)


def intervals(metric: Metric, population: Population, num_rows: int, differences: bool) -> Iterator[Interval]:
    """Yields the product's interval of one simulated split after the other."""
    rng = np.random.default_rng(2)
    while True:
        a, b, targets = population.draw(rng, num_rows)
        yield compare(metric, a, b, targets).difference if differences else interval(metric, a, targets)


def measured(truth: float, bounds: Iterator[Interval], num_splits: int, seconds: float) -> Figure:
    """Returns the coverage over `num_splits` intervals, or over as many as `seconds` of CPU time allow."""
    covered, widths, start = [], [], time.process_time()
    while len(covered) < num_splits and (not covered or time.process_time() - start < seconds):
        of_split = next(bounds)
        covered.append(of_split.low <= truth <= of_split.high)
        widths.append(of_split.high - of_split.low)
    return Figure(float(np.mean(covered)), float(np.mean(widths)), len(covered))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--splits", type=int, default=4000)
    parser.add_argument("--seconds", type=float, default=1200.0, help="CPU time of one figure at most")
    parser.add_argument("--rows", default="100,450,2000")
    parser.add_argument("--metrics", default="accuracy,macro_f1,roc_auc,rmse")
    parser.add_argument("--differences", action="store_true")
    arguments = parser.parse_args()
    rows = [int(number) for number in arguments.rows.split(",")]
    print("| metric | population | true value |", *(f"{num_rows:,} rows |" for num_rows in rows))
    print("|" + "---|" * (3 + len(rows)))
    for metric in (METRICS[name] for name in arguments.metrics.split(",")):
        for population in (population for population in POPULATIONS if metric.name in population.metrics):
            truth = true_value(metric, population, arguments.differences)
            figures = (
                measured(
                    truth,
                    intervals(metric, population, num_rows, arguments.differences),
                    arguments.splits,
                    arguments.seconds,
                )
                for num_rows in rows
            )
            cells = "".join(f" {figure} |" for figure in figures)
            print(f"| {metric.title} | {population.name} | {truth:.4f} |{cells}", flush=True)


if __name__ == "__main__":
    main()
