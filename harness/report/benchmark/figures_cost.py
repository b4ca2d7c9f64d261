"""Figures of the cost and scaling of benchmarked set-ups: price, energy, threads, slots."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from harness.records.bench import Cell
from harness.report.benchmark.join import Key, SetUp, geometric_mean
from harness.report.kit.figures import COLORS, Figure, axis, categories, layout
from harness.report.kit.text import for_figure, join, number, percent, plural

__all__ = ["best_cell", "cost_figures", "setup_color"]


_SETUP_COLORS = ("orange", "blue", "green", "purple", "yellow", "sky", "grey", "red")


_MAX_SCALING = 40


def cost_figures(setups: Sequence[SetUp]) -> list[Figure]:
    """The figures of cost, energy, scaling and slots that the set-ups have numbers for."""
    figures = [
        _bars(
            setups,
            "cost",
            "Cost of a million real tokens, at each set-up's cheapest cell",
            "price per million tokens",
            lambda cell: cell.cost_per_million_tokens,
            "in the currency of the prices given",
        ),
        _bars(
            setups,
            "energy",
            "Energy for a million real tokens, at each set-up's thriftiest cell",
            "J per million tokens",
            lambda cell: cell.energy_j_per_million_tokens,
            "as the devices' own counters say",
        ),
        _scaling(setups),
        _slots(setups),
    ]
    return [figure for figure in figures if figure is not None]


def setup_color(place: int) -> str:
    """The colour of a set-up in all figures."""
    return COLORS[_SETUP_COLORS[place % len(_SETUP_COLORS)]]


def best_cell(setup: SetUp, value: Callable[[Cell], float | None], *, least: bool = False) -> Cell | None:
    """The cell with the highest (`least`: the lowest) value among those that train, or among all if none trains."""
    cells = [cell for cell in setup.all_cells if value(cell) is not None]
    cells = [cell for cell in cells if cell.mode == "train"] or cells
    sign = 1 if least else -1
    return min(cells, key=lambda cell: sign * (value(cell) or 0.0), default=None)


def _bars(
    setups: Sequence[SetUp], key: str, title: str, unit: str, value: Callable[[Cell], float | None], note: str
) -> Figure | None:
    best = [(setup, cell) for setup in setups if (cell := best_cell(setup, value, least=True)) is not None]
    if not best:
        return None
    amounts = [value(cell) or 0.0 for _, cell in best]
    amounts_text = "; ".join(f"{for_figure(s.label, 28)} {number(a)}" for (s, _), a in zip(best, amounts, strict=True))
    without = [for_figure(setup.label, 28) for setup in setups if setup not in [measured for measured, _ in best]]
    data = {
        "type": "bar",
        "orientation": "h",
        "x": amounts,
        "y": list(range(len(best))),
        "text": [number(amount) for amount in amounts],
        "textposition": "outside",
        "cliponaxis": False,
        "marker": {"color": [setup_color(list(setups).index(setup)) for setup, _ in best]},
        "customdata": [for_figure(cell.title, 80) for _, cell in best],
        "hovertemplate": "%{customdata}: %{x:.4~g}<extra></extra>",
        "width": 0.6,
    }
    names = [for_figure(setup.label, 28) for setup, _ in best]
    return Figure(
        key=key,
        title=title,
        data=[data],
        layout=layout(
            axis(unit, rangemode="tozero"),
            axis("", **categories(names), showgrid=False, autorange="reversed"),
            130 + 46 * len(best),
            legend=False,
        ),
        alt=f"{amounts_text}; {note}.",
        note=f"Not available: {join(without)}." if without else "",
    )


def _scaling(setups: Sequence[SetUp]) -> Figure | None:
    """Speed by threads, on machines that were measured with several numbers of threads."""
    data: list[dict[str, Any]] = []
    captions: list[str] = []
    most = 1.0
    for machine in dict.fromkeys(setup.bench.machine.id for setup in setups):
        own = [setup for setup in setups if setup.bench.machine.id == machine and setup.device == "cpu"]
        own.sort(key=lambda setup: setup.threads)
        if len({setup.threads for setup in own}) < 2:
            continue
        fewest, widest = own[0], own[-1]
        keys = [key for key in fewest.cells if all(key in setup.cells for setup in own)][:_MAX_SCALING]
        if not keys:
            continue
        place = list(setups).index(widest)
        lines = [[_rate(setup, key) / _rate(fewest, key) for setup in own] for key in keys]
        x = [setup.threads / fewest.threads for setup in own]
        for key, line in zip(keys, lines, strict=True):
            data.append(_thin_line(for_figure(key.title, 60), x, line, setup_color(place)))
        whole = [geometric_mean(line[at] for line in lines) or 0.0 for at in range(len(own))]
        data.append(_thick_line(f"{for_figure(widest.label, 24)}: geometric mean", x, whole, setup_color(place)))
        most = max(most, *x)
        captions.append(
            f"{plural(widest.threads, 'thread')} are {number(whole[-1])} times as fast as {fewest.threads} "
            f"({percent(whole[-1] / x[-1], 0)} of ideal)"
        )
    if not data:
        return None
    ideal = {**_thick_line("ideal", [1, most], [1, most], COLORS["grey"]), "mode": "lines"}
    ideal["line"] = {"color": COLORS["grey"], "width": 1.5, "dash": "dash"}
    return Figure(
        key="scaling",
        title="Scaling with threads",
        data=[*data, ideal],
        layout=layout(
            axis("times the threads", tickmode="auto", nticks=6, rangemode="tozero"),
            axis("times the samples/s", tickmode="auto", nticks=6, rangemode="tozero"),
            380,
        ),
        alt="; ".join(captions) + ".",
    )


def _rate(setup: SetUp, key: Key) -> float:
    return setup.cells[key].samples_per_second or 1e-9


def _thin_line(name: str, x: Sequence[float], y: Sequence[float], color: str) -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": "lines",
        "x": list(x),
        "y": list(y),
        "line": {"color": color, "width": 1},
        "opacity": 0.35,
        "showlegend": False,
        "hovertemplate": f"{name}: %{{y:.3~g}} ×<extra></extra>",
    }


def _thick_line(name: str, x: Sequence[float], y: Sequence[float], color: str) -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": "lines+markers",
        "name": name,
        "x": list(x),
        "y": list(y),
        "line": {"color": color, "width": 3},
        "marker": {"size": 9, "color": color},
        "hovertemplate": "%{y:.3~g} ×<extra></extra>",
    }


def _slots(setups: Sequence[SetUp]) -> Figure | None:
    """Trials per hour by slots, one line per file."""
    files = {id(setup.bench): (place, setup) for place, setup in enumerate(setups) if setup.bench.slots}
    if not files:
        return None
    data, captions = [], []
    for place, setup in files.values():
        rows = setup.bench.slots
        line = _thick_line(
            for_figure(setup.file, 28),
            [row.slots for row in rows],
            [row.trials_per_hour for row in rows],
            setup_color(place),
        )
        data.append(line | {"hovertemplate": "%{x} slots: %{y:.0f} trials/hour<extra></extra>"})
        captions.append(f"{for_figure(setup.file, 28)}: {setup.bench.recommended_slots} recommended")
    return Figure(
        key="slots",
        title="Short trials an hour by slots a device",
        data=data,
        layout=layout(axis("slots a device", tickmode="auto", nticks=6), axis("trials/hour", rangemode="tozero"), 380),
        alt="; ".join(captions) + ".",
    )
