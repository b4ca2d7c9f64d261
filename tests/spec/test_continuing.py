"""Keys that a user does not set have the values that the run was begun with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from harness.spec.configure import differences
from harness.spec.continuing import as_begun_with
from harness.spec.reader import load_study
from harness.spec.study import StudySpec

STUDY = """\
name: study
data: {path: reviews.csv}
model: {checkpoint: scratch, architecture: {model_type: bert}, dropout: [0.0, 0.1]}
"""


@pytest.fixture
def study(tmp_path: Path) -> Any:
    """A study file with these lines more, and these values on the command line."""

    def load(text: str = "", *overrides: str) -> StudySpec:
        path = tmp_path / "study.yaml"
        path.write_text(STUDY + text, encoding="utf-8")
        return load_study(path, overrides)

    return load


def recorded(spec: StudySpec, **sections: dict[str, Any]) -> StudySpec:
    """The study in a manifest, where defaults were others: values are put in by section."""
    raw = spec.model_dump(mode="json")
    for section, values in sections.items():
        raw[section] |= values
    return StudySpec.model_validate(raw)


def test_changed_defaults_are_no_difference(study: Any) -> None:
    before = recorded(study(), training={"weight_decay": 0.5, "epochs": 7.0}, search={"sampler": "random"})
    now = as_begun_with(study("training: {epochs: 7}"), before)
    assert now == before
    assert differences(before, now) == []


def test_what_the_file_sets_is_a_difference(study: Any) -> None:
    before = recorded(study(), training={"weight_decay": 0.5, "epochs": 7.0})
    now = as_begun_with(study("training: {epochs: 3}"), before)
    assert differences(before, now) == ["training.epochs: 7.0 -> 3.0"]


def test_a_default_that_the_file_spells_out_is_set(study: Any) -> None:
    before = recorded(study(), training={"weight_decay": 0.5})
    now = as_begun_with(study("training: {weight_decay: 0.01}"), before)
    assert differences(before, now) == ["training.weight_decay: 0.5 -> 0.01"]


def test_what_the_command_line_sets_is_set(study: Any) -> None:
    before = recorded(study(), training={"weight_decay": 0.5}, search={"trials": 5})
    now = as_begun_with(study("", "training.weight_decay=0.01", "search.trials=9"), before)
    assert differences(before, now) == ["training.weight_decay: 0.5 -> 0.01"]
    assert now.search.trials == 9


def test_keys_of_a_nested_section_are_taken_one_by_one(study: Any) -> None:
    pruner = {"name": "rungs", "reduction_factor": 2, "min_fraction": 0.25}
    before = recorded(study(), search={"pruner": pruner}, confirm={"top": 4, "seeds": 3})
    now = as_begun_with(study("search: {pruner: {reduction_factor: 2}}\nconfirm: {seeds: 5}"), before)
    assert now.search.pruner.model_dump() == pruner
    assert now.confirm is not None and (now.confirm.top, now.confirm.seeds) == (4, 5)


def test_what_may_change_is_kept_where_it_is_not_set(study: Any) -> None:
    before = study("", "search.trials=4", "confirm=null", "budget.minutes=3", "engine.name=inline")
    now = as_begun_with(study(), before)
    assert (now.search.trials, now.confirm, now.budget.minutes, now.engine.name) == (4, None, 3, "inline")
    assert as_begun_with(study("", "budget.minutes=null"), before).budget.minutes is None


def test_a_searched_value_is_taken_as_a_whole(study: Any) -> None:
    before = study("training: {learning_rate: {low: 1e-5, high: 1e-3, log: true}}")
    now = as_begun_with(study("training: {learning_rate: {low: 1e-5, high: 1e-3}}"), before)
    assert len(differences(before, now)) == 1


def test_another_source_of_data_does_not_stand_beside_the_recorded_one(study: Any) -> None:
    before = study()
    now = as_begun_with(study("", "data.builtin=digits", "task=image-classification"), before)
    assert (now.data.path, now.data.builtin) == (None, "digits")


def test_values_that_contradict_the_recorded_ones_leave_the_study_as_it_is(study: Any) -> None:
    before = study()
    now = study("", "model={checkpoint: minilm, dropout: [0.0, 0.1]}")
    assert as_begun_with(now, before) is now
    assert any(line.startswith("model.checkpoint: ") for line in differences(before, now))


def test_a_study_that_goes_on_stays_what_it_is_when_asked_again(study: Any) -> None:
    before = recorded(study(), training={"weight_decay": 0.5})
    once = as_begun_with(study(), before)
    assert as_begun_with(once, before) == once
