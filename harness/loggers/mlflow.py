"""MLflow: a study is an experiment, each trial a run of it.

Where runs are stored is MLflow's own setting, MLFLOW_TRACKING_URI.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from harness.loggers.base import Logger, hyperparameters, label, scalars
from harness.records.rundir import RunFolder
from harness.records.schema import Progress, TrialRecord, TrialState
from harness.spec.trial import TrialConfig

if TYPE_CHECKING:
    from mlflow import MlflowClient

__all__ = ["MlflowLogger"]

_RUNS = "mlflow.json"
_STATUS = {TrialState.COMPLETE: "FINISHED", TrialState.PRUNED: "KILLED", TrialState.FAIL: "FAILED"}


class MlflowLogger(Logger):
    """Writes to the tracking server, where the run of a paused trial stays RUNNING.

    `mlflow.json` of the run folder maps each trial to its MLflow run.
    """

    def __init__(self, run: RunFolder, client: MlflowClient | None = None) -> None:
        """`client` is MLflow's own; by default one for the server of MLflow's settings."""
        from mlflow import MlflowClient

        self._run, self._client = run, client or MlflowClient()
        self._experiment = self._experiment_id(run.path.name)
        self._ids: dict[str, str] = run.read_json(_RUNS) or {}
        self._open: dict[int, str] = {}

    def _experiment_id(self, name: str) -> str:
        experiment = self._client.get_experiment_by_name(name)
        return str(experiment.experiment_id if experiment is not None else self._client.create_experiment(name))

    def started(self, config: TrialConfig) -> None:
        """Creates the trial's MLflow run, or sets the earlier one to RUNNING."""
        name = label(config)
        if name in self._ids and self._is_active(self._ids[name]):
            self._client.update_run(self._ids[name], status="RUNNING")
        else:
            self._ids[name] = self._create(config)
            self._run.write_json(_RUNS, self._ids)
        self._open[config.number] = self._ids[name]

    def _is_active(self, run_id: str) -> bool:
        """False where the MLflow run was made on another server, or was deleted since."""
        from mlflow.exceptions import MlflowException

        try:
            return bool(self._client.get_run(run_id).info.lifecycle_stage == "active")
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
            return False

    def _create(self, config: TrialConfig) -> str:
        from mlflow.entities import Param

        tags = {"harness.run": str(self._run.path), "harness.kind": config.kind}
        run = self._client.create_run(self._experiment, tags=tags, run_name=label(config))
        params = [Param(name, str(value)) for name, value in hyperparameters(config).items()]
        self._client.log_batch(run.info.run_id, params=params)
        return str(run.info.run_id)

    def progressed(self, number: int, progress: Progress) -> None:
        """Logs one point of each metric, over optimiser steps."""
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        values = scalars({**progress.metrics, "train_loss": progress.train_loss, "epoch": progress.epoch})
        metrics = [Metric(name, value, now, progress.step) for name, value in values.items()]
        self._client.log_batch(self._open[number], metrics=metrics)

    def ended(self, record: TrialRecord) -> None:
        """Sets state, reason and message. A pruned trial is KILLED in MLflow, so that finished ones can be filtered."""
        run_id = self._open.pop(record.number, None)
        if run_id is None:
            return
        tags = {"state": record.state.value, "reason": record.reason.value if record.reason else ""}
        for name, value in {**tags, "message": record.message}.items():
            if value:
                self._client.set_tag(run_id, f"harness.{name}", value)
        self._client.set_terminated(run_id, status=_STATUS[record.state])

    def close(self) -> None:
        """Sets the runs of trials that an interrupted sweep leaves to KILLED; continuing sets them to RUNNING again."""
        for run_id in self._open.values():
            self._client.set_terminated(run_id, status="KILLED")
        self._open.clear()
