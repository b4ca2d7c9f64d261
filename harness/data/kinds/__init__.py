"""The kinds of fields: how values are read, when two values are the same, and how rows are stratified.

The reader, the checks, the search for duplicates and the split ask the kind of a task's fields, never the task.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from harness.data.kinds.answers import Answers
from harness.data.kinds.base import Kind
from harness.data.kinds.boxes import Boxes
from harness.data.kinds.columns import Categories, Category, Click, Numbers
from harness.data.kinds.completion import Completion, Document, Messages, Prompt
from harness.data.kinds.inputs import Image, Text
from harness.data.kinds.label import Label
from harness.data.kinds.label_set import LabelSet
from harness.data.kinds.number import Number
from harness.data.kinds.tags import Tags, Words
from harness.errors import look_up
from harness.spec.tasks import Field, TaskFacts

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

__all__ = ["KINDS", "Kind", "are_events", "duplicate_keys", "kind_of", "kind_of_target", "strata_of"]

KINDS: Mapping[str, Kind] = {
    "text": Text(),
    "image": Image(),
    "label": Label(),
    "label_set": LabelSet(),
    "number": Number(),
    "words": Words(),
    "tags": Tags(),
    "answers": Answers(),
    "prompt": Prompt(),
    "messages": Messages(),
    "document": Document(),
    "completion": Completion(),
    "category": Category(),
    "categories": Categories(),
    "numbers": Numbers(),
    "click": Click(),
    "boxes": Boxes(),
}


def kind_of(field: Field) -> Kind:
    """Returns the kind of `field`.

    Raises:
        InputError: there is no such kind.
    """
    return look_up(KINDS, field.kind, f"the kind of field '{field.name}'")


def kind_of_target(facts: TaskFacts) -> Kind:
    """Returns the kind of a task's target; one that decides nothing for a task without a target."""
    return kind_of(facts.target) if facts.target else Kind()


def are_events(frame: pd.DataFrame, facts: TaskFacts) -> bool:
    """True where two rows of a data frame with the same inputs are two events."""
    return any(kind_of(field).is_event for field in facts.fields if field.name in frame)


def duplicate_keys(frame: pd.DataFrame, facts: TaskFacts) -> list[str]:
    """Returns a text for each row of a data frame, equal where all inputs of two rows are the same.

    Each event has a text of its own.
    """
    if are_events(frame, facts):
        return list(map(str, range(len(frame))))
    inputs = [field for field in facts.fields if not field.target and field.name in frame]
    columns = [[kind_of(field).same(value) for value in frame[field.name]] for field in inputs]
    return ["\0".join(parts) for parts in zip(*columns, strict=True)]


def strata_of(frame: pd.DataFrame, facts: TaskFacts) -> np.ndarray:
    """Returns the stratum of each row of a data frame, by its target [rows]; 0 for a task without a target."""
    values = frame[facts.target.name].tolist() if facts.target else range(len(frame))
    return kind_of_target(facts).strata(values)
