"""Rules that span sections: each is told at the key where the remedy is."""

from __future__ import annotations

from typing import Any

import pytest

from harness.spec.checks import contradictions
from harness.spec.study import StudySpec

LR = {"low": 1e-5, "high": 1e-4, "log": True}


def study(**sections: Any) -> StudySpec:
    base = {
        "name": "x",
        "data": {"path": "a.csv"},
        "model": {"checkpoint": "tiny"},
        "training": {"learning_rate": LR},
    }
    return StudySpec.model_validate(base | sections)


def told(spec: StudySpec) -> list[tuple[str, str]]:
    return [(".".join(map(str, found.keys[0])), found.message) for found in contradictions(spec)]


def test_plain_study_has_no_contradiction() -> None:
    assert told(study()) == []


WHEN = [
    ({"schedule": "linear"}, "linear", ""),
    ({"training.schedule": "linear"}, ["linear", "cosine"], ""),
    ({"schedule": "cosine"}, ["linear", "cosine"], ""),
    ({"schedule": ["linear", "cosine"]}, ["linear", "cosine"], ""),
    ({"epochs": 2}, {"low": 1, "high": 3}, ""),
    ({"model.checkpoint": "tiny"}, None, ""),
    (
        {"shedule": "linear"},
        "linear",
        "unknown key; it must be one of data, model or training; did you mean 'schedule'?",
    ),
    ({"training.shedule": "linear"}, "linear", "did you mean 'training.schedule'?"),
    ({"search.sampler": "tpe"}, "linear", "unknown key"),
    ({"schedule": "cosine"}, "linear", "training.schedule is fixed at 'linear', so training.weight_decay is never"),
    (
        {"schedule": "constant"},
        ["linear", "cosine"],
        "training.schedule is never 'constant'; it is one of 'linear', 'c",
    ),
    ({"schedule": ["linear", "x"]}, ["linear", "cosine"], "training.schedule is never 'x'"),
    ({"schedule": []}, ["linear", "cosine"], "training.schedule is never without a value"),
    ({"epochs": 4}, {"low": 1, "high": 3}, "training.epochs is never 4; it is between 1.0 and 3.0"),
    ({"epochs": "two"}, {"low": 1, "high": 3}, "training.epochs is never 'two'"),
]


@pytest.mark.parametrize(("when", "given", "words"), WHEN)
def test_condition_must_be_possible(when: dict[str, Any], given: Any, words: str) -> None:
    training: dict[str, Any] = {"weight_decay": {"low": 0, "high": 1, "when": when}}
    if given is not None:
        training["epochs" if "epochs" in when else "schedule"] = given
    found = told(study(training=training))
    if not words:
        assert found == []
    else:
        assert [key for key, _ in found] == [f"training.weight_decay.when.{next(iter(when))}"]
        assert words in found[0][1]


def test_condition_on_compared_checkpoint_is_possible() -> None:
    layers = {"low": 1, "high": 3, "when": {"checkpoint": "large"}}
    assert told(study(model={"checkpoint": ["tiny", "large"], "layers": layers})) == []
    layers["when"] = {"checkpoint": "huge"}
    assert (
        "never 'huge'; it is one of 'tiny', 'large'"
        in told(study(model={"checkpoint": ["tiny", "large"], "layers": layers}))[0][1]
    )


def test_conditions_in_a_circle_are_told() -> None:
    training = {
        "epochs": {"choices": [1, 2], "when": {"schedule": "linear"}},
        "schedule": {"choices": ["linear", "cosine"], "when": {"epochs": 1}},
    }
    ((key, message),) = told(study(training=training))
    assert key in ("training.epochs.when", "training.schedule.when")
    assert message.count(" -> ") == 2


def test_condition_on_itself_is_a_circle() -> None:
    ((key, message),) = told(study(training={"epochs": {"choices": [1, 2], "when": {"epochs": 1}}}))
    assert (key, message) == (
        "training.epochs.when",
        "conditions go round in a circle: training.epochs -> training.epochs",
    )


def test_checkpoint_is_never_conditional() -> None:
    found = told(study(model={"checkpoint": {"choices": ["a", "b"], "when": {"schedule": "linear"}}}))
    assert found == [("model.checkpoint.when", "every trial needs a checkpoint; leave out when")]


def test_compared_checkpoints_need_a_trial_each() -> None:
    model = {"checkpoint": ["a", "b", "c"]}
    assert told(study(model=model, search={"trials": 3})) == []
    message = "must be at least 3, one for each compared checkpoint, not 2"
    assert told(study(model=model, search={"trials": 2})) == [("search.trials", message)]


