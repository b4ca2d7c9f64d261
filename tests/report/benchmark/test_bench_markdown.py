"""A benchmark of one machine as Markdown."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import InputError
from harness.records.bench import Measurement, SlotsRow
from harness.report.benchmark.markdown import write_bench_markdown
from tests.report.benchmark.test_compare_bench import HOSTILE, bench, cell, files


def run(seconds: float, **changed: float) -> Measurement:
    return Measurement(
        steps_ms=(10, 11), samples=20, tokens=320, positions=400, seconds=seconds, precision="fp32", batch_size=8,
        micro_batch_size=8, warm_up_steps=5, at=1.7e9, **changed,
    )  # fmt: skip


def test_markdown_holds_what_was_measured(tmp_path: Path) -> None:
    measured = cell(
        8, 100.0, repeats=(run(0.2), run(0.21)), padding_fraction=0.2, peak_memory_mib=900, flops_ratio=0.9987,
        split_ms={"data": 1, "forward": 9}, first_step_s=0.5, others_cpu=0.5, mfu=1.1,
    )  # fmt: skip
    failed = cell(16, None, state="oom", message=HOSTILE)
    row = SlotsRow(slots=1, threads=2, trials_per_hour=90, samples_per_second=9, slowdown=1)
    paths = files(tmp_path, bench(measured, failed, slots=(row,), recommended_slots=1))
    text = write_bench_markdown(paths[0], tmp_path / "out" / "a.md").read_text(encoding="utf-8").replace("\u00a0", " ")
    assert text.startswith("## model on Some CPU, 2023-11-14")
    for part in (
        "up to 3.0 %", "energy: not available", "out of memory", "0.9987", "data 10 % forward 90 %", "900 MiB", "20 %",
        "| 100 | 95.2 | 2 + 2 | 5 + 5 | 0.50 |", "kept up to 0.5 cores busy", "1 (recommended)", "core 1",
        "1 cell went faster than the ceiling",
    ):  # fmt: skip
        assert part in text, part
    assert "J/M tokens" not in text
    assert "<img" not in text


def test_markdown_of_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("{}")
    with pytest.raises(InputError, match="not a file of harness bench"):
        write_bench_markdown(tmp_path / "a.json", tmp_path / "a.md")
