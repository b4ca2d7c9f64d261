"""The items that an exported model recommends to a user: the likeliest of those that the user has not had in train."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from harness.errors import InputError
from harness.jobs.predict import Export, predict_texts
from harness.jobs.tables.field_rows import field_row

__all__ = ["recommended"]


def recommended(
    export: Export, user: str, top: int, note: Callable[[str], object] = lambda line: None
) -> list[dict[str, Any]]:
    """Returns the `top` items with the highest probability of a click, each with its cells and its probability.

    `note` gets a line where the model does not know the user.

    Raises:
        InputError: the export holds no items, because its study named no columns of users and items.
    """
    from harness.tasks.fields.items import ITEMS_FILE, Items

    if not (export.folder / ITEMS_FILE).is_file():
        raise InputError(
            f"{export.folder} has no items to recommend ({ITEMS_FILE}): that takes a study of click-through with "
            "data.columns.user and data.columns.item"
        )
    items = Items.read(export.folder)
    if user not in items.users:
        note(f"user '{user}' is not among the training rows: what is recommended is so for anybody unknown")
    rows = items.rows_for(user)
    predictions = predict_texts(export, [field_row(export, row) for row in rows], note) if rows else []
    order = sorted(range(len(rows)), key=lambda at: -predictions[at]["probability"])[:top]
    return [{**rows[at], **predictions[at]} for at in order]
