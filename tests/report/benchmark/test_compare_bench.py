"""Benchmarks side by side: what is joined, what is refused, and what the page says."""

from __future__ import annotations

import html
import json
from pathlib import Path
from typing import Any

import pytest

from harness.errors import InputError
from harness.records.bench import (
    BenchFile,
    Cell,
    Machine,
    Measurement,
    Noise,
    Setup,
    Sharing,
    SlotsRow,
    StepTime,
    write_bench,
)
from harness.report.benchmark.figures import heat_maps
from harness.report.benchmark.join import geometric_mean, joined, read_setups
from harness.report.benchmark.page import write_bench_comparison

HOSTILE = "</script><img src=x onerror=alert(1)>"


def cell(batch_size: int = 8, rate: float | None = 100.0, **changed: Any) -> Cell:
    facts: dict[str, Any] = {
        "checkpoint": "owner/model", "batch_size": batch_size, "length": 16, "precision": "fp32", "attention": "eager",
        "threads": 2, "code": "core 1", "samples_per_second": rate, "tokens_per_second": 16 * rate if rate else None,
        "model_flops_per_second": 1e9, "mfu": 0.2, "intensity": 3.0, "recipe": {"freeze": "none"},
        "step_ms": StepTime(median=10, p95=12, low=9.5, high=10.5) if rate else None,
    }  # fmt: skip
    return Cell(**(facts | changed))


def bench(*cells: Cell, spread: float | None = 0.03, **changed: Any) -> BenchFile:
    setups = {(one.device, one.threads) for one in cells}
    facts: dict[str, Any] = {
        "machine": Machine(id="m1", name="Some CPU", ceiling={"fp32": 10.0}),
        "setups": tuple(
            Setup(device=device, threads=threads, ceiling={"fp32": 10.0}, memory_bandwidth_gib_per_second=4.0)
            for device, threads in sorted(setups)
        ),
        "noise": Noise(pairs=2, spread=spread),
        "cells": cells,
    }  # fmt: skip
    return BenchFile(**(facts | changed))


def files(folder: Path, *benches: BenchFile) -> list[Path]:
    paths = [folder / f"{name}.json" for name in "abcdef"[: len(benches)]]
    for path, one in zip(paths, benches, strict=True):
        write_bench(path, one)
    return paths


def test_rows_are_joined_by_configuration(tmp_path: Path) -> None:
    found = joined(read_setups(files(tmp_path, bench(cell(8), cell(16, 120)), bench(cell(8, 300), cell(16, 480)))))
    assert [row.ratio(0, 1) for row in found.rows] == [3.0, 4.0]
    assert found.speed_up(1) == pytest.approx(12**0.5)
    assert not found.conflicts


def test_cells_of_one_file_only_are_kept_apart(tmp_path: Path) -> None:
    found = joined(read_setups(files(tmp_path, bench(cell(8)), bench(cell(8), cell(16), cell(8, length=64)))))
    assert [len(row.cells) for row in found.rows] == [2, 1, 1]
    assert len(found.common) == 1


@pytest.mark.parametrize(
    ("changed", "key"),
    [
        ({"attention": "sdpa"}, "attention eager / sdpa"),
        ({"code": "core 2"}, "code core 1 / core 2"),
        ({"precision": "bf16"}, "precision fp32 / bf16"),
        ({"batch_size": 32}, "batch_size 8 / 32"),
        ({"recipe": {"freeze": "backbone"}}, "recipe.freeze none / backbone"),
    ],
)
def test_rows_that_are_not_like_for_like_are_refused(tmp_path: Path, changed: dict[str, Any], key: str) -> None:
    paths = files(tmp_path, bench(cell(8), cell(4)), bench(cell(**{"batch_size": 8} | changed), cell(4)))
    with pytest.raises(InputError, match="cannot be compared") as refused:
        write_bench_comparison(paths, tmp_path / "out")
    assert key in str(refused.value)
    assert "--force" in str(refused.value)
    assert refused.value.exit_code == 2
    assert not (tmp_path / "out").exists()
    page = write_bench_comparison(paths, tmp_path / "out", force=True).read_text(encoding="utf-8")
    assert "Not like for like" in page


