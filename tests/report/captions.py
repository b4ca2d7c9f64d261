"""Checks of captions: each reads the numbers of a caption and computes them anew from the traces of its figure."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pytest

from harness.report.kit.figures import Figure
from harness.spec.tasks import TASKS, metric_named
from harness.stats.metric import Metric

__all__ = ["ANSWER_CHECKS", "CHECKS", "kind_of"]

NUMBER = r"[−+-]?\d[\d,]*(?:\.\d+)?(?:e-?\d+)?"
SCORE = rf"{NUMBER}(?:\u00a0%| GiB| MiB)?"
COUNT = r"\d[\d,]*"
UNITS = {"\u00a0%": 0.01, " GiB": 1024.0, " MiB": 1.0, "": 1.0}
DURATION = r"(?:\d+ h )?(?:\d+ min)?(?: ?[\d.]+ s)?"
PLAIN = str.maketrans({",": "", "−": "-"})
SECONDS = {"s": 1.0, "min": 60.0, "h": 3600.0}


def kind_of(figure: Figure) -> str:
    """The key by which the check of a figure's caption is called."""
    return re.sub(r"^(slice|front)-.*", r"\1", figure.key)


def groups(pattern: str, figure: Figure) -> tuple[str, ...]:
    """The groups of the whole caption: a part of it that is not checked is an error."""
    found = re.fullmatch(pattern, figure.alt)
    assert found is not None, (pattern, figure.alt)
    return found.groups(default="")


def whole(text: str) -> int:
    return int(text.replace(",", "") or 0)


def counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def is_number(text: str, value: float) -> bool:
    """True where `text` is `value`, rounded to the digits that are written; of 1,234 three digits count."""
    unit = next(unit for unit in UNITS if text.endswith(unit))
    digits, _, power = text.removesuffix(unit).translate(PLAIN).partition("e")
    power = power or "0"
    last = UNITS[unit] * 10.0 ** (int(power) - len(digits.partition(".")[2]))
    slack = 0.005 * abs(value) if "," in text else 0.0
    return abs(UNITS[unit] * float(f"{digits}e{power}") - value) <= 0.50001 * last + slack


def is_duration(text: str, low: float, high: float | None = None) -> bool:
    """True where `text` is `low` seconds, or seconds between `low` and `high`; after an hour minutes are cut off."""
    parts = re.findall(r"([\d.]+) (h|min|s)", text)
    seconds = sum(float(count) * SECONDS[unit] for count, unit in parts)
    slack = 0.05 if "." in text else 60 if "h" in text else 0.5
    return low - 1.0001 * slack <= seconds <= (high or low) + 1.0001 * slack


def traces(figure: Figure, mode: str, name: str = "") -> list[Any]:
    return [trace for trace in figure.data if trace.get("mode") == mode and name in ("", trace["name"])]


def points(trace: Any) -> list[tuple[float, float]]:
    """The points that are drawn: those with a height."""
    return [(x, y) for x, y in zip(trace["x"], trace["y"], strict=True) if y is not None]


def by_state(figure: Figure) -> dict[str, list[tuple[float, float]]]:
    return {trace["name"].split(" ")[0]: points(trace) for trace in traces(figure, "markers")}


def metric_of(figure: Figure, axis: str = "yaxis") -> Metric:
    """The metric of an axis, by its title."""
    costs = [metric_named(name) for name in ("samples_per_second", "tokens_per_second", "peak_memory_mib")]
    metrics = {metric.title: metric for metric in [*costs, *(one for task in TASKS.values() for one in task.metrics)]}
    return metrics[re.sub(r"^(validation|test) | \([^)]*\)$", "", figure.layout[axis]["title"]["text"])]


def best_of(values: Sequence[float], metric: Metric) -> float:
    return (max if metric.maximize else min)(values)


def ticks(figure: Figure, axis: str = "xaxis") -> list[str]:
    return [html.unescape(text) for text in figure.layout[axis]["ticktext"]]


def pattern_of(label: str) -> str:
    """A pattern of the name whose beginning is a label of the figure."""
    return re.escape(label.removesuffix("…")) + (".*" if label.endswith("…") else "")


def is_name(text: str, label: str) -> bool:
    return re.fullmatch(pattern_of(label), text) is not None


def joined(parts: Sequence[str]) -> str:
    return " and ".join([", ".join(parts[:-1]), parts[-1]]) if len(parts) > 1 else parts[0]


