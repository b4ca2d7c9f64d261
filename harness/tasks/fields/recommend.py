"""Which items can be recommended to each user, and how far up those are that the user has clicked.

Candidates are the items of a split that the user does not have in train.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from harness.data.encoded import Arrays, Encoded, Ragged
from harness.stats.ragged import ragged_of

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

__all__ = ["ITEMS", "SEEN", "USERS", "candidates", "chosen_users", "ranks", "scores_of"]

#: Fields of encoded rows: the number of each row's user, that of its item, and, at the first row of each user, the
#: numbers of the items that the user has in train.
USERS, ITEMS, SEEN = "users", "items", "seen"
#: Pairs of a user and an item that are scored at once.
_PAIRS = 16_384


def candidates(
    train: tuple[Sequence[str], Sequence[str]], split: tuple[Sequence[str], Sequence[str]]
) -> dict[str, np.ndarray | Ragged]:
    """Returns the fields of the rows of a split, whose users and items are given, as those of train are."""
    import pandas as pd

    users, user_names = pd.factorize(np.asarray(split[0], dtype=object))
    items, item_names = pd.factorize(np.asarray(split[1], dtype=object))
    known_users, known_items = (
        pd.Index(names).get_indexer(np.asarray(of_train, dtype=object))
        for names, of_train in zip((user_names, item_names), train, strict=True)
    )
    both = (known_users >= 0) & (known_items >= 0)
    pairs = np.unique(known_users[both] * len(item_names) + known_items[both])
    of_user, seen = np.divmod(pairs, max(1, len(item_names)))
    first = np.unique(users, return_index=True)[1]
    order = np.argsort(first[of_user], kind="stable")
    counts = np.bincount(first[of_user], minlength=len(users))
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    numbers = {USERS: users.astype(np.int64), ITEMS: items.astype(np.int64)}
    return {**numbers, SEEN: Ragged(values=seen[order], offsets=offsets)}


def chosen_users(fields: Arrays, most: int | None) -> np.ndarray:
    """Returns the numbers of the users that are scored: all, or `most` of them, the same ones every time."""
    count = int(np.asarray(fields[USERS]).max(initial=-1)) + 1
    if most is None or most >= count:
        return np.arange(count)
    return np.sort(np.random.default_rng(0).permutation(count)[:most])


def ranks(
    fields: Arrays, clicked: np.ndarray, users: np.ndarray, scores: Callable[[np.ndarray], np.ndarray]
) -> np.ndarray:
    """Returns the rank of the item of each clicked row among its user's candidates, from 1 on [rows] float32.

    Equal scores have their mean rank. 0 stands at rows without a click, of users that are not among `users`, of items
    that the user has in train, and of an item that the user has clicked before in the split.

    Args:
        fields: those of `candidates`.
        clicked: whether a row has a click [rows].
        users: the numbers of users that are scored.
        scores: returns the scores of all items [users, items] for some of the users.
    """
    user_of, item_of, seen = np.asarray(fields[USERS]), np.asarray(fields[ITEMS]), ragged_of(fields[SEEN])
    num_items = int(item_of.max(initial=-1)) + 1
    first = np.unique(user_of, return_index=True)[1]
    found = np.zeros(len(user_of), dtype=np.float32)
    rows = np.flatnonzero(clicked)
    rows = rows[np.unique(user_of[rows] * num_items + item_of[rows], return_index=True)[1]]  # by user, once an item
    size = max(1, _PAIRS // max(1, num_items))
    for at in range(0, len(users), size):
        some = users[at : at + size]
        of_users = np.asarray(scores(some), dtype=np.float64)
        of_rows = seen.take(first[some])
        of_users[np.repeat(np.arange(len(some)), np.diff(of_rows.offsets)), of_rows.values] = -np.inf
        place = np.searchsorted(some, user_of[rows])
        is_here = (place < len(some)) & (some[np.minimum(place, len(some) - 1)] == user_of[rows])
        here, place = rows[is_here], place[is_here]
        own = of_users[place, item_of[here]]
        above = (of_users[place] > own[:, None]).sum(axis=1)
        equal = (of_users[place] == own[:, None]).sum(axis=1)
        found[here] = np.where(np.isfinite(own), above + (equal + 1) / 2, 0)
    return found


def scores_of(
    model: PreTrainedModel, encoded: Encoded, slots_of_user: np.ndarray, device: torch.device
) -> Callable[[np.ndarray], np.ndarray]:
    """Returns the scores of all items for users, by a model of fields.

    What a column says of the user is that of the user's last row, and what it says of the item is that of the item's
    last row; `slots_of_user` are true for the slots of columns that say something of the user [slots].
    """
    import torch

    ids, weights = (np.asarray(encoded.fields[name]) for name in ("input_ids", "input_weights"))
    last_of_user, last_of_item = (_last(np.asarray(encoded.fields[name])) for name in (USERS, ITEMS))

    @torch.inference_mode()
    def scores(users: np.ndarray) -> np.ndarray:
        rows, items = np.repeat(last_of_user[users], len(last_of_item)), np.tile(last_of_item, len(users))
        pairs = [np.where(slots_of_user, values[rows], values[items]) for values in (ids, weights)]
        said = model(
            input_ids=torch.from_numpy(pairs[0]).long().to(device),
            input_weights=torch.from_numpy(pairs[1]).to(device, model.dtype),
        )
        logits: np.ndarray = said.logits[:, 1].float().cpu().numpy()
        return logits.reshape(len(users), len(last_of_item))

    return scores


def _last(numbers: np.ndarray) -> np.ndarray:
    """Returns the last row of each number from 0 on."""
    rows = np.zeros(int(numbers.max(initial=-1)) + 1, dtype=np.int64)
    rows[numbers] = np.arange(len(numbers))
    return rows
