"""From a study to trials: the space, the default recipe, one trial's configuration, differences."""

from __future__ import annotations

from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from harness.errors import InputError
from harness.spec.configure import (
    arms,
    default_config,
    default_number,
    default_numbers,
    default_params,
    differences,
    models_of,
    num_values,
    resolve,
    rung_fractions,
    search_space,
    values_of,
)
from harness.spec.params import KEYS, SECTIONS, default_of
from harness.spec.space import Choices, Range
from harness.spec.study import StudySpec, split_checkpoint
from harness.spec.trial import TrialConfig, TrialData, TrialModel, TrialTraining

LR = {"low": 1e-5, "high": 1e-4, "log": True}


def study(**sections: Any) -> StudySpec:
    """A small study, with rungs at 1/16 and 1/4."""
    base = {"name": "x", "data": {"path": "a.csv"}, "model": {"checkpoint": "tiny"}}
    search = {"pruner": {"name": "rungs", "reduction_factor": 4}} | sections.pop("search", {})
    return StudySpec.model_validate(base | sections | {"search": search})


def training(**fields: Any) -> StudySpec:
    return study(training=fields)


# The space


def test_names_of_params_are_unique() -> None:
    """Params are named by the last part of their key."""
    assert len(KEYS) == sum(len(model.model_fields) for model in SECTIONS.values())


def test_search_space_has_key_name_and_domain() -> None:
    space = search_space(study(training={"learning_rate": LR, "batch_size": [8, 16]}, data={"path": "x"}))
    assert [(param.key, param.name) for param in space] == [
        ("training.learning_rate", "learning_rate"),
        ("training.batch_size", "batch_size"),
    ]
    assert space[1].domain == Choices(choices=(8, 16))


def test_search_space_of_fixed_study_is_empty() -> None:
    assert search_space(study()) == ()


def test_conditions_come_before_what_they_allow() -> None:
    space = search_space(
        training(
            learning_rate=LR | {"when": {"training.weight_decay": 0.0}},
            weight_decay={"choices": [0.0, 0.1], "when": {"schedule": ["linear", "cosine"]}},
            schedule=["linear", "cosine", "constant"],
        )
    )
    assert [param.name for param in space] == ["schedule", "weight_decay", "learning_rate"]
    assert space[1].when == {"schedule": ("linear", "cosine")}
    assert space[1].active({"schedule": "cosine"})
    assert not space[1].active({"schedule": "constant"})
    assert not space[2].active({"schedule": "constant"}), "what it waits for is not there"


def test_condition_that_the_study_fixes_is_met() -> None:
    (param,) = search_space(training(learning_rate=LR | {"when": {"schedule": "linear"}}))
    assert param.when == {}
    assert param.active({})


@pytest.mark.parametrize(
    ("domain", "values"),
    [
        (Choices[int](choices=(8, 16)), (8, 16)),
        (Range[int](low=1, high=4), (1, 2, 3, 4)),
        (Range[int](low=1, high=6, step=2), (1, 3, 5)),
        (Range[float](low=0.1, high=0.4, step=0.1), (0.1, 0.2, 0.3, 0.4)),
        (Range[float](low=0.0, high=1.0, step=0.4), (0.0, 0.4, 0.8)),
    ],
)
def test_values_of_finite_domain(domain: Any, values: tuple[Any, ...]) -> None:
    assert values_of(domain) == values
    assert num_values(domain) == len(values)


def test_real_numbers_have_no_end_of_values() -> None:
    assert num_values(Range[float](low=0.0, high=1.0)) == float("inf")


# Comparison


def test_arms_are_the_compared_checkpoints() -> None:
    assert arms(study(model={"checkpoint": ["a", "b"]})) == ("a", "b")
    assert arms(study()) == ("tiny",)
    assert arms(study(model={"checkpoint": ["a"]})) == ("a",)
    assert len(arms(study(model={"checkpoint": {"choices": ["a", "b"]}}))) == 1


