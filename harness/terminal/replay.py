"""Prints the outcomes of replayed searches on a console."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, isfinite

from rich.console import Console
from rich.text import Text

from harness.jobs.replay import Outcome, ReplayOptions, changed
from harness.records.curves import Curves
from harness.report.kit.text import join, plural
from harness.spec.configure import rung_fractions
from harness.spec.tasks import facts_of
from harness.stats.intervals import Interval
from harness.stats.metric import Metric
from harness.stats.shown import NONE
from harness.terminal.table import Line, TextColumn, fitted
from harness.terminal.words import plain

__all__ = ["print_outcomes"]

#: At most so many unknown trials are named.
MOST_NAMED = 6


def print_outcomes(console: Console, curves: Curves, options: ReplayOptions, outcomes: Sequence[Outcome]) -> None:
    """Prints what was replayed, a line for each pruner and sampler, and which trials cannot be known."""
    metric = facts_of(curves.spec.task).metric(curves.spec.search.objectives[0])
    known, ended = len(curves.curves), sum(curve.whole for curve in curves.curves)
    drawn = f"{plural(options.trials_of(curves), 'trial')} drawn from {curves.num_params}"
    console.print(Text(plain(f"{curves.name}: {plural(options.num_replays, 'replay')}, {drawn}, by {metric.title}")))
    if (options.num_trials or 0) > curves.num_params:
        cut = f"--trials {options.num_trials} is more than the {curves.num_params} combinations that are recorded"
        console.print(Text(f"{cut}: each search has these {curves.num_params}"))
    if ended < known:
        console.print(
            Text(
                f"{known - ended} of {known} trials were stopped early: regret is against the best of the other {ended}"
            )
        )
    console.print()
    columns = [
        TextColumn(title="sampler", right=False),
        TextColumn(title="pruner", right=False),
        TextColumn(title="cost"),
        TextColumn(title="95 % interval", rank=1),
        TextColumn(title="regret"),
        TextColumn(title="95 % interval", rank=1),
    ]
    console.print(fitted(columns, [_line(metric, outcome) for outcome in outcomes], console.width)[0])
    console.print()
    console.print(Text("cost: the training done, as a share of training every trial to its end"))
    unit = "points" if metric.percent else metric.title
    console.print(
        Text(f"regret: how far the pick is behind the best of these trials, all trained to their ends ({unit})")
    )
    for outcome in outcomes:
        if outcome.unknown or outcome.unseen:
            console.print(Text(_why_unknown(curves, outcome)))


def _line(metric: Metric, outcome: Outcome) -> Line:
    scale, digits = (100, 2) if metric.percent else (1, 4)
    cells = (*_cells(outcome.cost, 100, 1), *_cells(outcome.regret, scale, digits))
    if outcome.unknown or outcome.unseen:
        cells = ("not known", NONE, "not known", NONE)
    return Line((outcome.sampler, outcome.pruner, *cells))


def _cells(bounds: Interval, scale: float, digits: int) -> tuple[str, str]:
    if not isfinite(bounds.value):
        return NONE, NONE
    unit = "\u00a0%" if digits == 1 else ""
    value, low, high = (f"{scale * number:.{digits}f}" for number in (bounds.value, bounds.low, bounds.high))
    return f"{value}{unit}", f"{low}–{high}{unit}" if isfinite(bounds.low) else NONE


def _why_unknown(curves: Curves, outcome: Outcome) -> str:
    """Returns why the cost of a pruner cannot be known, by the trials that say too little."""
    numbers = [str(number) for number in outcome.unseen or outcome.unknown]
    more = [f"{len(numbers) - MOST_NAMED} more"] if len(numbers) > MOST_NAMED else []
    named = f"{'trial' if len(numbers) == 1 else 'trials'} {join([*numbers[:MOST_NAMED], *more])}"
    what = f"{outcome.pruner} with {outcome.sampler} cannot be known"
    if not outcome.unseen:
        return f"{what}: it keeps {named} longer than the run did"
    judged = changed(curves.spec, outcome.pruner, outcome.sampler, len(curves.curves), seed=0)
    epochs = min((curve.history[-1].epoch for curve in curves.curves if curve.whole), default=0.0)
    first = min(rung_fractions(judged)) * max(1.0, epochs)
    return (
        f"{what}: it judges {named} where nothing was evaluated; to know it, train with search.pruner.name=none "
        f"training.evaluations_per_epoch={ceil(1 / first)}"
    )
