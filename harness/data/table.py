"""Converts columns of any values to rows in which every field has a value; drops or refuses the others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.data.kinds import Kind, kind_of
from harness.data.kinds.hidden import hidden_target
from harness.errors import DataError
from harness.spec.tasks import TaskFacts

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["check_targets", "clean_frame", "read_fields", "unify_targets", "without_hidden_targets"]

MIN_ROWS = 10


def read_fields(
    place: str, columns: Mapping[str, Sequence[Any]], names: Mapping[str, str], facts: TaskFacts
) -> dict[str, list[Any]]:
    """Returns the values of each field, None where one is missing.

    Args:
        place: the file, for messages.
        columns: values by column name in the source.
        names: column name in the source by the field's name.
        facts: the facts of the task.

    Raises:
        DataError: a value is not of its field's kind.
    """
    return {name: kind_of(facts.field(name)).read(place, column, columns[column]) for name, column in names.items()}


def without_hidden_targets(
    columns: Mapping[str, Mapping[str, list[Any]]],
    names: Mapping[str, str],
    facts: TaskFacts,
    absent: Mapping[str, Mapping[str, str]],
) -> tuple[dict[str, Mapping[str, list[Any]]], dict[str, str]]:
    """Returns the columns without the targets of splits that hide them, and why, of each split that has none.

    The test splits of public benchmarks often have one value in every row that no row of train has (-1, "?").

    Args:
        columns: the columns of each split.
        names: column name in the source by the field's name.
        facts: the facts of the task.
        absent: of each split, what is said of each column that it lacks.
    """
    if facts.target is None:
        return dict(columns), {}
    kind, column = kind_of(facts.target), names[facts.target.name]
    given, why = dict(columns), {}
    for split in (split for split in columns if split != "train"):
        if missing := absent[split].get(column):
            why[split] = missing[missing.index("no column ") :]
        elif (value := hidden_target(kind, columns[split][column], columns["train"][column])) is not None:
            why[split] = f"every row has '{value[:60]}', which no row of train has"
            given[split] = {**columns[split], column: [None] * len(columns[split][column])}
    return given, why


def unify_targets(
    fields: Mapping[str, dict[str, list[Any]]],
    places: Mapping[str, str],
    names: Mapping[str, str],
    facts: TaskFacts,
    hidden: Mapping[str, str],
) -> tuple[dict[str, dict[str, list[Any]]], list[str]]:
    """Returns the fields of the splits that have targets, which one rule has written in all of them, and notes.

    A split without targets, or with the same one in every row that no row of train has, counts as not given. `hidden`
    says of some why they have none.

    Raises:
        DataError: the targets are not of their field's kind.
    """
    if facts.target is None:
        return dict(fields), []
    target, kind, column = facts.target.name, kind_of(facts.target), names[facts.target.name]
    unified = kind.unify(places["train"], column, {split: values[target] for split, values in fields.items()})
    notes = kind.read_notes(column, {split: values[target] for split, values in fields.items()})
    known = {split: [value for value in values if value is not None] for split, values in unified.items()}
    of_train = {kind.same(value) for value in known["train"]}
    given = {}
    for split, values in fields.items():
        distinct = {kind.same(value) for value in known[split]}
        if split == "train" or len(distinct) > 1 or distinct & of_train or len(known[split]) == 1:
            if kind.names(known["train"]) and len(distinct) > 1 and not distinct & of_train:
                raise DataError(_strange_labels(places[split], known[split], places["train"], known["train"], kind))
            if split != "train" and len(distinct) == 1 < min(len(known[split]), len(of_train)):
                notes.append(f"{places[split]}: every row has '{known[split][0]}': does it stand for labels not given?")
            given[split] = {**values, target: unified[split]}
            continue
        why = f"every row has '{known[split][0]}', which no row of train has" if distinct else f"no row has a {target}"
        notes.append(f"{places[split]}: {hidden.get(split, why)}; the split is made from train instead")
    pairs = [pair for split in given for pair in zip(fields[split][target], unified[split], strict=True)]
    notes += kind.rewritten(column, (pair for pair in pairs if pair[0] != pair[1]))
    return given, [*notes, *kind.notes(column, [value for split in given for value in known[split]])]


def _strange_labels(place: str, values: Sequence[Any], train: str, of_train: Sequence[Any], kind: Kind) -> str:
    """Returns the message for a split that has no label of train."""
    listed = [", ".join(f"'{name[:40]}'" for name in kind.names(names)[:5]) for names in (values, of_train)]
    return (
        f"{place}: none of its labels ({listed[0]}) is a label of {train} ({listed[1]}); write them alike, or leave "
        "the file out of the folder"
    )


def clean_frame(
    place: str, fields: Mapping[str, Sequence[Any]], names: Mapping[str, str], facts: TaskFacts
) -> tuple[pd.DataFrame, list[str]]:
    """Returns the rows without missing values, with `row` (the row in its source, from 1), and notes on dropped rows.

    Raises:
        DataError: every row lacks its target, most rows lack an input, or a target does not fit the inputs of its row.
    """
    import pandas as pd

    frame = pd.DataFrame({name: pd.Series(values, dtype=object) for name, values in fields.items()})
    frame["row"] = np.arange(1, len(frame) + 1)
    notes = []
    for name in (name for name in names if kind_of(facts.field(name)).can_be_empty):
        empty = np.array([value is None for value in frame[name]], dtype=bool)
        if not empty.any():
            continue
        first = int(frame["row"].to_numpy()[empty][0])
        what = f"{place}: {int(empty.sum())} of {len(frame)} rows have an empty '{names[name]}' (first: row {first})"
        if empty.all() or (empty.sum() * 2 > len(frame) and not facts.field(name).target):
            raise DataError(f"{what}; is {facts.field(name).key} the right column?")
        notes.append(f"{what}: dropped")
        frame = frame[~empty].reset_index(drop=True)
    if facts.target is not None:
        target, inputs = facts.target.name, [field.name for field in facts.fields if not field.target]
        numbers, values = frame["row"].tolist(), frame[target].tolist()
        kind, texts = kind_of(facts.target), frame[[name for name in inputs if name in frame]]
        kind.match(place, names[target], values, numbers, texts)
        placed, more_notes = kind.placed(place, names[target], values, numbers, texts)
        if any(new is not old for new, old in zip(placed, values, strict=True)):
            frame = frame.assign(**{target: pd.Series(placed, dtype=object)})
        notes += more_notes
    return frame, notes


def check_targets(
    place: str, frame: pd.DataFrame, dropped: Sequence[str], names: Mapping[str, str], facts: TaskFacts
) -> None:
    """Refuses training rows from which nothing can be learned; `dropped` are the notes on the rows that left.

    Raises:
        DataError: there are too few rows, or nothing can be learned from their targets.
    """
    try:
        if len(frame) < MIN_ROWS:
            raise DataError(f"{place}: {len(frame)} usable rows; at least {MIN_ROWS} are needed")
        if facts.target is not None:
            kind_of(facts.target).check(place, names[facts.target.name], frame[facts.target.name].tolist())
    except DataError as error:
        if facts.target is not None and facts.target.kind == "label" and frame[facts.target.name].nunique() == 1:
            empty = f"have an empty '{names[facts.target.name]}'"
            remedy = "if empty means a class of its own, write its name there"
            dropped = [*dropped, *([remedy] if any(empty in note for note in dropped) else [])]
        raise DataError("; ".join([str(error), *dropped])) from None
