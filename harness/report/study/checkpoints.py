"""The section about checkpoints: the best configuration of each, with score, speed, size and cost.

Checkpoints are compared on the validation rows, because only the final models are scored on test.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from math import isfinite, nan, sqrt
from pathlib import Path
from typing import Any

from scipy.stats import norm

from harness.records.schema import TrialRecord, TrialState
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
    plural,
    probability_text,
    score_and_interval,
)
from harness.report.kit.view import View
from harness.report.study.figures.winner import forest
from harness.report.study.predictions import compared, units_of, validation_answers
from harness.report.study.seeds import mean_interval
from harness.stats.intervals import Interval

__all__ = ["Candidate", "candidates", "checkpoint_choices", "checkpoints_section", "probability_better"]

_MAX_HEADER_BYTES = 100_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A checkpoint with its best configuration. `cost_s` is the slot time of all its trials."""

    checkpoint: str
    best: TrialRecord
    score: Interval
    num_trials: int
    num_seeds: int
    num_parameters: int | None
    samples_per_second: float
    peak_memory_mib: float
    cost_s: float


def candidates(view: View) -> list[Candidate]:
    """The checkpoints that have a completed trial, best mean first."""
    leaders = []
    for checkpoint in view.checkpoints:
        own = [record for record in view.trials if view.checkpoint_of(record) == checkpoint]
        done = [record for record in view.ranked if record in own and record.state is TrialState.COMPLETE]
        if done:
            leaders.append(_candidate(view, checkpoint, own, done))
    return sorted(leaders, key=lambda candidate: view.metric.sort_key(candidate.score.value))


def _candidate(view: View, checkpoint: str, own: list[TrialRecord], done: list[TrialRecord]) -> Candidate:
    # Only those with the most seeds: a single run may be better than a mean over seeds by luck.
    most = max(len(view.seeds(record)) for record in done)
    ready = [record for record in done if len(view.seeds(record)) == most]
    best = min(ready, key=lambda record: view.metric.sort_key(view.mean(record)))
    runs = [run for record in own for run in (record, *view.confirmations.get(record.number, ()))]
    return Candidate(
        checkpoint=checkpoint,
        best=best,
        score=mean_interval(view, best),
        num_trials=len(own),
        num_seeds=most,
        num_parameters=_num_parameters(view, best),
        samples_per_second=view.cost(best, "samples_per_second"),
        peak_memory_mib=view.cost(best, "peak_memory_mib"),
        cost_s=sum(run.duration_s for run in runs),
    )


def _num_parameters(view: View, record: TrialRecord) -> int | None:
    """The number of parameters from the record, else from the header of a kept weights file; None without either."""
    if record.history and record.history[-1].num_parameters:
        return record.history[-1].num_parameters
    for run in view.seeds(record):
        path = view.file(f"{run.weights}/model.safetensors") if run.weights else None
        if path is not None and (count := _count_weights(path)) is not None:
            return count
    return None


