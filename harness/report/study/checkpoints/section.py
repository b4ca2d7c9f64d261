"""The section about checkpoints on the page."""

from __future__ import annotations

from dataclasses import replace
from math import isfinite

from harness.report.kit.figures import COLORS, Figure, axis, layout, score_axis
from harness.report.kit.sections import Section, Table, arranged
from harness.report.kit.text import (
    clip,
    duration,
    for_figure,
    interval,
    join,
    metric,
    number,
    param,
    param_name,
    score_and_interval,
)
from harness.report.kit.view import View
from harness.report.study.checkpoints.candidates import Candidate
from harness.report.study.checkpoints.choices import checkpoint_choices, prediction_speeds
from harness.report.study.checkpoints.pairs import pairs_of, pairs_table, ranks
from harness.report.study.figures.winner import forest

__all__ = ["checkpoints_section"]


def checkpoints_section(view: View, ranked: list[Candidate]) -> Section:
    """The section, for a study with several checkpoints."""
    equal = len({candidate.num_trials for candidate in ranked}) == 1
    trials = "equal numbers of trials" if equal else "as many trials as the search gave each"
    choices = checkpoint_choices(view, ranked)
    pairs = pairs_of(view, ranked)
    predicts = bool(prediction_speeds(view, ranked))
    tables = [_table(view, ranked, ranks(pairs, len(ranked)))] if ranked else []
    tables += [pairs_table(view, ranked, pairs)] if len(ranked) > 1 else []
    figures = [figure for figure in (_forest(view, ranked), _cost(view, ranked)) if figure is not None]
    return Section(
        key="checkpoints",
        title="Checkpoints",
        lead=f"Each pretrained checkpoint in its best configuration, after {trials}.",
        figures=arranged(figures),
        tables=arranged(tables),
        floor=(0.0, choices[-1]["speed"]) if len(choices) > 1 and len(ranked) > 1 else None,
        floor_of="predict" if predicts else "train",
        empty="" if ranked else "No checkpoint has a completed trial yet.",
    )


def _forest(view: View, ranked: list[Candidate]) -> Figure | None:
    ranked = [candidate for candidate in ranked if isfinite(candidate.score.value)]
    if not ranked:
        return None
    rows = [(for_figure(view.checkpoint_name(candidate.checkpoint), 26), candidate.score) for candidate in ranked]
    first = ranked[0].score
    leaders = [
        clip(view.checkpoint_name(candidate.checkpoint), 80)
        for candidate in ranked
        if candidate.score.value == first.value
    ]
    caption = (
        f"{leaders[0]} leads with {score_and_interval(view.objective, first)}."
        if len(leaders) == 1
        else f"{join(leaders)} lead with {view.score_text(first.value)}."
    )
    drawn = forest(f"Validation {view.score_name} of each checkpoint", view.objective, rows, caption, "validation")
    return replace(drawn, key="checkpoints")


def _cost(view: View, ranked: list[Candidate]) -> Figure | None:
    ranked = [best for best in ranked if isfinite(best.score.value) and best.samples_per_second > 0]
    if not ranked:
        return None
    data = [
        {
            "type": "scatter",
            "mode": "markers+text",
            "x": [candidate.samples_per_second],
            "y": [candidate.score.value],
            "text": [for_figure(view.checkpoint_name(candidate.checkpoint), 26)],
            "textposition": "top center",
            "cliponaxis": False,
            "marker": {"color": COLORS["orange"] if place == 0 else COLORS["blue"], "size": 12},
            "customdata": [candidate.best.number],
            "meta": "trials",
            "hovertemplate": "trial %{customdata}<extra></extra>",
        }
        for place, candidate in enumerate(ranked)
    ]
    fastest = max(ranked, key=lambda candidate: candidate.samples_per_second)
    speeds = [candidate.samples_per_second for candidate in ranked]
    pad = 0.25 * (max(speeds) - min(speeds) or max(speeds))
    return Figure(
        key="checkpoint-speed",
        title=f"Validation {view.score_name} against training speed, by checkpoint",
        data=data,
        layout=layout(
            axis("steady training speed (samples/s)", range=[max(0, min(speeds) - pad), max(speeds) + pad]),
            score_axis(view),
            340,
            legend=False,
        ),
        alt=f"{clip(view.checkpoint_name(fastest.checkpoint), 80)} trains fastest, at "
        f"{number(fastest.samples_per_second)} samples/s.",
    )


def _table(view: View, ranked: list[Candidate], places: list[tuple[int, int]]) -> Table:
    rows = []
    for candidate, (best, worst) in zip(ranked, places, strict=True):
        params = "; ".join(f"{param_name(n)} {param(v)}" for n, v in candidate.best.params.items() if n != "checkpoint")
        rows.append(
            [
                clip(view.checkpoint_name(candidate.checkpoint), 120),
                f"{candidate.num_trials:,}",
                f"{candidate.best.number}",
                clip(params, 200),
                view.score_text(candidate.score.value),
                interval(view.objective, candidate.score),
                str(best) if best == worst else f"{best}\u2013{worst}",
                str(candidate.num_seeds),
                f"{candidate.num_parameters / 1e6:,.1f} M" if candidate.num_parameters else "–",
                metric("samples_per_second", candidate.samples_per_second or None),
                metric("peak_memory_mib", candidate.peak_memory_mib or None),
                duration(candidate.cost_s),
            ]
        )
    head = (
        "checkpoint",
        "trials",
        "best trial",
        "its params",
        view.score_name,
        "95 % interval",
        "rank",
        "seeds",
        "parameters",
    )
    costs = ("samples/s", "peak memory", "training cost")
    return Table(
        title="The best of each checkpoint",
        head=(*head, *costs),
        rows=rows,
        numeric=frozenset({1, 2, 4, 5, 6, 7, 8, 9, 10, 11}),
        texts=frozenset({3}),
        wide=True,
        caption="Scores are means over seeds, of validation. Ranks are all that the comparisons below leave open, with "
        "Holm's correction. Training cost is the slot time of all its trials.",
    )
