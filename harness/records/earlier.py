"""Files of earlier versions, as parsed JSON, in the form that today's types read. No other module knows of them.

Each function takes what a file or an attribute of the study holds, of any version, and leaves today's as it is.
"""

from __future__ import annotations

from typing import Any

__all__ = ["manifest", "record"]


def manifest(raw: Any) -> Any:
    """A run's manifest. Before the behaviour was numbered it was the first.

    The rows' hash and the choices of precision, which such a manifest lacks too, are left to their defaults: not known.
    """
    return {"behaviour": 1, **raw} if isinstance(raw, dict) else raw


def record(raw: Any) -> Any:
    """A trial's record. Before each evaluation named its precision, a fixed one stood in the trial's configuration."""
    asked = raw["config"]["training"]["precision"]
    if asked == "auto" or all("precision" in row for row in raw["history"]):
        return raw
    return raw | {"history": [{"precision": asked, **row} for row in raw["history"]]}
