"""A task's own keys: given, searched, refused, and in the trial."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from pydantic import Field, create_model

from harness.spec import tasks
from harness.spec.checks import contradictions
from harness.spec.configure import default_params, resolve, search_space
from harness.spec.space import Frozen
from harness.spec.study import StudySpec
from harness.spec.tasks import TASKS, remember

NAME = "somebodys.module:Task"


class Options(Frozen):
    """Two keys."""

    stride: int = Field(default=64, ge=1)
    mode: str = "fast"


@pytest.fixture(autouse=True)
def known(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(tasks, "_FOREIGN", {})
    remember(replace(TASKS["text-regression"], name=NAME, options=Options))
    yield


def study(options: dict[str, Any], **sections: Any) -> StudySpec:
    base = {"name": "x", "task": NAME, "data": {"path": "a.csv"}, "model": {"checkpoint": "tiny"}}
    return StudySpec.model_validate(base | {"task_options": options} | sections)


def messages(spec: StudySpec) -> list[str]:
    return [contradiction.message for contradiction in contradictions(spec)]


def test_options_that_are_not_given_have_the_tasks_defaults() -> None:
    config = resolve(study({"mode": "slow"}), number=0, params={})
    assert config.task_options == {"stride": 64, "mode": "slow"}


def test_searched_options_are_params_like_any_other() -> None:
    spec = study({"stride": {"low": 16, "high": 256, "log": True}, "mode": ["fast", "slow"]})
    assert [param.key for param in search_space(spec)] == ["task_options.stride", "task_options.mode"]
    assert default_params(spec) == {"stride": 64, "mode": "fast"}
    config = resolve(spec, number=1, params={"stride": 32, "mode": "slow"})
    assert config.task_options == {"stride": 32, "mode": "slow"}
    assert messages(spec) == []


def test_options_stand_in_conditions() -> None:
    training = {"learning_rate": {"low": 1e-5, "high": 1e-4, "when": {"task_options.mode": "slow"}}}
    spec = study({"mode": ["fast", "slow"]}, training=training)
    assert messages(spec) == []
    assert resolve(spec, number=0, params={"mode": "fast"}).training.learning_rate == 5e-5


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"stryde": 3}, "somebodys.module:Task has no such option (stride, mode); did you mean 'stride'?"),
        ({"stride": 0}, "0: Input should be greater than or equal to 1"),
        ({"stride": {"low": 0, "high": 5}}, "0: Input should be greater than or equal to 1"),
        ({"mode": ["fast", 3]}, "3: Input should be a valid string"),
    ],
)
def test_wrong_options_are_told(options: dict[str, Any], message: str) -> None:
    assert messages(study(options, search={"trials": 1})) == [message]


@pytest.mark.parametrize(("option", "section"), [("epochs", "training"), ("layers", "model"), ("path", "data")])
def test_options_named_like_a_key_of_the_study_are_refused(option: str, section: str) -> None:
    options = create_model("Options", __base__=Frozen, **{option: (int, 1)})
    remember(replace(TASKS["text-regression"], name=NAME, options=options))
    with pytest.raises(ValueError, match=f"its option '{option}' is also a key of {section}; choose another name"):
        study({})
