from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from math import nan
from pathlib import Path
from typing import Any

import pytest

from harness.errors import FailReason, RunError
from harness.records.final import Baseline, Final, Finalist, FinalModel, Interval
from harness.records.live import Live
from harness.records.manifest import DataFacts, write_manifest
from harness.records.provenance import new_manifest
from harness.records.results import Results, load
from harness.records.rundir import RunFolder
from harness.records.schema import Place, Progress, PruneReason, Span, TrialState, Usage, record_of
from harness.records.store import StudyStore
from harness.spec.configure import resolve
from harness.spec.study import StudySpec

COMPLETE, PRUNED, FAIL, RUNNING = TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL, TrialState.RUNNING
SPEC = StudySpec.model_validate(
    {
        "name": "study",
        "data": {"path": "reviews.csv"},
        "model": {"checkpoint": "minilm"},
        "training": {"learning_rate": {"low": 1e-5, "high": 1e-3, "log": True}, "batch_size": [8, 16, 32]},
        "search": {"trials": 6},
    }
)
PLACE = Place(node="here", device="cpu", slot=1, threads=1)


def progress(number: int, step: int, accuracy: float) -> Progress:
    return Progress(
        number=number,
        step=step,
        total_steps=8,
        epoch=3 * step / 8,
        num_rows=9,
        metrics={"accuracy": accuracy, "log_loss": 1 - accuracy, "roc_auc": nan},
        train_loss=0.5,
        usage=Usage(step_s=2, elapsed_s=2, samples=100, tokens=900, positions=1000, steady_s=1, steady_samples=90),
    )


class Run:
    """A run folder that is filled without running anything."""

    def __init__(self, tmp_path: Path) -> None:
        self.folder = RunFolder.of(tmp_path, "study")
        self.folder.create()
        facts = DataFacts(sha256="a", folder="/cache")
        write_manifest(self.folder, new_manifest(SPEC, facts, {"minilm": "b"}, [], ["harness"]))
        self.store = StudyStore.open(self.folder.database, "study", ["accuracy"])
        self.confirm = self.store.sibling("study/confirm", create=True)

    def trial(self, number: int, state: TrialState, *accuracies: float, **fields: Any) -> None:
        params = {"learning_rate": 1e-4 * (number + 1), "batch_size": 16}
        config = resolve(SPEC, number=number, params=params)
        self.store.create(config)
        rows = [progress(number, step, accuracy) for step, accuracy in zip((1, 2, 8), accuracies, strict=False)]
        for row in rows:
            self.store.report(number, row)
        if state is not RUNNING:
            fields |= {"place": PLACE, "spans": (Span(slot=1, start=10, end=12), Span(slot=1, start=20, end=21))}
            self.store.end(record_of(config, state, rows, **fields))

    def confirmation(self, number: int, of: int, seed: int, accuracy: float) -> None:
        assert self.confirm is not None
        params = {"learning_rate": 1e-4 * (of + 1), "batch_size": 16}
        config = resolve(SPEC, number=number, params=params, kind="confirm", of=of, seed=seed)
        self.confirm.create(config)
        self.confirm.end(record_of(config, COMPLETE, [progress(number, 8, accuracy)]))

    def conclude(self) -> None:
        test = {"accuracy": Interval(value=0.9, low=0.85, high=0.95), "roc_auc": Interval(value=nan, low=nan, high=nan)}
        models = [
            FinalModel(role=role, name=role, number=4, validation={}, test=test, predictions=f"final/{role}.npz")
            for role in ("winner", "default")
        ]
        finalist = Finalist(number=4, params={}, seeds=(0, 1), metrics={"accuracy": 0.9}, std={"accuracy": 0.0})
        final = Final(winner=4, finalists=(finalist,), models=tuple(models), export="best")
        self.store.set("final", final.model_dump(mode="json"))


@pytest.fixture
def run(tmp_path: Path) -> Any:
    made = Run(tmp_path)
    yield made
    made.store.close()


def fill(run: Run) -> None:
    run.trial(0, COMPLETE, 0.6, 0.7, 0.8)
    run.trial(1, FAIL, 0.5, reason=FailReason.OOM, message="out of memory")
    run.trial(2, PRUNED, 0.55, reason=PruneReason.RUNG, message="rung 1 of 2: 4th of 4, the best went on")
    run.trial(3, COMPLETE, 0.7, 0.92, 0.9)
    run.trial(4, COMPLETE, 0.7, 0.8, 0.91)
    run.trial(5, RUNNING, 0.6, 0.65)
    run.confirmation(0, of=3, seed=1, accuracy=0.84)
    run.confirmation(1, of=4, seed=1, accuracy=0.89)
    run.store.set("baselines", [Baseline(name="TF-IDF", metrics={"accuracy": 0.78}).model_dump(mode="json")])


def loaded(run: Run) -> Results:
    return load(run.folder.path)