def test_searched_checkpoint_is_a_param() -> None:
    spec = study(model={"checkpoint": {"choices": ["a", "b"]}})
    assert [param.name for param in search_space(spec)] == ["checkpoint"]
    assert default_params(spec) == {"checkpoint": "a"}
    assert resolve(spec, number=0, params={"checkpoint": "b"}, arm="a").model.checkpoint == "b"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a", ("a", None)),
        ("a#layers=3", ("a", 3)),
        ("c#/a#layers=12", ("c#/a", 12)),
        ("c#layers=3/a", ("c#layers=3/a", None)),
    ],
)
def test_split_checkpoint(name: str, expected: tuple[str, int | None]) -> None:
    assert split_checkpoint(name) == expected


# The default recipe


def test_default_recipes_are_the_first_trial_of_each_checkpoint() -> None:
    assert list(default_numbers(study())) == [0]
    assert list(default_numbers(study(model={"checkpoint": {"choices": ["a", "b"]}}))) == [0]
    compared = study(model={"checkpoint": ["a", "b", "c"]})
    assert list(default_numbers(compared)) == [0, 1, 2]
    assert [default_number(compared, {"checkpoint": name}) for name in "abc"] == [0, 1, 2]
    assert default_number(study(), {"batch_size": 8}) == 0


def test_default_config_is_the_default_recipe_of_a_checkpoint() -> None:
    spec = study(model={"checkpoint": ["a", "b"]}, training={"learning_rate": LR})
    assert default_config(spec).params == {"checkpoint": "a"} | default_params(spec)
    other = default_config(spec, "bench", "b")
    assert (other.kind, other.number, other.model.checkpoint) == ("bench", 0, "b")


@pytest.mark.parametrize(
    ("section", "field", "given", "expected"),
    [
        ("training", "learning_rate", LR, 5e-5),
        ("training", "learning_rate", {"low": 1e-4, "high": 1e-3, "log": True}, 1e-4),
        ("training", "learning_rate", {"low": 1e-6, "high": 1e-5}, 1e-5),
        ("training", "learning_rate", [1e-5, 1e-4], 1e-4),
        ("training", "batch_size", [8, 16, 32], 32),
        ("training", "batch_size", [8, 16], 16),
        ("training", "batch_size", {"low": 8, "high": 100, "step": 16}, 24),
        ("training", "warmup_fraction", {"low": 0.1, "high": 0.2}, 0.1),
        ("training", "weight_decay", [0.0, 0.3], 0.0),
        ("training", "optimizer", ["sgd", "adamw"], "adamw"),
        ("training", "optimizer", ["sgd", "adafactor"], "sgd"),
        ("training", "schedule", ["cosine", "linear"], "linear"),
        ("training", "schedule", ["cosine", "constant"], "cosine"),
        ("training", "max_grad_norm", [None, 2.0], 2.0),
        ("model", "layers", {"low": 2, "high": 6}, 6),
        ("model", "layers", [2, None], None),
        ("model", "layers", [2, 4], 4),
        ("model", "freeze", ["embeddings", "none"], "none"),
        ("model", "freeze", {"low": 1, "high": 3}, 1),
        ("model", "dropout", {"low": 0.0, "high": 0.3}, 0.1),
        ("data", "train_rows", [100, 1000], 1000),
        ("data", "preprocess", {"choices": [["lowercase"], []]}, ()),
        ("data", "preprocess", {"choices": [["lowercase"], ["nfkc"]]}, ("lowercase",)),
    ],
)
def test_default_params_are_nearest_to_the_recipe(section: str, field: str, given: Any, expected: Any) -> None:
    fixed = {"data": {"path": "a.csv"}, "model": {"checkpoint": "tiny"}}.get(section, {})
    params = default_params(study(**{section: fixed | {field: given}}))
    assert params == {field: pytest.approx(expected) if isinstance(expected, float) else expected}


@pytest.mark.parametrize(
    ("given", "most"),
    [
        (None, None),
        (50, 50),
        ([100, 1000], 1000),
        ({"choices": [100, None]}, None),
        ({"low": 10, "high": 90}, 90),
    ],
)
def test_most_train_rows(given: Any, most: int | None) -> None:
    assert study(data={"path": "a.csv", "train_rows": given}).data.most_train_rows == most


def test_default_params_leave_out_what_is_not_active() -> None:
    spec = training(schedule=["cosine", "linear"], weight_decay={"low": 0, "high": 1, "when": {"schedule": "cosine"}})
    assert default_params(spec) == {"schedule": "linear"}


