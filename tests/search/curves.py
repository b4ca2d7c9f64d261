"""Made-up learning curves, as a table that `harness replay` reads."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import product
from math import exp, log10
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from harness.records.curves import META
from harness.spec.steps import step_at, total_steps

NUM_TRAIN_ROWS = 4000
SHARES = tuple(2.0**power for power in range(-6, 1))
RATES = tuple(1e-5 * 50 ** (place / 9) for place in range(10))
SIZES = (8, 16, 32)


def study(**search: Any) -> dict[str, Any]:
    """A study of learning rate and batch size."""
    return {
        "name": "made-up",
        "data": {"path": "a.csv"},
        "model": {"checkpoint": "tiny"},
        "training": {
            "learning_rate": list(RATES),
            "batch_size": list(SIZES),
            "epochs": 2,
        },
        "search": {"trials": 12} | search,
        "confirm": None,
    }


def final_accuracy(rate: float, size: int) -> float:
    """Best at a learning rate of 2e-4 and a batch size of 16; different for every cell."""
    return 0.95 - 0.2 * log10(rate / 2e-4) ** 2 - 0.01 * abs(log10(size / 16)) - 0.001 * (size == 32)


def rows_of_table(num_rows: int = 400, seed: int = 0) -> list[dict[str, Any]]:
    """A row for each evaluation of each cell: what is trained faster is better early; rows are equally hard for all."""
    rng = np.random.default_rng(seed)
    hard = rng.random(num_rows)
    rows = []
    for rate, size in product(RATES, SIZES):
        total = total_steps(NUM_TRAIN_ROWS, size, 2)
        for share in SHARES:
            learned = 1 - exp(-12 * share * (final_accuracy(rate, size) - 0.5))
            expected = 0.3 + (final_accuracy(rate, size) - 0.3) * learned
            correct = (hard + 0.05 * rng.normal(size=num_rows)) < expected
            losses = np.where(correct, 1.2 - expected, 2.2 - expected)
            rows.append(
                {
                    "learning_rate": rate,
                    "batch_size": size,
                    "step": step_at(total, share),
                    "total_steps": total,
                    "num_rows": num_rows,
                    "accuracy": float(correct.mean()),
                    "log_loss": float(losses.mean()),
                    "hits": np.packbits(correct).tobytes(),
                    "losses": losses.astype("<f2").tobytes(),
                }
            )
    return rows


def write_table(path: Path, rows: Sequence[Mapping[str, Any]] | None = None, **meta: Any) -> Path:
    """Writes the rows as a table; `meta` replaces entries of its metadata."""
    entries = {"study": study(), "rows": {"train": NUM_TRAIN_ROWS}, "chance": {"accuracy": 0.25}} | meta
    table = pa.Table.from_pylist(list(rows_of_table() if rows is None else rows))
    pq.write_table(table.replace_schema_metadata({META: json.dumps(entries).encode()}), path)
    return path