def test_threads_and_device_are_what_is_compared(tmp_path: Path) -> None:
    found = joined(read_setups(files(tmp_path, bench(cell(threads=1)), bench(cell(device="cuda:0", threads=4)))))
    assert len(found.common) == 1


def test_files_without_a_common_cell_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no cell in common"):
        joined(read_setups(files(tmp_path, bench(cell()), bench(cell(checkpoint="other")))))


def test_one_setup_is_nothing_to_compare(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="two or more"):
        read_setups(files(tmp_path, bench(cell())))


def test_file_of_several_threads_is_several_setups(tmp_path: Path) -> None:
    setups = read_setups(files(tmp_path, bench(cell(threads=1), cell(rate=180, threads=2))))
    assert [setup.label for setup in setups] == ["a, 1 thread", "a, 2 threads"]
    assert [setup.file for setup in setups] == ["a", "a"]


def test_labels_tell_files_of_one_name_apart(tmp_path: Path) -> None:
    paths = []
    for name in ("x", "y"):
        (tmp_path / name).mkdir()
        paths += files(tmp_path / name, bench(cell()))
    assert [setup.label for setup in read_setups(paths)] == ["x/a", "y/a"]


def test_advice_is_over_the_common_cells(tmp_path: Path) -> None:
    """A set-up that was measured on small cells only is not worse for it."""
    fast_but_small = bench(cell(8, 200))
    paths = files(tmp_path, bench(cell(8), cell(8, 5000, length=64)), fast_but_small)
    write_bench_comparison(paths, tmp_path / "out")
    summary = (tmp_path / "out" / "summary.md").read_text(encoding="utf-8")
    assert "| b | when you want it fast |" in summary
    assert "| a | for nothing measured here |" in summary


def test_a_file_that_shares_no_cell_with_the_first_is_refused(tmp_path: Path) -> None:
    apart = bench(cell(8, length=64), cell(8, length=64, threads=1))
    with pytest.raises(InputError, match="b has no cell in common with a"):
        joined(read_setups(files(tmp_path, bench(cell(8)), apart)))


def test_unsteady_cell_is_judged_by_its_own_runs(tmp_path: Path) -> None:
    def run(seconds: float) -> Measurement:
        return Measurement(
            steps_ms=(1.0,), samples=100, tokens=1600, positions=1600, seconds=seconds, batch_size=8,
            micro_batch_size=8, precision="fp32", attention="eager",
        )  # fmt: skip

    unsteady = cell(8, 110, repeats=(run(1.0), run(1.3)))
    found = joined(read_setups(files(tmp_path, bench(cell(8), cell(16)), bench(unsteady, cell(16, 110)))))
    by_batch = {row.key.batch_size: row for row in found.rows}
    assert found.equal(1.1, 0, 1, by_batch[8])
    assert not found.equal(1.1, 0, 1, by_batch[16])


def test_noise_of_one_file_counts_where_the_other_has_none(tmp_path: Path) -> None:
    found = joined(read_setups(files(tmp_path, bench(cell(8)), bench(cell(8, 102), spread=None))))
    assert found.equal(1.02, 0, 1) and found.equal(1.02, 1, 0)
    assert not found.equal(1.04, 0, 1)
    assert joined(read_setups(files(tmp_path, *[bench(cell(8), spread=None)] * 2))).spread(0, 1) is None


@pytest.mark.parametrize(("rate", "equal"), [(103.0, True), (97.2, True), (104.0, False), (96.0, False)])
def test_differences_within_the_noise_are_equal(tmp_path: Path, rate: float, equal: bool) -> None:
    found = joined(read_setups(files(tmp_path, bench(cell(), spread=0.01), bench(cell(rate=rate), spread=0.03))))
    ratio = found.rows[0].ratio(0, 1)
    assert ratio is not None
    assert found.equal(ratio, 0, 1) is equal
    assert (heat_maps(found)[0].data[0]["z"] == [[0.0]]) is equal
    page = write_bench_comparison([tmp_path / "a.json", tmp_path / "b.json"], tmp_path / "out")
    text = (page.parent / "summary.md").read_text(encoding="utf-8")
    assert ("are equally fast" in text) is equal
    assert ("equal (" in text) is equal


