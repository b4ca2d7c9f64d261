"""Prints the scores of an exported model on a table, beside those on the test split of its study."""

from __future__ import annotations

from math import isfinite

from rich.console import Console
from rich.text import Text

from harness.jobs.tables.evaluate import Evaluation
from harness.report.kit.text import interval
from harness.stats.intervals import Interval, difference_interval
from harness.stats.metric import Metric
from harness.stats.shown import NONE, shown
from harness.terminal.table import Line, TextColumn, fitted
from harness.terminal.words import plain

__all__ = ["print_evaluation"]


def print_evaluation(console: Console, found: Evaluation) -> None:
    """Prints a line for each metric, and whether the first one differs from that of the test split."""
    scored = f"{found.num_scored:,} of {found.num_rows:,} rows of {found.table}, against column '{found.column}'"
    console.print(Text(plain(scored)))
    console.print()
    columns = [
        TextColumn(title="metric", right=False),
        TextColumn(title="this table"),
        TextColumn(title="95 % interval", rank=1),
        TextColumn(title="test split of its study", rank=2),
    ]
    lines = [
        Line((metric.title, shown(metric, value.value), interval(metric.name, value), _on_test(found, metric)))
        for metric, value in found.scores
    ]
    console.print(fitted(columns, lines, console.width)[0])
    if found.unit:
        console.print(Text(plain(f"intervals draw the values of '{found.unit}', not rows")))
    if found.scores:
        metric, value = found.scores[0]
        if line := _beside_test(metric, value, found.test.get(metric.name)):
            console.print(Text(line))


def _on_test(found: Evaluation, metric: Metric) -> str:
    bounds = found.test.get(metric.name)
    return NONE if bounds is None else shown(metric, bounds.value)


def _beside_test(metric: Metric, here: Interval, test: Interval | None) -> str:
    """Returns whether a score differs from that of the test split by more than chance; "" where that is not known."""
    if test is None or not isfinite(here.value) or not isfinite(test.value):
        return ""
    gap = difference_interval(here, test)
    if not isfinite(gap.low) or not isfinite(gap.high):
        return ""
    if gap.low <= 0 <= gap.high:
        return f"{metric.title} is not shown to differ from that of the test split"
    comparison = "better" if (gap.low > 0) is metric.maximize else "worse"
    return f"{metric.title} is {comparison} than on the test split, by more than chance explains"
