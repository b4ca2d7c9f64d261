"""Writes the comparison of several runs: a page and a summary with their picks, costs and differences.

Picks are compared row by row where they were scored on the same test rows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import InputError
from harness.records.provenance import presentable
from harness.report.compare.answer import Named, compare_answer, compared_picks, cut_differently, may_share_axis, scored
from harness.report.compare.figures import compare_figures
from harness.report.kit.html import render, save_document
from harness.report.kit.sections import Section, Table, arranged
from harness.report.kit.text import (
    clip,
    duration,
    footer,
    for_markdown,
    interval,
    join,
    metric,
    metric_title,
    param,
    percent,
    plural,
    probability_text,
)
from harness.report.kit.view import View
from harness.report.study.answer import Answer
from harness.report.study.page import results_of
from harness.report.study.summary import markdown_table, sentence_for_markdown
from harness.report.study.tables import slot_use, spans_frame, wall_s
from harness.report.study.verdict import judged_by
from harness.runtime import program

if TYPE_CHECKING:
    from harness.records.results import Results

__all__ = ["write_comparison"]

_LIMIT = 400


def write_comparison(runs: Iterable[Results | Path | str], out: Path) -> Path:
    """Writes `index.html` and `summary.md` about two or more runs into `out` and returns the page's path.

    Raises:
        InputError: fewer than two runs.
    """
    views = [View(results_of(run)) for run in runs]
    if len(views) < 2:
        raise InputError(f"compare needs two or more runs, not {len(views)}; a single one has {program()} report RUN")
    named = list(zip(_labels(views), views, strict=True))
    name = _metric(views)
    named.sort(key=lambda run: views[0].task.metric(name).sort_key(getattr(scored(run[1], name), "value", None)))
    answer = compare_answer(named, name)
    tables = [_runs(named, name), *_other_scores(named, name), *_pairs(named, name), _differences(named)]
    save_document(Path(out) / "summary.md", _summary(answer, tables))
    return save_document(Path(out) / "index.html", _page(named, name, answer, tables))


def _labels(views: Sequence[View]) -> list[str]:
    """The names of the studies, with the folder where two have the same name."""
    names = [view.results.spec.name for view in views]
    twice = {name for name, count in Counter(names).items() if count > 1}
    folders = [view.results.folder.resolve() for view in views]
    labels = [
        f"{folder.parent.name}/{folder.name}" if name in twice else name
        for name, folder in zip(names, folders, strict=True)
    ]
    if len(set(labels)) == len(labels):
        return labels
    return [f"{place}: {label}" for place, label in enumerate(labels, start=1)]


def _metric(views: Sequence[View]) -> str:
    """The metric that the picks are compared by: that of all runs' test scores, else the first of the task."""
    names = {judged_by(view, view.chosen) for view in views if view.chosen is not None}
    return names.pop() if len(names) == 1 else views[0].task.metrics[0].name


def _runs(runs: Named, name: str) -> Table:
    rows = []
    for label, view in runs:
        pick, test = view.winner, scored(view, name)
        costs = ("samples_per_second", "tokens_per_second", "peak_memory_mib")
        mean = view.mean(pick, name) if pick is not None else None
        total = wall_s(view)
        busy = slot_use(spans_frame(view), total)
        rows.append(
            [
                clip(label, 80),
                clip(view.checkpoint_name(view.checkpoint_of(pick)), 40) if pick is not None else "–",
                f"{pick.number}" if pick is not None else "–",
                f"{metric(name, test.value)} ({interval(name, test)})" if test is not None else "–",
                metric(name, mean) if mean is not None else "–",
                *(metric(cost, (pick and view.cost(pick, cost)) or None) for cost in costs),
                f"{len(view.completed):,} of {len(view.trials):,}",
                duration(total),
                percent(busy, 0) if isfinite(busy) else "–",
                clip(_device(view), 60),
            ]
        )
    title = metric_title(name)
    return Table(
        title="The runs",
        head=(
            "run",
            "checkpoint",
            "pick",
            f"test {title}",
            f"validation {title} (mean over seeds)",
            "samples/s",
            "tokens/s",
            "peak memory",
            "completed trials",
            "wall clock",
            "slots busy",
            "device",
        ),
        rows=rows,
        numeric=frozenset(range(2, 11)),
        wide=True,
    )