def test_default_params_of_an_arm() -> None:
    layers = {"low": 1, "high": 3, "when": {"checkpoint": "b"}}
    spec = study(model={"checkpoint": ["a", "b"], "layers": layers})
    assert default_params(spec) == {}
    assert default_params(spec, arm="b") == {"layers": 3}


@settings(deadline=None)
@given(low=st.floats(1e-6, 1), width=st.floats(1e-3, 10), step=st.none() | st.floats(1e-3, 20), log=st.booleans())
def test_default_param_lies_in_its_range(low: float, width: float, step: float | None, log: bool) -> None:
    given_range = {"low": low, "high": low + width, "log": log and step is None, "step": step}
    spec = training(learning_rate=given_range)
    (value,) = default_params(spec).values()
    assert isinstance(value, float)
    assert low <= value <= low + width


# One trial


def test_resolve_fills_in_everything() -> None:
    spec = study(
        training={"learning_rate": LR, "epochs": 3, "seed": 7},
        data={"path": "a.csv", "max_length": [32, 64], "preprocess": ["lowercase"]},
        search={"objectives": ["macro_f1"]},
    )
    config = resolve(spec, number=4, params={"learning_rate": 2e-5, "max_length": 32})
    assert (config.number, config.kind, config.of, config.task) == (4, "search", None, "text-classification")
    assert config.params == {"learning_rate": 2e-5, "max_length": 32}
    assert config.training.learning_rate == 2e-5
    assert config.training.seed == 7
    assert config.data.max_length == 32
    assert config.data.preprocess == ("lowercase",)
    assert config.objectives == ("macro_f1",)
    assert config.evaluate_at == pytest.approx((0.0625, 0.25, 1 / 3, 2 / 3, 1))
    assert config.validation_rows == (256, None, None, None, None)
    assert TrialConfig.model_validate_json(config.model_dump_json()) == config


def test_resolve_takes_kind_seed_and_origin() -> None:
    config = resolve(study(), number=0, params={}, kind="confirm", of=3, seed=11)
    assert (config.kind, config.of, config.training.seed) == ("confirm", 3, 11)


def test_resolve_evaluates_by_the_trials_own_epochs() -> None:
    config = resolve(training(epochs=[1, 3]), number=0, params={"epochs": 1.0})
    assert config.evaluate_at == (0.0625, 0.25, 1.0)


def test_resolve_gives_a_trial_rungs_of_its_own() -> None:
    """None before the 5th step, and none at another share of the training than other trials."""
    spec = training(batch_size=[8, 32], epochs=2)
    long, short = (resolve(spec, number=0, params={"batch_size": size}, num_train_rows=640) for size in (8, 32))
    assert (long.rungs, short.rungs) == ((0.0625, 0.25), (None, 0.25))
    assert long.evaluate_at == (0.0625, 0.25, 0.5, 1.0) and long.validation_rows == (256, None, None, None)
    assert short.evaluate_at == (0.25, 0.5, 1.0) and short.validation_rows == (None, None, None)
    assert resolve(spec, number=0, params={"batch_size": 8}).rungs == rung_fractions(spec) == (1 / 16, 1 / 4)
    assert TrialConfig.model_validate_json(long.model_dump_json()) == long


def test_resolve_counts_the_rows_that_are_trained_on() -> None:
    few = study(data={"path": "a.csv", "train_rows": 160}, training={"batch_size": 8, "epochs": 2})
    assert resolve(few, number=0, params={}, num_train_rows=9999).rungs == (None, 0.25)
    copied = study(data={"path": "a.csv", "augment": ["swap"]}, training={"batch_size": 16, "epochs": 2})
    assert resolve(copied, number=0, params={}, num_train_rows=160).rungs == (None, 0.25)


def test_resolve_leaves_out_what_is_not_active() -> None:
    spec = training(schedule=["cosine", "linear"], weight_decay={"low": 0, "high": 1, "when": {"schedule": "cosine"}})
    config = resolve(spec, number=0, params={"schedule": "linear", "weight_decay": 0.9})
    assert config.params == {"schedule": "linear"}
    assert config.training.weight_decay == 0.01
    assert resolve(spec, number=0, params={"schedule": "cosine", "weight_decay": 0.9}).training.weight_decay == 0.9


