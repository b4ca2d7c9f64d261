"""The lens for answers that are parts of a text: right and wrong ones by length and place, and side by side.

It reads the outputs `spans` [rows, 2] and `scores` [rows, 2], and the targets `contexts`, ragged bytes, `spans`, ragged
[answers, 2], and `question_words` [rows].
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from harness.data.answers import Answers
from harness.data.encoded import Ragged
from harness.report.kit.figures import COLORS, Figure, axis, categories, columns, layout
from harness.report.kit.sections import Table
from harness.report.kit.text import clip, for_figure, join, percent, plural
from harness.report.kit.view import View
from harness.report.lenses.answer_errors import NONE, OUTCOMES, Compared, groups_of, of_answers
from harness.report.lenses.base import MAX_ERRORS, NO_OTHERS, NO_ROWS, Findings

__all__ = ["AnswersLens"]

_THIRDS = ("in the first third of the text", "in the middle third", "in the last third")
_WIDTH = 160


class AnswersLens:
    """The lens of tasks whose answers are parts of a text."""

    lead = "Which answers the winner gives to the test questions, beside the gold ones."

    def fits(self, answers: Answers) -> bool:
        """True for spans and scores [rows, 2] of contexts with gold spans, and numbers of words."""
        spans, scores = answers.outputs.get("spans"), answers.outputs.get("scores")
        dense = [array for array in (spans, scores) if isinstance(array, np.ndarray) and array.ndim == 2]
        contexts, gold = answers.targets.get("contexts"), answers.targets.get("spans")
        if len(dense) < 2 or not isinstance(contexts, Ragged) or not isinstance(gold, Ragged):
            return False
        words = answers.targets.get("question_words")
        kinds = [array.dtype.kind for array in (*dense, contexts.values, gold.values)]
        pairs = all(array.shape[1:] == (2,) for array in (*dense, gold.values))
        return pairs and kinds == ["i", "f", "u", "i"] and isinstance(words, np.ndarray) and words.ndim == 1

    def truth(self, view: View, answers: Answers, row: int) -> str:
        """The gold answer of a row: "'under the pot'"."""
        gold = of_answers(answers.take(np.array([row]))).gold[0]
        return f"answer '{clip(gold[0], _WIDTH)}'" if gold else NONE

    def look(
        self, view: View, answers: Answers, texts: Sequence[str], others: Mapping[str, Answers] = NO_OTHERS
    ) -> Findings:
        """What became of the questions, F1 by length and place, and the surest errors beside what `others` say."""
        compared = of_answers(answers)
        baselines = {name: of_answers(other) for name, other in others.items() if self.fits(other)}
        errors = _side_by_side(compared, baselines, texts)
        tables = [_by_group(compared, baselines), *([errors] if errors is not None else [])]
        by_length = _by_length(compared)
        figures = [_outcomes(compared), *([by_length] if by_length is not None else [])]
        return Findings(figures=tuple(figures), tables=tuple(tables))


def _outcomes(compared: Compared) -> Figure:
    """How many questions are answered right, in part, wrongly, and not at all."""
    counts = np.bincount(compared.outcomes, minlength=len(OUTCOMES)).tolist()
    shown = [number for number in range(len(OUTCOMES)) if number < 3 or counts[number]]
    said = [f"{counts[number]:,} {OUTCOMES[number]}" for number in shown]
    return Figure(
        key="answer-outcomes",
        title="What became of the questions on test",
        data=[
            {
                "type": "bar",
                "orientation": "h",
                "x": [counts[number] for number in shown],
                "y": list(range(len(shown))),
                "text": [f"{counts[number]:,}" for number in shown],
                "customdata": [for_figure(OUTCOMES[number]) for number in shown],
                "marker": {"color": [COLORS["blue"], *[COLORS["orange"]] * (len(shown) - 1)]},
                "hovertemplate": "%{customdata}: %{x}<extra></extra>",
            }
        ],
        layout=layout(
            axis("questions"),
            axis("", **categories([OUTCOMES[number] for number in shown]), autorange="reversed"),
            260,
            legend=False,
        ),
        alt=f"Of {plural(len(compared.said), 'question')} {join(said)}.",
        note="A part of it shares words with a gold answer, and is not the same.",
    )


def _by_length(compared: Compared) -> Figure | None:
    """F1 by the length of the gold answer; None where all have one length."""
    groups = groups_of(compared.answer_length, np.flatnonzero(compared.answer_length > 0), _unit(compared))
    if len(groups) < 2:
        return None
    values = [float(compared.scores[rows, 0].mean()) for _, rows in groups]
    low, high = int(np.argmin(values)), int(np.argmax(values))
    names = [name for name, _ in groups]
    return Figure(
        key="answer-length",
        title="F1 on test by the length of the gold answer",
        data=[
            {
                "type": "bar",
                "x": list(range(len(groups))),
                "y": values,
                "text": [percent(value) for value in values],
                "customdata": [f"{for_figure(name)}: {plural(len(rows), 'question')}" for name, rows in groups],
                "marker": {"color": COLORS["blue"]},
                "hovertemplate": "%{customdata}, F1 %{y:.1%}<extra></extra>",
            }
        ],
        layout=layout(
            axis("length of the gold answer", **columns(names)),
            axis("F1", range=[0, 1], tickformat=".0%"),
            300,
            legend=False,
        ),
        alt=f"F1 is highest for answers of {names[high]} ({percent(values[high])}) and lowest for those of "
        f"{names[low]} ({percent(values[low])}).",
    )


def _unit(compared: Compared) -> tuple[str, str]:
    return ("character", "characters") if compared.by_character else ("word", "words")


def _by_group(compared: Compared, baselines: Mapping[str, Compared]) -> Table:
    """F1 and exact match by the length of question and answer, and by the answer's place."""
    everything, unit = np.arange(len(compared.said)), _unit(compared)
    has_answer = np.flatnonzero(compared.answer_length > 0)
    thirds = np.minimum(2, np.floor(3 * np.nan_to_num(compared.place))).astype(int)
    groups = [(f"question of {name}", rows) for name, rows in groups_of(compared.question_length, everything, unit)]
    groups += [(f"answer of {name}", rows) for name, rows in groups_of(compared.answer_length, has_answer, unit)]
    groups += [(f"answer {name}", has_answer[thirds[has_answer] == third]) for third, name in enumerate(_THIRDS)]
    groups += [("no answer in the text", np.flatnonzero(compared.answer_length == 0))]
    rows = [
        [
            name,
            f"{len(members):,}",
            *(percent(float(value)) for value in compared.scores[members].mean(axis=0)),
            *(percent(float(other.scores[members, 0].mean())) for other in baselines.values()),
        ]
        for name, members in groups
        if len(members)
    ]
    head = (
        "questions",
        "number",
        "F1",
        "exact match",
        *(f"F1 of the baseline: {clip(name, 60)}" for name in baselines),
    )
    return Table(
        title="By length and place",
        head=head,
        rows=rows,
        numeric=frozenset(range(1, len(head))),
        wide=bool(baselines),
    )


