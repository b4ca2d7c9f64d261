"""Keeps the forecast of a study in the cache until the study is run, so that it can stand beside what happened."""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from pathlib import Path

from harness.data.cache import default_cache, private_folder
from harness.jobs.plan.forecast import Forecast, Span
from harness.records.files import write_json
from harness.spec.study import StudySpec

__all__ = ["keep", "kept_s"]


def keep(spec: StudySpec, forecast: Forecast) -> None:
    """Writes how long search and confirmation are expected to take (seconds), for the sweep of the same study."""
    trained = forecast.search_s + forecast.confirm_s
    path = _path(spec)
    private_folder(path.parent)
    write_json(path, [trained.low, trained.value, trained.high], durable=False)


def kept_s(spec: StudySpec) -> Span | None:
    """Returns what was kept for the study; None where it was not planned, or the file cannot be read."""
    with suppress(OSError, ValueError, TypeError):
        low, value, high = json.loads(_path(spec).read_text(encoding="utf-8"))
        return Span(low=float(low), value=float(value), high=float(high))
    return None


def _path(spec: StudySpec) -> Path:
    key = hashlib.sha256(spec.model_dump_json(exclude={"name", "loggers"}).encode()).hexdigest()
    return default_cache() / "plans" / f"{key}.json"
