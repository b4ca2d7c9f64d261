"""The lens for written text: how good answers are by the length of the true ones, and ten of them side by side.

It reads the outputs `texts` and `is_written`, or `nll` and `tokens` for documents, and the target `completions`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from harness.data.answers import Answers
from harness.data.encoded import Ragged
from harness.report.kit.figures import COLORS, Figure, axis, categories, layout
from harness.report.kit.sections import Table
from harness.report.kit.text import clip, number, percent, plural
from harness.report.kit.view import View
from harness.report.lenses.base import NO_OTHERS, NO_ROWS, Findings
from harness.stats.completions import COMPLETIONS, TRANSLATIONS, texts_of
from harness.stats.metric import Metric, score
from harness.stats.ragged import ragged_of

__all__ = ["Completions"]

_SIDE_BY_SIDE = 10
#: Rows are counted together by the words of their true text, in so many groups at most.
_MAX_GROUPS = 5
_WIDTH = 400
_METRICS = {metric.name: metric for metric in (*COMPLETIONS, *TRANSLATIONS)}
#: The metrics of the table by length, where the task has them.
_SHOWN = ("loss", "exact_match", "rouge_l", "token_f1", "chrf")


@dataclass(frozen=True, slots=True)
class _Group:
    """The test rows whose true text has from `low` to `high` words."""

    low: int
    high: int
    rows: np.ndarray

    @property
    def name(self) -> str:
        return plural(self.low, "word") if self.low == self.high else f"{self.low:,}–{self.high:,} words"


class Completions:
    """The lens of tasks whose models continue text."""

    lead = "What the winner writes for the test rows."

    def fits(self, answers: Answers) -> bool:
        """True for true texts in UTF-8, and written ones beside them or the loss of each row."""
        true, said = answers.targets.get("completions"), answers.outputs.get("texts")
        if not isinstance(true, Ragged) or true.values.dtype != np.uint8:
            return False
        if isinstance(said, Ragged):
            return said.values.dtype == np.uint8 and isinstance(answers.outputs.get("is_written"), np.ndarray)
        return all(isinstance(answers.outputs.get(name), np.ndarray) for name in ("nll", "tokens"))

    def truth(self, view: View, answers: Answers, row: int) -> str:
        """The true text of a row: "answer 'thirty days'"."""
        return f"answer '{clip(_true(answers)[row])}'"

    def look(
        self, view: View, answers: Answers, texts: Sequence[str], others: Mapping[str, Answers] = NO_OTHERS
    ) -> Findings:
        """The quality by length, and answers beside the true ones and those of a baseline."""
        groups = _groups(_true(answers))
        name = "rouge_l" if "texts" in answers.outputs else "loss"
        known = {metric.name for metric in view.task.metrics}
        tables = [_table(groups, answers, [metric for metric in _SHOWN if metric in known])]
        if name != "loss":
            tables.insert(0, _side_by_side(answers, texts, others))
        return Findings(figures=(_by_length(_METRICS[name], groups, answers),), tables=tuple(tables))


def _true(answers: Answers) -> list[str]:
    return texts_of(ragged_of(answers.targets["completions"]))


def _groups(true: Sequence[str]) -> list[_Group]:
    """Returns the rows in groups of about one size, by the words of their true text."""
    words = np.array([len(text.split()) for text in true])
    edges = np.unique(np.quantile(words, np.arange(1, _MAX_GROUPS) / _MAX_GROUPS, method="lower"))
    group_of = np.searchsorted(edges, words, side="left")
    members = [np.flatnonzero(group_of == group) for group in np.unique(group_of)]
    return [_Group(int(words[rows].min()), int(words[rows].max()), rows) for rows in members]


def _scores(metric: Metric, groups: Sequence[_Group], answers: Answers) -> list[float]:
    if not metric.is_known(answers.outputs):
        return [float("nan")] * len(groups)
    parts = [answers.take(group.rows) for group in groups]
    return [score(metric, part.outputs, part.targets) for part in parts]


def _shown(metric: Metric, value: float) -> str:
    if value != value:
        return "–"
    return percent(value) if metric.percent else number(value)


def _by_length(metric: Metric, groups: Sequence[_Group], answers: Answers) -> Figure:
    values = _scores(metric, groups, answers)
    known = [(value, group) for value, group in zip(values, groups, strict=True) if value == value]
    low, high = min(known, key=lambda pair: pair[0]), max(known, key=lambda pair: pair[0])
    ends = f"{_shown(metric, low[0])} for {low[1].name}" if low[1].name != high[1].name else ""
    scale = {"range": [0, 1], "tickformat": ".0%"} if metric.percent else {"rangemode": "tozero"}
    unit = " (%)" if metric.percent else f" ({metric.unit} a token)"
    return Figure(
        key="completion-length",
        title=f"{metric.title} by the length of the true text on test",
        data=[
            {
                "type": "bar",
                "x": list(range(len(known))),
                "y": [value for value, _ in known],
                "customdata": [group.name for _, group in known],
                "marker": {"color": COLORS["blue"]},
                "hovertemplate": "%{customdata}: %{y:.3~g}<extra></extra>",
            }
        ],
        layout=layout(
            axis("length of the true text", **categories([group.name for _, group in known])),
            axis(f"{metric.title}{unit}", **scale),
            320,
            legend=False,
        ),
        alt=f"From {ends} to {_shown(metric, high[0])} for {high[1].name}."
        if ends
        else f"{_shown(metric, high[0])} for {high[1].name}.",
        note="Words are cut at white space.",
    )


def _table(groups: Sequence[_Group], answers: Answers, metrics: Sequence[str]) -> Table:
    names = [name for name in metrics if _METRICS[name].is_known(answers.outputs)]
    columns = [[_shown(_METRICS[name], value) for value in _scores(_METRICS[name], groups, answers)] for name in names]
    rows = [
        [group.name, f"{len(group.rows):,}", *(column[at] for column in columns)] for at, group in enumerate(groups)
    ]
    return Table(
        title="By the length of the true text",
        head=("length", "test rows", *(_METRICS[name].title for name in names)),
        rows=rows,
        numeric=frozenset(range(1, 2 + len(names))),
    )


def _side_by_side(answers: Answers, texts: Sequence[str], others: Mapping[str, Answers]) -> Table:
    """Ten written rows, evenly from the worst ROUGE-L to the best."""
    metric, (name, other) = _METRICS["rouge_l"], _baseline(others)
    true, said = _true(answers), texts_of(ragged_of(answers.outputs["texts"]))
    stats = metric.row_stats(answers.outputs, answers.targets) if metric.row_stats is not None else np.zeros((0, 2))
    written = np.flatnonzero(stats[:, 1])
    order = written[np.argsort(stats[written, 0], kind="stable")]
    chosen = order[np.unique(np.linspace(0, len(order) - 1, min(_SIDE_BY_SIDE, len(order))).round().astype(int))]
    rows = [
        [
            f"{row}",
            *([clip(texts[row], _WIDTH)] if texts else []),
            clip(true[row], _WIDTH),
            clip(said[row], _WIDTH) or "(nothing)",
            *([clip(other[row], _WIDTH)] if other else []),
            percent(float(stats[row, 0])),
        ]
        for row in chosen.tolist()
    ]
    head = ["test row", *(["prompt"] if texts else []), "true", "winner", *([clip(name, 60)] if other else [])]
    return Table(
        title=f"{plural(len(rows), 'answer')} side by side, evenly from the worst to the best",
        head=(*head, metric.title),
        rows=rows,
        numeric=frozenset({len(head)}),
        texts=frozenset(range(1, len(head))),
        wide=True,
        caption="" if texts else NO_ROWS,
    )


def _baseline(others: Mapping[str, Answers]) -> tuple[str, list[str]]:
    """The name and the texts of the first baseline that has some; nothing where none has."""
    texts = ((name, answers.outputs.get("texts")) for name, answers in others.items())
    return next(((name, texts_of(said)) for name, said in texts if isinstance(said, Ragged)), ("", []))