def test_results_json_is_the_contract(run: Run) -> None:
    fill(run)
    run.conclude()
    document = json.loads(json.dumps(loaded(run).to_json(), allow_nan=False))
    keys = ["study", "trials", "confirm", "baselines", "best", "models", "precision", "interrupted", "outdated"]
    assert list(document) == keys
    assert document["study"] == "study"
    assert [trial["number"] for trial in document["trials"]] == list(range(6))
    assert [trial["state"] for trial in document["trials"]] == [
        *("COMPLETE", "FAIL", "PRUNED", "COMPLETE", "COMPLETE", "RUNNING")
    ]
    third = document["trials"][3]
    wanted = "number state reason params seed metrics history samples_per_second tokens_per_second padding_fraction"
    assert set(wanted.split()) | {"peak_memory_mib", "duration_s", "device", "precision"} <= set(third)
    assert third["metrics"]["accuracy"] == 0.92, "the best evaluation, not the last"
    assert third["metrics"]["roc_auc"] is None
    assert [row["accuracy"] for row in third["history"]] == [0.7, 0.92, 0.9]
    assert (third["samples_per_second"], third["duration_s"], third["device"]) == (90.0, 3.0, "cpu")
    assert third["padding_fraction"] == pytest.approx(0.1)
    assert document["trials"][1]["reason"] == "oom"
    pruned = document["trials"][2]
    assert (pruned["reason"], pruned["message"]) == ("rung", "rung 1 of 2: 4th of 4, the best went on")
    assert document["confirm"][0] == {"trial": 3, "seed": 1, "metrics": document["confirm"][0]["metrics"]}
    assert document["baselines"] == [{"name": "TF-IDF", "metrics": {"accuracy": 0.78}}]
    best = document["best"]
    assert set(best) == {"number", "params", "metrics", "seed", "test", "export"}
    assert best["number"] == 4 and best["params"] == {"learning_rate": 5e-4, "batch_size": 16}
    assert best["metrics"]["accuracy"] == pytest.approx(0.9), "the mean over seeds"
    assert best["test"]["accuracy"] == {"value": 0.9, "low": 0.85, "high": 0.95}
    assert best["export"] == str(run.folder.path / "best")
    assert [(model["role"], model["number"]) for model in document["models"]] == [("winner", 4), ("default", 4)]
    assert document["models"][0]["test"]["accuracy"] == best["test"]["accuracy"]


def test_results_while_it_runs(run: Run) -> None:
    fill(run)
    run.folder.write_live(Live(pid=3))
    results = loaded(run)
    assert results.live == Live(pid=3)
    document = results.to_json()
    assert document["best"]["number"] == 4, "the best mean so far"
    assert (document["best"]["test"], document["best"]["export"]) == ({}, None)
    assert document["trials"][5]["state"] == "RUNNING"
    assert len(document["trials"][5]["history"]) == 2


def test_results_leaderboard_order(run: Run) -> None:
    """Means over seeds first, then complete ones, the running, the pruned by how far they came, failures last."""
    fill(run)
    rows = loaded(run).leaderboard()
    assert [row.record.number for row in rows] == [4, 3, 0, 5, 2, 1]
    assert rows[0].seeds == (0, 1) and rows[0].confirmed
    assert rows[0].metrics["accuracy"] == pytest.approx(0.9)
    assert rows[0].std["accuracy"] == pytest.approx(0.0141421356)
    assert rows[2].metrics["accuracy"] == 0.8 and rows[2].std["accuracy"] == 0.0 and not rows[2].confirmed


def test_results_leaderboard_takes_one_rung_for_one(run: Run) -> None:
    """A quarter of 33 steps is 8, of 132 steps 33: 24.2 % and 25 % of the training are the same rung."""
    for number, step, total_steps, accuracy in ((0, 33, 132, 0.4), (1, 8, 33, 0.6), (2, 8, 132, 0.9)):
        config = resolve(SPEC, number=number, params={"learning_rate": 1e-4, "batch_size": 16})
        assert 0.25 in config.evaluate_at and 0.0625 in config.evaluate_at
        run.store.create(config)
        last = progress(number, step, accuracy).model_copy(update={"total_steps": total_steps})
        run.store.end(record_of(config, PRUNED, [last]))
    assert [row.record.number for row in loaded(run).leaderboard()] == [1, 0, 2]


