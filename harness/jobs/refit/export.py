"""Exports a trial's recipe as it comes out on more rows: `harness export --refit`."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from harness.data.answers import read_answers
from harness.data.prepared import PreparedData
from harness.jobs.export import stage_weights, write_card
from harness.jobs.refit.recipe import refit_config
from harness.jobs.refit.rows import REFITS, widened
from harness.jobs.rerun import prepared_data, train_once
from harness.jobs.standing import of_trial
from harness.records.exported import Refit
from harness.records.final import FinalModel
from harness.records.results import Results
from harness.records.rundir import RunFolder
from harness.records.schema import TrialRecord
from harness.report.kit.text import join
from harness.search.watch import Monitor
from harness.tasks import task_of

__all__ = ["stage_refit"]

#: Scores the staged folder on validation, and raises where that is not the score of the record.
Check = Callable[[PreparedData, TrialRecord, Mapping[str, float]], None]


def stage_refit(
    results: Results,
    record: TrialRecord,
    model: FinalModel | None,
    rows: str,
    staging: Path,
    monitors: Sequence[Monitor],
    check: Check,
) -> None:
    """Trains the recipe of `record` on the splits that `rows` names (`REFITS`), and stages the model with its card.

    The card has the scores of the trial itself, as `model` was scored, and says that their rows were trained on since.

    Raises:
        RunError: the trial cannot be repeated, or its training failed.
    """
    data, splits = prepared_data(results), REFITS[rows]
    with TemporaryDirectory(prefix="harness-refit-") as folder:
        wide = widened(data, splits, Path(folder))
        config = refit_config(record, wide.meta.rows["train"])
        with train_once(results, record, config, wide, *monitors) as (trained, weights):
            stage_weights(weights, staging)
            check(wide, trained, trained.metrics)
            _keep_tuned(results, record, model, staging)
            num_rows, standing = wide.meta.rows["train"], of_trial(results, data, model)
            chosen = _chosen(record, splits, num_rows)
            standing = replace(standing, place="trained again on more rows", chosen=chosen)
            write_card(
                staging,
                spec=results.spec,
                data=data,
                record=record,
                test=model.test if model is not None else None,
                seeds=(record.seed,),
                standing=replace(
                    standing, place="trained again on more rows", chosen=_chosen(record, splits, num_rows)
                ),
                precisions=results.manifest.precision,
                refit=Refit(splits=splits, rows=num_rows),
            )


def _chosen(record: TrialRecord, splits: Sequence[str], num_rows: int) -> str:
    number = record.config.of if record.config.of is not None else record.number
    since = [split for split in splits if split != "train"]
    return (
        f"These are the scores of trial {number}, which was trained on rows of train alone. The weights of this folder "
        f"come from its recipe and its number of steps on {num_rows:,} rows, those of {join(splits)}: the rows of "
        f"{join(since)} were trained on since, so these scores are not of these weights."
    )


def _keep_tuned(results: Results, record: TrialRecord, model: FinalModel | None, staging: Path) -> None:
    """Writes what the trial tuned on validation (thresholds) into the staged config.json.

    The new weights have been trained on these rows, so nothing can be tuned on them any more.
    """
    if model is None:
        return
    answers = read_answers(RunFolder(results.folder).inside(model.predictions), "validation")
    tuned = task_of(results.spec.task).tuned(answers.outputs, answers.targets, record.trained_config)
    path = staging / "config.json"
    settings = json.loads(path.read_text(encoding="utf-8")) | tuned
    path.write_text(json.dumps(settings, indent=2, sort_keys=True) + "\n", encoding="utf-8")
