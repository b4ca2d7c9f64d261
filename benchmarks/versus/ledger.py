"""What the comparison is about, and what of it was measured already, in a JSON file that a later call goes on with."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from harness.machine import resources
from harness.records.files import write_json

__all__ = ["Ledger", "Measured", "Row", "Setting"]

Measured = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """The job that both sides do."""

    data: str
    """Folder with train.csv and test.csv."""
    long_data: str
    """The same, of long texts."""
    checkpoint: str
    trials: int
    epochs: int
    rows: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A line of the table of targets; `met` is None where the target was not measured as it is meant."""

    what: str
    target: str
    reached: str
    met: bool | None = None


class Ledger:
    """Measurements by part and name; each is written as soon as it is made, and never made twice."""

    def __init__(self, path: Path, setting: Setting) -> None:
        self._path, self.setting = path, setting
        about = {"setting": asdict(setting), "machine": _machine()}
        self.document: dict[str, Any] = about | {"parts": {}, "rows": {}}
        if path.exists():
            self.document = json.loads(path.read_text(encoding="utf-8"))
            if {key: self.document[key] for key in about} != about:
                raise SystemExit(f"error: {path} was measured with another setting or machine; give another --out")

    def measured(self, part: str, name: str, measure: Callable[[], Measured]) -> Measured:
        """The measurement `name` of `part`, made now unless the file has it."""
        done: dict[str, Measured] = self.document["parts"].setdefault(part, {})
        if name not in done:
            print(f"{time.strftime('%H:%M:%S')} {part}: {name} ...", file=sys.stderr, flush=True)
            began = time.time()
            done[name] = measure() | {"at": began, "load": os.getloadavg()[0]}
            self._write()
        return done[name]

    def conclude(self, part: str, rows: list[Row]) -> None:
        """Keeps what a part comes to."""
        self.document["rows"][part] = [asdict(row) for row in rows]
        self._write()

    def _write(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        write_json(self._path, self.document)


def _machine() -> dict[str, Any]:
    return {
        "processor": resources.processor_name(),
        "cores": resources.cores(),
        "memory_gib": round(resources.memory_bytes() / 2**30),
        "python": ".".join(map(str, sys.version_info[:3])),
    }
