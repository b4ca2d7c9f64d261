"""The share of a long work that is done, in a file that another process reads while the work goes on."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path

from harness.records.files import write_json

__all__ = ["WRITTEN", "read_share", "write_share"]

#: In a trial's folder while its model writes answers: the share of them that is written.
WRITTEN = "written.json"


def write_share(file: Path, share: float) -> None:
    """Writes `share` into `file`, and removes the file at 1. The work does not end where that cannot be written."""
    with suppress(OSError):
        if share < 1:
            write_json(file, {"share": share}, durable=False)
        else:
            file.unlink(missing_ok=True)


def read_share(file: Path) -> float | None:
    """Returns the share in `file`; None where there is none, because no such work goes on."""
    try:
        share = float(json.loads(file.read_text(encoding="utf-8"))["share"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return share if 0 <= share < 1 else None
