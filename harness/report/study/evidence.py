"""The section on how to repeat the run: data, environment, versions, hashes, seeds, study file and command."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import yaml

from harness.records.manifest import Commit, DataFacts
from harness.records.provenance import presentable
from harness.report.kit.sections import Section, Table, TextBlock, arranged
from harness.report.kit.text import clip, number, percent, plural
from harness.report.kit.view import View

__all__ = ["evidence_section"]

_MAX_NAMES = 200


def evidence_section(view: View) -> Section:
    """The section; parts that the manifest does not have are left out."""
    data = view.results.manifest.data
    tables = [_splits(view, data), _data(view, data), _facts(view)]
    return Section(
        key="evidence",
        title="Evidence",
        lead="What was run on what, so that somebody else can do it again.",
        tables=arranged([table for table in tables if table is not None]),
        texts=[
            *([TextBlock(title="Command", text=command, command=True)] if (command := _command(view)) else []),
            TextBlock(title="Study file, with all defaults", text=study_text(view)),
        ],
    )


def study_text(view: View) -> str:
    """The study as YAML, fields at their default included."""
    spec = presentable(view.results.spec).model_dump(mode="json")
    return yaml.safe_dump(spec, sort_keys=False, allow_unicode=True, width=110)


def _command(view: View) -> str:
    return clip(shlex.join(view.results.manifest.command), 2000)


def _splits(view: View, data: DataFacts) -> Table | None:
    """The rows of each split, and how often each name in the targets occurs in it."""
    counts, (noun, nouns) = data.counts, view.results.task.nouns
    totals = data.rows or {split: sum(of_class.values()) for split, of_class in counts.items() if of_class}
    if not totals:
        return None
    names = list(dict.fromkeys(name for split in totals for name in counts.get(split, {})))
    rows = [["all rows", *(f"{total:,}" for total in totals.values())]]
    if trained := _trained_on(view, totals.get("train", 0)):
        rows.append(["trained on, of these", *(trained if split == "train" else "–" for split in totals)])
    rows += [[clip(name, 300), *(f"{counts[split].get(name, 0):,}" for split in totals)] for name in names[:_MAX_NAMES]]
    more = f"The first {_MAX_NAMES} of {len(names):,} {nouns}." if len(names) > _MAX_NAMES else ""
    return Table(
        title=f"Data: rows, and how often each {noun} occurs" if names else "Data: rows of each split",
        head=(noun if names else "rows", *totals),
        rows=rows,
        numeric=frozenset(range(1, len(totals) + 1)),
        caption=more,
    )


def _trained_on(view: View, num_rows: int) -> str:
    """The number of training rows of a trial; "" where every trial had all rows."""
    limits = {record.config.data.train_rows or num_rows for record in view.trials}
    used = sorted({min(rows, num_rows) for rows in limits})
    if not used or used == [num_rows]:
        return ""
    return f"{used[0]:,}" if len(used) == 1 else f"{used[0]:,} to {used[-1]:,}"


def _data(view: View, data: DataFacts) -> Table | None:
    """The source of the rows, the repaired, dropped and duplicate ones, and their lengths."""
    facts = data.model_dump(include={"source", "sha256", "rows_sha256", "columns", "image", "seed"})
    rows = [row for key, value in facts.items() for row in _flat(key, value)] if data.sha256 else []
    if data.sha256:
        notes = data.notes or ("nothing: no text twice, none shared by two splits, no row dropped",)
        rows += [["duplicates, drops, repairs", clip(note, 1000)] for note in notes]
    for line in view.results.facts:
        what, _, value = line.partition(": ")
        if what != "note" and what not in (*data.counts, *data.rows):
            rows.append([clip(what, 120), re.sub(r"(?<=\d)%", "\u00a0%", clip(value, 1000))])
    usage = view.winner.usage if view.winner is not None else None
    if usage is not None and usage.tokens:
        rows.append(["real tokens a training row, mean", number(usage.tokens / usage.samples)])
        rows.append(["padding in training batches", percent(usage.padding_fraction)])
    title = "Data: source and what was found in it"
    return Table(title=title, head=("what", "value"), rows=rows, texts=frozenset({1})) if rows else None


def _facts(view: View) -> Table:
    spec, manifest = view.results.spec, view.results.manifest
    started = datetime.fromtimestamp(manifest.created_at, UTC).strftime("%Y-%m-%d %H:%M UTC")
    rows = [["started", started]] if manifest.created_at else []
    rows.append(["commit", _commit(manifest.git)])
    rows += [["search seed", str(spec.search.seed)], ["split seed", str(spec.data.split.seed)]]
    used = sorted({record.seed for record in (*view.trials, *view.results.confirm)})
    rows.append(["training seeds", clip(", ".join(map(str, used)))])
    places = [record.place for record in view.trials if record.place is not None]
    devices = dict.fromkeys(
        f"{place.node}: {place.device_name or place.device}, {plural(place.threads, 'thread')}" for place in places
    )
    rows += [["device", clip(device)] for device in devices]
    optimizers = sorted({record.config.training.optimizer for record in view.trials})
    rows += [["optimizer of training", ", ".join(optimizers)]] if optimizers else []
    rows += _precision(view)
    rows += _plain(view)
    rest = manifest.model_dump(include={"weights", "machine", "versions", "behaviour"})
    rows += [row for key, value in rest.items() for row in _flat(key, value)]
    return Table(
        title="Environment, seeds, versions and hashes",
        wide=True,
        head=("what", "value"),
        rows=rows,
        texts=frozenset({1}),
    )


def _precision(view: View) -> list[list[str]]:
    """The precisions of the trials, and the reason of each choice for `auto`."""
    used = sorted({record.precision for record in view.trials if record.precision})
    rows = [["precision of training", ", ".join(used)]] if used else []
    for choice in view.results.manifest.precision:
        device = choice.device_name or choice.device
        rows.append([f"precision auto on {clip(device, 80)}", clip(f"{choice.precision}, {choice.reason}")])
    return rows


def _plain(view: View) -> list[list[str]]:
    """The trials that were trained without speed-ups, where there are any."""
    numbers = [record.number for record in view.trials if record.plain]
    every = len(numbers) == sum(record.plain is not None for record in view.trials)
    where = "all trials" if every else f"trials {', '.join(map(str, numbers))}"
    return [["speed-ups of training", clip(f"off (HARNESS_PLAIN=1) in {where}")]] if numbers else []


def _commit(git: Commit | None) -> str:
    if git is None:
        return "the study file is not in a git repository"
    differ = {True: ", with changes that are not committed", False: "", None: ", changes not looked for"}
    return clip(git.commit) + differ[git.dirty]


def _flat(key: str, value: Any) -> Iterator[list[str]]:
    """Nested values as rows of a dotted key and a text."""
    if isinstance(value, Mapping):
        for name, item in value.items():
            yield from _flat(f"{key}.{name}", item)
    elif isinstance(value, Sequence) and not isinstance(value, str):
        for item in value:
            yield from _flat(key, item)
    elif value is not None and value != "":
        yield [clip(key, 120), clip(value, 1000)]
