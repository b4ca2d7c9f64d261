"""The small pictures of test rows that a decision keeps: those that the winner got wrong and was surest of."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

import pandas as pd

from harness.data.pictures.find import Picture
from harness.data.pictures.thumbnail import is_thumbnail, thumbnail
from harness.records.final import PICTURES
from harness.report.kit.view import View

__all__ = ["pictures_of", "thumbnails"]


def thumbnails(rows: Iterable[int], frame: pd.DataFrame) -> dict[int, str]:
    """Returns a small picture of each of `rows` of a split's frame; none where its rows are no pictures."""
    columns = [name for name in frame if len(frame) and isinstance(frame[name].iloc[0], Picture)]
    return {row: thumbnail(frame[columns[0]].iloc[row]) for row in rows} if columns else {}


def pictures_of(view: View) -> Mapping[int, str]:
    """Returns the small pictures of test rows, by row, as data URIs; {} where none were kept."""
    final = view.results.final
    path = view.file(f"{final.folder}/{PICTURES}") if final is not None else None
    try:
        found = json.loads(path.read_text(encoding="utf-8")) if path is not None else {}
    except (OSError, ValueError):
        return {}
    if not isinstance(found, dict):
        return {}
    return {int(row): uri for row, uri in found.items() if row.isdecimal() and is_thumbnail(uri)}
