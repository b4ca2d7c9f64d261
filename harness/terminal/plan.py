"""Prints the forecast of `harness plan`."""

from __future__ import annotations

from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from harness.jobs.plan.forecast import Span
from harness.jobs.plan.planning import Plan
from harness.report.kit.text import duration, metric, number, percent, plural
from harness.spec.trial import TrialConfig
from harness.terminal.table import Line, TextColumn, fitted
from harness.terminal.words import params_line, plain

__all__ = ["print_plan"]


def print_plan(console: Console, plan: Plan) -> None:
    """Prints what the study will take, what that is reckoned from, and how to run it."""
    found = plan.forecast
    place = plan.places[0]
    device = place.device_name or place.device
    slots = f"{plural(len(plan.places), 'slot')} ({plain(device)}, {plural(place.threads, 'thread')} each)"
    rows = [
        ("trials", f"{found.trials:,} on {slots}; {found.steps:,} steps if none is pruned"),
        ("training", f"{_shares(found.share)} of training all to their ends"),
        ("search", _times(found.search_s)),
        ("confirmation", _times(found.confirm_s) if found.confirm_s.value else "none"),
        ("in all", f"{_times(found.total_s)}, about {duration(found.besides_s)} of it for baselines, test and export"),
        ("memory", f"{metric('peak_memory_mib', found.memory_mib)} at its peak, of all processes"),
        ("disk", f"about {number(found.disk_mib)} MiB under the run folder"),
    ]
    if plan.price is not None:
        rows.append(("price", f"{plan.price:.2f} at {plan.price_per_hour:g} an hour"))
    for name, text in rows:
        console.print(Text.assemble((f"{name:<14}", "bold"), text), soft_wrap=True)
    for line in plan.test:
        console.print(Text(plain(line)), soft_wrap=True)
    columns = [
        TextColumn(title="trials"),
        TextColumn(title="samples/s"),
        TextColumn(title="predicted/s", rank=1),
        TextColumn(title="memory"),
        TextColumn(title="of", right=False),
    ]
    lines = [
        Line((
            str(trials), number(1 / cost.example_s), number(1 / cost.row_s), metric("peak_memory_mib", cost.memory_mib),
            plain(_what(config)),
        ))
        for config, cost, trials in plan.kinds
    ]  # fmt: skip
    console.print(Padding(fitted(columns, lines, console.width)[0], (1, 0)))


def _shares(span: Span) -> str:
    if span.low == span.high:
        return percent(span.value, 0)
    return f"about {percent(span.value, 0)} ({percent(span.low, 0)} to {percent(span.high, 0)})"


def _times(span: Span) -> str:
    return f"{duration(span.value)} ({duration(span.low)} to {duration(span.high)})"


def _what(config: TrialConfig) -> str:
    """The params that a step depends on: those of the trial without what changes no step's cost."""
    free = {"learning_rate", "weight_decay", "warmup_fraction", "epochs", "schedule", "layer_decay"}
    shown = {name: value for name, value in config.params.items() if name not in free}
    return params_line(shown) or f"batch {config.training.batch_size}"
