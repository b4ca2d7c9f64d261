"""A benchmark from start to end, in this process: rounds, files, interruptions, failures."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.benchmark import run as bench_run
from harness.benchmark.plan import BenchOptions, planned_of
from harness.benchmark.run import Bench, bench_slot, new_cell
from harness.data.prepared import PreparedData
from harness.errors import FailReason, InputError, TrialFailure
from harness.records.bench import read_bench
from harness.spec.reader import load_study
from harness.spec.trial import TrialConfig
from tests.benchmark.conftest import Noted, run_inline

STUDIES = Path(__file__).parents[2] / "studies"
OPTIONS = BenchOptions(
    batch_sizes=(2, 4), lengths=(8,), precisions=("fp32",), device="cpu", threads=(1,), seconds=0.01, repeats=2
)


def measure(
    path: Path, data: PreparedData, options: BenchOptions = OPTIONS, view: Noted | None = None, **arguments: Any
) -> Noted:
    view = view or Noted()
    Bench(path, view, **arguments).cells(load_study(STUDIES / "smoke.yaml"), data, options, own_texts=True)
    return view


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, smoke_data: PreparedData) -> tuple[Path, Noted, int]:
    """A file that was measured to its end, what was seen of it, and how many engines it took."""
    folder = tmp_path_factory.mktemp("whole")
    with pytest.MonkeyPatch.context() as patch:
        opened = run_inline(patch, folder)
        view = measure(folder / "deep" / "a.json", smoke_data)
    return folder / "deep" / "a.json", view, len(opened)


@pytest.fixture
def measured(whole: tuple[Path, Noted, int], tmp_path: Path) -> Path:
    """A copy of that file."""
    return Path(shutil.copy(whole[0], tmp_path))


def test_bench_measures_every_cell_in_every_round(whole: tuple[Path, Noted, int]) -> None:
    path, view, engines = whole
    assert engines == 2
    assert view.steps == [(1, 4), (2, 4), (3, 4), (4, 4)]
    found = read_bench(path)
    assert [cell.batch_size for cell in found.cells] == [2, 4]
    for cell in found.cells:
        first, second = cell.repeats
        assert len(first.steps_ms) == len(second.steps_ms)
        assert (first.samples, first.tokens) == (second.samples, second.tokens)
        assert cell.samples_per_second
        assert cell.mfu
        assert cell.padding_fraction == 0
        assert cell.attention == "eager"
        assert (cell.device, cell.threads, cell.precision, cell.length) == ("cpu", 1, "fp32", 8)
    assert found.noise.pairs == 2
    assert found.machine.ceiling["fp32"] > 0
    document = json.loads(path.read_text())
    assert {"id", "ceiling"} <= set(document["machine"])
    assert set(document["cells"][0]["step_ms"]) == {"median", "p95", "low", "high"}


@pytest.mark.long
def test_interrupted_bench_goes_on(tmp_path: Path, smoke_data: PreparedData, inline: list[int]) -> None:
    path = tmp_path / "a.json"
    with pytest.raises(KeyboardInterrupt):
        measure(path, smoke_data, view=Noted(stop_after=3))
    assert [len(cell.repeats) for cell in read_bench(path).cells] == [2, 1]
    first = read_bench(path).cells[0].repeats[0]
    view = measure(path, smoke_data)
    assert len(view.cells) == 1
    assert [len(cell.repeats) for cell in read_bench(path).cells] == [2, 2]
    assert read_bench(path).cells[0].repeats[0] == first
    assert len(inline) == 3


def test_finished_bench_starts_nothing(measured: Path, smoke_data: PreparedData, inline: list[int]) -> None:
    inline.clear()
    priced = replace(OPTIONS, price_per_hour=2.0)
    assert measure(measured, smoke_data, priced).cells == []
    assert inline == []
    assert all(cell.cost_per_million_tokens for cell in read_bench(measured).cells)


@pytest.mark.long
def test_other_code_is_measured_again(
    measured: Path, smoke_data: PreparedData, inline: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bench_run, "code_version", lambda: "core other")
    assert len(measure(measured, smoke_data).cells) == 4
    assert {cell.code for cell in read_bench(measured).cells} == {"core other"}


@pytest.mark.long
def test_file_of_another_machine_is_refused_unless_begun_again(
    measured: Path, smoke_data: PreparedData, inline: list[int]
) -> None:
    document = json.loads(measured.read_text())
    document["machine"]["id"] = "another"
    measured.write_text(json.dumps(document))
    with pytest.raises(InputError, match=r"another machine \(another"):
        measure(measured, smoke_data)
    assert len(measure(measured, smoke_data, fresh=True).cells) == 4
    assert [len(cell.repeats) for cell in read_bench(measured).cells] == [2, 2]


def test_cell_that_fails_says_so_and_the_others_go_on(
    tmp_path: Path, smoke_data: PreparedData, inline: list[int]
) -> None:
    path = tmp_path / "a.json"
    options = BenchOptions(
        batch_sizes=(4,), lengths=(8, 100), precisions=("fp32",), device="cpu", threads=(1,), seconds=0.01
    )
    view = measure(path, smoke_data, options)
    good, bad = read_bench(path).cells
    assert (good.state, bad.state) == ("ok", "failed")
    assert "more than the 64 tokens" in bad.message
    assert bad.samples_per_second is None
    assert [cell.state for cell in view.cells] == ["ok", "failed", "ok"]
    assert [cell.state for cell in measure(path, smoke_data, options).cells] == ["failed"]


def test_out_of_memory_is_final(
    tmp_path: Path, smoke_data: PreparedData, inline: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(needed: float | None) -> None:
        raise TrialFailure(FailReason.OOM, "not started: about 9 GiB needed")

    monkeypatch.setattr("harness.benchmark.cell.admit", refuse)
    path = tmp_path / "a.json"
    measure(path, smoke_data)
    assert [(cell.state, cell.message) for cell in read_bench(path).cells] == [
        ("oom", "not started: about 9 GiB needed")
    ] * 2
    inline.clear()
    assert measure(path, smoke_data).cells == []


def test_slot_of_a_bench_has_the_device_to_itself() -> None:
    slot = bench_slot("cpu", 2)
    assert (slot.place.slot, slot.place.threads, slot.env["OMP_NUM_THREADS"]) == (0, 2, "2")


def test_cell_names_an_optimizer_that_is_not_the_usual_one(smoke_config: TrialConfig, smoke_data: PreparedData) -> None:
    """So that `compare` tells it from others; files of before the key existed go on to be comparable."""
    found = []
    for name in ("adamw", "sgd"):
        training = smoke_config.training.model_copy(update={"optimizer": name})
        planned = planned_of(
            smoke_config.model_copy(update={"training": training}), "a", mode="train", length=8, rows=8, seconds=1.0
        )
        found.append(new_cell(planned, bench_slot("cpu", 1), smoke_data, "code"))
    usual, other = (cell.recipe for cell in found)
    assert other == usual | {"optimizer": "sgd"}
    assert "optimizer" not in usual
    assert found[0].id != found[1].id
