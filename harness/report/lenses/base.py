"""What a lens is: how the page looks at the rows that a model got wrong, for one kind of outputs and targets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from harness.data.answers import Answers
from harness.report.kit.figures import Figure
from harness.report.kit.sections import Table
from harness.report.kit.view import View

__all__ = ["MAX_ERRORS", "NO_ROWS", "Findings", "Lens"]

#: How many rows a lens lists one by one.
MAX_ERRORS = 25
NO_ROWS = "The run has kept no texts of its test rows, so they cannot be shown."


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """What a lens shows; `empty` is said where there is nothing to show."""

    figures: tuple[Figure, ...] = ()
    tables: tuple[Table, ...] = ()
    empty: str = ""


class Lens(Protocol):
    """One way to look at answers; `lead` is the sentence under the section's title."""

    lead: str

    def fits(self, answers: Answers) -> bool:
        """True when the arrays, of one row or more, are those that this lens (and its task's metrics) read."""

    def look(self, view: View, answers: Answers, texts: Sequence[str]) -> Findings:
        """What the recommended model got right and wrong on test.

        Args:
            view: the study.
            answers: those of the model, which `fits` took.
            texts: each test row as a person reads it; empty where the run has not kept them.
        """
