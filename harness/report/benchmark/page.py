"""Writes the comparison of benchmarked set-ups: a page and a summary with speed, cost and machines."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from harness.report.benchmark.figures import heat_maps, roofline, speeds, throughput_figures
from harness.report.benchmark.figures_cost import best_cell, cost_figures
from harness.report.benchmark.join import Joined, SetUp, joined, read_setups
from harness.report.benchmark.table import warnings
from harness.report.benchmark.tables import (
    cell_rate,
    cells_table,
    first_of_files,
    machines_table,
    refused_table,
    sharing_tables,
    what_to_buy,
)
from harness.report.kit.html import render, save_document
from harness.report.kit.sections import Section, Sentence, Table, arranged
from harness.report.kit.text import clip, for_markdown, join, number, percent, plural
from harness.report.study.answer import Answer
from harness.report.study.summary import markdown_table, sentence_for_markdown

__all__ = ["write_bench_comparison"]


def write_bench_comparison(paths: Sequence[Path], out: Path, *, force: bool = False) -> Path:
    """Writes `index.html` and `summary.md` about two or more benchmarked set-ups and returns the page's path.

    Raises:
        InputError: fewer than two set-ups; or, without `force`, rows that are not comparable, or none in common.
    """
    comparison = joined(read_setups(paths), force=force)
    answer = _answer(comparison)
    buy, cells = what_to_buy(comparison), [cells_table(comparison), *refused_table(comparison)]
    machines = [machines_table(comparison.setups), *sharing_tables(comparison.setups)]
    save_document(Path(out) / "summary.md", _summary(answer, [buy, *cells, *machines]))
    return save_document(Path(out) / "index.html", _page(comparison, answer, buy, cells, machines))


def _answer(comparison: Joined) -> Answer:
    first = comparison.setups[0]
    speeds = {place: comparison.speed_up(place) for place in range(1, len(comparison.setups))}
    measured = {place: speed for place, speed in speeds.items() if speed is not None}
    fastest = max(measured, key=lambda place: measured[place], default=None)
    sentences = [
        Sentence(clip(comparison.setups[place].label, 60), _against(comparison, place, speed))
        for place, speed in measured.items()
    ]
    sentences += [Sentence("Most real tokens/s", "; ".join(_best_line(setup) for setup in comparison.setups) + ".")]
    spreads = [
        f"{percent(setup.bench.noise.spread)} ({clip(setup.file, 60)})"
        for setup in first_of_files(comparison.setups)
        if setup.bench.noise.spread is not None
    ]
    if spreads:
        sentences.append(
            Sentence(
                "Noise",
                f"Two runs of a usual cell are apart by up to {join(spreads)}; smaller differences are called equal.",
            )
        )
    best = measured[fastest] if fastest is not None else None
    return Answer(
        headline=_headline(comparison, fastest, best),
        params=(),
        score=f"{number(best)} ×" if best is not None else "–",
        score_of=f"the samples/s of {clip(first.label, 60)}, geometric mean of the common cells"
        if best
        else "no common cell",
        sentences=tuple(sentences),
        warnings=tuple(_warnings(comparison)),
    )


def _headline(comparison: Joined, fastest: int | None, speed: float | None) -> str:
    first = comparison.setups[0]
    if fastest is None or speed is None:
        return "The files have no cell in common"
    other = comparison.setups[fastest]
    if comparison.equal(speed, 0, fastest):
        return f"{clip(first.label, 60)} and {clip(other.label, 60)} are equally fast"
    if speed > 1:
        return f"{clip(other.label, 60)} is {number(speed)} times as fast as {clip(first.label, 60)}"
    return f"{clip(first.label, 60)} is the fastest: {number(1 / speed)} times as fast as {clip(other.label, 60)}"


def _against(comparison: Joined, place: int, speed: float) -> str:
    rows = [(row, ratio) for row in comparison.rows if (ratio := row.ratio(0, place)) is not None]
    ratios = [ratio for _, ratio in rows]
    equal = sum(comparison.equal(ratio, 0, place, row) for row, ratio in rows)
    first, cells = clip(comparison.setups[0].label, 60), plural(len(ratios), "common cell")
    bounds = f"from {number(min(ratios))} to {number(max(ratios))}"
    return f"{number(speed)} times the speed of {first} over {cells}, {bounds}; {equal} of them equal."


def _best_line(setup: SetUp) -> str:
    cell = best_cell(setup, lambda cell: cell.tokens_per_second)
    return f"{clip(setup.label, 60)}: {cell_rate(cell)}" if cell else f"{clip(setup.label, 60)}: nothing measured"


def _warnings(comparison: Joined) -> list[str]:
    lines = [f"Not like for like: {clip(str(conflict), 300)}." for conflict in comparison.conflicts[:8]]
    more = len(comparison.conflicts) - len(lines)
    lines += [f"{plural(more, 'more row')} are not like for like."] if more > 0 else []
    for setup in first_of_files(comparison.setups):
        label = clip(setup.file, 60)
        if setup.bench.noise.spread is None:
            lines.append(f"{label} has no A/A pair: more of its differences may be noise than are called equal.")
        lines += [f"{label}: {line}." for line in warnings(setup.bench)]
    return lines


def _page(comparison: Joined, answer: Answer, buy: Table, cells: Sequence[Table], machines: Sequence[Table]) -> str:
    others = [*([roof] if (roof := roofline(comparison.setups)) is not None else []), *cost_figures(comparison.setups)]
    body = [
        Section(
            key="speed", title="Speed", lead="Who is faster where.",
            figures=arranged(heat_maps(comparison)), small=throughput_figures(comparison), tables=arranged(list(cells)),
        ),
        Section(
            key="limits", title="Limits, cost and scaling", lead="What holds the set-ups back, and what they cost.",
            figures=arranged(others), empty="" if others else "There is nothing to draw here.",
        ),
        Section(
            key="machines", title="Machines", lead="What was measured, and what was read.",
            tables=arranged(list(machines)),
        ),
    ]  # fmt: skip
    choice = Section(key="choice", title="What to buy or rent", lead="One line a set-up.", tables=[buy])
    sections = [choice, *body]
    overall = speeds(comparison)
    figures = [figure for section in sections for figure in section.all_figures] + ([overall] if overall else [])
    labels = join(clip(setup.label, 60) for setup in comparison.setups)
    return render(
        "compare.html",
        figures,
        {},
        title=f"{labels} benchmarked",
        sections=[("answer", "Answer"), *((section.key, section.title) for section in sections)],
        kicker=f"{plural(len(comparison.setups), 'set-up')}: {labels}",
        answer=answer,
        forest=overall,
        body=sections,
        footer="One file, no request to any host. Intervals of step times are of 95 %: bootstrap of the median.",
    )


def _summary(answer: Answer, tables: Sequence[Table]) -> str:
    lines = [f"## {for_markdown(answer.headline)}", "", f"**{answer.score}** {for_markdown(answer.score_of)}.", ""]
    lines += [f"> [!WARNING]\n> {for_markdown(warning, 400)}\n" for warning in answer.warnings]
    lines += list(map(sentence_for_markdown, answer.sentences))
    for table in tables:
        lines += ["", f"### {for_markdown(table.title)}", "", markdown_table(table)]
    return "\n".join(lines) + "\n"
