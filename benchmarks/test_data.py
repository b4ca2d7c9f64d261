"""Encoding a split, planning an epoch's batches, and making one batch."""

from __future__ import annotations

import material
import numpy as np
from pytest_benchmark.fixture import BenchmarkFixture

from harness.data.batch import training_batches
from harness.tasks import task_of
from harness.tasks.encode import encoded


def test_encoding(benchmark: BenchmarkFixture) -> None:
    """All of the training split, as the first trial of a study does it."""
    config, data = material.config(), material.data()
    task, frame = task_of(config.task), data.frame("train")
    made = benchmark.pedantic(lambda: task.encode(frame, "train", config, data), rounds=8, warmup_rounds=1)
    assert len(made.lengths) == len(frame)


def test_batch_plan(benchmark: BenchmarkFixture) -> None:
    """An epoch of 10,000 rows."""
    lengths = np.random.default_rng(0).integers(3, 128, 10_000)
    batches = benchmark(lambda: training_batches(lengths, 32, seed=0, epoch=0))
    assert sum(map(len, batches)) == len(lengths)


def test_batch(benchmark: BenchmarkFixture) -> None:
    """Tensors of 32 rows."""
    config = material.config()
    train, task = encoded(material.data(), config, "train"), task_of(config.task)
    rows = training_batches(np.asarray(train.lengths), 32, seed=0, epoch=0)[0]
    inputs = benchmark(lambda: task.collate(train, rows))
    assert len(inputs["input_ids"]) == len(rows)
