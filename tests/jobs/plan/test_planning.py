"""`harness plan` on a study that runs in seconds, and the sweep of the same study after it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.jobs.plan.kept import kept_s
from harness.records.results import load
from harness.report.kit.view import View
from harness.report.study.answer import answer
from harness.spec.reader import load_study
from tests.cli.test_commands import harness
from tests.conftest import STUDIES

KEYS = ("search.trials=2", "confirm=null", "search.pruner.name=none", "loggers=[]")


def test_plan_stands_beside_what_happened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    told = harness("plan", STUDIES / "smoke.yaml", *KEYS, "--json", "--price-per-hour", 3.6)
    assert told.exit_code == 0, told.output
    plan = json.loads(told.stdout)
    assert (plan["trials"], plan["slots"], plan["share"]["value"]) == (2, 1, 1.0)
    assert sum(kind["trials"] for kind in plan["measured"]) == 2
    assert all(kind["samples_per_second"] > 0 for kind in plan["measured"])
    assert plan["price"] == pytest.approx(plan["total_s"]["value"] / 1000)
    assert plan["smallest_difference"][0].startswith("smallest difference: the 12 test rows")
    assert not list(tmp_path.iterdir()), "nothing is written where the command is typed"

    kept = kept_s(load_study(STUDIES / "smoke.yaml", KEYS))
    assert kept is not None
    assert kept.value == pytest.approx(plan["search_s"]["value"])
    assert kept_s(load_study(STUDIES / "smoke.yaml", [*KEYS, "training.epochs=1"])) is None

    assert harness("sweep", STUDIES / "smoke.yaml", *KEYS).exit_code == 0
    results = load(tmp_path / "runs" / "smoke")
    assert results.forecast_s == pytest.approx((kept.low, kept.value, kept.high))
    cost = next(sentence for sentence in answer(View(results)).sentences if sentence.about == "Cost")
    assert "harness plan had expected" in cost.text


def test_plan_says_what_it_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    told = harness("plan", STUDIES / "smoke.yaml", "search.trials=3")
    assert told.exit_code == 0, told.output
    lines = {line.split()[0]: line for line in reversed(told.output.splitlines()) if line.strip()}
    assert lines["trials"].split()[1] == "3"
    assert "of training all to their ends" in lines["training"]
    assert {"search", "confirmation", "in", "memory", "disk", "measuring"} <= lines.keys()


def test_plan_refuses_a_cluster() -> None:
    told = harness("plan", STUDIES / "smoke.yaml", "engine={name: ray, address: auto}")
    assert told.exit_code == 2
    assert "it cannot measure a cluster" in told.output
