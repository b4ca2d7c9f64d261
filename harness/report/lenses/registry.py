"""The lenses by the names that tasks call them."""

from __future__ import annotations

from collections.abc import Mapping

from harness.errors import look_up
from harness.report.lenses.answers import AnswersLens
from harness.report.lenses.base import Lens
from harness.report.lenses.boxes import Boxes
from harness.report.lenses.classes import Classes
from harness.report.lenses.clicks import Clicks
from harness.report.lenses.completions import Completions
from harness.report.lenses.labels import Labels
from harness.report.lenses.numbers import Numbers
from harness.report.lenses.spans import Spans
from harness.spec.tasks import TaskFacts

__all__ = ["LENSES", "lens_of"]

LENSES: Mapping[str, Lens] = {
    "classes": Classes(),
    "labels": Labels(),
    "numbers": Numbers(),
    "spans": Spans(),
    "answers": AnswersLens(),
    "completions": Completions(),
    "clicks": Clicks(),
    "boxes": Boxes(),
}


def lens_of(task: TaskFacts) -> Lens | None:
    """The lens of a task; None where it names none.

    Raises:
        InputError: there is no lens of that name.
    """
    return None if task.lens is None else look_up(LENSES, task.lens, f"lens of task {task.name}")
