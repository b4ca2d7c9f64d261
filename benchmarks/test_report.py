"""Building the report of a study of 200 trials."""

from __future__ import annotations

from pathlib import Path

from pytest_benchmark.fixture import BenchmarkFixture

from harness.report.study.page import write_report
from tests.report.factory import make_results

NUM_TRIALS = 200


def test_report(benchmark: BenchmarkFixture, tmp_path: Path) -> None:
    results = make_results(tmp_path / "study", trials=NUM_TRIALS)
    page = benchmark.pedantic(lambda: write_report(results, tmp_path / "report"), rounds=4, warmup_rounds=1)
    assert page.stat().st_size > 1_000_000
