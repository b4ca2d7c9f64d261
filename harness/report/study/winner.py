"""The winner under the lens: per class, calibration, the errors it was surest of, each seed.

Knows nothing of HTML.
"""

from __future__ import annotations

import numpy as np

from harness.report.kit.figures import Figure
from harness.report.kit.sections import Section, Table, arranged
from harness.report.kit.text import clip, for_figure, interval, metric, metric_title, percent
from harness.report.kit.view import View
from harness.report.study.figures_winner import class_names_shown, forest, winner_figures
from harness.report.study.predictions import Scores, class_names, mistakes, scores_of

__all__ = ["models_figure", "models_table", "winner_section"]

_MAX_PAIRS = 15
_ROLE_NAMES = {"winner": "winner", "runner-up": "runner-up", "default": "default recipe", "baseline": "baseline"}


def models_figure(view: View, name: str) -> Figure | None:
    """The models that saw the test split, with intervals; the recommended one first."""
    chosen = view.chosen
    if chosen is None:
        return None
    models = [chosen, *(model for model in view.models.values() if model is not chosen)]
    rows = [
        (f"{_ROLE_NAMES[model.role]}<br>{for_figure(_which(model.number, model.name), 26)}", model.test[name])
        for model in models
        if name in model.test
    ]
    told = "; ".join(
        f"{_ROLE_NAMES[model.role]} {metric(name, model.test[name].value)} ({interval(name, model.test[name])})"
        for model in models
        if name in model.test
    )
    title = f"Test {metric_title(name)} of the final models, with 95 % intervals"
    return forest(title, name, rows, told[:1].upper() + told[1:] + ".") if rows else None


def _which(number: int | None, name: str) -> str:
    return f"trial {number}" if number is not None else name


def models_table(view: View) -> Table | None:
    """All test metrics of the final models."""
    if not view.models:
        return None
    names = list(dict.fromkeys(name for model in view.models.values() for name in model.test))
    rows = []
    for model in view.models.values():
        cells = [f"{_ROLE_NAMES[model.role]}: {clip(_which(model.number, model.name), 60)}"]
        for name in names:
            bounds = model.test.get(name)
            cells.append(f"{metric(name, bounds.value)} ({interval(name, bounds)})" if bounds else "–")
        rows.append(cells)
    return Table(
        title="The final models on test, with 95 % intervals",
        head=("model", *(metric_title(name) for name in names)),
        rows=rows,
        numeric=frozenset(range(1, len(names) + 1)),
        wide=len(names) > 2,
    )


def winner_section(view: View) -> Section:
    """The section about the recommended model."""
    model = view.chosen
    scores = scores_of(view, model) if model is not None else None
    names = class_names(view, scores.probabilities.shape[1]) if scores is not None else []
    shown = class_names_shown(names)
    tables = [models_table(view), _classes(scores, shown), _confused(scores, shown), _errors(view, scores, shown)]
    figures = winner_figures(view, scores, names)
    return Section(
        key="winner",
        title="The winner",
        lead="What the recommended model gets right and wrong on the test rows.",
        figures=arranged(figures),
        tables=arranged([table for table in tables if table is not None]),
        empty="" if scores is not None else _missing(view),
    )


def _missing(view: View) -> str:
    if view.winner is None:
        return "There is no winner: no trial was completed."
    if view.chosen is None:
        return "The test split has not been opened yet."
    return "The predictions of the winner are no longer in the run folder."


def _classes(scores: Scores | None, names: list[str]) -> Table | None:
    if scores is None:
        return None
    rows = [
        [name, percent(precision), percent(recall), percent(f1), f"{support:,}"]
        for name, (precision, recall, f1, support) in zip(names, scores.per_class(), strict=True)
    ]
    return Table(
        title="Each class on test",
        head=("class", "precision", "recall", "F1", "support (rows)"),
        rows=rows,
        numeric=frozenset({1, 2, 3, 4}),
    )


def _confused(scores: Scores | None, names: list[str]) -> Table | None:
    """The pairs of classes that it takes for one another most often."""
    if scores is None or len(names) < 3 or scores.correct.all():
        return None
    wrong = scores.confusion - np.diag(np.diag(scores.confusion))
    order = np.argsort(-wrong, axis=None, kind="stable")[:_MAX_PAIRS]
    pairs = [divmod(int(place), len(names)) for place in order]
    rows = [
        [names[true], names[said], f"{wrong[true, said]:,}", _share(wrong, scores, true, said)]
        for true, said in pairs
        if wrong[true, said]
    ]
    return Table(
        title="What it takes for what",
        head=("true class", "predicted class", "rows", "of the class"),
        rows=rows,
        numeric=frozenset({2, 3}),
    )


def _share(wrong: np.ndarray, scores: Scores, true: int, said: int) -> str:
    return percent(float(wrong[true, said] / scores.confusion[true].sum()))


def _errors(view: View, scores: Scores | None, names: list[str]) -> Table | None:
    if scores is None or scores.correct.all():
        return None
    found = mistakes(view, scores)
    texts = any(mistake.text for mistake in found)
    rows = [
        [
            f"{mistake.row}",
            percent(mistake.confidence),
            names[mistake.label],
            names[mistake.predicted],
            *([mistake.text] if texts else []),
        ]
        for mistake in found
    ]
    return Table(
        title=f"The {len(found)} errors it was surest of" if len(found) > 1 else "The error it was surest of",
        head=("test row", "confidence", "true class", "predicted class", *(["text"] if texts else [])),
        rows=rows,
        numeric=frozenset({1}),
        texts=frozenset({4}),
        wide=True,
        caption="" if texts else "The prepared data is gone, so the texts cannot be shown.",
    )
