"""A command that tries the exported model on a row of the study's own test split, with the row's true value."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from harness.report.kit.view import View
from harness.report.lenses.registry import lens_of
from harness.report.study.predictions import answers_of, shown_texts
from harness.runtime import quoted, shown_path
from harness.spec.foreign import trust_option

__all__ = ["Example", "example"]

_MOST_CHARACTERS = 300
#: A row is of ordinary length where its length is between these quantiles of all rows' lengths.
_ORDINARY = (0.25, 0.75)


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """A command for the exported model; `truth` is the true value of its text, "" where the command holds no text."""

    command: str
    truth: str = ""


def example(view: View, program: str = "harness") -> Example | None:
    """The command with the first test row of ordinary length, whatever the model says of it; else for a table.

    `program` is how harness is called. None without an exported model that reads texts. A model of pairs gets both
    texts of the row.
    """
    export = view.results.export_path()
    columns = view.results.manifest.data.columns
    asks = any(field.kind == "prompt" and field.name in columns for field in view.task.fields)
    if export is None or not (asks or view.task.is_tabular or view.task.reads("text")):
        return None
    command = f"{program} predict {shown_path(Path(export))}{trust_option(view.task.name)}"
    answers = answers_of(view, view.chosen) if view.chosen is not None and not view.task.is_tabular else None
    num_texts = len(view.task.texts_in(columns)) or 1
    rows = shown_texts(view, len(answers)) if answers is not None else ()
    place = _first_ordinary([row if len(row) == num_texts else () for row in rows])
    if answers is None or place is None:
        return Example(command=f"{command} --csv FILE.csv")
    lens = lens_of(view.task)
    truth = lens.truth(view, answers, place) if lens is not None else ""
    return Example(command=f"{command} {_arguments(rows[place])}", truth=truth)


def _arguments(row: Sequence[str]) -> str:
    return " ".join(map(quoted, row))


def _first_ordinary(rows: Sequence[Sequence[str]]) -> int | None:
    """The place of the first row of ordinary length that fits into a command; None where there is none."""
    fitting = [place for place, row in enumerate(rows) if _is_usable(row)]
    # An apostrophe beside a double quote or a dollar is written as a riddle: other rows come first.
    usable = [place for place in fitting if '"\'"' not in _arguments(rows[place])] or fitting
    if not usable:
        return None
    lengths = [sum(map(len, rows[place])) for place in usable]
    shortest = np.quantile(lengths, _ORDINARY[0], method="lower")
    longest = np.quantile(lengths, _ORDINARY[1], method="higher")
    return next(place for place, length in zip(usable, lengths, strict=True) if shortest <= length <= longest)


def _is_usable(row: Sequence[str]) -> bool:
    fits = sum(map(len, row)) <= _MOST_CHARACTERS
    return bool(row) and fits and all(text and text.isprintable() and not text.startswith("-") for text in row)
