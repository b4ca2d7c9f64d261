"""What a trial function is given by its engine: where it runs, and what outlives it in this process.

Knows nothing of torch, so that engines can make one before torch is imported.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from harness.records.precision import PrecisionChoice
from harness.records.schema import Place

__all__ = ["Host"]


@dataclass(slots=True, kw_only=True)
class Host:
    """One slot. `cache` belongs to the process: base weights, encoded data, whatever is kept warm between trials.

    `lent_threads` is what the trial may use up to its next evaluation when other slots of a CPU are idle. `precision`
    is what `auto` means here, once the coordinator has said it or it was measured in this process.
    """

    place: Place
    lent_threads: int | None = None
    precision: PrecisionChoice | None = None
    cache: dict[str, Any] = field(default_factory=dict)
