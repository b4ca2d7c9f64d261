"""MLflow's own client finds what the logger wrote, a trial that was taken up again included."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from harness.errors import InputError
from harness.loggers.open import open_loggers
from harness.records.rundir import RunFolder
from harness.records.schema import TrialState, record_of
from tests.loggers.trials import config
from tests.search.simulate import evaluation

pytest.importorskip("mlflow", reason="needs the extra: pip install 'finetune-harness[mlflow]'")
pytestmark = pytest.mark.filterwarnings("ignore")  # those of its many dependencies are not ours


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunFolder:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    folder = RunFolder(tmp_path / "reviews")
    folder.create()
    return folder


def logged(name: str) -> dict[str, Any]:
    from mlflow import MlflowClient

    client = MlflowClient()
    found = client.search_runs([client.get_experiment_by_name(name).experiment_id])
    return {run.info.run_name: run for run in found}


def test_a_study_is_an_experiment_and_a_trial_a_run(run: RunFolder) -> None:
    from mlflow import MlflowClient

    said: list[str] = []
    first, last = (evaluation(config(0), share) for share in (1 / 4, 1.0))
    with open_loggers(["mlflow"], run, said.append) as loggers:
        loggers.started(config(0))
        loggers.progressed(0, first)
    assert logged("reviews")["trial-000"].info.status == "KILLED"

    with open_loggers(["mlflow"], run, said.append) as loggers:
        loggers.started(config(0))
        loggers.progressed(0, last)
        loggers.ended(record_of(config(0), TrialState.COMPLETE, [first, last]))
        loggers.started(config(1))
        loggers.ended(record_of(config(1), TrialState.PRUNED))
    runs = logged("reviews")
    assert sorted(runs) == ["trial-000", "trial-001"]
    assert {name: found.info.status for name, found in runs.items()} == {
        "trial-000": "FINISHED", "trial-001": "KILLED",
    }  # fmt: skip
    assert runs["trial-001"].data.tags["harness.state"] == "PRUNED"
    assert float(runs["trial-000"].data.params["learning_rate"]) == config(0).params["learning_rate"]
    points = MlflowClient().get_metric_history(runs["trial-000"].info.run_id, "accuracy")
    assert [(point.step, point.value) for point in points] == [
        (first.step, first.metrics["accuracy"]), (last.step, last.metrics["accuracy"]),
    ]  # fmt: skip
    assert said == []


@pytest.mark.long
def test_a_run_that_the_server_does_not_know_is_made_anew(run: RunFolder) -> None:
    run.write_json("mlflow.json", {"trial-000": "0" * 32})
    said: list[str] = []
    with open_loggers(["mlflow"], run, said.append) as loggers:
        loggers.started(config(0))
    assert said == []
    assert run.read_json("mlflow.json") == {"trial-000": logged("reviews")["trial-000"].info.run_id}


def test_a_server_that_cannot_be_used_is_bad_input(run: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:////proc/none/mlflow.db")
    with pytest.raises(InputError, match="MLFLOW_TRACKING_URI"):
        open_loggers(["mlflow"], run, print)