def _count_weights(path: Path) -> int | None:
    try:
        with path.open("rb") as file:
            size = int.from_bytes(file.read(8), "little")
            head = json.loads(file.read(size)) if size < _MAX_HEADER_BYTES else {}
        shapes = [tensor["shape"] for name, tensor in head.items() if name != "__metadata__"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return sum(_product(shape) for shape in shapes) or None


def _product(shape: list[int]) -> int:
    size = 1
    for length in shape:
        size *= int(length)
    return size


def probability_better(view: View, a: Candidate, b: Candidate) -> tuple[float, bool]:
    """Returns the probability that `a` is better than `b`, and True where it was computed from paired rows.

    It is a paired bootstrap on the validation rows where the predictions of both are kept. Else it comes from the two
    intervals, taken as independent and normal, which is less exact.
    """
    first, second = (validation_answers(view, candidate.best.number) for candidate in (a, b))
    paired = compared(view.judge, first, second, units_of(view, "validation"))
    if paired is not None:
        return paired.probability, True
    gain = (a.score.value - b.score.value) * (1 if view.metric.maximize else -1)
    spread = sqrt(_deviation(a.score) ** 2 + _deviation(b.score) ** 2)
    return (float(norm.cdf(gain / spread)) if spread and isfinite(spread) else nan), False


def _deviation(bounds: Interval) -> float:
    return (bounds.high - bounds.low) / (2 * 1.96)


def checkpoint_choices(view: View, ranked: list[Candidate]) -> list[dict[str, Any]]:
    """The choices of the slider, best first: every configuration that is faster than all better ones."""
    leaders = {candidate.checkpoint: candidate for candidate in ranked}

    def place(record: TrialRecord) -> tuple[float, bool]:
        # At best equal to the leader of its checkpoint: a lucky single run does not precede a mean over seeds.
        leader = leaders[view.checkpoint_of(record)]
        key = view.metric.sort_key
        return max(key(view.mean(record)), key(leader.score.value)), record is not leader.best

    choices: list[dict[str, Any]] = []
    for record in sorted(view.completed if ranked else (), key=place):
        # Rounded as on the page, because the slider ends at it.
        speed = float(f"{view.cost(record, 'samples_per_second'):.6g}")
        if choices and speed <= choices[-1]["speed"]:
            continue
        choices.append(
            {
                "name": clip(view.checkpoint_of(record), 120),
                "speed": speed,
                "text": f"validation {view.score_name} {view.score_text(view.mean(record))} at {number(speed)} "
                f"samples/s (trial {record.number})",
            }
        )
    return choices


def checkpoints_section(view: View, ranked: list[Candidate]) -> Section:
    """The section, for a study with several checkpoints."""
    equal = len({candidate.num_trials for candidate in ranked}) == 1
    trials = "equal numbers of trials" if equal else "as many trials as the search gave each"
    choices = checkpoint_choices(view, ranked)
    figures = [figure for figure in (_forest(view, ranked), _cost(view, ranked)) if figure is not None]
    return Section(
        key="checkpoints",
        title="Checkpoints",
        lead=f"Each pretrained checkpoint in its best configuration, after {trials}.",
        figures=arranged(figures),
        tables=arranged([_table(view, ranked), *([_pairs(view, ranked)] if len(ranked) > 1 else [])]) if ranked else [],
        floor=(0.0, choices[-1]["speed"]) if len(ranked) > 1 and choices[-1]["speed"] > 0 else None,
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


def _table(view: View, ranked: list[Candidate]) -> Table:
    rows = []
    for candidate in ranked:
        params = "; ".join(f"{param_name(n)} {param(v)}" for n, v in candidate.best.params.items() if n != "checkpoint")
        rows.append(
            [
                clip(view.checkpoint_name(candidate.checkpoint), 120),
                f"{candidate.num_trials:,}",
                f"{candidate.best.number}",
                clip(params, 200),
                view.score_text(candidate.score.value),
                interval(view.objective, candidate.score),
                str(candidate.num_seeds),
                f"{candidate.num_parameters / 1e6:,.1f} M" if candidate.num_parameters else "–",
                metric("samples_per_second", candidate.samples_per_second or None),
                metric("peak_memory_mib", candidate.peak_memory_mib or None),
                duration(candidate.cost_s),
            ]
        )
    head = ("checkpoint", "trials", "best trial", "its params", view.score_name, "95 % interval", "seeds", "parameters")
    costs = ("samples/s", "peak memory", "training cost")
    return Table(
        title="The best of each checkpoint",
        head=(*head, *costs),
        rows=rows,
        numeric=frozenset({1, 2, 4, 5, 6, 7, 8, 9, 10}),
        texts=frozenset({3}),
        wide=True,
        caption="Scores are means over seeds, of validation; training cost is the slot time of all its trials.",
    )


def _pairs(view: View, ranked: list[Candidate]) -> Table:
    rough = False
    rows = []
    for a in ranked:
        cells = []
        for b in ranked:
            if a is b:
                cells.append("")
                continue
            probability, paired = probability_better(view, a, b)
            rough = rough or not paired
            cells.append(("" if paired else "≈ ") + probability_text(probability))
        rows.append([clip(view.checkpoint_name(a.checkpoint), 80), *cells])
    caption = (
        "How probable it is that the row's checkpoint is better than the column's: paired bootstrap on validation rows."
    )
    if rough:
        caption += " ≈ from the two intervals alone, as no predictions row by row are left for the pair."
    return Table(
        title=f"Which one is better: {plural(len(ranked), 'checkpoint')}, pair by pair",
        head=("", *(clip(view.checkpoint_name(candidate.checkpoint), 60) for candidate in ranked)),
        rows=rows,
        numeric=frozenset(range(1, len(ranked) + 1)),
        caption=caption,
    )
