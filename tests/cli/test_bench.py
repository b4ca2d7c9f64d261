"""`harness bench` and `harness compare` of benchmark files, from the command line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from harness.records.bench import read_bench

ROOT = Path(__file__).parents[2]


def harness(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environ = os.environ | {"PYTHONPATH": str(ROOT), "HARNESS_CACHE": str(folder / "cache"), "COLUMNS": "200"}
    command = [sys.executable, "-m", "harness.cli", *arguments]
    return subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--precision", "bf15"], "did you mean 'bf16'"),
        (["--batch-size", "many"], "not a list of whole numbers"),
        (["--length", ","], "the list is empty"),
        (["--repeats", "1"], "at least 2"),
        (["a=b"], "a=b"),
        (["missing.yaml"], "missing.yaml"),
        (["--checkpoint", "scratch"], "needs a study"),
        (["--device", "cuda:99"], "'cuda:99' is not there; this machine has cpu"),
        (["--json", "{folder}"], "cannot be read as JSON"),
    ],
)
def test_bad_usage_is_one_line(tmp_path: Path, arguments: list[str], said: str) -> None:
    done = harness(tmp_path, "bench", *(part.format(folder=tmp_path) for part in arguments))
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "reports").exists()


@pytest.mark.long
def test_bench_from_study_to_page(tmp_path: Path) -> None:
    study = str(ROOT / "studies" / "smoke.yaml")
    for name, mode in (("a", "train"), ("b", "train")):
        done = harness(
            tmp_path,
            "bench",
            study,
            "--batch-size",
            "4",
            "--length",
            "8",
            "--precision",
            "fp32",
            "--mode",
            mode,
            "--device",
            "cpu",
            "--threads",
            "1",
            "--seconds",
            "0.05",
            "--price-per-hour",
            "1",
            "--json",
            f"{name}.json",
            "--markdown",
            f"{name}.md",
        )
        assert done.returncode == 0, done.stderr
        assert "A/A: two runs of a usual cell are apart by up to" in done.stdout
        assert "energy" in done.stdout
    found = read_bench(tmp_path / "a.json")
    assert [len(cell.repeats) for cell in found.cells] == [2]
    assert found.cells[0].peak_memory_mib
    assert "### Runs of each cell" in (tmp_path / "a.md").read_text(encoding="utf-8")
    done = harness(tmp_path, "compare", "a.json", "b.json", "--out", "page")
    assert done.returncode == 0, done.stderr
    assert Path(done.stdout.strip()).name == "index.html"
    assert "plotly-graph-div" in (tmp_path / "page" / "index.html").read_text(encoding="utf-8")


def test_compare_takes_one_kind_at_a_time(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(json.dumps({"machine": {"id": "x"}}))
    (tmp_path / "run").mkdir()
    done = harness(tmp_path, "compare", "a.json", "run")
    assert done.returncode == 2
    assert "one kind at a time" in done.stderr
