"""A trial again: what counts as the same, and what is refused."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.data.prepare import prepare
from harness.errors import FailReason, RunError
from harness.jobs import rerun as module
from harness.jobs.rerun import prepared_data, rerun, train_again, trial_of
from harness.machine.slots import Slot
from harness.records.manifest import DataFacts, Manifest
from harness.records.results import Results, load
from harness.records.schema import Place, Progress, TrialRecord, TrialState, record_of
from harness.runtime import PLAIN
from harness.search.source import Decision
from harness.spec.configure import default_params, resolve
from harness.spec.reader import load_study
from tests.conftest import STUDIES

CPU = Place(node="here", device="cpu", slot=0, threads=1)
GPU = CPU.model_copy(update={"device": "cuda:0"})
SPEC = load_study(STUDIES / "smoke.yaml")
CONFIG = resolve(SPEC, number=0, params=default_params(SPEC))


def evaluation(step: int, loss: float = 0.5, **metrics: float) -> Progress:
    found = {"accuracy": 0.8, "samples_per_second": 100.0} | metrics
    return Progress(number=0, step=step, total_steps=12, epoch=1.0, num_rows=12, metrics=found, train_loss=loss)


def trial(*history: Progress, state: TrialState = TrialState.PRUNED, place: Place = CPU, **fields: Any) -> TrialRecord:
    return record_of(CONFIG, state, history, place=place, **fields)


def study_of(record: TrialRecord) -> Results:
    return Results(
        folder=Path("runs/smoke"), spec=SPEC, trials=(record,), confirm=(), baselines=(), final=None,
        manifest=Manifest(spec=SPEC),
    )  # fmt: skip


def compared(recorded: TrialRecord, now: TrialRecord, monkeypatch: pytest.MonkeyPatch) -> module.Rerun:
    """What `rerun` says when the new training comes out as `now`."""

    @contextmanager
    def trained(*_: object) -> Iterator[tuple[TrialRecord, Path]]:
        yield now, Path()

    monkeypatch.setattr(module, "_train", trained)
    return rerun(study_of(recorded), 0)


def test_rerun_equal_to_the_bit_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    found = compared(trial(evaluation(1), evaluation(3)), trial(evaluation(1), evaluation(3)), monkeypatch)
    assert found.same
    assert [(each.step, each.name) for each in found.comparisons] == [
        (1, "train_loss"), (1, "accuracy"), (3, "train_loss"), (3, "accuracy"),
    ]  # fmt: skip


def test_rerun_speed_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    assert compared(trial(evaluation(1)), trial(evaluation(1, samples_per_second=7.0)), monkeypatch).same


@pytest.mark.parametrize(("place", "same"), [(CPU, False), (GPU, True)])
def test_rerun_last_bit_counts_on_a_cpu_only(place: Place, same: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    near = compared(trial(evaluation(1), place=place), trial(evaluation(1, loss=0.5 + 1e-12)), monkeypatch)
    far = compared(trial(evaluation(1), place=place), trial(evaluation(1, loss=0.5001)), monkeypatch)
    assert near.same is same
    assert not far.same


def test_rerun_without_an_evaluation_is_different(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not compared(trial(evaluation(1), evaluation(3)), trial(evaluation(1)), monkeypatch).same


def test_rerun_nan_again_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    nan = trial(evaluation(1, roc_auc=float("nan")))
    assert compared(nan, nan, monkeypatch).same


def test_rerun_fails_again_for_the_same_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    failed = trial(evaluation(1), state=TrialState.FAIL, reason=FailReason.NAN)
    crashed = trial(evaluation(1), state=TrialState.FAIL, reason=FailReason.CRASH)
    assert compared(failed, failed, monkeypatch).same
    assert not compared(failed, crashed, monkeypatch).same
    assert not compared(failed, trial(evaluation(1)), monkeypatch).same
    assert not compared(trial(evaluation(1)), failed, monkeypatch).same


def test_rerun_of_a_timeout_compares_what_there_was(monkeypatch: pytest.MonkeyPatch) -> None:
    late = trial(evaluation(1), state=TrialState.FAIL, reason=FailReason.TIMEOUT)
    assert compared(late, trial(evaluation(1)), monkeypatch).same


def test_rerun_of_a_trial_that_changed_is_refused() -> None:
    mutations = [{"fraction": 0.0, "params": {}}, {"fraction": 0.5, "from": 3, "params": {}}]
    with pytest.raises(RunError, match=r"^trial 0 of .* cannot be trained again: its values changed during training"):
        rerun(study_of(trial(evaluation(1), extra={"mutations": mutations})), 0)


def test_up_to_stops_where_the_record_ends() -> None:
    source = module.StoppedTrial(trial(evaluation(1), evaluation(3)), 3)
    assert source.next() == CONFIG
    assert [source.decide(0, evaluation(step)) for step in (1, 3)] == [Decision.GO, Decision.STOP]
    assert not source.keep(0, evaluation(3))


@pytest.mark.parametrize(
    ("record", "message"),
    [
        (trial(state=TrialState.RUNNING), "has not ended"),
        (record_of(CONFIG, TrialState.FAIL, reason=FailReason.STOPPED), "never ran"),
    ],
)
def test_trial_of_refuses(record: TrialRecord, message: str) -> None:
    with pytest.raises(RunError, match=message):
        trial_of(study_of(record), 0)


def test_trial_of_says_which_there_are() -> None:
    with pytest.raises(RunError, match="has no trial 5; it has 0 to 0"):
        trial_of(study_of(trial(evaluation(1))), 5)


def test_trial_of_takes_the_runs_device_where_the_record_has_none() -> None:
    record = record_of(CONFIG, TrialState.PRUNED, [evaluation(1)])
    results = replace(study_of(record), manifest=Manifest(spec=SPEC, devices=(GPU,)))
    assert trial_of(results, 0).place == GPU


def test_prepared_data_must_be_what_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path))
    results = replace(study_of(trial(evaluation(1))), manifest=Manifest(spec=SPEC, data=DataFacts(sha256="0" * 64)))
    with pytest.raises(RunError, match=r"smoke\.csv has changed since"):
        prepared_data(results)


@pytest.mark.parametrize(("plain", "set_to"), [(None, None), (False, "0"), (True, "1")])
def test_rerun_has_the_speed_ups_that_the_trial_had(
    plain: bool | None, set_to: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = []

    class Engine:
        def __init__(self, run: object, slots: list[Slot]) -> None:
            found.extend(slot.env.get(PLAIN) for slot in slots)

        def run(self, source: module.StoppedTrial, data: str, trial_fn: str) -> None:
            source.next()
            source.end(recorded)

    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path))
    monkeypatch.setattr(module, "LocalEngine", Engine)
    recorded = trial(evaluation(1).model_copy(update={"plain": plain}))
    data = DataFacts(sha256=prepare(SPEC).meta.sha256)
    assert rerun(replace(study_of(recorded), manifest=Manifest(spec=SPEC, data=data)), 0).same
    assert found == [set_to]


@pytest.mark.long
def test_train_again_gives_weights_and_writes_nothing_to_the_run(
    smoke_run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HARNESS_CACHE", str(smoke_run.parents[1] / "cache"))
    results = load(smoke_run)
    before = {path: path.stat().st_mtime_ns for path in smoke_run.rglob("*") if path.is_file() and path.suffix != ".db"}
    with train_again(results, results.trials[1]) as (record, weights):
        assert record.state is TrialState.COMPLETE
        assert (weights / "model.safetensors").is_file()
        recorded = results.trials[1].history
        assert [progress.train_loss for progress in record.history[: len(recorded)]] == [
            progress.train_loss for progress in recorded
        ]
    assert not weights.exists()
    assert before == {path: path.stat().st_mtime_ns for path in before}
