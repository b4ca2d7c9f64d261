"""The base class of kinds of fields, which says what a kind decides."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Kind"]


class Kind:
    """A kind of field. The defaults hold for a field that is never a target.

    `dtype` is how a column is stored; `can_be_empty` says that a value may be missing, which leaves its row out.
    """

    dtype: str = "object"
    can_be_empty: bool = True
    #: True where rows are events: two with the same inputs are two, and may be in two splits.
    is_event: bool = False
    #: The name of the target in losses and metrics, for a field that is one.
    target: str = ""
    #: True where a target has a value for each word of its row.
    is_by_word: bool = False
    #: True where a target is a place in a text of its row, which is cut into windows where it is long.
    is_in_windows: bool = False

    def read(self, place: str, column: str, values: Sequence[Any]) -> list[Any]:
        """Returns the values of a column, checked and converted; None for a missing one.

        Raises:
            DataError: a value is of another kind; the message names `place`, row, column and value.
        """
        raise NotImplementedError

    def parts(self, value: Any) -> Sequence[Any]:
        """Returns the values that a cell of the source holds: the items of a list, else the cell itself."""
        if isinstance(value, np.ndarray):
            value = value.tolist()
        return value if isinstance(value, (list, tuple)) else [value]

    def unify(self, place: str, column: str, values: Mapping[str, list[Any]]) -> dict[str, list[Any]]:
        """Returns the targets of each split, all written by one rule, which those of train decide.

        Raises:
            DataError: they are of another kind; the message names `place`, the table of train.
        """
        return dict(values)

    def read_notes(self, column: str, values: Mapping[str, Sequence[Any]]) -> list[str]:
        """Returns what a person should know of how `unify` reads the targets of all splits, a sentence each."""
        return []

    def match(self, place: str, column: str, values: Sequence[Any], rows: Sequence[int], inputs: pd.DataFrame) -> None:
        """Refuses targets that do not fit the inputs of their rows, whose numbers in the source are `rows`.

        Raises:
            DataError: which row, and what does not fit.
        """

    def placed(
        self, place: str, column: str, values: Sequence[Any], rows: Sequence[int], inputs: pd.DataFrame
    ) -> tuple[list[Any], list[str]]:
        """Returns targets that are parts of their rows' inputs as places in them, and notes; others as they are.

        Raises:
            DataError: which row, and which part its inputs do not have.
        """
        return list(values), []

    def known(self, names: Sequence[str]) -> list[Any] | None:
        """Returns targets that hold all `names`, for `unify` where the rows of train are not at hand.

        None where names do not tell how targets were written.
        """
        return list(names)

    def notes(self, column: str, values: Sequence[Any]) -> list[str]:
        """Returns what a person should know of the targets of all splits, a sentence each."""
        return []

    def rewritten(self, column: str, pairs: Iterable[tuple[Any, Any]]) -> list[str]:
        """Returns a note on targets that `unify` has written in another way, given before and after; [] for none."""
        return []

    def names(self, values: Iterable[Any]) -> tuple[str, ...]:
        """Returns the names that occur in the targets of all splits, in their order; none where targets have no names.

        The place of a name is its id.
        """
        return ()

    def stored(self, values: Sequence[Any], names: Sequence[str]) -> list[Any]:
        """Returns targets as prepared data holds them, with ids for names; None for one that `names` lack."""
        return list(values)

    def counts(self, values: Sequence[Any], names: Sequence[str]) -> dict[str, int]:
        """Returns how often each name occurs in the targets of a split."""
        return {}

    def split_notes(self, values: Mapping[str, Sequence[Any]]) -> list[str]:
        """Returns what a person should know of the targets of each split after splitting, a sentence each."""
        return []

    def words_in(self, value: Any) -> list[str]:
        """Returns the words of a value that holds text."""
        return str(value).split()

    def of_words(self, words: Sequence[str]) -> Any:
        """Returns a value that holds these words as text."""
        return " ".join(words)

    def of_new_words(self, values: Sequence[Any], rows: Sequence[Sequence[str]]) -> list[Any]:
        """Returns targets as prepared data holds them for rows whose last text has other words now.

        Args:
            values: the targets as they were.
            rows: the words of each row's last text.
        """
        return list(values)

    def same(self, value: Any) -> str:
        """Returns a text that is equal for two values that count as the same."""
        return str(value)

    def check(self, place: str, column: str, values: Sequence[Any]) -> None:
        """Refuses training targets from which nothing can be learned.

        Raises:
            DataError: what is wrong with them, and what to do.
        """

    def check_split(self, values: Sequence[Any]) -> None:
        """Refuses the targets of a training split from which nothing can be learned.

        Raises:
            DataError: what is wrong with them, and what to do.
        """

    def strata(self, values: Sequence[Any]) -> np.ndarray:
        """Returns the stratum of each row [rows]; all splits have the same shares of the strata.

        Where the targets have names, train has every stratum.
        """
        return np.zeros(len(values), dtype=np.int64)
