"""Figures of several benchmarked set-ups: throughput by batch size, speed-up, roofline.

A set-up has the same colour in all figures.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import log2
from typing import Any

from harness.records.bench import Cell
from harness.report.benchmark.figures_cost import setup_color
from harness.report.benchmark.join import Joined, Key, SetUp, geometric_mean
from harness.report.kit.figures import COLORS, Figure, axis, categories, columns, layout, log_ticks
from harness.report.kit.text import for_figure, number, percent, plural

__all__ = ["heat_maps", "roofline", "speeds", "throughput_figures"]


_DASHES = {"fp32": "solid", "bf16": "dash", "fp16": "dot"}


_SYMBOLS = {"fp32": "circle", "bf16": "diamond", "fp16": "square"}


_MAX_THROUGHPUT = 24


def speeds(comparison: Joined) -> Figure | None:
    """The speed of each set-up relative to the first: geometric mean and range over the common cells."""
    means = []
    for place in range(1, len(comparison.setups)):
        ratios = [ratio for row in comparison.rows if (ratio := row.ratio(0, place)) is not None]
        if (mean := geometric_mean(ratios)) is not None:
            means.append((place, mean, min(ratios), max(ratios)))
    if not means:
        return None
    points = [(0, 1.0, 1.0, 1.0), *means]
    data = [
        {
            "type": "scatter",
            "mode": "markers+text",
            "x": [mean],
            "y": [at],
            "text": [f"{number(mean)} ×"],
            "textposition": "top center",
            "cliponaxis": False,
            "marker": {"color": setup_color(place), "size": 12},
            "error_x": {
                "type": "data", "symmetric": False, "array": [high - mean], "arrayminus": [mean - low],
                "color": setup_color(place), "thickness": 2.5, "width": 5,
            },
            "hovertemplate": f"{number(mean)} ({number(low)}–{number(high)}) ×<extra></extra>",
        }
        for at, (place, mean, low, high) in enumerate(points)
    ]  # fmt: skip
    names = [for_figure(comparison.setups[place].label, 28) for place, *_ in points]
    bounds = [bound for *_, low, high in points for bound in (low, high)]
    first = names[0]
    return Figure(
        key="speeds",
        title=f"Speed of each set-up, in times {first}",
        data=data,
        layout=layout(
            axis(f"samples/s, in times {first}", **log_ticks(min(bounds) / 1.2, max(bounds) * 1.2)),
            axis("", **categories(names), showgrid=False, range=[len(points) - 0.5, -0.6]),
            110 + 62 * len(points),
            legend=False,
        ),
        alt="Geometric mean over the cells in common; lines reach from the slowest of them to the fastest.",
    )


def throughput_figures(comparison: Joined) -> list[Figure]:
    """Samples/s by batch size, one line per set-up: a figure for each checkpoint, mode, length and precision."""
    groups: dict[tuple[Any, ...], list[tuple[int, Cell]]] = {}
    for place, setup in enumerate(comparison.setups):
        for cell in setup.all_cells:
            key = Key.of(cell)
            groups.setdefault((*key.place[:-1], key.length), []).append((place, cell))
    chosen = sorted(groups)[:_MAX_THROUGHPUT]
    return [_throughput(at, comparison.setups, groups[key]) for at, key in enumerate(chosen)]


def _throughput(at: int, setups: Sequence[SetUp], cells: Sequence[tuple[int, Cell]]) -> Figure:
    data, bests = [], []
    for place, setup in enumerate(setups):
        own = sorted((cell for index, cell in cells if index == place), key=lambda cell: cell.batch_size)
        if not own:
            continue
        rates = [cell.samples_per_second or 0.0 for cell in own]
        name = for_figure(setup.label, 28)
        data.append(
            {
                "type": "scatter",
                "mode": "lines+markers",
                "name": name,
                "x": [cell.batch_size for cell in own],
                "y": rates,
                "line": {"color": setup_color(place), "width": 2.5},
                "marker": {"color": setup_color(place), "size": 8},
                "error_y": _errors(own, setup_color(place)),
                "hovertemplate": "batch %{x}: %{y:.4~g} samples/s<extra>" + name + "</extra>",
            }
        )
        most = max(own, key=lambda cell: cell.samples_per_second or 0.0)
        bests.append(f"{name} {number(most.samples_per_second)} at batch {most.batch_size}")
    example = cells[0][1]
    sizes = [cell.batch_size for _, cell in cells]
    rates_of_all = [cell.samples_per_second or 1e-9 for _, cell in cells]
    checkpoint = for_figure(example.checkpoint.rstrip("/").rpartition("/")[2], 32)
    length = "the study's lengths" if example.length == "study" else f"{example.length} tokens"
    return Figure(
        key=f"throughput-{at}",
        title=f"{checkpoint}, {example.mode}, {length}, {example.precision}",
        data=data,
        layout=layout(
            axis("batch size", **_size_ticks(sizes)),
            axis("samples/s", **log_ticks(min(rates_of_all), max(rates_of_all))),
            300,
        ),
        alt=f"Most samples/s: {'; '.join(bests)}.",
    )


def _errors(cells: Sequence[Cell], color: str) -> dict[str, Any]:
    """Error bars of the throughput, from the 95 % interval of the median step time."""
    low, high = [], []
    for cell in cells:
        rate, step = cell.samples_per_second or 0.0, cell.step_ms
        has_interval = step is not None and step.low > 0 and step.median > 0
        high.append(max(0.0, rate * step.median / step.low - rate) if step is not None and has_interval else 0.0)
        low.append(max(0.0, rate - rate * step.median / step.high) if step is not None and has_interval else 0.0)
    return {"type": "data", "symmetric": False, "array": high, "arrayminus": low, "color": color, "thickness": 1.2}


def _size_ticks(sizes: Sequence[int]) -> dict[str, Any]:
    ticks = sorted(set(sizes))
    return {
        "type": "log",
        "tickmode": "array",
        "tickvals": ticks,
        "ticktext": [f"{size:,}" for size in ticks],
        "range": [log2(ticks[0] / 1.3) / log2(10), log2(ticks[-1] * 1.3) / log2(10)],
    }


def roofline(setups: Sequence[SetUp]) -> Figure | None:
    """Attainable FLOP/s by arithmetic intensity (Williams et al. 2009), with the cells as points."""
    points = [
        (place, cell, cell.intensity, cell.model_flops_per_second / 1e9)
        for place, setup in enumerate(setups)
        for cell in setup.all_cells
        if cell.intensity and cell.model_flops_per_second
    ]
    roofs = [
        (place, name, peak, setup.measured.memory_bandwidth_gib_per_second * 2**30 / 1e9)
        for place, setup in enumerate(setups)
        if setup.measured is not None and setup.measured.memory_bandwidth_gib_per_second
        for name, peak in setup.measured.ceiling.items()
        if any(cell.precision == name for index, cell, *_ in points if index == place)
    ]
    if not points or not roofs:
        return None
    low = min(point[2] for point in points) / 2
    high = max([point[2] for point in points] + [peak / speed for _, _, peak, speed in roofs]) * 2
    data = [_roof(setups[place].label, place, name, peak, speed, low, high) for place, name, peak, speed in roofs]
    data += [_dots(setups[place].label, place, points) for place in dict.fromkeys(point[0] for point in points)]
    bottom = min(point[3] for point in points) / 2
    top = max(peak for _, _, peak, _ in roofs) * 1.5
    nearest = max(points, key=lambda point: point[1].mfu or 0.0)
    caption = (
        f"{nearest[1].title} comes nearest to its roof ({percent(nearest[1].mfu, 0)} of the matrix-product ceiling)."
    )
    return Figure(
        key="roofline",
        title="Roofline: what the arithmetic and the memory of each set-up allow, and what the cells reach",
        data=data,
        layout=layout(
            axis("model FLOPs a byte that must be moved", **log_ticks(low, high)),
            axis("model GFLOP/s of real tokens", **log_ticks(bottom, top)),
            460,
        ),
        alt=for_figure(caption, 300),
        note="Bytes are the least by formula, caches ignored: a cell above the slope finds its weights in a cache.",
        wide=True,
    )


def _roof(label: str, place: int, name: str, peak: float, speed: float, low: float, high: float) -> dict[str, Any]:
    x = [low, peak / speed, high] if low < peak / speed < high else [low, high]
    return {
        "type": "scatter",
        "mode": "lines",
        "name": f"{for_figure(label, 24)}, {name}",
        "x": x,
        "y": [min(peak, speed * at) for at in x],
        "line": {"color": setup_color(place), "width": 2, "dash": _DASHES.get(name, "dashdot")},
        "hoverinfo": "skip",
    }


def _dots(label: str, place: int, points: Sequence[tuple[int, Cell, float, float]]) -> dict[str, Any]:
    own = [point for point in points if point[0] == place]
    return {
        "type": "scatter",
        "mode": "markers",
        "name": f"{for_figure(label, 24)}, cells",
        "x": [intensity for _, _, intensity, _ in own],
        "y": [flops for *_, flops in own],
        "marker": {
            "color": setup_color(place),
            "size": 9,
            "symbol": [_SYMBOLS.get(cell.precision, "x") for _, cell, *_ in own],
        },
        "text": [for_figure(cell.title, 80) for _, cell, *_ in own],
        "hovertemplate": "%{text}: %{y:.3~s} GFLOP/s<extra></extra>",
    }


def heat_maps(comparison: Joined) -> list[Figure]:
    """The speed of each set-up relative to the first, by configuration and batch size."""
    figures = [_heat_map(comparison, place) for place in range(1, len(comparison.setups))]
    return [figure for figure in figures if figure is not None]


def _heat_map(comparison: Joined, place: int) -> Figure | None:
    ratios = {row.key: ratio for row in comparison.rows if (ratio := row.ratio(0, place)) is not None}
    if not ratios:
        return None
    lines = list(dict.fromkeys((*key.place[:-1], key.length) for key in ratios))
    sizes = sorted({key.batch_size for key in ratios})
    at = {((*key.place[:-1], key.length), key.batch_size): ratio for key, ratio in ratios.items()}
    grid = [[at.get((line, size)) for size in sizes] for line in lines]
    text = [
        [
            "" if ratio is None else "equal" if comparison.equal(ratio, 0, place) else f"{number(ratio)} ×"
            for ratio in line
        ]
        for line in grid
    ]
    names = [for_figure(f"{_short(line[0])} {line[1]}, {line[-1]}, {line[2]}", 44) for line in lines]
    extreme = max(abs(log2(ratio)) for ratio in ratios.values()) or 1.0
    first, other = comparison.setups[0].label, comparison.setups[place].label
    whole = geometric_mean(ratios.values())
    data = {
        "type": "heatmap",
        "x": list(range(len(sizes))),
        "y": list(range(len(lines))),
        "z": [[_shade(comparison, ratio, place) for ratio in line] for line in grid],
        "zmin": -extreme,
        "zmax": extreme,
        "text": text,
        "texttemplate": "%{text}",
        "colorscale": [[0, COLORS["orange"]], [0.5, COLORS["grid"]], [1, COLORS["blue"]]],
        "showscale": False,
        "xgap": 2,
        "ygap": 2,
        "hovertemplate": "%{text}<extra></extra>",
    }
    return Figure(
        key=f"speed-up-{place}",
        title=f"Speed of {for_figure(other, 28)}, in times {for_figure(first, 28)}",
        data=[data],
        layout=layout(
            axis("batch size", **columns([f"{size:,}" for size in sizes]), showgrid=False),
            axis("", **categories(names), showgrid=False, autorange="reversed"),
            150 + 40 * len(lines),
            legend=False,
        ),
        alt=f"{number(whole)} times as fast over {plural(len(ratios), 'common cell')} (geometric mean); "
        "blue is faster, orange is slower, and equal means: nearer than two runs of the same cell.",
    )


def _shade(comparison: Joined, ratio: float | None, place: int) -> float | None:
    """The base-2 logarithm of a ratio; 0 for a ratio that counts as equal."""
    if ratio is None:
        return None
    return 0.0 if comparison.equal(ratio, 0, place) else log2(ratio)


def _short(checkpoint: object) -> str:
    return str(checkpoint).rstrip("/").rpartition("/")[2]
