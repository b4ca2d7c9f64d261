"""`harness init`: looks at a table and writes a study for it, which runs as it is."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.data.formats import Form
from harness.data.partitions import read_partitioned
from harness.data.prepare import prepare
from harness.data.prepared import Meta
from harness.data.sources import find_source
from harness.data.splits.readers import OF_FOLDERS, split_readers
from harness.errors import DataError, InputError, look_up
from harness.jobs.init.draft import draft_of
from harness.jobs.init.match import Match, matches
from harness.jobs.init.write import commented
from harness.records.files import write_text
from harness.runtime import expanded, program, shown_path
from harness.spec.study import DataSpec, StudySpec
from harness.spec.tasks import TASKS

__all__ = ["Draft", "draft", "refuse_existing", "write"]

#: The largest class is so many times as frequent as the smallest: then each class counts the same.
UNEQUAL = 3.0
#: The metric that counts every class the same, for tasks that have it.
BY_CLASS = "macro_f1"

#: A name of so many words is a text.
WORDS_OF_TEXT = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A study as plain values, and what was found in its table, a line each."""

    study: dict[str, Any]
    found: tuple[str, ...]


def draft(table: Path, *, out: Path, task: str | None = None, checkpoint: str | None = None) -> Draft:
    """Returns a study for a table, whose data has been read, checked and split as a sweep does.

    Args:
        table: a file or a folder that a study can name.
        out: where the study will be; its path of the table is relative to that folder.
        task: the task; None for the likeliest that the table fits.
        checkpoint: the model; None for one that is installed.

    Raises:
        InputError: there is no such task.
        DataError: there is no such table, or it fits no task.
    """
    if task is not None:
        look_up(TASKS, task, "--task")
    spec = DataSpec(path=str(table))
    source = find_source(spec)
    form = Form.of(spec)
    if source.pictures:
        read = split_readers(spec, source, form)[0]["train"](list(OF_FOLDERS)).columns
    else:
        read = read_partitioned(source.files["train"], source.partitions, None, form).columns
    columns = {name: values for name, values in read.items() if name.strip()}  # pandas' index has no name
    has_text = any(len(name.split()) >= WORDS_OF_TEXT for name in columns)
    if has_text and (value := next((name for name, values in columns.items() if values.count(name) > 1), None)):
        raise DataError(
            f"{table}: its first line seems to be a row, as '{value[:40]}' occurs again below it; write the names of "
            "the columns above it, or name them by number in a study file of your own (data.text=1 data.label=2 "
            "data.header=none)"
        )
    path = os.path.relpath(expanded(table).absolute(), out.absolute().parent)
    refused: DataError | None = None
    for match in matches(columns, task):
        study = draft_of(match, path, columns, checkpoint=checkpoint)
        data = {**study["data"], "path": str(expanded(table).absolute())}
        try:
            meta = prepare(StudySpec.model_validate({**study, "data": data})).meta
        except DataError as error:
            refused = refused or error
            continue
        if _is_unequal(match, meta):
            study["search"]["objectives"] = [BY_CLASS]
        return Draft(study=study, found=_found(table, match, meta))
    if refused is not None:
        raise refused
    listed = ", ".join(f"'{name}'" for name in list(columns)[:20])
    tasks = task or f"any of {', '.join(TASKS)}"
    raise DataError(
        f"{table}: its columns ({listed}) do not fit {tasks}; name them in a study file of your own (docs/data.md)"
    )


def write(drafted: Draft, out: Path) -> str:
    """Writes the study file and returns the command that runs it.

    Raises:
        InputError: the file is there already.
    """
    refuse_existing(out)
    arguments = f"sweep {shown_path(out)}"
    write_text(out, commented(drafted.study, drafted.found, f"harness {arguments}"))
    return f"{program()} {arguments}"


def refuse_existing(out: Path) -> None:
    """Refuses to write over a file.

    Raises:
        InputError: the file is there already.
    """
    if out.exists():
        raise InputError(f"{out} is there already and is not overwritten; give another file with --out FILE")


def _is_unequal(match: Match, meta: Meta) -> bool:
    counts = [count for count in meta.counts.get("train", {}).values() if count]
    has_metric = any(metric.name == BY_CLASS for metric in match.facts.metrics)
    return has_metric and len(counts) > 1 and max(counts) > UNEQUAL * min(counts)


def _found(table: Path, match: Match, meta: Meta) -> tuple[str, ...]:
    facts = match.facts
    rows = ", ".join(f"{count:,} {split}" for split, count in meta.rows.items())
    lines = [f"{table.name}: {sum(meta.rows.values()):,} {facts.inputs}, of which {rows}."]
    counts = meta.counts.get("train", {})
    if counts:
        most, least = max(counts, key=counts.__getitem__), min(counts, key=counts.__getitem__)
        many = facts.nouns[1] or "values"
        between = f"{counts[least]:,} x '{least}' and {counts[most]:,} x '{most}'"
        lines.append(f"{len(counts)} {many}; in train they come between {between}.")
    for name, spread in meta.numbers.get("train", {}).items():
        lines.append(f"{name}: {spread.low:g} to {spread.high:g}, mean {spread.mean:.4g}.")
    return tuple(" ".join(line.split()) for line in (*lines, *meta.notes))
