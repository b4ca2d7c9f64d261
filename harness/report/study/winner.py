"""The section about the winner: final models on test, its seeds, and its errors in the task's lens."""

from __future__ import annotations

from collections.abc import Iterable
from math import isfinite
from textwrap import wrap

from harness.records.final import FinalModel, PredictionSpeed
from harness.report.kit.figures import Figure
from harness.report.kit.sections import Section, Table, arranged
from harness.report.kit.text import (
    capitalised,
    clip,
    for_figure,
    metric_title,
    number,
    plural,
    score_and_interval,
)
from harness.report.kit.view import View
from harness.report.lenses.base import Findings, Lens
from harness.report.lenses.registry import lens_of
from harness.report.study.figures.winner import forest, seed_curves
from harness.report.study.objectives import no_winner
from harness.report.study.predictions import answers_of, shown_rows
from harness.report.study.serving import ranges, size_number

__all__ = ["models_figure", "models_table", "winner_section"]

_ROLE_NAMES = {
    "winner": "winner",
    "runner-up": "runner-up",
    "default": "default recipe",
    "checkpoint": "best of its checkpoint",
    "baseline": "baseline",
}
#: The characters of a line of a label.
_LABEL = 26
#: How fast a model predicts, in batches and a single row, and the size of its weights.
_MEASURED_ONCE = "Models of one checkpoint, precision and length are measured once, and have one speed."
_COSTS = ("predicted rows/s", "ms for one row", "MB")


def models_figure(view: View, name: str) -> Figure | None:
    """The test scores of the final models with intervals, the winner first."""
    chosen = view.chosen
    if chosen is None:
        return None
    models = [chosen, *(model for model in view.models.values() if model is not chosen)]
    models = [model for model in models if name in model.test and isfinite(model.test[name].value)]
    rows = [("<br>".join(for_figure(text) for text in _label(model)), model.test[name]) for model in models]
    caption = "; ".join(
        f"{clip(_lines(model)[0], 120)} {score_and_interval(name, model.test[name])}" for model in models
    )
    title = f"Test {metric_title(name)} of the final models, with 95 % intervals"
    return forest(title, name, rows, f"{capitalised(caption)}.") if rows else None


def _label(model: FinalModel) -> list[str]:
    """The lines of a model's label: a long name in several."""
    name, second = _lines(model)
    return [*wrap(clip(name, 3 * _LABEL), _LABEL), second]


def _lines(model: FinalModel) -> tuple[str, str]:
    """The two lines of a model's label; of several baselines the name tells more than the role."""
    role, name = _ROLE_NAMES[model.kind], _model_name(model.number, model.name)
    return (name, role) if model.kind == "baseline" else (role, name)


def _model_name(number: int | None, name: str) -> str:
    return f"trial {number}" if number is not None else name


def models_table(view: View) -> Table | None:
    """All test metrics of the final models."""
    if not view.models:
        return None
    names = list(dict.fromkeys(name for model in view.models.values() for name in model.test))
    measured = any(model.speed for model in view.models.values())
    rows, measured_as = [], _measured_as(view)
    for role, model in view.models.items():
        cells = [f"{_ROLE_NAMES[model.kind]}: {clip(_model_name(model.number, model.name), 60)}"]
        for name in names:
            bounds = model.test.get(name)
            cells.append(score_and_interval(name, bounds) if bounds else "–")
        speed = model.speed
        costs = [f"as the {measured_as[role]}"] * len(_COSTS) if role in measured_as else _costs(speed) if speed else ()
        rows.append([*cells, *(costs or ["–"] * len(_COSTS))] if measured else cells)
    head = ("model", *(metric_title(name) for name in names), *(_COSTS if measured else ()))
    return Table(
        title="The final models on test, with 95 % intervals",
        head=head,
        rows=rows,
        numeric=frozenset(range(1, len(head))),
        wide=len(head) > 3,
        caption=" ".join(filter(None, [_measured_how(view.models.values()), _MEASURED_ONCE if measured_as else ""])),
    )


def _measured_as(view: View) -> dict[str, str]:
    """What the first model with the same measurement is called, for each role whose model was not measured itself."""
    first: dict[tuple[str | None, PredictionSpeed], str] = {}
    found: dict[str, str] = {}
    for role, model in view.models.items():
        if model.speed is None:
            continue
        measured = (model.checkpoint, model.speed)
        if measured in first:
            found[role] = first[measured]
        first.setdefault(measured, _ROLE_NAMES[model.kind])
    return found


def _costs(speed: PredictionSpeed) -> tuple[str, ...]:
    values = (number(speed.rows_per_second), number(speed.row_ms))
    spread = (f"{value} ({range_})" if range_ else value for value, range_ in zip(values, ranges(speed), strict=True))
    return *spread, size_number(speed)


def _measured_how(models: Iterable[FinalModel]) -> str:
    """How the speeds of the models were measured; "" where an earlier version did not record it."""
    speed = next((model.speed for model in models if model.speed is not None and model.speed.passes), None)
    if speed is None:
        return ""
    singles = plural(speed.single_rows, "single row")
    return f"Speeds are medians, in brackets the range over {speed.passes:,} passes and over {singles}."


def winner_section(view: View) -> Section:
    """The section: figures and tables of the task's lens, and those of every task."""
    lens = lens_of(view.task)
    findings = _findings(view, lens)
    lead = lens.lead if lens is not None else "The winner beside the other models that saw the test rows."
    told = view.results.final.told if view.results.final else ""
    models, curves = models_table(view), seed_curves(view)
    return Section(
        key="winner",
        title="The winner",
        lead=f"{lead} {told}".strip(),
        figures=arranged([*findings.figures, *([curves] if curves is not None else [])]),
        tables=arranged([*([models] if models is not None else []), *findings.tables]),
        empty=findings.empty,
    )


def _findings(view: View, lens: Lens | None) -> Findings:
    """The findings of the lens for the winner, or the reason why there are none."""
    if view.winner is None:
        why = no_winner(view) if view.completed else "There is no winner: no trial was completed"
        return Findings(empty=f"{why}.")
    if view.chosen is None:
        return Findings(empty="The test split has not been opened yet.")
    if lens is None:
        return Findings(
            empty=f"There is no view of single rows for {view.task.name}; its models are compared by metrics."
        )
    answers = answers_of(view, view.chosen)
    if answers is None:
        return Findings(empty="The predictions of the winner are no longer in the run folder.")
    baselines = {
        model.name: other
        for model in view.models.values()
        if model.kind == "baseline" and (other := answers_of(view, model)) is not None and other.same_targets(answers)
    }
    return lens.look(view, answers, shown_rows(view, len(answers)), baselines)
