"""Tables that compare benchmarked set-ups: each at its best, cell by cell, machines, slots and sharing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from harness.records.bench import Cell
from harness.report.benchmark.figures_cost import best_cell
from harness.report.benchmark.join import Joined, JoinedRow, Key, SetUp
from harness.report.kit.sections import Table
from harness.report.kit.text import clip, join, number, param, percent, plural

__all__ = [
    "cell_rate",
    "cells_table",
    "first_of_files",
    "machines_table",
    "refused_table",
    "sharing_tables",
    "what_to_buy",
]


_NONE = "not available"


_MAX_ROWS = 400


def cell_rate(cell: Cell) -> str:
    """The real tokens/s of a cell, with its batch size, precision and length."""
    return f"{number(cell.tokens_per_second)} at batch {cell.batch_size}, {cell.precision}, length {cell.length}"


def first_of_files(setups: Sequence[SetUp]) -> list[SetUp]:
    """The first set-up of each file."""
    return list({id(setup.bench): setup for setup in reversed(setups)}.values())[::-1]


def what_to_buy(comparison: Joined) -> Table:
    """One row per set-up: its highest speed, its lowest cost, and when to choose it."""
    rows = []
    for place, setup in enumerate(comparison.setups):
        fast = best_cell(setup, lambda cell: cell.tokens_per_second)
        cheap = best_cell(setup, lambda cell: cell.cost_per_million_tokens, least=True)
        thrifty = best_cell(setup, lambda cell: cell.energy_j_per_million_tokens, least=True)
        speed = comparison.speed_up(place) if place else 1.0
        rows.append(
            [
                clip(setup.label, 80),
                _advice(comparison, place),
                number(speed) + " ×" if speed else "–",
                cell_rate(fast) if fast else "–",
                number(cheap.cost_per_million_tokens) if cheap else "–",
                number(setup.bench.price_per_hour) if setup.bench.price_per_hour else "no price given",
                f"{number(thrifty.energy_j_per_million_tokens)} ({thrifty.energy_source})" if thrifty else _NONE,
                percent(fast.mfu) if fast and fast.mfu is not None else "–",
                clip(_device(setup), 60),
            ]
        )
    head = (
        "set-up", "take it", "speed", "most real tokens/s", "cost per M tokens", "price an hour", "J per M tokens",
        "MFU there", "device",
    )  # fmt: skip
    caption = f"Speed: geometric mean over the cells in common with {clip(comparison.setups[0].label, 60)}."
    return Table(
        title="Each set-up at its best", head=head, rows=rows, caption=caption, wide=True,
        numeric=frozenset({2, 4, 5, 7}), texts=frozenset({1, 3, 8}),
    )  # fmt: skip


def _advice(comparison: Joined, place: int) -> str:
    """When to choose this set-up: when it is the fastest, the cheapest or the thriftiest.

    It is compared by the geometric mean over the cells in common with the first set-up.
    """
    wins = []
    for name, value, least in _GOALS:
        amounts = {at: comparison.relative(at, value) for at in range(len(comparison.setups))}
        measured = {at: amount for at, amount in amounts.items() if amount is not None}
        if len(measured) > 1 and place in measured:
            best = min(measured, key=lambda at: measured[at] if least else -measured[at])
            if best == place or comparison.equal(measured[best] / measured[place], best, place):
                wins.append(name)
    if not wins and comparison.speed_up(place) is None:
        return f"no cell in common with {clip(comparison.setups[0].label, 40)}"
    return f"when you want it {join(wins)}" if wins else "for nothing measured here"


_GOALS: Sequence[tuple[str, Any, bool]] = (
    ("fast", lambda cell: cell.tokens_per_second, False),
    ("cheap", lambda cell: cell.cost_per_million_tokens, True),
    ("thrifty", lambda cell: cell.energy_j_per_million_tokens, True),
)


def _device(setup: SetUp) -> str:
    name = setup.measured.device_name if setup.measured and setup.measured.device_name else setup.bench.machine.name
    return (
        f"{name}, {plural(setup.threads, 'thread')}"
        if setup.device == "cpu" and setup.threads
        else name or setup.device
    )


def cells_table(comparison: Joined) -> Table:
    """Every cell of every set-up: the common ones first, those found by search and those without a speed last."""
    labels = [clip(setup.label, 40) for setup in comparison.setups]
    missing = [{Key.of(cell): _why(cell) for cell in setup.others if not cell.repeats} for setup in comparison.setups]
    ordered = sorted(comparison.rows, key=lambda row: len(row.cells) == 1)
    rows = [_cells_row(comparison, row, missing) for row in ordered[:_MAX_ROWS]]
    keys = {row.key for row in ordered}
    for at, setup in enumerate(comparison.setups):
        for cell in (cell for cell in setup.others if cell.repeats or Key.of(cell) not in keys):
            rate = number(cell.samples_per_second) if cell.samples_per_second else _why(cell)
            title = f"{cell.title} (largest that fits)" if cell.largest else cell.title
            cells = [rate if at == place else "–" for place in range(len(labels))]
            rows.append([clip(title, 100), *cells, *["–"] * (len(labels) - 1), _step(cell)])
    more = f" Shown are {_MAX_ROWS} of {len(ordered)} rows." if len(ordered) > _MAX_ROWS else ""
    starred = " * differs in more than the machine." if any(row.differing for row in ordered) else ""
    rate_heads, speed_heads = [f"{label}: samples/s" for label in labels], [f"{label}: speed" for label in labels[1:]]
    return Table(
        title="Cell by cell",
        head=["cell", *rate_heads, *speed_heads, "step ms of each (95 %)"],
        rows=rows,
        numeric=frozenset(range(1, 2 * len(labels))),
        caption=f"Speed in times {labels[0]}; equal: within what two runs of the same cell differ by.{starred}{more}",
        wide=True,
    )


def _cells_row(comparison: Joined, row: JoinedRow, missing: Sequence[Mapping[Key, str]]) -> list[str]:
    places = range(len(comparison.setups))
    rates = [
        number(row.cells[at].samples_per_second) if at in row.cells else missing[at].get(row.key, "–") for at in places
    ]
    speeds = [_speed(comparison, row, at) for at in places[1:]]
    steps = "; ".join(_step(cell) for cell in row.cells.values())
    return [clip(row.key.title, 100) + (" *" if row.differing else ""), *rates, *speeds, steps]


def _why(cell: Cell) -> str:
    return {"oom": "out of memory", "failed": "failed"}.get(cell.state, "–")


def _speed(comparison: Joined, row: JoinedRow, place: int) -> str:
    ratio = row.ratio(0, place)
    if ratio is None:
        return "–"
    return f"equal ({number(ratio)} ×)" if comparison.equal(ratio, 0, place, row) else f"{number(ratio)} ×"


def _step(cell: Cell) -> str:
    step = cell.step_ms
    return f"{number(step.median)} ({number(step.low)}–{number(step.high)})" if step is not None else "–"


def refused_table(comparison: Joined) -> list[Table]:
    """The differing keys of rows that were compared on request (`force`); empty without any."""
    if not comparison.conflicts:
        return []
    rows = [
        [
            clip(conflict.title, 100),
            key,
            clip(a, 100),
            clip(b, 100),
            " / ".join(clip(label, 40) for label in conflict.labels),
        ]
        for conflict in comparison.conflicts[:_MAX_ROWS]
        for key, (a, b) in conflict.differing.items()
    ]
    head = ("cell", "key", "first", "other", "of")
    return [
        Table(
            title="Compared on request, though not like for like",
            head=head,
            rows=rows,
            texts=frozenset({2, 3}),
            wide=True,
        )
    ]


def machines_table(setups: Sequence[SetUp]) -> Table:
    """All facts of the set-ups; facts that differ come first."""
    facts = [_facts(setup) for setup in setups]
    keys = list(dict.fromkeys(key for column in facts for key in column))
    keys.sort(key=lambda key: len({column.get(key) for column in facts}) == 1)
    rows = [[key, *(clip(column.get(key, "–"), 160) for column in facts)] for key in keys]
    head = ("what", *(clip(setup.label, 40) for setup in setups))
    return Table(
        title="The set-ups", head=head, rows=rows, texts=frozenset(range(1, len(setups) + 1)), wide=True,
        caption="Ceilings and memory speed were measured; what differs stands first.",
    )  # fmt: skip


def _facts(setup: SetUp) -> dict[str, str]:
    machine, measured = setup.bench.machine, setup.measured
    ceiling = measured.ceiling if measured else machine.ceiling
    speed = measured.memory_bandwidth_gib_per_second if measured else machine.memory_bandwidth_gib_per_second
    facts = {
        "device": setup.device,
        "threads": str(setup.threads or "–"),
        **{f"{name} ceiling": f"{number(value)} GFLOP/s" for name, value in ceiling.items()},
        "memory speed": f"{number(speed)} GiB/s" if speed else "–",
        "machine id": machine.id,
        "start of a process": f"{measured.process_start_s:.1f} s" if measured and measured.process_start_s else "–",
    }
    parts = {
        "clock (MHz)": machine.clock_mhz,
        "": machine.hardware,
        "limit": machine.limits,
        "version": machine.software,
    }
    for name, values in parts.items():
        facts |= {f"{name} {key}".strip().replace("_", " "): text for key, text in _flat(values)}
    return facts


def _flat(values: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from ((f"{key} {name}", text) for name, text in _flat(value))
        elif isinstance(value, (list, tuple)):
            yield key, ", ".join(param(part) for part in value) or "none"
        else:
            yield key, param(value)


def sharing_tables(setups: Sequence[SetUp]) -> list[Table]:
    """The tables of slots and of the cost of sharing a device, where they were measured."""
    tables = []
    files = first_of_files(setups)
    slots = [
        [
            clip(setup.file, 60),
            f"{row.slots}{' (recommended)' if row.slots == setup.bench.recommended_slots else ''}",
            f"{row.trials_per_hour:.0f}",
            number(row.samples_per_second),
            f"{row.slowdown:.2f} ×",
        ]
        for setup in files
        for row in setup.bench.slots
    ]
    if slots:
        head = ("file", "slots a device", "trials/hour", "samples/s of a trial", "slowdown by neighbours")
        tables.append(
            Table(title="Trials side by side", head=head, rows=slots, numeric=frozenset({2, 3, 4}), wide=True)
        )
    shares = [
        [f"{clip(row.run, 40)}, trial {row.trial}", number(row.recorded), number(row.alone), percent(row.cost, 0)]
        for setup in files
        for row in setup.bench.sharing
    ]
    if shares:
        titles = ("winner of", "samples/s as recorded", "samples/s alone", "sharing cost")
        tables.append(
            Table(title="What sharing cost", head=titles, rows=shares, numeric=frozenset({1, 2, 3}), wide=True)
        )
    return tables
