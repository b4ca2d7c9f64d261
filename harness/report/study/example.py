"""A command that tries the exported model on a row of the study's own test split, with the row's true value."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from harness.report.kit.view import View
from harness.report.lenses.registry import lens_of
from harness.report.study.predictions import answers_of, shown_rows
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

    `program` is how harness is called. None without an exported model that reads texts. Of a pair of texts only a table
    can be given.
    """
    export = view.results.export_path()
    if export is None or not view.task.reads("text"):
        return None
    command = f"{program} predict {shown_path(Path(export))}{trust_option(view.task.name)}"
    answers = answers_of(view, view.chosen) if view.chosen is not None else None
    rows = shown_rows(view, len(answers)) if answers is not None else ()
    has_pairs = len(view.results.manifest.data.columns.keys() & set(view.task.texts)) > 1
    place = None if has_pairs else _first_ordinary(rows)
    if answers is None or place is None:
        return Example(command=f"{command} --csv FILE.csv")
    lens = lens_of(view.task)
    truth = lens.truth(view, answers, place) if lens is not None else ""
    return Example(command=f"{command} {quoted(rows[place])}", truth=truth)


def _first_ordinary(rows: Sequence[str]) -> int | None:
    """The place of the first row of ordinary length that fits into a command; None where there is none."""
    fitting = [place for place, row in enumerate(rows) if _is_usable(row)]
    # An apostrophe beside a double quote or a dollar is written as a riddle: other rows come first.
    usable = [place for place in fitting if '"\'"' not in quoted(rows[place])] or fitting
    if not usable:
        return None
    lengths = [len(rows[place]) for place in usable]
    shortest = np.quantile(lengths, _ORDINARY[0], method="lower")
    longest = np.quantile(lengths, _ORDINARY[1], method="higher")
    return next(place for place, length in zip(usable, lengths, strict=True) if shortest <= length <= longest)


def _is_usable(row: str) -> bool:
    return 0 < len(row) <= _MOST_CHARACTERS and row.isprintable() and not row.startswith("-")