def listed(patterns: Sequence[str], limit: int = 3) -> str:
    """The pattern of a list of `limit` names and the number of the others."""
    return joined(patterns if len(patterns) <= limit else [*patterns[:limit], f"{len(patterns) - limit} more"])


def history(figure: Figure) -> None:
    trials, best, failed = groups(
        rf"(.+) in the order they started: (?:the best completed trial reaches ({SCORE})|no trial was completed)"
        r"(?:; (\d+) of them failed)?\.",
        figure,
    )
    dots = by_state(figure)
    assert trials == counted(sum(map(len, dots.values())), "trial")
    assert whole(failed) == len(dots.get("failed", ()))
    (line,) = traces(figure, "lines", "best so far")
    assert bool(best) == bool(line["y"]) == ("completed" in dots)
    if best:
        top = best_of([y for _, y in dots["completed"]], metric_of(figure))
        assert line["y"][-1] == top
        assert is_number(best, top)


def expected_best(figure: Figure) -> None:
    half, at_half, every, at_end = groups(
        rf"The best of (.+) would be ({SCORE}) on average, that of another ({COUNT}) ({SCORE})\.", figure
    )
    line = dict(points(traces(figure, "lines", "expected best")[0]))
    assert whole(every) == max(line)
    assert half == counted((whole(every) + 1) // 2, "such trial")
    assert is_number(at_half, line[(whole(every) + 1) // 2])
    assert is_number(at_end, line[whole(every)])


def parallel(figure: Figure) -> None:
    params, score, pick = groups(
        r"Each line is a trial: it passes its values of (.+) and ends at its (.+); the stronger the line, the better "
        r"the trial\.(?: The orange line is trial (\d+), the (?:winner|best so far)\.)?",
        figure,
    )
    axes = ticks(figure)
    assert params == counted(len(axes) - 1, "param")
    assert is_name(score, axes[-1].replace("<br>", " "))
    assert all(len(trace["x"]) % (len(axes) + 1) == 0 for trace in figure.data)
    marked = {number for trace in figure.data if trace["line"]["width"] > 3 for number in trace["customdata"]}
    assert marked - {None} == ({int(pick)} if pick else set())


def best_cells(figure: Figure) -> None:
    verb, cells, without = groups(
        r"The best validation .+ of the completed trials in each cell; the best (cell is|cells are) (.+?)\."
        r"(?: (\d+) cells? without a completed trial: where the last one ended\.)? Dots are trials\.",
        figure,
    )
    heat, *grey = [trace for trace in figure.data if trace["type"] == "heatmap"]
    marked = [text for trace in grey for row in trace["text"] for text in row if text]
    assert whole(without) == len(marked)
    assert all(re.fullmatch(r"failed|pruned<br>at \d+\u00a0%", text) for text in marked)
    values = np.array(heat["z"], dtype=float)
    rows, columns = np.nonzero(values == np.nanmax(values))
    sizes = ticks(figure, "yaxis")
    patterns = [rf"learning rate about ({NUMBER}) with batch size {re.escape(sizes[row])}" for row in rows]
    assert verb == ("cell is" if len(rows) == 1 else "cells are")
    rates = re.fullmatch(listed(patterns), cells.replace("\u2011", "-"))
    assert rates is not None, (cells, rows, columns)
    assert all(is_number(rate, heat["x"][column]) for rate, column in zip(rates.groups(), columns, strict=False))


def importance(figure: Figure) -> None:
    name, *texts = groups(
        r"(.+) has (\d+\u00a0%) of the importance \(between (\d+\u00a0%) and (\d+\u00a0%) in most resamples of the "
        r"trials\)\.(?: These trials had made different numbers of steps, set by (.+): what (?:it has|they have) of "
        r"the importance may be that of the steps\.)?",
        figure,
    )
    bars, setting = figure.data[0], texts.pop()
    assert not setting or " steps), by their scores there" in figure.note
    assert set(re.split(", | and ", setting)) - {""} <= set(ticks(figure, "yaxis"))
    share = max(bars["x"])
    for place in np.flatnonzero(np.array(bars["x"]) == share):
        label = ticks(figure, "yaxis")[place]
        if is_name(name, label[:1].upper() + label[1:]):
            low, high = share - bars["error_x"]["arrayminus"][place], share + bars["error_x"]["array"][place]
            assert all(map(is_number, texts, (share, low, high)))
            return
    pytest.fail(f"{name} is not the longest bar")


def slice_of(figure: Figure) -> None:
    rungs = {text for trace in traces(figure, "markers") for text in trace.get("text", ())}
    shares = sorted(rungs, key=lambda text: int(text.removesuffix("\u00a0%")))
    meanings = {
        "completed": "full dots were completed",
        "pruned": f"open dots were pruned at the rungs of {listed(shares or [''], 4)} of the training",
        "failed": "crosses failed",
    }
    dots = by_state(figure)
    legend = ", ".join(meaning for name, meaning in meanings.items() if name in dots).capitalize()
    if "completed" not in dots:
        assert figure.alt == f"No trial was completed. {legend}."
        return
    start, places = groups(rf"The (.+ completed trials?) (?:is|are) at (.+)\. {legend}\.", figure)
    best = best_of([y for _, y in dots["completed"]], metric_of(figure))
    number = len(dots["completed"])
    assert start == (f"best of {counted(number, 'completed trial')}" if number > 1 else "one completed trial")
    at = sorted({x for x, y in dots["completed"] if y == best})
    if figure.layout["xaxis"].get("type") == "linear":
        labels = ticks(figure)
        assert re.fullmatch(listed([pattern_of(labels[int(x)]) for x in at]), places), (places, at, labels)
        return
    texts = re.findall(NUMBER, re.sub(r" and \d+ more$", "", places))
    assert all(any(is_number(text, x) for x in at) for text in texts), (places, at)
    assert "more" in places or all(any(is_number(text, x) for text in texts) for x in at), (places, at)


def curves(figure: Figure) -> None:
    number, crosses = groups(
        r"(.+) of (?:validation .+?|training loss)(?:; (.+) (?:was|were) stopped early, (?:each )?at its cross)?\.",
        figure,
    )
    ends = [point for trace in traces(figure, "markers") for point in points(trace)]
    lines = traces(figure, "lines+markers")
    drawn = {n for trace in lines for n, y in zip(trace["customdata"], trace["y"], strict=True) if y is not None}
    assert number == counted(len(drawn), "learning curve")
    assert crosses == (counted(len(ends), "trial") if ends else "")


def time(figure: Figure) -> None:
    total, parts = groups(rf"Of ({DURATION}) that the search trials spent on slots: (.+)\.", figure)
    note = re.search(rf"mean of ({COUNT}) trials", figure.note)
    size = whole(note[1]) if note else 1
    # The last bar may be the mean of fewer trials.
    names, bars = [trace["name"] for trace in figure.data], np.array([trace["y"] for trace in figure.data])
    least, most = size * bars[:, :-1].sum(axis=1) + bars[:, -1], size * bars.sum(axis=1)
    assert is_duration(total, float(least.sum()), float(most.sum()))
    shares = {name: (least[i] / least.sum(), most[i] / most.sum()) for i, name in enumerate(names)}
    texts = re.findall(r"([a-z ]+?) (\d+\u00a0%)(?:, | and |$)", parts)
    assert len(texts) == len({name for name, bounds in shares.items() if max(bounds) >= 0.005})
    for name, text in texts:
        assert any(is_number(text, share) for share in np.linspace(*shares[name], 9))
    assert [name for name, _ in texts] == sorted(dict(texts), key=lambda name: -shares[name][size > 1])


def timeline(figure: Figure) -> None:
    slots, total, busy, idle, gaps = groups(
        rf"(.+) over ({DURATION}): busy (\d+)\u00a0% of the time, idle (\d+)\u00a0%( \(the gaps\))?\.", figure
    )
    unit = SECONDS[re.sub(r".*\((.+)\)", r"\1", figure.layout["xaxis"]["title"]["text"])]
    bars = [bar for trace in figure.data for bar in zip(trace["base"], trace["x"], trace["y"], strict=True)]
    end = unit * figure.layout["xaxis"]["range"][1]
    assert end >= unit * max(base + length for base, length, _ in bars) - 1e-6
    share = unit * sum(length for _, length, _ in bars) / (end * len(ticks(figure, "yaxis")))
    assert slots == counted(len(ticks(figure, "yaxis")), "slot")
    assert abs(int(busy) + int(idle) - 100) <= 1
    assert bool(gaps) == (not figure.note)
    if not figure.note:
        assert {slot for _, _, slot in bars} == set(range(len(ticks(figure, "yaxis"))))
        assert is_duration(total, end)
        assert is_number(f"{busy}\u00a0%", share)
    else:
        assert int(busy) >= 100 * share - 0.5, "some work is not drawn"


def throughput(figure: Figure) -> None:
    size, speed, name = groups(
        rf"Fastest at batch size (\d+): ({NUMBER}) samples/s at the median(?:, for (.+))?\.", figure
    )
    lines = [(y, x, line["name"]) for line in traces(figure, "lines") for x, y in points(line)]
    for line, trials in zip(traces(figure, "lines"), traces(figure, "markers"), strict=True):
        for x, y in points(line):
            assert y == np.median([height for at, height in points(trials) if at == x])
    fastest, place, label = max(lines)
    assert ticks(figure)[int(place)] == size
    assert is_number(speed, fastest)
    assert is_name(name, html.unescape(label)) if name else label == "median"


def front(figure: Figure) -> None:
    number, total, names = groups(rf"(.+) of ({COUNT}) completed ones on the Pareto front: (.+)\.", figure)
    others, line = figure.data
    on, off = points(line), points(others)
    assert number == counted(len(on), "trial")
    assert whole(total) == len(on) + len(off)
    numbers = [str(number) for number in sorted(line["customdata"])]
    assert names == joined(numbers[:8]) + (" ..." if len(numbers) > 8 else "")
    other = metric_named(figure.key.removeprefix("front-"))
    metrics = (other, metric_of(figure))
    signs = np.array([1 if metric.maximize else -1 for metric in metrics])
    every = signs * np.array([[metrics[at].compared(point[at]) for at in (0, 1)] for point in (*on, *off)])
    beaten = [bool(((every >= one).all(axis=1) & (every > one).any(axis=1)).any()) for one in every]
    assert beaten == [False] * len(on) + [True] * len(off)


def bounds_of(text: str) -> tuple[str, str, str]:
    """The score and the bounds of "94.4 % (93.7–97.2 %)"; the bounds are "" where they are not known."""
    found = re.fullmatch(rf"({SCORE})(?: \(({SCORE})–({SCORE})\))?", text)
    assert found is not None, text
    score, low, high = found.groups(default="")
    return score, low + ("\u00a0%" if high.endswith("%") else ""), high


def is_drawn(text: str, trace: Any) -> bool:
    """True where `text` is the score and the interval of a trace of one point."""
    (value,), (score, low, high) = trace["x"], bounds_of(text)
    (above,), (below,) = trace["error_x"]["array"], trace["error_x"]["arrayminus"]
    if not low:
        return is_number(score, value) and above == below == 0
    return is_number(score, value) and is_number(low, value - below) and is_number(high, value + above)


def forest(figure: Figure) -> None:
    texts = figure.alt.removesuffix(".").split("; ")
    assert figure.data
    for text, label, trace in zip(texts, ticks(figure, "yaxis"), figure.data, strict=True):
        found = re.fullmatch(rf"(.+?) ({SCORE}(?: \(.+\))?)", text)
        assert found is not None, text
        lines = label.lower().split("<br>")
        names = (" ".join(lines), " ".join(lines[:-1] or lines))  # the last line of a model's label is its role
        assert any(is_name(found[1].lower(), name) for name in names)
        assert is_drawn(found[2], trace)


def checkpoints(figure: Figure) -> None:
    names, scores = groups(r"(.+?) leads? with (.+)\.", figure)
    values = [trace["x"][0] for trace in figure.data]
    top = best_of(values, metric_of(figure, "xaxis"))
    leaders = [place for place, value in enumerate(values) if value == top]
    labels = [ticks(figure, "yaxis")[place] for place in leaders]
    assert re.fullmatch(joined([pattern_of(label) for label in labels]), names)
    assert leaders[0] == 0, "the first is highlighted"
    assert is_drawn(scores, figure.data[0]) if len(leaders) == 1 else is_number(scores, top)


def speed(figure: Figure) -> None:
    name, number = groups(rf"(.+?) trains fastest(?:, at|:) ({NUMBER}) samples/s\.", figure)
    fastest = max(figure.data, key=lambda trace: trace["x"][0])
    assert all(trace["y"][0] is not None and trace["x"][0] > 0 for trace in figure.data)
    assert is_name(name, html.unescape(fastest["text"][0]))
    assert is_number(number, fastest["x"][0])


def confusion(figure: Figure) -> None:
    explained = (
        r" A cell holds how many rows of the true class \(its row\) were predicted as the class of its column"
        r"(?:, an empty one none)?; the colour is their share of the true class\."
        r"( Classes are numbered as in the tables below\.)?"
    )
    if "between these" in figure.alt:
        rows, classes, right, wrong, numbered = groups(
            rf"Of ({COUNT}) rows between these (\d+) classes ({COUNT}) are right, ({COUNT}) wrong\.{explained}", figure
        )
        assert int(classes) == len(ticks(figure))
        assert f"the {classes} of" in figure.note
    else:
        right, rows, wrong, numbered = groups(
            rf"({COUNT}) of ({COUNT}) rows are right, ({COUNT}) wrong\.{explained}", figure
        )
        assert not figure.note
    counts = np.array([[whole(text) for text in row] for row in figure.data[0]["text"]])
    assert (whole(right), whole(wrong)) == (np.trace(counts), counts.sum() - np.trace(counts))
    assert whole(rows) == counts.sum()
    assert bool(numbered) == all(re.match(r"\d", tick) for tick in ticks(figure))


def calibration(figure: Figure) -> None:
    error, manner, gap = groups(
        rf"Expected calibration error ({SCORE}); on average the model is "
        rf"(too sure of itself|less sure than it could be|as sure as it is right)(?: \(by ({NUMBER}) points\))?\.",
        figure,
    )
    curve = figure.data[1]
    rows, gaps = np.array(curve["customdata"]), np.array(curve["x"]) - np.array(curve["y"])
    assert is_number(error, float(np.abs(gaps) @ rows / rows.sum()))
    mean = 100 * float(gaps @ rows / rows.sum())
    if gap:
        assert float(gap) > 0
        assert is_number(gap, abs(mean))
        assert manner == ("too sure of itself" if mean > 0 else "less sure than it could be")
    else:
        assert abs(mean) < 0.0501
    assert figure.note.startswith(counted(len(rows), "bin"))


def drawn_of(figure: Figure) -> tuple[int, int]:
    """The number of rows that a figure draws, and of those that its caption is about."""
    drawn = len(figure.data[1]["x"])
    note = re.search(rf"Shown are ({COUNT}) of ({COUNT}) rows", figure.note)
    assert note is None or whole(note[1]) == drawn
    return drawn, whole(note[2]) if note else drawn


def predicted_true(figure: Figure) -> None:
    true, predicted = (np.array(figure.data[1][axis]) for axis in "xy")
    drawn, number = drawn_of(figure)
    errors = np.sort(np.abs(predicted - true))
    if number == 1:
        said, real = groups(rf"The one row is predicted as ({NUMBER}); it is ({NUMBER})\.", figure)
        assert is_number(said, predicted[0])
        assert is_number(real, true[0])
        return
    same, rows, half, most, exact = groups(
        rf"(?:Every row gets the same prediction, ({NUMBER})\. )?"
        rf"(?:Of ({COUNT}) rows half are within ({NUMBER}) of the truth, nine in ten within ({NUMBER})|"
        rf"All ({COUNT}) rows are predicted exactly)\.",
        figure,
    )
    assert bool(same) == (len(set(predicted)) == 1)
    assert not same or is_number(same, predicted[0])
    assert whole(rows or exact) == number
    assert bool(exact) == (not errors.any())
    if rows and drawn == number:
        middle, end = (errors[-(-number * share // 10) - 1] for share in (5, 9))
        assert is_number(half, middle)
        assert is_number(most, end)
    elif rows:  # a sample with all of the largest errors
        shares = [float(np.mean(errors <= float(text.translate(PLAIN)))) for text in (half, most)]
        assert shares == pytest.approx([0.5, 0.9], abs=0.05)


def residuals(figure: Figure) -> None:
    predicted, error = (np.array(figure.data[1][axis]) for axis in "xy")
    drawn, number = drawn_of(figure)
    if number == 1:
        (only,) = groups(rf"The one error is ({NUMBER})\.", figure)
        assert is_number(only, error[0])
        return
    mean, deviation, low, high = groups(
        rf"Mean error ({NUMBER}), standard deviation ({NUMBER})"
        rf"(?:; ({NUMBER}) in the third of the rows with the lowest predictions, "
        rf"({NUMBER}) in that with the highest)?\.",
        figure,
    )
    order, third = np.argsort(predicted, kind="stable"), drawn // 3
    thirds = (order[:third], order[drawn - third :]) if third else ()
    means = [float(error[rows].mean()) for rows in (order, *thirds)]
    # A sample has all of the largest errors, and so a larger spread.
    slack = 0.0 if drawn == number else 0.2 * float(error.std())
    for text, value in zip((mean, deviation, low, high), (means[0], error.std(ddof=1), *means[1:]), strict=False):
        assert not text or is_number(text, value) or abs(value - float(text.translate(PLAIN))) <= slack


def label_f1(figure: Figure) -> None:
    low, high, number = groups(rf"From ({SCORE}) to ({SCORE}) over (.+)\.", figure)
    values = figure.data[0]["x"]
    assert is_number(low, min(values))
    assert is_number(high, max(values))
    assert number == counted(len(values), "label")
    assert not figure.note or figure.note.startswith(f"Shown are the {len(values)} of ")


def entity_outcomes(figure: Figure) -> None:
    of_true, right, missed, invented = groups(
        rf"Of ({COUNT}) entities ({COUNT}) are right and ({COUNT}) are missed; ({COUNT}) predicted ones share no word "
        r"with any\.",
        figure,
    )
    counts = dict(zip(figure.data[0]["customdata"], figure.data[0]["x"], strict=True))
    assert (whole(right), whole(missed), whole(invented)) == (counts["right"], counts["missed"], counts["invented"])
    assert whole(of_true) == sum(counts.values()) - counts["invented"]


def seeds(figure: Figure) -> None:
    number, mean, low, high = groups(
        rf"(.+): mean validation .+? ({SCORE})(?:, from ({SCORE}) to ({SCORE}))?, each at its best evaluation, the "
        r"large dot\.",
        figure,
    )
    large = []
    for trace in figure.data:
        sizes = trace["marker"]["size"]
        assert sum(size > 10 for size in sizes) == 1
        large += [y for y, size in zip(trace["y"], sizes, strict=True) if size > 10 and y is not None]
    assert number == counted(len(large), "seed")
    assert is_number(mean, float(np.mean(large)))
    assert bool(low) == (len(large) > 1)
    assert not low or (is_number(low, min(large)) and is_number(high, max(large)))


def over_time(figure: Figure) -> None:
    texts = figure.alt.removesuffix(".").split("; ")
    for text, trace in zip(texts, figure.data, strict=True):
        found = re.fullmatch(rf"(.+?) searched for ({DURATION})", text)
        assert found is not None, text
        assert is_name(found[1], html.unescape(trace["name"]))
        assert is_duration(found[2], 60 * max(trace["x"]))


def over_trials(figure: Figure) -> None:
    groups(
        "Lines are expected, bands hold the middle 95 %: Dodge.* 2019, as if trials were independent draws\\.", figure
    )
    for band, line in zip(figure.data[::2], figure.data[1::2], strict=True):
        high, low = band["y"][: len(line["y"])], band["y"][len(line["y"]) :][::-1]
        assert all(a <= b + 1e-9 and b <= c + 1e-9 for a, b, c in zip(low, line["y"], high, strict=True))


def answer_outcomes(figure: Figure) -> None:
    total, said = groups(rf"Of ({COUNT}) questions? (.*)\.", figure)
    (trace,) = figure.data
    assert whole(total) == sum(trace["x"])
    assert said == joined([f"{count:,} {name}" for count, name in zip(trace["x"], trace["customdata"], strict=True)])


def answer_length(figure: Figure) -> None:
    best, high, worst, low = groups(
        rf"F1 is highest for answers of (.+) \(({SCORE})\) and lowest for those of (.+) \(({SCORE})\)\.", figure
    )
    (trace,) = figure.data
    values, names = trace["y"], ticks(figure)
    assert names[values.index(max(values))] == best
    assert names[values.index(min(values))] == worst
    assert is_number(high, max(values))
    assert is_number(low, min(values))


CHECKS: Mapping[str, Callable[[Figure], None]] = {
    "history": history,
    "expected-best": expected_best,
    "parallel": parallel,
    "map": best_cells,
    "importance": importance,
    "slice": slice_of,
    "curves": curves,
    "losses": curves,
    "time": time,
    "timeline": timeline,
    "throughput": throughput,
    "front": front,
    "forest": forest,
    "checkpoints": checkpoints,
    "checkpoint-speed": speed,
    "confusion": confusion,
    "calibration": calibration,
    "label-f1": label_f1,
    "entity-outcomes": entity_outcomes,
    "predicted-true": predicted_true,
    "residuals": residuals,
    "seeds": seeds,
    "speed": speed,
    "over-time": over_time,
    "over-trials": over_trials,
}
#: Those of the lens for answers, which the random studies do not have.
ANSWER_CHECKS: Mapping[str, Callable[[Figure], None]] = {
    "answer-outcomes": answer_outcomes,
    "answer-length": answer_length,
}
"""The check of each kind of figure."""
