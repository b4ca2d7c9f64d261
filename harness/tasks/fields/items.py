"""The items that an export can recommend: their cells, those of users, and which items a user has had."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np

from harness.spec.tasks import ITEM, USER
from harness.tasks.fields.cells import Cells

__all__ = ["ITEMS_FILE", "Items", "columns_of_user", "has_items"]

#: The file of an export with the items of the training rows.
ITEMS_FILE = "items.json"


def has_items(columns: Mapping[str, str]) -> bool:
    """True where rows have a user and an item; `columns` are the names of columns by field."""
    return USER.name in columns and ITEM.name in columns


def columns_of_user(cells: Cells, columns: Mapping[str, str]) -> set[str]:
    """Returns the columns that say something of the user: those with one value for each user, but not for each item."""
    import pandas as pd

    if not has_items(columns):
        return set()
    everything: dict[str, Any] = {**cells.categories, **cells.numbers}
    codes = {name: pd.factorize(np.asarray(values))[0] for name, values in everything.items()}
    user, item = codes[columns[USER.name]], codes[columns[ITEM.name]]
    found = {name for name, values in codes.items() if _follows(values, user) and not _follows(values, item)}
    return (found - {columns[ITEM.name]}) | {columns[USER.name]}


def _spelled(value: float) -> str:
    return "" if value != value else repr(float(value)).removesuffix(".0")


def _follows(values: np.ndarray, names: np.ndarray) -> bool:
    """True where all rows of a name have the same value."""
    size = int(values.max(initial=0)) + 2
    return len(np.unique(names.astype(np.int64) * size + values)) == len(np.unique(names))


@dataclass(frozen=True, slots=True, kw_only=True)
class Items:
    """The last cells of each item of train, by the names of columns, and what users have for their own columns.

    `cells` has a row for each of `columns`; an item's name is at `item`, and a user's in the column `user`. `seen` are
    the places of the items that each user has.
    """

    columns: tuple[str, ...]
    user: str
    item: str
    cells: tuple[tuple[str, ...], ...]
    users: Mapping[str, Mapping[str, str]]
    seen: Mapping[str, Sequence[int]]

    @classmethod
    def of(cls, cells: Cells, columns: Mapping[str, str]) -> Self:
        """Collects the items of training rows that have users and items."""
        numbers = {name: [_spelled(value) for value in values] for name, values in cells.numbers.items()}
        everything: dict[str, Sequence[str]] = {**cells.categories, **numbers}
        user, item = columns[USER.name], columns[ITEM.name]
        last = {name: row for row, name in enumerate(everything[item])}
        last_of_user = {name: row for row, name in enumerate(everything[user])}
        own = sorted(columns_of_user(cells, columns) - {user})
        place = {name: at for at, name in enumerate(last)}
        seen: dict[str, dict[int, None]] = {name: {} for name in last_of_user}
        for name, of_item in zip(everything[user], everything[item], strict=True):
            seen[name][place[of_item]] = None
        return cls(
            columns=tuple(everything),
            user=user,
            item=item,
            cells=tuple(tuple(str(values[row]) for row in last.values()) for values in everything.values()),
            users={name: {key: str(everything[key][row]) for key in own} for name, row in last_of_user.items()},
            seen={name: list(places) for name, places in seen.items()},
        )

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Reads the file of `write`."""
        return cls(**json.loads((folder / ITEMS_FILE).read_text(encoding="utf-8")))

    def write(self, folder: Path) -> None:
        """Writes the items as JSON."""
        (folder / ITEMS_FILE).write_text(json.dumps(asdict(self), ensure_ascii=False), encoding="utf-8")

    def pairs(self) -> tuple[list[str], list[str]]:
        """Returns the users and the items of train, in pairs."""
        names = self.cells[self.columns.index(self.item)]
        both = [(user, names[at]) for user, places in self.seen.items() for at in places]
        return [user for user, _ in both], [item for _, item in both]

    def rows_for(self, user: str) -> list[dict[str, str]]:
        """Returns a row for each item that the user does not have in train, by the names of columns.

        Of a user that train lacks nothing is known but the name.
        """
        own = {self.user: user, **self.users.get(user, {})}
        of_user = set(next(iter(self.users.values()), {}))
        seen = set(self.seen.get(user, ()))
        named = dict(zip(self.columns, self.cells, strict=True))
        unknown = dict.fromkeys(of_user, "")
        return [
            {name: values[at] for name, values in named.items()} | unknown | own
            for at in range(len(self.cells[0]))
            if at not in seen
        ]