def test_resolve_of_compared_checkpoint_keeps_its_name() -> None:
    spec = study(model={"checkpoint": ["big", "big#layers=3"]}, training={"learning_rate": LR})
    config = resolve(spec, number=1, params={"learning_rate": 1e-5}, arm="big#layers=3")
    assert config.params == {"checkpoint": "big#layers=3", "learning_rate": 1e-5}
    assert (config.model.checkpoint, config.model.layers) == ("big", 3)
    again = resolve(spec, number=0, params=config.params, kind="rerun", of=1)
    assert again.model == config.model
    assert resolve(spec, number=0, params={"learning_rate": 1e-5}).model.layers is None


def test_resolve_gives_the_architecture_to_scratch_only() -> None:
    model = {"checkpoint": ["scratch", "tiny"], "architecture": {"model_type": "bert"}}
    spec = study(model=model)
    assert resolve(spec, number=0, params={}, arm="scratch").model.architecture == {"model_type": "bert"}
    assert resolve(spec, number=0, params={}, arm="tiny").model.architecture is None


def test_resolve_refuses_missing_and_unknown_params() -> None:
    spec = training(learning_rate=LR)
    with pytest.raises(InputError, match=r"trial 2 has no value for 'training\.learning_rate'"):
        resolve(spec, number=2, params={})
    with pytest.raises(InputError, match="does not search epochs; it searches learning_rate"):
        resolve(spec, number=2, params={"learning_rate": 1e-5, "epochs": 3})


def test_default_recipe_resolves_for_every_arm() -> None:
    spec = study(model={"checkpoint": ["a", "b#layers=2"]}, training={"learning_rate": LR, "batch_size": [8, 64]})
    for arm in arms(spec):
        config = resolve(spec, number=0, params=default_params(spec, arm), arm=arm)
        assert config.params == {"checkpoint": arm, "learning_rate": 5e-5, "batch_size": 64}


# The sections of a study and those of a trial

TRIAL_SECTIONS: dict[str, type[BaseModel]] = {"data": TrialData, "model": TrialModel, "training": TrialTraining}
#: For every searchable key a value that is not its default.
SEARCHED: dict[str, Any] = {
    "data.preprocess": ("lowercase",),
    "data.augment": ("swap",),
    "data.max_length": 77,
    "data.train_rows": 55,
    "model.checkpoint": "scratch",
    "model.layers": 2,
    "model.freeze": "backbone",
    "model.frozen_dropout": False,
    "model.dropout": 0.3,
    "model.adapter": "lora",
    "model.rank": 4,
    "model.alpha": 6.0,
    "model.adapter_dropout": 0.2,
    "model.targets": ("query",),
    "model.gradient_checkpointing": True,
    "training.learning_rate": 3e-4,
    "training.batch_size": 7,
    "training.epochs": 2.5,
    "training.optimizer": "sgd",
    "training.weight_decay": 0.2,
    "training.warmup_fraction": 0.4,
    "training.schedule": "constant",
    "training.precision": "bf16",
    "training.max_grad_norm": 0.5,
    "training.patience": 2,
    "training.layer_decay": 0.8,
    "training.label_smoothing": 0.1,
    "training.class_weights": "balanced",
    "training.accumulation_steps": 3,
}
#: What a trial has of a study that cannot be searched.
FIXED: dict[str, Any] = {
    "model.architecture": {"model_type": "bert"},
    "training.step_graphs": True,
    "training.seed": 9,
}


def is_searchable(annotation: Any) -> bool:
    """True where a range or choices may stand."""
    if isinstance(annotation, type) and issubclass(annotation, (Range, Choices)):
        return True
    return any(is_searchable(part) for part in get_args(annotation))


def searchable_keys() -> set[str]:
    return {
        f"{section}.{name}"
        for section, model in SECTIONS.items()
        for name, field in model.model_fields.items()
        if is_searchable(field.annotation)
    }


