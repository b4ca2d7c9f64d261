"""The predictions of an exported model for the rows of a table."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.jobs.predict import Export, Row, predict_outputs, predictions_of, read_table
from harness.stats.metric import Arrays

__all__ = ["PredictedTable", "predict_table"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictedTable:
    """A table's columns, the inputs in its rows, and a prediction for each of them.

    `outputs` are what the model gives for the rows at `places`, which have a text; {} where none has one.
    """

    columns: Mapping[str, Sequence[Any]]
    rows: tuple[Row, ...]
    places: tuple[int, ...]
    outputs: Arrays
    predictions: tuple[dict[str, Any], ...]


def predict_table(export: Export, table: Path, note: Callable[[str], object], option: str = "--csv") -> PredictedTable:
    """Predicts the rows of a table; `note` gets a line on how it was read. For `option` see `files_of_table`.

    Raises:
        InputError: the table cannot be read, or lacks a column that the model was trained on.
    """
    columns, rows, notes = read_table(export, table, option)
    for line in notes:
        note(line)
    given: list[Row] = list(rows)
    places = tuple(place for place, row in enumerate(given) if row is not None)
    outputs = predict_outputs(export, [row for row in given if row is not None], note) if places else {}
    predictions = tuple(predictions_of(export, outputs, given))
    return PredictedTable(columns=columns, rows=tuple(given), places=places, outputs=outputs, predictions=predictions)
