"""Brings parsed files of earlier versions into the form that the current types read.

Each function takes the parsed JSON of a file or a study attribute of any version; the current form passes unchanged.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

__all__ = ["array_key", "export", "final", "manifest", "record"]

#: The current array names by those of earlier versions, which had one kind of task.
_PARTS = {"labels": "targets/labels", "probabilities": "outputs/probabilities"}


def manifest(raw: Any) -> Any:
    """A run's manifest. A manifest without a behaviour number is of behaviour 1.

    The rows' hash and the choices of precision, which such a manifest lacks too, keep their defaults: not known.
    """
    return {"behaviour": 1, **raw} if isinstance(raw, dict) else raw


def record(raw: Any, rungs: Sequence[float] = ()) -> Any:
    """A trial's record.

    A trial without rungs of its own gets `rungs`, those of the study. Evaluations that do not name their precision get
    the fixed one of the trial's configuration. Its costs stay those up to its best evaluation.
    """
    config, history = raw["config"], raw["history"]
    if config.get("rungs") is None:
        config = config | {"rungs": tuple(rungs)}
    if (precision := config["training"]["precision"]) != "auto":
        history = [{"precision": precision, **row} for row in history]
    return raw | {"config": config, "history": history}


def final(raw: Any) -> Any:
    """A study's final decision.

    Comparisons that name no metric are by accuracy. An earlier version recommended another trial than the winner where
    the two tied and it trained faster; the winner is what it exported. A decision without a folder has replaced the
    answers of those before it.
    """
    if not isinstance(raw, dict):
        return raw
    comparisons = [{"metric": "accuracy", **row} for row in raw.get("comparisons", ())]
    changes: dict[str, Any] = {"comparisons": comparisons}
    if "folder" not in raw:
        changes["earlier"] = [model | {"predictions": ""} for model in raw.get("earlier", ())]
    return {key: value for key, value in raw.items() if key != "recommended"} | changes


def export(raw: Any) -> Any:
    """The manifest of an exported model. A column that the model does not take was null; it is left out."""
    if not isinstance(raw, dict) or not isinstance(columns := raw.get("columns"), dict):
        return raw
    return raw | {"columns": {name: column for name, column in columns.items() if column}}


def array_key(key: str) -> str:
    """The key of an array in a file of a model's answers.

    Keys now name split and part (`test/outputs/probabilities`). Earlier ones were `test_probabilities` and so on, and
    `labels` and `probabilities` in a file that held validation alone.
    """
    split, _, name = key.rpartition("_")
    if name not in _PARTS or split not in ("", "validation", "test"):
        return key
    return f"{split or 'validation'}/{_PARTS[name]}"
