"""Search, store and dispatch by themselves: trials that do nothing, in this process."""

from __future__ import annotations

from pathlib import Path

import pytest
from coordinator import noop_study, run_noop
from pytest_benchmark.fixture import BenchmarkFixture

NUM_TRIALS = 20


@pytest.mark.parametrize("sampler", ["random", "tpe"])
def test_coordinator(benchmark: BenchmarkFixture, tmp_path: Path, sampler: str) -> None:
    spec = noop_study(NUM_TRIALS, sampler, pruner="rungs", engine="inline")
    folders = (tmp_path / str(turn) for turn in range(100))
    search = benchmark.pedantic(lambda: run_noop(spec, next(folders)), rounds=6, warmup_rounds=1)
    assert len(search.ends) == NUM_TRIALS
