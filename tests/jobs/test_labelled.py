"""The scores of predictions for a table that holds the truth too."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from harness.errors import DataError
from harness.jobs.labelled import table_scores
from harness.jobs.predict import Export


def export(task: str = "text-classification", names: tuple[str, ...] = ("no", "yes")) -> Export:
    return Export(
        folder=Path("best"), task=task, names=names, preprocess=(), max_length=16, columns={"text": "text"},
        target="label", value_columns=("label",),
    )  # fmt: skip


def said(*classes: int) -> dict[str, np.ndarray]:
    return {"probabilities": np.eye(2)[list(classes)] * 0.8 + 0.1}


def test_scores_are_of_the_rows_with_a_label_that_the_model_knows() -> None:
    found = table_scores(export(), {"label": ["no", "yes", "", "perhaps", " yes "]}, said(0, 0, 0, 0, 1))
    assert found is not None
    assert found.num_rows == 3
    scores = {metric.name: value for metric, value in found.scores}
    assert scores["accuracy"] == pytest.approx(2 / 3)


def test_labels_are_read_as_training_reads_them() -> None:
    found = table_scores(export(names=("0", "1")), {"label": ["1.0", 0, [1], None, "?"]}, said(1, 0, 1, 0, 0))
    assert found is not None
    assert found.num_rows == 3
    assert {metric.name: value for metric, value in found.scores}["accuracy"] == 1


def test_metric_that_is_not_defined_is_left_out() -> None:
    found = table_scores(export(), {"label": ["no", "no"]}, said(0, 0))
    assert found is not None
    assert {metric.name for metric, _ in found.scores} == {"accuracy", "macro_f1", "mcc", "log_loss"}


@pytest.mark.parametrize("columns", [{"text": ["a"]}, {"label": [""]}, {"label": ["perhaps"]}])
def test_table_without_labels_has_no_scores(columns: dict[str, list[str]]) -> None:
    assert table_scores(export(), columns, said(0)) is None


def test_numbers_are_scored_and_other_values_are_refused() -> None:
    numbers, outputs = export("text-regression", ()), {"predictions": np.array([1.0, 2.0])}
    found = table_scores(numbers, {"label": ["1.5", "2"]}, outputs)
    assert found is not None
    empty = table_scores(numbers, {"label": ["1.5", ""]}, outputs)
    assert empty is not None
    assert empty.num_rows == 1
    assert {metric.name: value for metric, value in found.scores}["mae"] == pytest.approx(0.25)
    with pytest.raises(DataError, match="which is not a number"):
        table_scores(numbers, {"label": ["1.5", "two"]}, outputs)