def sections_of(values: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """`{"model": {"layers": 2}}` of `{"model.layers": 2}`, with a source of data."""
    sections: dict[str, dict[str, Any]] = {"data": {"path": "a.csv"}, "model": {}, "training": {}}
    for key, value in values.items():
        section, _, name = key.partition(".")
        sections[section][name] = value
    return sections


def test_every_searchable_key_is_a_field_of_the_trial_and_the_other_way_round() -> None:
    fields = {f"{section}.{name}" for section, model in TRIAL_SECTIONS.items() for name in model.model_fields}
    assert searchable_keys() == fields - set(FIXED)
    assert set(FIXED) <= set(KEYS.values()), "what a trial has comes from the study"


def test_every_searchable_key_has_a_value_to_try() -> None:
    assert set(SEARCHED) == searchable_keys()
    assert [key for key, value in (SEARCHED | FIXED).items() if value == default_of(study(), key)] == []


@pytest.mark.parametrize("how", ["searched", "fixed"])
def test_every_key_reaches_the_trial(how: str) -> None:
    choices = {key: {"choices": [value]} for key, value in SEARCHED.items()}
    spec = study(**sections_of((choices if how == "searched" else SEARCHED) | FIXED))
    params = {key.partition(".")[2]: value for key, value in SEARCHED.items()} if how == "searched" else {}
    config = resolve(spec, number=0, params=params)
    assert config.params == params
    found = config.model_dump()
    assert {key: found[key.partition(".")[0]][key.partition(".")[2]] for key in SEARCHED | FIXED} == SEARCHED | FIXED


# Differences


@pytest.mark.parametrize(
    "sections",
    [
        {"search": {"trials": 99}},
        {"budget": {"minutes": 1}},
        {"confirm": None},
        {"confirm": {"top": 3, "seeds": 3}},
        {"engine": {"name": "ray", "max_concurrent": 3}},
    ],
)
def test_what_may_change_is_no_difference(sections: dict[str, Any]) -> None:
    assert differences(study(), study(**sections)) == []


@pytest.mark.parametrize(
    ("sections", "line"),
    [
        ({"training": {"epochs": 4}}, "training.epochs: 3.0 -> 4.0"),
        ({"training": {"learning_rate": LR}}, "training.learning_rate: 5e-05 -> {low: 1e-05, high: 0.0001, log: true}"),
        ({"training": {"batch_size": [8, 16]}}, "training.batch_size: 32 -> {choices: [8, 16]}"),
        ({"model": {"checkpoint": ["a", "b"]}}, "model.checkpoint: tiny -> [a, b]"),
        ({"data": {"path": "b.csv"}}, "data.path: a.csv -> b.csv"),
        ({"data": {"path": "a.csv", "split": {"seed": 1}}}, "data.split.seed: 42 -> 1"),
        ({"data": {"path": "a.csv", "text_pair": "b"}}, "data.text_pair: null -> b"),
        ({"search": {"pruner": {"name": "asha", "reduction_factor": 4}}}, "search.pruner.name: rungs -> asha"),
        ({"search": {"objectives": ["mcc"]}}, "search.objectives: [accuracy] -> [mcc]"),
        ({"name": "y"}, "name: x -> y"),
    ],
)
def test_difference_is_a_line(sections: dict[str, Any], line: str) -> None:
    assert differences(study(), study(**sections)) == [line]


def test_source_of_another_kind_is_two_lines() -> None:
    hub = {"id": "a/b", "revision": "0" * 40}
    assert differences(study(), study(data={"hub": hub})) == [
        "data.path: a.csv -> null",
        f"data.hub: null -> {{id: a/b, revision: {'0' * 40}}}",
    ]


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ({"checkpoint": "a"}, [("a", None)]),
        ({"checkpoint": ["a", "b#layers=2"]}, [("a", None), ("b", 2)]),
        ({"checkpoint": {"choices": ["a", "b"]}, "layers": 3}, [("a", 3), ("b", 3)]),
        ({"checkpoint": "a", "layers": {"low": 2, "high": 6}}, [("a", 6), ("a", 2)]),
        ({"checkpoint": ["a", "b"], "layers": [None, 4]}, [("a", None), ("b", None), ("a", 4), ("b", 4)]),
        ({"checkpoint": "a", "layers": [None]}, [("a", None)]),
    ],
)
def test_models_of_has_each_checkpoint_whole_and_with_the_fewest_layers(
    model: dict[str, Any], expected: list[tuple[str, int | None]]
) -> None:
    configs = models_of(study(model=model))
    assert [(config.model.checkpoint, config.model.layers) for config in configs] == expected
