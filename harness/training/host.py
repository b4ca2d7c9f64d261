"""The slot and the cache that an engine hands to a trial function.

torch is not imported here: engines make a `Host` before a worker imports torch.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from harness.records.precision import PrecisionChoice
from harness.records.schema import Place

__all__ = ["Host"]


@dataclass(slots=True, kw_only=True)
class Host:
    """One slot. `cache` belongs to the process: base weights, encoded data, whatever is kept between trials.

    `lent_threads` is how many threads the trial may use up to its next evaluation while other slots of a CPU are idle.
    `precision` is what `auto` means here: set by the coordinator, or measured in this process; None before.
    """

    place: Place
    lent_threads: int | None = None
    precision: PrecisionChoice | None = None
    cache: dict[str, Any] = field(default_factory=dict)