def _other_scores(runs: Named, name: str) -> list[Table]:
    """The picks' test scores by the metrics that do not depend on a tokenizer, where `name` does and theirs differ."""
    if not cut_differently(runs, name):
        return []
    metrics = [metric.name for metric in runs[0][1].task.metrics if not metric.by_tokens]
    rows = []
    for label, view in runs:
        scores = [scored(view, other) for other in metrics]
        cells = [f"{metric(m, s.value)} ({interval(m, s)})" if s else "–" for m, s in zip(metrics, scores, strict=True)]
        rows.append([clip(label, 80), *cells])
    head = ("run", *(f"test {metric_title(other)}" for other in metrics))
    caption = "These metrics do not depend on how a tokenizer cuts the texts."
    numeric = frozenset(range(1, len(head)))
    return [Table(title="What the runs can be compared by", head=head, rows=rows, numeric=numeric, caption=caption)]


def _device(view: View) -> str:
    places = [record.place for record in view.trials if record.place is not None]
    return join(dict.fromkeys(place.device_name or place.device for place in places))


def _pairs(runs: Named, name: str) -> list[Table]:
    rows = []
    for label, view in runs:
        cells = []
        for _, other in runs:
            pair = compared_picks(view, other, name) if other is not view else None
            cells.append(probability_text(pair.probability) if pair is not None else "")
        rows.append([clip(label, 80), *cells])
    if not any(cell for row in rows for cell in row[1:]):
        return []
    caption = (
        "How probable it is that the row's pick is better than the column's: paired bootstrap on the same test rows."
    )
    head = ("", *(clip(label, 40) for label, _ in runs))
    numeric = frozenset(range(1, len(runs) + 1))
    return [Table(title="Whose pick is better, pair by pair", head=head, rows=rows, numeric=numeric, caption=caption)]


def _differences(runs: Named) -> Table:
    """The keys of study and environment whose values differ between runs."""
    flat = [_facts(view) for _, view in runs]
    keys = dict.fromkeys(key for facts in flat for key in facts)
    rows = [
        [clip(key, 120), *(clip(facts.get(key, "–"), _LIMIT) for facts in flat)]
        for key in keys
        if len({facts.get(key) for facts in flat}) > 1
    ]
    return Table(
        title="In what the runs differ",
        head=("key", *(clip(label, 40) for label, _ in runs)),
        rows=rows or [["nothing", *("" for _ in runs)]],
        texts=frozenset(range(1, len(runs) + 1)),
        wide=True,
        caption="Study, data, machine, versions and commit; a difference here may explain a difference above.",
    )


def _facts(view: View) -> dict[str, str]:
    manifest = view.results.manifest
    parts = manifest.model_dump(include={"behaviour", "weights", "machine", "versions", "git"})
    data = manifest.data.model_dump(include={"sha256", "rows_sha256", "rows"})
    parts |= {"speed-ups": " and ".join(ways)} if (ways := _speed_ups(view)) else {}
    return dict(_flat("", {**presentable(view.results.spec).model_dump(mode="json"), "data files": data, **parts}))


def _speed_ups(view: View) -> list[str]:
    """Whether the speed-ups of training were on or off; both where trials differ, none where it is not known."""
    return sorted({"off" if record.plain else "on" for record in view.trials if record.plain is not None})


def _flat(key: str, value: Any) -> Iterable[tuple[str, str]]:
    if isinstance(value, Mapping):
        for name, item in value.items():
            yield from _flat(f"{key}.{name}" if key else str(name), item)
    else:
        yield key, param(value)


def _page(runs: Named, name: str, answer: Answer, tables: Sequence[Table]) -> str:
    figures = compare_figures(runs, name) if may_share_axis(runs, name) else []
    forest = next((figure for figure in figures if figure.key == "forest"), None)
    body = [
        Section(
            key="runs",
            title="The runs",
            lead="What each run picked, and what it cost to find.",
            figures=arranged([figure for figure in figures if figure is not forest]),
            tables=arranged(list(tables)),
        )
    ]
    labels = join(clip(label, 60) for label, _ in runs)
    return render(
        "compare.html",
        figures,
        {},
        title=f"{labels} compared",
        sections=[("answer", "Answer"), ("runs", "The runs")],
        kicker=f"{plural(len(runs), 'run')}: {labels}",
        answer=answer,
        forest=forest,
        body=body,
        footer=footer(runs[0][1].task.metrics, runs[0][1].resampled_by),
    )


def _summary(answer: Answer, tables: Sequence[Table]) -> str:
    lines = [f"## {for_markdown(answer.headline)}", ""]
    lines += [f"**{answer.score}** {answer.score_of}.", ""] if answer.score else []
    lines += [f"> [!WARNING]\n> {for_markdown(warning, 400)}\n" for warning in answer.warnings]
    lines += list(map(sentence_for_markdown, answer.sentences))
    for table in tables:
        lines += ["", f"### {for_markdown(table.title)}", "", markdown_table(table)]
    return "\n".join(lines) + "\n"