def test_trials_need_something_to_search() -> None:
    assert told(study(training={}, search={"trials": 1})) == []
    assert [key for key, _ in told(study(training={}))] == ["search.trials"]
    compared = study(training={}, model={"checkpoint": ["a", "b"]}, search={"trials": 2})
    assert told(compared) == []


def test_digits_are_images() -> None:
    assert [key for key, _ in told(study(data={"builtin": "digits"}))] == ["data.builtin"]
    assert told(study(data={"builtin": "digits"}, task="image-classification")) == []


@pytest.mark.parametrize("pruner", ["ray-asha", "ray-hyperband", "ray-pbt"])
def test_schedulers_of_ray_need_ray(pruner: str) -> None:
    search = {"pruner": {"name": pruner}}
    assert [key for key, _ in told(study(search=search, confirm=None))] == ["search.pruner.name"]
    assert told(study(search=search, engine={"name": "ray"}, confirm=None)) == []


def test_a_schedule_of_params_is_not_confirmed() -> None:
    found = told(study(search={"pruner": {"name": "ray-pbt"}}, engine={"name": "ray"}))
    assert [key for key, _ in found] == ["confirm"]
    assert "no one configuration" in found[0][1] and "set confirm: null" in found[0][1]
    assert told(study(search={"pruner": {"name": "ray-asha"}}, engine={"name": "ray"})) == []


def test_pruning_looks_at_quality() -> None:
    search = {"objectives": ["samples_per_second", "accuracy"]}
    assert [key for key, _ in told(study(search=search))] == ["search.objectives"]
    assert told(study(search=search | {"pruner": {"name": "none"}})) == []
    assert told(study(search={"objectives": ["accuracy", "samples_per_second"]})) == []


def test_cmaes_has_one_objective() -> None:
    assert told(study(search={"sampler": "cmaes"})) == []
    found = told(study(search={"sampler": "cmaes", "objectives": ["accuracy", "mcc"]}))
    assert [key for key, _ in found] == ["search.sampler"]


@pytest.mark.parametrize(
    ("domain", "words"),
    [
        ({"low": 0.0, "high": 0.4, "step": 0.1}, ""),
        ([0.0, 0.1], ""),
        ({"low": 0.0, "high": 0.4}, "has no end of values, and the grid sampler tries all: give choices, or a step"),
        ({"low": 0.0, "high": 0.4, "step": 1e-9}, "has 400,000,001 values"),
    ],
)
def test_grid_needs_a_finite_space(domain: Any, words: str) -> None:
    found = told(study(training={"weight_decay": domain}, search={"sampler": "grid"}))
    assert [key for key, _ in found] == (["training.weight_decay"] if words else [])
    assert not words or words in found[0][1]


def test_grid_takes_whole_numbers_without_a_step() -> None:
    assert told(study(training={"batch_size": {"low": 8, "high": 32}}, search={"sampler": "grid"})) == []


@pytest.mark.parametrize("epochs", [100, [10, 100], {"low": 1, "high": 100}])
def test_evaluations_are_bounded(epochs: Any) -> None:
    training = {"learning_rate": LR, "epochs": epochs, "evaluations_per_epoch": 10}
    assert told(study(training=training)) == []
    training["evaluations_per_epoch"] = 11
    assert [key for key, _ in told(study(training=training))] == ["training.evaluations_per_epoch"]


@pytest.mark.parametrize(
    ("task", "search", "message"),
    [
        ("text-classification", {"objectives": ["log_loss"]}, ""),
        ("text-classification", {"objectives": ["accuracy", "samples_per_second"]}, ""),
        ("seq2seq", {"objectives": ["loss"]}, ""),
        ("seq2seq", {"objectives": ["chrf"]}, "'chrf' is only known at the end of a full training; put one of loss, "),
        (
            "text-classification",
            {"objectives": ["peak_memory_mib"], "pruner": {"name": "none"}},
            "'peak_memory_mib' says nothing of a model's quality; put one of accuracy, ",
        ),
        ("text-classification", {"pruner": {"name": "ray-pbt"}}, "lets a trial go on with the weights of another one"),
    ],
)
def test_patience_needs_an_objective_of_every_evaluation(task: str, search: dict[str, Any], message: str) -> None:
    for patience in (2, [2, None]):
        spec = study(task=task, training={"learning_rate": LR, "patience": patience}, search=search)
        found = dict(told(spec)).get("training.patience", "")
        assert message in found and bool(message) is bool(found)
    assert "training.patience" not in dict(told(study(task=task, training={"learning_rate": LR}, search=search)))
