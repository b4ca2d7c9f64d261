"""Files of earlier versions, parsed, in the form that today's types read. No other module knows of them.

Each function takes what a file or an attribute of the study holds, of any version, and leaves today's as it is.
"""

from __future__ import annotations

from typing import Any

__all__ = ["array_key", "final", "manifest", "record"]

#: Where the arrays of a model's answers belong: before, there was one kind of task.
_PARTS = {"labels": "targets/labels", "probabilities": "outputs/probabilities"}


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


def final(raw: Any) -> Any:
    """What came of a study. Before comparisons named their metric, they were by accuracy."""
    if not isinstance(raw, dict) or not raw.get("comparisons"):
        return raw
    return raw | {"comparisons": [{"metric": "accuracy", **each} for each in raw["comparisons"]]}


def array_key(key: str) -> str:
    """The key of an array in a file of a model's answers.

    Before keys named split and part (`test/outputs/probabilities`), they were `test_probabilities` and so on; those of
    a file that held validation alone were `labels` and `probabilities`.
    """
    split, _, name = key.rpartition("_")
    if name not in _PARTS or split not in ("", "validation", "test"):
        return key
    return f"{split or 'validation'}/{_PARTS[name]}"
