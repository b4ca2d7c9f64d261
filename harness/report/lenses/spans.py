"""The lens for a tag a word: entities by type and by length, the kinds of errors, and the surest of them.

It reads the output `probabilities`, ragged [words, tags], and the target `tags`, ragged [words].
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from harness.data.answers import Answers
from harness.data.encoded import Ragged
from harness.report.kit.figures import COLORS, Figure, axis, categories, layout
from harness.report.kit.sections import Table
from harness.report.kit.text import clip, for_figure, percent
from harness.report.kit.view import View
from harness.report.lenses.base import MAX_ERRORS, NO_OTHERS, NO_ROWS, Findings
from harness.report.lenses.span_errors import KINDS, MatchedSpans, of_answers
from harness.stats.metric import ratio

__all__ = ["Spans"]

#: Entities of so many words or more are counted together.
_LONG = 5


class Spans:
    """The lens of tasks with a tag for each word."""

    lead = "Which entities the winner finds on the test rows; one is right when its words and its type are."

    def fits(self, answers: Answers) -> bool:
        """True for ragged ids of tags that all have a column in ragged probabilities, a word each."""
        tags, probabilities = answers.targets.get("tags"), answers.outputs.get("probabilities")
        if not isinstance(tags, Ragged) or not isinstance(probabilities, Ragged) or probabilities.values.ndim != 2:
            return False
        if not np.array_equal(tags.offsets, probabilities.offsets) or tags.values.dtype.kind not in "iu":
            return False
        largest = int(tags.values.max(initial=0))
        return probabilities.values.dtype.kind == "f" and largest < probabilities.values.shape[1]

    def truth(self, view: View, answers: Answers, row: int) -> str:
        """The entities of a row by type: "2 entities (Disease, Gene)"."""
        spans = of_answers(answers)
        kinds = spans.true[spans.row_of[spans.true[:, 0]] == row, 2].tolist()
        names = _types(view, answers)
        listed = ", ".join(dict.fromkeys(names[kind] for kind in kinds))
        return f"{len(kinds)} {'entity' if len(kinds) == 1 else 'entities'} ({listed})" if kinds else "no entity"

    def look(
        self, view: View, answers: Answers, texts: Sequence[str], others: Mapping[str, Answers] = NO_OTHERS
    ) -> Findings:
        """What became of the entities, and tables by type, by length, and of the surest errors."""
        spans, names = of_answers(answers), _types(view, answers)
        if not len(spans.true) and not len(spans.said):
            return Findings(empty="The test rows have no entity, and the model finds none.")
        surest = _surest(spans, names, texts)
        tables = [_by_type(spans, names), _by_length(spans), *([surest] if surest is not None else [])]
        return Findings(figures=(_outcomes(spans),), tables=tuple(tables))


def _types(view: View, answers: Answers) -> list[str]:
    """The names of the types; numbers where the run does not have the names of all tags."""
    probabilities = answers.outputs["probabilities"]
    count = np.asarray(probabilities.values if isinstance(probabilities, Ragged) else probabilities).shape[1]
    names = [clip(name.removeprefix("B-"), 100) for name in view.results.manifest.data.labels]
    return names[1::2] if len(names) == count else [f"type {number}" for number in range((count - 1) // 2)]


def _counts(spans: MatchedSpans) -> list[int]:
    """How many entities are of each of `KINDS`."""
    of_true = np.bincount(spans.kinds, minlength=len(KINDS))
    return [*of_true[:-1].tolist(), int(spans.invented.sum())]


def _outcomes(spans: MatchedSpans) -> Figure:
    """How many entities are right, and how many are wrong in which way."""
    counts = _counts(spans)
    colors = [COLORS["blue"], *[COLORS["orange"]] * (len(KINDS) - 1)]
    found = f"Of {len(spans.true):,} entities {counts[0]:,} are right and {counts[4]:,} are missed"
    return Figure(
        key="entity-outcomes",
        title="What became of the entities on test",
        data=[
            {
                "type": "bar",
                "orientation": "h",
                "x": counts,
                "y": list(range(len(KINDS))),
                "text": [f"{count:,}" for count in counts],
                "customdata": [for_figure(kind) for kind in KINDS],
                "marker": {"color": colors},
                "hovertemplate": "%{customdata}: %{x}<extra></extra>",
            }
        ],
        layout=layout(axis("entities"), axis("", **categories(list(KINDS)), autorange="reversed"), 280, legend=False),
        alt=f"{found}; {counts[5]:,} predicted ones share no word with any.",
        note="A wrong border shares words with the true entity, but not the same ones.",
    )


def _scores(right: np.ndarray, num_said: np.ndarray, num_true: np.ndarray) -> list[str]:
    scores = ratio(right, num_said), ratio(right, num_true), ratio(2 * right, num_said + num_true)
    return [percent(float(score)) for score in scores]


def _by_type(spans: MatchedSpans, names: Sequence[str]) -> Table:
    is_right = spans.kinds == 0
    rows = []
    for kind, name in enumerate(names):
        of_true, of_said = spans.true[:, 2] == kind, spans.said[:, 2] == kind
        right = (is_right & of_true).sum()
        rows.append([name, f"{of_true.sum():,}", *_scores(right, of_said.sum(), of_true.sum())])
    return Table(
        title="Each type on test",
        head=("type", "support (entities)", "precision", "recall", "F1"),
        rows=rows,
        numeric=frozenset({1, 2, 3, 4}),
    )


def _by_length(spans: MatchedSpans) -> Table:
    """Precision by the length of predicted entities, recall by that of true ones."""
    is_right = spans.kinds == 0
    true, said = (np.minimum(part[:, 1] - part[:, 0], _LONG) for part in (spans.true, spans.said))
    rows = []
    for length in np.union1d(true, said).tolist():
        right, num_said, num_true = (is_right & (true == length)).sum(), (said == length).sum(), (true == length).sum()
        name = f"{length} or more words" if length == _LONG else f"{length} word{'s' if length > 1 else ''}"
        rows.append([name, f"{num_true:,}", *_scores(right, num_said, num_true)])
    return Table(
        title="Entities by length",
        head=("length", "support (entities)", "precision", "recall", "F1"),
        rows=rows,
        numeric=frozenset({1, 2, 3, 4}),
    )


def _surest(spans: MatchedSpans, names: Sequence[str], texts: Sequence[str]) -> Table | None:
    """The wrong entities of which the model was surest; None where it made no error."""
    errors: list[tuple[float, int, str, str, str]] = []

    def shown(span: np.ndarray) -> str:
        row = int(spans.row_of[span[0]])
        first, behind = (int(at - spans.offsets[row]) for at in span[:2])
        words = texts[row].split(" ")[first:behind] if texts else []
        where = clip(" ".join(words), 80) if len(words) == behind - first else f"words {first + 1} to {behind}"
        return f"{where} ({names[int(span[2])]})"

    for number in np.flatnonzero(spans.kinds > 0).tolist():
        span, partner = spans.true[number], int(spans.partner[number])
        score = float(spans.missed_scores[number] if partner < 0 else spans.scores[partner])
        said = "–" if partner < 0 else shown(spans.said[partner])
        errors.append((score, int(spans.row_of[span[0]]), KINDS[int(spans.kinds[number])], shown(span), said))
    for number in np.flatnonzero(spans.invented).tolist():
        span = spans.said[number]
        errors.append((float(spans.scores[number]), int(spans.row_of[span[0]]), KINDS[-1], "–", shown(span)))
    if not errors:
        return None
    errors.sort(key=lambda error: -error[0])
    rows = [
        [f"{row}", kind, percent(score), true, said, *([texts[row]] if texts else [])]
        for score, row, kind, true, said in errors[:MAX_ERRORS]
    ]
    return Table(
        title=f"The {len(rows)} errors it was surest of" if len(rows) > 1 else "The error it was surest of",
        head=("test row", "error", "confidence", "true entity", "predicted entity", *(["text"] if texts else [])),
        rows=rows,
        numeric=frozenset({2}),
        texts=frozenset({5}),
        wide=True,
        caption="" if texts else NO_ROWS,
    )