def _side_by_side(compared: Compared, baselines: Mapping[str, Compared], texts: Sequence[str]) -> Table | None:
    """The wrong answers of which the model was surest, beside the gold ones; None where it made no error."""
    wrong = np.flatnonzero(compared.scores[:, 1] == 0)
    order = wrong[np.lexsort((-compared.confidence[wrong], compared.scores[wrong, 0]))][:MAX_ERRORS]
    if not len(order):
        return None
    rows = [
        [
            f"{row}",
            percent(float(compared.scores[row, 0])),
            percent(float(compared.confidence[row])),
            clip(" / ".join(dict.fromkeys(compared.gold[row])), _WIDTH) or NONE,
            clip(compared.said[row], _WIDTH) or NONE,
            *(clip(other.said[row], _WIDTH) or NONE for other in baselines.values()),
            *([texts[row]] if texts else []),
        ]
        for row in order.tolist()
    ]
    named = [f"baseline: {clip(name, 60)}" for name in baselines]
    head = ("test row", "F1", "confidence", "gold answer", "winner", *named)
    return Table(
        title=f"{plural(len(rows), 'wrong answer')}: the least F1, and of equal ones those it was surest of",
        head=(*head, *(["question and text"] if texts else [])),
        rows=rows,
        numeric=frozenset({1, 2}),
        texts=frozenset({len(head)} if texts else ()),
        wide=True,
        caption="" if texts else NO_ROWS,
    )
