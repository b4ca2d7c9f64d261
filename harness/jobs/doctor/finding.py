"""What `harness doctor` finds: one line on a part of the machine or of the installation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["Finding", "State"]

State = Literal["ok", "note", "stops"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One line: `what` was looked at, its `state`, what was found, and what to do where something can be done.

    `note`: a sweep runs, but slower or without a part of it. `stops`: a sweep cannot run until the remedy is taken.
    """

    what: str
    state: State
    text: str
    remedy: str = ""
