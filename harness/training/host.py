"""What a trial function is given by its engine: where it runs, and what outlives it in this process.

Knows nothing of torch, so that engines can make one before torch is imported.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from harness.records.schema import Place

__all__ = ["Host"]


@dataclass(slots=True, kw_only=True)
class Host:
    """One slot. `cache` belongs to the process: base weights, encoded data, whatever is kept warm between trials."""

    place: Place
    cache: dict[str, Any] = field(default_factory=dict)
