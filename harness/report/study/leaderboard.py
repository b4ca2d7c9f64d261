"""The leaderboard of the page: columns, rows of texts and sort values, and the details of each trial."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite, nan
from pathlib import Path
from typing import Any

from harness.records.schema import BUDGET, Progress, PruneReason, TrialRecord, TrialState, num_places
from harness.report.kit.text import (
    clip,
    duration,
    for_figure,
    interval,
    metric,
    metric_title,
    param,
    param_name,
    percent,
)
from harness.report.kit.view import View
from harness.report.study.objectives import on_front
from harness.report.study.seeds import mean_interval
from harness.runtime import program, shown_path
from harness.spec.foreign import trust_option
from harness.stats.metric import COSTS

__all__ = ["TrialColumn", "TrialRow", "caption", "columns", "details", "rows"]

_MAX_LOG_BYTES = 3000
_ALL_LOGS_BYTES = 1_000_000
_MAX_EVALUATIONS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialColumn:
    """A column of the leaderboard; the filter of the page knows it by `title` and by `key`."""

    key: str
    title: str
    numeric: bool
    scale: float = 1.0
    """The unit of the texts, in units of `key`: 1,024 where memory in MiB is shown in GiB."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialRow:
    """One trial of the leaderboard: the texts and the sort values of its cells."""

    number: int
    state: str
    roles: tuple[str, ...]
    texts: tuple[str, ...]
    values: tuple[float | str | None, ...]


def columns(view: View) -> list[TrialColumn]:
    """The columns, in order; params that do not vary, and those after the first twelve, are only in the details."""
    scores = [
        TrialColumn(key=name, title=metric_title(name), numeric=True)
        for name in dict.fromkeys([*view.objectives, view.task.metrics[0].name])
        if name not in COSTS
    ]
    first, others = scores[:1], scores[1:]
    params = [TrialColumn(key=name, title=param_name(name), numeric=view.is_number(name)) for name in view.main_params]
    costs = [
        TrialColumn(key=name, title=cost.title, numeric=True, scale=_memory_scale(view) if cost.unit == "MiB" else 1.0)
        for name, cost in COSTS.items()
        if name in view.objectives or name != "predicted_samples_per_second"
    ]
    return [
        *first,
        TrialColumn(key="interval", title="95 % interval", numeric=True),
        TrialColumn(key="state", title="state", numeric=False),
        TrialColumn(key="seeds", title="seeds", numeric=True),
        *others,
        *(cost for cost in costs if cost.key in view.objectives),
        *params,
        *(cost for cost in costs if cost.key not in view.objectives),
        TrialColumn(key="duration_s", title="duration", numeric=True),
        *([TrialColumn(key="place", title="ran on", numeric=False)] if num_places(view.trials) > 1 else []),
        *([TrialColumn(key="violates", title="violates", numeric=False)] if view.is_constrained else []),
        TrialColumn(key="reason", title="reason", numeric=False),
    ]


def caption(view: View) -> str:
    """The sentences above the leaderboard: its order, and whether a score is of one seed or a mean."""
    limited = " (those that violate a constraint last)" if view.is_constrained else ""
    rest = f"completed trials{limited}, the best first, then pruned ones, those trained furthest first, and failed ones"
    num_confirmed = sum(len(view.seeds(record)) > 1 for record in view.completed)
    front = ' Trials marked "front" are on the Pareto front of the objectives.' if len(view.objectives) > 1 else ""
    if not num_confirmed:
        scores = "Every trial with its score on the validation rows, of one training each"
        return f"{scores}: {rest}.{front}"
    them = (
        "The configuration that was trained again with other seeds stands first"
        if num_confirmed == 1
        else f"The {num_confirmed:,} configurations that were trained again with other seeds stand first"
    )
    return (
        f"Every trial with its score on the validation rows. {them}, with the mean over the seeds; below, {rest}, "
        "with the score of their one training, which may by luck be higher than a mean."
        f"{front}"
    )


def _memory_scale(view: View) -> float:
    """The unit of the memory column in MiB, the same for all rows, so that a limit in the filter is in this unit."""
    return 1024.0 if max((view.cost(record, "peak_memory_mib") for record in view.trials), default=0.0) >= 1024 else 1.0


def rows(view: View) -> list[TrialRow]:
    """All search trials, best first."""
    trial_columns = columns(view)
    front = {record.number for record in on_front(view)} if len(view.objectives) > 1 else set()
    trial_rows = []
    for record in view.ranked:
        cells = [_cell(view, record, column) for column in trial_columns]
        trial_rows.append(
            TrialRow(
                number=record.number,
                state=record.state.value,
                roles=(*view.roles(record.number), *(("front",) if record.number in front else ())),
                texts=tuple(text for text, _ in cells),
                values=tuple(value for _, value in cells),
            )
        )
    return trial_rows


