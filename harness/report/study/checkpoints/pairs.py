"""Checkpoints compared pair by pair, and the ranks that the comparisons leave open."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from math import isfinite, nan, sqrt

from scipy.stats import norm

from harness.report.kit.sections import Table
from harness.report.kit.text import clip, plural, probability_text
from harness.report.kit.view import View
from harness.report.study.checkpoints.candidates import Candidate
from harness.report.study.predictions import compared, units_of, validation_answers
from harness.stats.intervals import Interval

__all__ = ["Pair", "holm", "pairs_of", "pairs_table", "ranks"]

LEVEL = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Checkpoint `a` against checkpoint `b`, by their places among the candidates.

    `probability` is that of `a` being better; `p_value` is two-sided. `paired` is True where both were compared row by
    row.
    """

    a: int
    b: int
    probability: float
    p_value: float
    paired: bool


def pairs_of(view: View, ranked: Sequence[Candidate]) -> list[Pair]:
    """The comparisons of all pairs of candidates."""
    return [_pair(view, ranked[a], ranked[b], (a, b)) for a, b in combinations(range(len(ranked)), 2)]


def _pair(view: View, a: Candidate, b: Candidate, places: tuple[int, int]) -> Pair:
    """Compares two checkpoints: a paired bootstrap on the validation rows where the predictions of both are kept.

    Else from the two intervals, taken as independent and normal, which is less exact. Of shares of rows the p-value is
    McNemar's.
    """
    first, second = (validation_answers(view, candidate.best.number) for candidate in (a, b))
    paired = compared(view.judge, first, second, units_of(view, "validation"))
    if paired is not None:
        p_value = paired.mcnemar_p if paired.mcnemar_p is not None else _two_sided(paired.probability)
        return Pair(a=places[0], b=places[1], probability=paired.probability, p_value=p_value, paired=True)
    gain = (a.score.value - b.score.value) * (1 if view.metric.maximize else -1)
    spread = sqrt(_deviation(a.score) ** 2 + _deviation(b.score) ** 2)
    probability = float(norm.cdf(gain / spread)) if spread and isfinite(spread) else nan
    return Pair(a=places[0], b=places[1], probability=probability, p_value=_two_sided(probability), paired=False)


def _two_sided(probability: float) -> float:
    """Returns the p-value of a probability of being better; 1 where it is not known."""
    return 2 * min(probability, 1 - probability) if isfinite(probability) else 1.0


def _deviation(bounds: Interval) -> float:
    return (bounds.high - bounds.low) / (2 * 1.96)


def holm(p_values: Sequence[float], level: float = LEVEL) -> list[bool]:
    """Returns which hypotheses are rejected; none of the true ones is, in all but `level` of cases (Holm 1979)."""
    order = sorted(range(len(p_values)), key=lambda at: p_values[at])
    rejected = [False] * len(p_values)
    for place, at in enumerate(order):
        if p_values[at] > level / (len(p_values) - place):
            break
        rejected[at] = True
    return rejected


def ranks(pairs: Sequence[Pair], count: int) -> list[tuple[int, int]]:
    """Returns the best and the worst rank that each of `count` checkpoints may have.

    Those that are better by a comparison that Holm's correction leaves significant come before it, those that are worse
    after it. All intervals hold the true ranks together in 95 % of cases (Al Mohamad et al. 2022).
    """
    best, worst = [1] * count, [count] * count
    for pair, is_shown in zip(pairs, holm([pair.p_value for pair in pairs]), strict=True):
        if is_shown:
            winner, loser = (pair.a, pair.b) if pair.probability > 0.5 else (pair.b, pair.a)
            best[loser] += 1
            worst[winner] -= 1
    return list(zip(best, worst, strict=True))


def pairs_table(view: View, ranked: Sequence[Candidate], pairs: Sequence[Pair]) -> Table:
    """The probability that the checkpoint of a row is better than that of a column, with * where that is shown."""
    cells = [[""] * len(ranked) for _ in ranked]
    for pair, is_shown in zip(pairs, holm([pair.p_value for pair in pairs]), strict=True):
        for row, column, probability in ((pair.a, pair.b, pair.probability), (pair.b, pair.a, 1 - pair.probability)):
            text = ("" if pair.paired else "\u2248 ") + probability_text(probability)
            cells[row][column] = f"{text}*" if is_shown else text
    caption = (
        "How probable it is that the row's checkpoint is better than the column's: paired bootstrap on validation "
        f"rows. * with Holm's correction for {plural(len(pairs), 'comparison')} the two differ (5 % level)."
    )
    if not all(pair.paired for pair in pairs):
        caption += " \u2248 from the two intervals alone, as no predictions row by row are left for the pair."
    return Table(
        title=f"Which one is better: {plural(len(ranked), 'checkpoint')}, pair by pair",
        head=("", *(clip(view.checkpoint_name(candidate.checkpoint), 60) for candidate in ranked)),
        rows=[[clip(view.checkpoint_name(each.checkpoint), 80), *row] for each, row in zip(ranked, cells, strict=True)],
        numeric=frozenset(range(1, len(ranked) + 1)),
        caption=caption,
    )
