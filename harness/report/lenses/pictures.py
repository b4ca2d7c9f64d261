"""The small pictures of test rows that a decision keeps: those that the winner got wrong and was surest of."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from harness.records.final import PICTURES
from harness.report.kit.view import View

__all__ = ["is_small_jpeg", "pictures_of"]

#: The most characters of a picture; 96 x 96 pixels of noise take half of them.
_MAX_LENGTH = 32_768
_URI = re.compile(r"data:image/jpeg;base64,[A-Za-z0-9+/]+={0,2}")


def is_small_jpeg(value: object) -> bool:
    """True for a text that is the data URI of a small JPEG, and nothing else."""
    return isinstance(value, str) and len(value) <= _MAX_LENGTH and _URI.fullmatch(value) is not None


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
    return {int(row): uri for row, uri in found.items() if row.isdecimal() and is_small_jpeg(uri)}