def _cell(view: View, record: TrialRecord, column: TrialColumn) -> tuple[str, float | str | None]:
    """The text and the sort value of one cell."""
    key = column.key
    if key == "state":
        is_early = record.state is TrialState.PRUNED or record.out_of_patience
        early = f" at {percent(record.reached, 0)}" if is_early else ""
        word = "given up" if record.message == BUDGET else record.state.value.lower()
        violates = ", violates" if view.rows[record.number].violates else ""
        return word + early + violates + _trained_later(view, record), record.state.value
    if key == "interval":
        bounds = mean_interval(view, record)
        return interval(view.objective, bounds), _number(bounds.low)
    if key == "seeds":
        return str(len(view.seeds(record))), float(len(view.seeds(record)))
    if key == "place":
        return clip(record.where or "–"), record.where or "–"
    if key == "duration_s":
        return duration(record.duration_s or None), _number(record.duration_s)
    if key == "violates":
        texts = clip(", ".join(each.text for each in view.rows[record.number].violates))
        return texts, texts
    if key == "reason":
        return _why(record), record.reason.value if record.reason else ""
    if key in COSTS:
        value = view.cost(record, key) or None
        if value is not None and column.scale != 1.0:
            return f"{value / column.scale:.2f} GiB", value
        return metric(key, value), value
    if key in view.params and key not in view.task.objectives:
        return _param_cell(view, record, key)
    mean, num_seeds = view.mean(record, key), len(view.seeds(record))
    text = metric(key, mean)
    return f"{text} (mean of {num_seeds})" if num_seeds > 1 else text, _number(mean)


def _trained_later(view: View, record: TrialRecord) -> str:
    """What is said of a pruned trial that was trained to its end later, as the default recipe is for test."""
    tested = record.number in {model.number for model in view.models.values()}
    return ", trained to its end for test" if tested and record.state is TrialState.PRUNED else ""


def _why(record: TrialRecord) -> str:
    """Why a trial failed or ended early. The message of a pruned trial names its reason, the rung."""
    message = "the budget ran out" if record.message == BUDGET else clip(record.message, 240)
    if record.reason is None or record.reason is PruneReason.RUNG:
        return message
    return f"{record.reason.value}: {message}" if message else record.reason.value


def _param_cell(view: View, record: TrialRecord, key: str) -> tuple[str, float | str | None]:
    if key not in record.params:
        return "–", None
    value = record.params[key]
    sort = float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else param(value)
    text = view.checkpoint_name(str(value)) if key == "checkpoint" else param(value)
    return clip(text), sort


def _number(value: float) -> float | None:
    return value if isfinite(value) else None


def details(view: View) -> dict[str, Any]:
    """The details that a click on a trial shows, by trial number: curve, log, params, commands, figure label."""
    run = shown_path(view.results.folder.resolve())
    budget = max(300, min(_MAX_LOG_BYTES, _ALL_LOGS_BYTES // max(1, len(view.trials))))
    own = program()
    return {str(record.number): _detail(view, record, own, run, budget) for record in view.trials}


def _detail(view: View, record: TrialRecord, own: str, run: str, log_bytes: int) -> dict[str, Any]:
    trust = trust_option(view.task.name)
    history = record.history[:: max(1, -(-len(record.history) // _MAX_EVALUATIONS))]
    return {
        "label": _label(view, record),
        "params": [[param_name(name), clip(_exact(value))] for name, value in record.params.items()],
        "seeds": [[run.seed, view.score_text(view.score(run))] for run in view.seeds(record)],
        "message": clip(record.message, 500),
        "epoch": [progress.epoch for progress in history],
        "score": [progress.metrics.get(view.objective) for progress in history],
        "loss": [progress.train_loss for progress in history],
        "log": _log(view, record, log_bytes),
        "rerun": f"{own} rerun {run} {record.number}{trust}",
        "export": f"{own} export {run} --trial {record.number} --to model-{record.number}{trust}"
        if record.state.value == "COMPLETE"
        else "",
    }


def _exact(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else param(value)


def _label(view: View, record: TrialRecord) -> str:
    lines = [f"<b>trial {record.number}</b> ({record.state.value.lower()})"]
    score = view.score(record)
    if isfinite(score):
        lines.append(f"{view.score_name} {view.score_text(score)}")
    lines += [f"{for_figure(param_name(n))} {for_figure(param(v))}" for n, v in list(record.params.items())[:8]]
    return "<br>".join(lines)


def _log(view: View, record: TrialRecord, limit: int) -> str:
    """The last evaluations, the end of the trial, and the end of its log file: about `limit` bytes."""
    lines = [_evaluated(view, progress) for progress in record.history[-max(3, limit // 250) :]]
    if record.state.ended:
        lines.append(": ".join(part for part in (record.state.value.lower(), clip(record.message, 400)) if part))
    text = "\n".join(lines)
    printed = _log_tail(view.file(record.log), limit - len(text)) if limit > len(text) else ""
    return "\n".join(part for part in (text, printed) if part)


def _evaluated(view: View, progress: Progress) -> str:
    score = f"validation {view.score_name} {view.score_text(progress.metrics.get(view.objective, nan))}"
    return (
        f"step {progress.step:,} of {progress.total_steps:,}, epoch {progress.epoch:.2f}: training loss "
        f"{progress.train_loss:.3f}, {score} of {progress.num_rows:,} rows, {duration(progress.usage.elapsed_s)}"
    )


def _log_tail(path: Path | None, limit: int) -> str:
    """The last lines of a trial's log file, at most `limit` bytes."""
    if path is None or not path.is_file():
        return ""
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - limit))
        text = file.read().decode("utf-8", errors="replace")
    lines = text.splitlines()
    return "\n".join(clip(line, 400) for line in (lines[1:] if size > limit and len(lines) > 1 else lines))
