"""The params to try first: what the study completes, and what it refuses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from harness.errors import SpecError
from harness.spec.checks import contradictions
from harness.spec.configure import arms, resolve
from harness.spec.domains import holds, in_domain
from harness.spec.first import first_params
from harness.spec.reader import load_study
from harness.spec.space import Choices, Range
from harness.spec.study import StudySpec
from tests.search.simulate import make_spec

CONDITIONAL: dict[str, Any] = {
    "schedule": {"choices": ["linear", "constant"]},
    "warmup_fraction": {"low": 0.0, "high": 0.2, "when": {"schedule": "linear"}},
}
COMPARED = {"checkpoint": ["tiny", "small"]}


def told(spec: StudySpec) -> dict[str, str]:
    return {".".join(map(str, found.keys[0])): found.message for found in contradictions(spec)}


def first(*given: dict[str, Any], **sections: Any) -> StudySpec:
    return make_spec(first=given, trials=12, **sections)


def test_rest_is_that_of_the_default_recipe() -> None:
    spec = first({"learning_rate": 3e-5}, {"training.batch_size": 8})
    assert told(spec) == {}
    assert first_params(spec, "minilm") == [
        {"learning_rate": 3e-5, "batch_size": 32},
        {"learning_rate": 5e-5, "batch_size": 8},
    ]


def test_whole_number_in_a_range_of_real_numbers_is_a_real_number() -> None:
    spec = first({"epochs": 2}, training={"epochs": {"low": 1.0, "high": 4.0}})
    (params,) = first_params(spec, "minilm")
    assert repr(params["epochs"]) == "2.0"
    assert resolve(spec, number=1, params=params).training.epochs == 2


def test_fixed_value_may_be_given_again_and_is_no_param() -> None:
    spec = first({"learning_rate": 3e-5, "epochs": 3, "checkpoint": "minilm"})
    assert told(spec) == {}
    assert first_params(spec, "minilm") == [{"learning_rate": 3e-5, "batch_size": 32}]


@pytest.mark.parametrize(
    ("given", "key", "words"),
    [
        (
            {"lr": 1e-4},
            "lr",
            "unknown key; the study searches learning_rate, batch_size; did you mean 'learning_rate'?",
        ),
        ({"learning_rat": 1e-4}, "learning_rat", "unknown key; the study searches learning_rate, batch_size; did you"),
        ({"seed": 1}, "seed", "training.seed is fixed at 0, not 1: search it, or leave it out"),
        (
            {"learning_rate": 0.1},
            "learning_rate",
            "between 1e-05 and 0.001, as this study searches it, not 0.1",
        ),
        ({"learning_rate": "high"}, "learning_rate", "not 'high'"),
        ({"learning_rate": True}, "learning_rate", "not true"),
        ({"batch_size": 12}, "batch_size", "must be one of 8, 16, 32, as this study searches it, not 12"),
        ({"epochs": 4}, "epochs", "training.epochs is fixed at 3.0, not 4: search it, or leave it out"),
        ({"checkpoint": "other"}, "checkpoint", "model.checkpoint is fixed at 'minilm', not 'other'"),
        ({"batch_size": 8, "training.batch_size": 16}, "training.batch_size", "training.batch_size is given twice"),
    ],
)
def test_value_that_no_trial_can_have_is_refused(given: dict[str, Any], key: str, words: str) -> None:
    messages = told(first({"learning_rate": 3e-5}, given))
    assert list(messages) == [f"search.first.1.{key}"]
    assert words in messages[f"search.first.1.{key}"]


def test_word_that_is_nearly_a_choice_gets_a_hint() -> None:
    spec = first({"schedule": "liner"}, training=CONDITIONAL)
    assert told(spec)["search.first.0.schedule"].endswith("not 'liner'; did you mean 'linear'?")


def test_conditional_param_needs_its_condition() -> None:
    spec = first({"schedule": "constant"}, {"warmup_fraction": 0.1}, training=CONDITIONAL)
    assert told(spec) == {}
    assert first_params(spec, "minilm") == [{"schedule": "constant"}, {"schedule": "linear", "warmup_fraction": 0.1}]
    wrong = first({"schedule": "constant", "warmup_fraction": 0.1}, training=CONDITIONAL)
    assert told(wrong) == {
        "search.first.0.warmup_fraction": "is searched only where schedule is 'linear', and here it is not"
    }


def test_compared_checkpoints_try_what_names_none_and_their_own() -> None:
    spec = first({"learning_rate": 3e-5}, {"checkpoint": "small", "batch_size": 8}, model=COMPARED)
    assert told(spec) == {}
    assert [len(first_params(spec, arm)) for arm in arms(spec)] == [1, 2]
    assert first_params(spec, "small")[1] == {"checkpoint": "small", "learning_rate": 5e-5, "batch_size": 8}
    unknown = told(first({"model.checkpoint": "smal"}, model=COMPARED))["search.first.0.model.checkpoint"]
    assert unknown.endswith(
        "must be one of 'tiny', 'small', as this study searches it, not 'smal'; did you mean 'small'?"
    )


def test_more_params_than_trials_are_refused() -> None:
    given = ({"batch_size": 8}, {"batch_size": 16}, {"batch_size": 32})
    assert told(make_spec(first=given, trials=3)) == {}, "the last is the default recipe itself"
    assert told(make_spec(first=given[:2], trials=2)) == {
        "search.trials": "must be at least 3, not 2: the default recipe and search.first need 3"
    }
    assert (
        "6, not 5: the default recipe and search.first need 3 for each compared checkpoint"
        in (told(make_spec(first=given, trials=5, model=COMPARED))["search.trials"])
    )


def test_wrong_space_hides_what_is_given_of_it(tmp_path: Path) -> None:
    study = tmp_path / "study.yaml"
    study.write_text(
        "name: x\ndata: {path: a.csv}\nmodel: {checkpoint: tiny}\n"
        "training: {learning_rate: {low: 1e-3, high: 1e-5}}\n"
        "search:\n  first:\n    - {learning_rate: 1e-4}\n    - {epocs: 3}\n",
        encoding="utf-8",
    )
    with pytest.raises(SpecError) as caught:
        load_study(study)
    assert str(caught.value).replace(f"{study}", "study.yaml").splitlines() == [
        "study.yaml:4: training.learning_rate: low 0.001 must be below high 1e-05",
        "study.yaml:8: search.first[1].epocs: unknown key; the study searches nothing; did you mean 'epochs'?",
    ]


def test_runs_and_checkpoints_are_relative_to_the_file(tmp_path: Path) -> None:
    (tmp_path / "tiny").mkdir()
    (tmp_path / "study.yaml").write_text(
        "name: x\ndata: {path: a.csv}\nmodel: {checkpoint: {choices: [./tiny, small]}}\n"
        "search: {first: [{checkpoint: ./tiny}], from: [../runs/before]}\n",
        encoding="utf-8",
    )
    spec = load_study(tmp_path / "study.yaml")
    assert spec.search.from_runs == (str(tmp_path.parent / "runs" / "before"),)
    assert first_params(spec, str(tmp_path / "tiny")) == [{"checkpoint": str(tmp_path / "tiny")}]
    assert StudySpec.model_validate_json(spec.model_dump_json()) == spec


@pytest.mark.parametrize(
    ("domain", "value", "held"),
    [
        (Range(low=8, high=64, step=8), 24, True),
        (Range(low=8, high=64, step=8), 20, False),
        (Range(low=8, high=64, step=8), 24.5, False),
        (Range(low=0.0, high=0.3, step=0.1), 0.3, True),
        (Range(low=0.0, high=0.3, step=0.1), 0.25, False),
        (Range(low=0.0, high=0.3), 0, True),
        (Range(low=0.0, high=0.3), None, False),
        (Choices(choices=(None, 0.1)), None, True),
        (Choices(choices=(0, 1)), True, False),
        (Choices(choices=(True, False)), 1, False),
        (Choices(choices=((), ("lowercase",))), ("lowercase",), True),
    ],
)
def test_domain_holds_what_can_be_drawn(domain: Range[Any] | Choices[Any], value: Any, held: bool) -> None:
    assert holds(domain, value) is held
    if held:
        assert in_domain(domain, value) == value
