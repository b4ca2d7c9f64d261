"""The learning curves of trials: those of a table (Parquet) of full trainings, or of a run folder."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite, nan
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from harness.errors import DataError, InputError, nearest
from harness.records.manifest import first_error
from harness.records.patience import as_judged
from harness.records.results import Results, load
from harness.records.schema import Progress, TrialState, Usage
from harness.spec.configure import search_space
from harness.spec.params import searched
from harness.spec.space import Choices, Range
from harness.spec.study import StudySpec
from harness.spec.tasks import facts_of
from harness.spec.trial import ParamValue

if TYPE_CHECKING:
    import numpy as np

__all__ = ["META", "Curve", "Curves", "read_curves"]

#: Key of a table's file metadata: JSON with `study`, `rows` by split and `chance`, the trivial baseline's scores.
META = b"grid"
COLUMNS = ("step", "total_steps", "num_rows")


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """The evaluations of one trial in order.

    `rows` holds, by step and metric, the value of each validation row, where the table has them.
    """

    number: int
    params: Mapping[str, ParamValue]
    history: tuple[Progress, ...]
    rows: Mapping[int, Mapping[str, np.ndarray]] = field(default_factory=dict)

    @property
    def whole(self) -> bool:
        """True when the trial was trained to its end."""
        return self.history[-1].done


@dataclass(frozen=True, slots=True, kw_only=True)
class Curves:
    """The curves of one study. `chance` is the trivial baseline's validation score, by metric."""

    name: str
    spec: StudySpec
    num_train_rows: int | None
    chance: Mapping[str, float]
    curves: tuple[Curve, ...]

    @property
    def num_params(self) -> int:
        """How many curves differ in more than their seed."""
        return len({repr(sorted(curve.params.items())) for curve in self.curves})


def read_curves(path: Path) -> Curves:
    """Reads a table of full trainings (.parquet), or the trials of a run folder.

    Raises:
        DataError: the table cannot be read or lacks a column.
        InputError: there is no such file, or there are fewer than two trials with evaluations.
    """
    if not path.exists():
        raise InputError(f"{path}: there is no such table or run folder")
    curves = _of_run(load(path)) if path.is_dir() else _of_table(path)
    if (count := len(curves.curves)) < 2:
        raise InputError(f"{path} has {count or 'no'} trial with evaluations; a replay needs two or more")
    return curves


def _of_run(results: Results) -> Curves:
    """Returns the curves of a run's trials; failed ones and those without evaluations are left out."""
    objective = results.objective
    scores = [baseline.metrics for baseline in results.baselines if objective.name in baseline.metrics]
    trivial = max(scores, key=lambda metrics: objective.sort_key(metrics[objective.name]), default={})
    trials = [trial for trial in results.trials if trial.history and trial.state is not TrialState.FAIL]
    return Curves(
        name=results.spec.name,
        spec=results.spec,
        num_train_rows=results.manifest.data.rows.get("train"),
        chance=trivial,
        curves=tuple(
            Curve(number=trial.number, params=trial.params, history=tuple(as_judged(trial.history, trial.config)))
            for trial in trials
        ),
    )


def _of_table(path: Path) -> Curves:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(path)
    except (OSError, pa.ArrowInvalid):
        raise DataError(f"{path} is neither a Parquet table nor a run folder; see docs/pruning.md") from None
    spec, meta = _meta(path, table.schema.metadata or {})
    names = [param.name for param in search_space(spec)]
    for name in (*COLUMNS, *names, *spec.search.objectives):
        if name not in table.column_names:
            raise DataError(f"{path}: no column '{name}'{nearest(name, table.column_names)}; see docs/pruning.md")
    trainings: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for row in table.to_pylist():
        trainings.setdefault((*(row[name] for name in names), row.get("seed", 0)), []).append(row)
    return Curves(
        name=path.stem,
        spec=_over_ranges(spec),
        num_train_rows=meta.get("rows", {}).get("train"),
        chance=meta.get("chance", {}),
        curves=tuple(_sound(path, number, rows, names, spec) for number, rows in enumerate(trainings.values())),
    )


