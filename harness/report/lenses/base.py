"""The protocol of a lens: it shows a model's right and wrong rows, for one kind of outputs and targets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Protocol

from harness.data.answers import Answers
from harness.report.kit.figures import Figure
from harness.report.kit.sections import Table
from harness.report.kit.view import View

__all__ = ["MAX_ERRORS", "NO_OTHERS", "NO_ROWS", "Findings", "Lens"]

#: The most rows that a lens lists.
MAX_ERRORS = 25
#: Of a model beside which no other is shown.
NO_OTHERS: Mapping[str, Answers] = MappingProxyType({})
NO_ROWS = "The run has kept no texts of its test rows, so they cannot be shown."


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """The figures and tables of a lens; `empty` is the text where there are none."""

    figures: tuple[Figure, ...] = ()
    tables: tuple[Table, ...] = ()
    empty: str = ""


class Lens(Protocol):
    """Shows answers of one kind; `lead` is the sentence under the section's title."""

    lead: str

    def fits(self, answers: Answers) -> bool:
        """True when the arrays, of one row or more, have the names, shapes and types that this lens reads."""

    def truth(self, view: View, answers: Answers, row: int) -> str:
        """The true value of a row as text, with what it is."""

    def look(
        self, view: View, answers: Answers, texts: Sequence[str], others: Mapping[str, Answers] = NO_OTHERS
    ) -> Findings:
        """The right and wrong rows of the winner on test.

        Args:
            view: the study.
            answers: the answers of the model, for which `fits` is true.
            texts: each test row as text; empty where the run has not kept the rows.
            others: the answers of the baselines for the same rows, by name.
        """
