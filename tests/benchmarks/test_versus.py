"""The comparison with made-up measurements: what is measured when, kept, gone on with, and told."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import sweep_vs_peer
from peers.tables import read_tables
from versus import job, machine, sides, training
from versus.ledger import Ledger, Row, Setting

from harness.records.results import load
from harness.spec.reader import load_study

SETTING = Setting(data="trec6", long_data="hotel", checkpoint="minilm", trials=16, epochs=3, rows=2000)


class Sides:
    """Both sides as functions that only note that they were called."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, ours_s: float = 100, peer_s: float = 1200) -> None:
        self.calls: list[str] = []
        self._ours_s, self._peer_s = ours_s, peer_s
        for module in (job, training, machine):
            monkeypatch.setattr(module, "ours", self.ours)
            if hasattr(module, "peer"):
                monkeypatch.setattr(module, "peer", self.peer)

    def ours(self, setting: Setting, *overrides: str, **fields: Any) -> dict[str, Any]:
        self.calls.append("ours")
        rate = 300.0 if "training.precision=fp32" not in overrides else 150.0
        accuracy = 0.95 if "training.precision=fp32" in overrides else 0.949
        trials = [{"samples_per_second": rate, "accuracy": accuracy + seed / 1000} for seed in range(5)]
        slower = 1.25 if "engine.slots_per_device=1" in overrides else 1.0
        return {
            "wall_s": self._ours_s * slower,
            "test_accuracy": 0.955,
            "trials": trials,
            "validation_rows": 500,
            "warm_start_ms": [40.0, 60.0, 50.0],
            "first_step_s": 5.0,
        }

    def peer(self, script: str, setting: Setting, *options: object, **fields: Any) -> dict[str, Any]:
        self.calls.append(f"{script}{' tuned' if '--tuned' in options else ''}")
        return {"wall_s": self._peer_s, "test_accuracy": 0.956, "samples_per_second": 75.0}


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path / "out.json", SETTING)


def test_job_runs_both_sides_in_turn(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    both = Sides(monkeypatch)
    (row,) = job.job(ledger)
    assert both.calls == ["ours", "hf_trainer_optuna.py", "ours"]
    assert "**12.0x**" in row.reached
    assert row.met
    (expert,) = job.expert(ledger)
    assert both.calls[3:] == ["hf_trainer_optuna.py tuned", "ours"]
    assert expert.met


def test_job_target_can_be_missed(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    Sides(monkeypatch, peer_s=1190)
    (row,) = job.job(ledger)
    assert not row.met


def test_confirm_and_seeds_use_the_peer_that_was_measured(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    both = Sides(monkeypatch)
    job.job(ledger)
    job.confirm(ledger)
    (row,) = job.seeds(ledger)
    assert both.calls.count("hf_trainer_optuna.py") == 1
    assert both.calls.count("ours") == 2 + 1 + 4
    assert row.met


def test_ledger_goes_on_where_it_stopped(ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    both = Sides(monkeypatch)
    first = job.job(ledger)
    again = Ledger(tmp_path / "out.json", SETTING)
    assert job.job(again) == first
    assert both.calls.count("ours") == 2


def test_ledger_refuses_another_setting(ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Sides(monkeypatch)
    job.job(ledger)
    with pytest.raises(SystemExit, match="another setting"):
        Ledger(tmp_path / "out.json", replace(SETTING, rows=100))


def test_step_counts_only_a_precision_that_trains_as_well(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    Sides(monkeypatch)
    speed, accuracy = training.step(ledger)
    assert "**4.00x**" in speed.reached
    assert "-0.10 points" in accuracy.reached
    assert speed.met
    assert accuracy.met


def test_slots_and_starts(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    Sides(monkeypatch)
    (two,) = machine.slots(ledger)
    assert "**1.25x**" in two.reached
    assert two.met
    (start,) = machine.trial_start(ledger)
    assert "**50 ms**" in start.reached
    assert start.met


def test_page_has_the_parts_in_the_order_of_the_targets(ledger: Ledger) -> None:
    for part in ("slots", "job"):
        ledger.conclude(part, [Row(what=f"the {part}", target="fast", reached="**2x**", met=True)])
    table = [line for line in sweep_vs_peer.page(ledger.document).splitlines() if line.startswith("| the")]
    assert table == ["| the job | fast | **2x** | yes |", "| the slots | fast | **2x** | yes |"]


def test_unknown_part_is_refused() -> None:
    command = [sys.executable, sweep_vs_peer.__file__, "--data", "x", "--parts", "jbo"]
    environment = os.environ | {"PYTHONPATH": str(sides.ROOT)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "no part jbo; parts are job, expert" in done.stderr


def test_overrides_make_a_valid_study_on_the_rows_of_the_peer(tmp_path: Path) -> None:
    """Every part's overrides, read by the reader that will read them."""
    for name, count in (("train", 1000), ("test", 50)):
        rows = "".join(f"{name} {number},{'bc'[number % 2]}\n" for number in range(count))
        (tmp_path / f"{name}.csv").write_text(f"text,label\n{rows}", encoding="utf-8")
    drawn = sides._drawn(str(tmp_path), 800, tmp_path / "drawn")
    theirs = read_tables(tmp_path, 800)
    for name, frame in (("train", theirs.train), ("validation", theirs.valid), ("test", theirs.test)):
        pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "drawn" / f"{name}.csv"), frame.reset_index(drop=True))
    for overrides in (
        [*sides.unpruned(1e-4, 32), "confirm={top: 1, seeds: 5}"],
        ["confirm={top: 3, seeds: 3}"],
        ["search.sampler=random", "search.pruner.name=none", "engine.slots_per_device=2", "confirm=null"],
    ):
        assert load_study(sides.STUDY, [*drawn, *overrides]).data.path == str(tmp_path / "drawn")


def test_extract_of_a_real_run(smoke_run: Path) -> None:
    results = load(smoke_run)
    found = sides._extract(results, min(record.spans[0].start for record in results.trials))
    json.dumps(found)
    assert found["first_step_s"] > 0
    slots = {record.place for record in (*results.trials, *results.confirm)}
    assert len(found["warm_start_ms"]) == len(results.trials) + len(results.confirm) - len(slots)
    assert all(trial["samples_per_second"] > 0 for trial in found["trials"])
    assert found["test_interval"][0] <= found["test_accuracy"] <= found["test_interval"][1]