def _sound(path: Path, number: int, rows: Sequence[Mapping[str, Any]], names: Sequence[str], spec: StudySpec) -> Curve:
    """Returns the curve of the lines of one training.

    Raises:
        DataError: they hold other values than evaluations have.
    """
    where = f"{path}: training {number} ({', '.join(f'{name} {rows[0][name]}' for name in names)})"
    try:
        curve = _curve(number, rows, names, spec)
    except (TypeError, ValueError) as error:
        reason = first_error(error) if isinstance(error, ValidationError) else str(error)
        raise DataError(f"{where} cannot be read ({reason}); see docs/pruning.md") from None
    steps, whole = [progress.step for progress in curve.history], curve.history[-1].total_steps
    if len(set(steps)) < len(steps):
        raise DataError(f"{where} has two lines of one step; trainings of one configuration need a column 'seed'")
    if any(progress.total_steps != whole or not 0 < progress.step <= whole for progress in curve.history):
        raise DataError(f"{where}: steps must be from 1 to total_steps, and those equal in all of its lines")
    if any(progress.num_rows < 1 for progress in curve.history):
        raise DataError(f"{where}: num_rows must be 1 or more")
    for name in spec.search.objectives:
        if not isfinite(curve.history[-1].metrics.get(name, nan)):
            raise DataError(f"{where} has no {name} at its last step {steps[-1]}")
    return curve


def _meta(path: Path, metadata: Mapping[bytes, bytes]) -> tuple[StudySpec, dict[str, Any]]:
    """Returns the study in the file's metadata, and all of it."""
    try:
        meta = json.loads(metadata.get(META, b"{}"))
        if not isinstance(meta, dict) or not all(isinstance(meta.get(name, {}), dict) for name in ("rows", "chance")):
            raise ValueError("it must be an object, and so must its 'rows' and 'chance'")
        return StudySpec.model_validate(meta.get("study", {})), meta
    except ValueError as error:
        raise DataError(
            f"{path}: its metadata hold no study ({str(error).splitlines()[0]}); see docs/pruning.md"
        ) from None


def _over_ranges(spec: StudySpec) -> StudySpec:
    """Returns the study with the range between the ends of a grid's real numbers in the place of its choices.

    Samplers draw from the range as in a usual search; the grid has the points of it that were trained.
    """
    training = {}
    for key, domain in searched(spec).items():
        section, _, name = key.rpartition(".")
        values = domain.choices if isinstance(domain, Choices) else ()
        if section == "training" and len(values) > 1 and all(isinstance(value, float) for value in values):
            training[name] = Range(low=min(values), high=max(values), log=min(values) > 0, when=domain.when)
    return spec.model_copy(update={"training": spec.training.model_copy(update=training)})


def _curve(number: int, rows: Sequence[Mapping[str, Any]], names: Sequence[str], spec: StudySpec) -> Curve:
    return Curve(
        number=number,
        params={name: rows[0][name] for name in names if rows[0][name] is not None},
        history=tuple(_progress(number, row, spec) for row in sorted(rows, key=lambda row: row["step"])),
        rows={row["step"]: by_row for row in rows if (by_row := _by_row(row, spec))},
    )


def _progress(number: int, row: Mapping[str, Any], spec: StudySpec) -> Progress:
    names = [name for name in facts_of(spec.task).objectives if row.get(name) is not None]
    return Progress(
        number=number,
        step=row["step"],
        total_steps=row["total_steps"],
        epoch=row.get("epoch") or 0.0,
        num_rows=row["num_rows"],
        metrics={name: row[name] for name in names},
        train_loss=row.get("train_loss") or 0.0,
        usage=Usage(elapsed_s=row.get("elapsed_s") or 0.0),
    )


def _by_row(row: Mapping[str, Any], spec: StudySpec) -> dict[str, np.ndarray]:
    """Returns the values of each row: `hits` are those of the task's first share, `losses` those of its loss."""
    import numpy as np

    task = facts_of(spec.task)
    share = next((metric.name for metric in task.metrics if metric.is_share), None)
    values = {}
    if share is not None and row.get("hits"):
        values[share] = np.unpackbits(np.frombuffer(row["hits"], np.uint8))[: row["num_rows"]]
    if row.get("losses"):
        values[task.loss] = np.frombuffer(row["losses"], "<f2").astype(float)
    for name, of_rows in values.items():
        if len(of_rows) != row["num_rows"]:
            raise ValueError(f"{len(of_rows)} values of {name} for {row['num_rows']} rows at step {row['step']}")
    return values