def test_results_leaderboard_takes_a_later_rung_for_the_same(run: Run) -> None:
    """A trial of few steps is judged later than others: it has not come further, and the better score leads."""
    for number, batch_size, accuracy in ((0, 32, 0.4), (1, 8, 0.6)):
        params = {"learning_rate": 1e-4, "batch_size": batch_size}
        config = resolve(SPEC, number=number, params=params, num_train_rows=2000)
        assert config.rungs[0] is not None
        run.store.create(config)
        total = 3 * -(-2000 // batch_size)
        last = progress(number, round(total * config.rungs[0]), accuracy).model_copy(update={"total_steps": total})
        run.store.end(record_of(config, PRUNED, [last]))
    rows = loaded(run).leaderboard()
    assert rows[0].record.history[-1].fraction < rows[1].record.history[-1].fraction
    assert [row.record.number for row in rows] == [1, 0]


def test_results_nothing_completed(run: Run) -> None:
    run.trial(0, FAIL, reason=FailReason.CRASH)
    run.trial(1, PRUNED, 0.9)
    results = loaded(run)
    assert results.best() is None
    assert results.to_json()["best"] is None
    assert [row.record.number for row in results.leaderboard()] == [1, 0]


def test_results_of_an_empty_study(run: Run) -> None:
    document = loaded(run).to_json()
    assert document == {
        "study": "study",
        "trials": [],
        "confirm": [],
        "baselines": [],
        "best": None,
        "models": [],
        "precision": [],
        "interrupted": False,
        "outdated": False,
    }
    assert loaded(run).frame().empty


def test_results_before_confirmation(run: Run) -> None:
    run.trial(0, COMPLETE, 0.6)
    assert loaded(run).confirm == ()


def test_results_frame(run: Run) -> None:
    fill(run)
    frame = loaded(run).frame()
    assert list(frame["number"]) == [4, 3, 0, 5, 2, 1]
    assert list(frame.columns[:4]) == ["number", "state", "reason", "message"]
    why = {4: "rung 1 of 2: 4th of 4, the best went on", 5: "out of memory"}
    assert frame["message"].dropna().to_dict() == why, "the pruned and the failed trial, which come last"
    assert {"state", "reason", "learning_rate", "batch_size", "accuracy", "seeds", "duration_s"} <= set(frame.columns)
    placed = frame.dropna(subset=["device"])
    assert 0 < len(placed) < len(frame)
    assert set(zip(placed["device"], placed["node"], strict=True)) == {("cpu", "here")}
    assert frame["node"].isna().sum() == len(frame) - len(placed)


@pytest.mark.parametrize("what", ["missing", "empty", "file", "garbled", "foreign"])
def test_load_something_else(tmp_path: Path, what: str) -> None:
    path = tmp_path / "run"
    if what == "file":
        path.write_text("")
    elif what != "missing":
        path.mkdir()
    if what in ("garbled", "foreign"):
        (path / "manifest.json").write_text("{" if what == "garbled" else '{"name": "somebody else"}')
    with pytest.raises(RunError) as caught:
        load(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)
    assert caught.value.exit_code == 2


def test_load_without_database(run: Run) -> None:
    run.store.close()
    for path in run.folder.path.glob("study.db*"):
        path.unlink()
    with pytest.raises(RunError, match="there is no study database"):
        loaded(run)


def test_results_are_light(run: Run) -> None:
    """Importing costs neither Optuna nor pandas, reading neither torch nor plotly."""
    run.trial(0, COMPLETE, 0.6)
    code = """
import sys
from pathlib import Path
from harness.records.results import load
assert not {"torch", "optuna", "pandas", "plotly", "ray", "sqlalchemy", "scipy"} & set(sys.modules)
assert load(Path(sys.argv[1])).to_json()["best"]["number"] == 0
assert not {"torch", "pandas", "plotly", "ray", "transformers"} & set(sys.modules)
"""
    root = Path(__file__).parents[2]
    subprocess.run([sys.executable, "-c", code, str(run.folder.path)], check=True, cwd=root)


def test_trials_that_violate_a_constraint_rank_behind_and_do_not_win(run: Run) -> None:
    fill(run)
    search = SPEC.search.model_copy(update={"constraints": ("log_loss >= 0.12",)})
    limited = replace(loaded(run), spec=SPEC.model_copy(update={"search": search}))
    assert [row.record.number for row in limited.leaderboard()] == [3, 0, 4, 5, 2, 1], "4 has a mean loss of 0.1"
    best = limited.best()
    assert best is not None and best.record.number == 3
    document = limited.to_json()
    assert document["constraints"] == ["log_loss >= 0.12"]
    assert [trial["violates"] for trial in document["trials"]] == [[], [], [], [], ["log_loss >= 0.12"], []]
    assert list(limited.frame().set_index("number")["violates"])[2] == "log_loss >= 0.12"


def test_decision_without_a_winner_has_no_best(run: Run) -> None:
    fill(run)
    finalist = Finalist(number=4, params={}, seeds=(0, 1), metrics={"accuracy": 0.9}, std={"accuracy": 0.0})
    run.store.set("final", Final(finalists=(finalist,)).model_dump(mode="json"))
    results = loaded(run)
    assert results.best() is None
    nearest = results.nearest()
    assert nearest is not None and nearest.record.number == 4
    assert results.to_json()["best"] is None
    assert not results.interrupted