def test_geometric_mean_is_of_ratios() -> None:
    assert geometric_mean([2.0, 0.5]) == pytest.approx(1.0)
    assert geometric_mean([]) is None


def whole(tmp_path: Path) -> tuple[str, str]:
    """A page about three set-ups that have everything, and its summary."""
    cpu = bench(
        cell(8, 100, cost_per_million_tokens=2.0), cell(16, 150, cost_per_million_tokens=1.5),
        cell(8, 180, threads=4, cost_per_million_tokens=1.0), cell(16, 260, threads=4, cost_per_million_tokens=0.9),
        price_per_hour=0.2, recommended_slots=2,
        slots=tuple(
            SlotsRow(slots=count, threads=1, trials_per_hour=100 * count, samples_per_second=9, slowdown=1.1)
            for count in (1, 2)
        ),
        sharing=(Sharing(run=HOSTILE, trial=3, slots=2, threads=1, recorded=80, alone=100),),
    )  # fmt: skip
    gpu = bench(
        cell(8, 2000, device="cuda:0", energy_j_per_million_tokens=500.0, energy_source="NVML, GPU board"),
        cell(16, None, device="cuda:0", state="oom", message="one example does not fit"),
        cell(512, 9000, device="cuda:0", largest=True),
        machine=Machine(id="m2", name=HOSTILE, hardware={"processor": HOSTILE, "accelerators": []}), spread=None,
    )  # fmt: skip
    page = write_bench_comparison(files(tmp_path, cpu, gpu), tmp_path / "out")
    return page.read_text(encoding="utf-8"), (page.parent / "summary.md").read_text(encoding="utf-8")


def test_page_has_every_figure(tmp_path: Path) -> None:
    page, _ = whole(tmp_path)
    for key in ("speeds", "throughput-0", "speed-up-1", "speed-up-2", "roofline", "cost", "energy", "scaling", "slots"):
        assert 'class="plotly-graph-div" role="img"' in page
        assert f'data-figure="{key}"' in page, key


def test_page_says_what_to_buy(tmp_path: Path) -> None:
    _, summary = whole(tmp_path)
    lines = {line.split("|")[1].strip(): line for line in summary.splitlines() if line.startswith("| ")}
    assert "when you want it fast" in lines["b"]
    assert "when you want it cheap" in lines["a, 4 threads"]
    assert "for nothing measured here" in lines["a, 2 threads"]
    assert "no price given" in lines["b"]
    assert "not available" in lines["a, 2 threads"]
    assert "| 2 (recommended) | 200 |" in lines["a"]
    assert "out of memory" in lines["model train 16 x 16 fp32"]
    assert "has no A/A pair" in summary
    assert "20 %" in summary.replace("\u00a0", " ")


def test_page_holds_foreign_text_as_text(tmp_path: Path) -> None:
    page, summary = whole(tmp_path)
    assert HOSTILE not in page
    assert "<img" not in page.split("<main", 1)[1].split("</main>")[0]
    assert "<img" not in summary


def test_page_asks_no_host(tmp_path: Path) -> None:
    page, _ = whole(tmp_path)
    assert "default-src 'none'" in html.unescape(page)
    assert 'src="http' not in page


def test_roofline_needs_measured_ceilings(tmp_path: Path) -> None:
    bare = bench(cell(), setups=())
    page = write_bench_comparison(files(tmp_path, bare, bare), tmp_path / "out").read_text(encoding="utf-8")
    assert 'data-figure="roofline"' not in page
    assert 'data-figure="throughput-0"' in page


def test_least_files_are_compared(tmp_path: Path) -> None:
    paths = []
    for name, rate in (("one", 10.0), ("two", 20.0)):
        paths.append(tmp_path / f"{name}.json")
        least = {"checkpoint": "m", "batch_size": 8, "length": 64, "precision": "fp32", "samples_per_second": rate}
        paths[-1].write_text(json.dumps({"machine": {"id": name}, "cells": [least]}))
    summary = write_bench_comparison(paths, tmp_path / "out").parent / "summary.md"
    assert "two is 2.00 times as fast as one" in summary.read_text(encoding="utf-8")
