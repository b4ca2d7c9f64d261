"""Writes a study as YAML, with a comment on what was found and what may be changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from harness.spec.study.reference import inline

__all__ = ["commented"]

NOTES: Mapping[str, str] = {
    "name": "the run folder is runs/NAME",
    "data.path": "relative to this file",
    "data.max_length": "tokens; a text that is longer is cut",
    "data.train_rows": "enough to choose params by; null trains on all",
    "data.label_separator": "stands between the labels in a cell",
    "model.checkpoint": "a list of several compares them",
    "training.learning_rate": "searched",
    "training.batch_size": "a list is searched",
    "training.epochs": "passes over the training rows",
    "search.objectives": "classes are not equally frequent; accuracy would look good on the large ones alone",
    "search.trials": "more find a better one, and take longer",
    "budget.minutes": "of the search; null: no limit",
    "confirm.seeds": "the best are trained again with other seeds before the test rows are opened",
}
SCRATCH = "random weights: no fitting checkpoint is installed. Give a folder or a Hub id for real results"


def commented(study: Mapping[str, Any], found: Sequence[str], command: str) -> str:
    """Returns the study file.

    Args:
        study: the study as plain values.
        found: what the table holds, a line each.
        command: what runs the study.
    """
    lines = [f"# {line}" for line in (*found, "Run it:", f"  {command}", "Every key: docs/study.md, harness schema.")]
    for key, value in study.items():
        if not isinstance(value, Mapping):
            lines.append(_with_note(f"{key}: {inline(value)}", NOTES.get(key)))
            continue
        lines += ["", f"{key}:"]
        for name, part in value.items():
            note = SCRATCH if part == "scratch" else NOTES.get(f"{key}.{name}")
            lines.append(_with_note(f"  {name}: {inline(part)}", note))
    return "\n".join(lines) + "\n"


def _with_note(line: str, note: str | None) -> str:
    return f"{line}  # {note}" if note else line
