"""Files of the version before, in the form that today's types read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from harness.records import earlier
from harness.records.final import Final, Interval
from harness.records.schema import Progress, TrialRecord, TrialState, record_of
from harness.records.store import RECORD, StudyStore
from harness.spec.configure import default_params, resolve
from harness.spec.study import StudySpec


def make_record(precision: str) -> TrialRecord:
    spec = StudySpec.model_validate(
        {
            "name": "study",
            "data": {"path": "reviews.csv"},
            "model": {"checkpoint": "minilm"},
            "training": {"precision": precision},
        }
    )
    config = resolve(spec, number=0, params=default_params(spec))
    last = Progress(
        number=0, step=3, total_steps=3, epoch=1.0, num_rows=4, metrics={"accuracy": 0.5}, train_loss=0.7,
        precision="" if precision == "auto" else precision,
    )  # fmt: skip
    return record_of(config, TrialState.COMPLETE, [last])


def without_precision(record: TrialRecord) -> dict[str, Any]:
    """The record as it was written before evaluations named their precision."""
    raw: dict[str, Any] = record.model_dump(mode="json")
    for row in raw["history"]:
        del row["precision"]
    return raw


def test_record_without_precisions_has_that_of_its_configuration() -> None:
    record = make_record("bf16")
    assert TrialRecord.model_validate(earlier.record(without_precision(record))) == record


def test_record_without_precisions_is_silent_about_one_that_was_chosen() -> None:
    found = TrialRecord.model_validate(earlier.record(without_precision(make_record("auto"))))
    assert found.precision is None


@pytest.mark.parametrize("missing", [{}, {"rungs": None}])
def test_record_without_rungs_has_those_of_the_study(missing: dict[str, None]) -> None:
    record = make_record("bf16")
    raw = record.model_dump(mode="json", exclude={"config": {"rungs"}})
    raw["config"] |= missing
    assert record.config.rungs == (1 / 16, 1 / 8, 1 / 4, 1 / 2)
    assert TrialRecord.model_validate(earlier.record(raw, record.config.rungs)) == record
    assert TrialRecord.model_validate(earlier.record(raw, (0.5,))).config.rungs == (0.5,)


@pytest.mark.parametrize("precision", ["bf16", "auto"])
def test_todays_record_is_left_as_it_is(precision: str) -> None:
    raw = make_record(precision).model_dump(mode="json")
    assert earlier.record(raw, (0.5,)) == raw


def test_store_reads_records_of_the_version_before(tmp_path: Path) -> None:
    record = make_record("bf16")
    store = StudyStore.open(tmp_path / "study.db", "study", ["accuracy"])
    store.create(record.config)
    store._storage.set_trial_user_attr(store._ids[0], RECORD, without_precision(record))
    assert [found.history for found in store.records()] == [record.history]
    store.close()


def test_comparison_without_a_metric_is_by_accuracy() -> None:
    compared = {
        "a": "winner",
        "b": "baseline",
        "probability": 0.9,
        "difference": {"value": 0.03, "low": 0.01, "high": 0.05},
        "mcnemar_p": 0.02,
        "tie": False,
    }
    raw = {"winner": 3, "recommended": 3, "comparisons": [compared, compared | {"metric": "rmse"}]}
    old, new = Final.model_validate(earlier.final(raw)).comparisons
    assert (old.metric, new.metric) == ("accuracy", "rmse")
    assert Final.model_validate(earlier.final(raw | {"recommended": 1})).winner == 3, "the winner is what was exported"
    assert old.difference == Interval(value=0.03, low=0.01, high=0.05)
    assert earlier.final(None) is None, "of a study that has no decision yet"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("labels", "validation/targets/labels"),
        ("probabilities", "validation/outputs/probabilities"),
        ("validation_labels", "validation/targets/labels"),
        ("test_probabilities", "test/outputs/probabilities"),
    ],
)
def test_arrays_of_the_version_before_have_todays_keys(old: str, new: str) -> None:
    assert earlier.array_key(old) == new
    assert earlier.array_key(new) == new


@pytest.mark.parametrize("key", ["test/outputs/my_labels", "test/outputs/tags.values", "train_labels", "numbers"])
def test_other_keys_of_arrays_are_left_as_they_are(key: str) -> None:
    assert earlier.array_key(key) == key
