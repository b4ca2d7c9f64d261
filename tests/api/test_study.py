"""A study of plain values, of a file, and with changes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from harness import Study
from harness.errors import InputError, SpecError
from harness.spec.bundled import bundled_studies
from harness.spec.reader import load_study

ROOT = Path(__file__).parents[2]
SMOKE = ROOT / "studies" / "smoke.yaml"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def values(**training: Any) -> dict[str, Any]:
    return {
        "name": "mine",
        "data": {"path": Path("mine.csv")},
        "model": {"checkpoint": "org/model"},
        "training": {"learning_rate": {"low": 1e-5, "high": np.float64(5e-4), "log": True}, **training},
        "search": {"trials": np.int64(4)},
    }


def test_plain_values_are_a_study(folder: Path) -> None:
    study = Study(values(batch_size=(8, 16)))
    assert study.name == "mine"
    assert study.spec.data.path == str(folder / "mine.csv")
    assert study.spec.training.batch_size.choices == (8, 16)  # type: ignore[union-attr]
    assert repr(study) == "Study('mine', 4 trials)"


def test_given_values_stay_as_they_were() -> None:
    given = values()
    Study(given, changes={"data.text": "review"})
    assert given == values()


def test_mistakes_say_where_they_come_from() -> None:
    with pytest.raises(SpecError) as error:
        Study(values(batchsize=8), changes={"search.trials": "many"})
    lines = [line.split(": ", 2) for line in str(error.value).splitlines()]
    assert {(source, key) for source, key, _ in lines} == {
        ("changes", "search.trials"),
        ("study", "training.batchsize"),
        ("study", "data.path"),
    }
    assert "did you mean 'batch_size'?" in str(error.value)


def test_changes_are_those_of_a_command() -> None:
    study = Study(
        "smoke", changes={"search.trials": 2, "training.batch_size": [4, 8], "data.text": "3", "confirm": None}
    )
    spec = load_study(SMOKE, ["search.trials=2", "training.batch_size=[4, 8]", "data.text='3'", "confirm=null"])
    assert study.spec == spec
    command = study.command()
    assert command[:3] == ["harness", "sweep", "smoke"]
    assert load_study(Path(command[2]), command[3:]) == spec


def test_later_changes_come_on_top() -> None:
    first = Study("smoke", changes={"search.trials": 2, "training.epochs": 1})
    second = Study(first, changes={"search.trials": 3})
    assert (second.spec.search.trials, second.spec.training.epochs) == (3, 1)
    assert first.spec.search.trials == 2


def test_frame_is_data(folder: Path) -> None:
    frame = pd.DataFrame({"text": ["a", "b"], "label": ["x", "y"]})
    file = Study("smoke", frame).spec.data.path
    assert file is not None
    assert Path(file).parent == folder / "cache" / "frames"
    given = values() | {"data": {"path": frame, "text": "text"}}
    assert Study(given).spec.data.path == file
    assert Study(values() | {"data": frame}).spec.data.path == file
    assert Study(values(), changes={"data": frame}).spec.data.path == file
    assert Study(values(), data=folder / "other.csv").spec.data.path == str(folder / "other.csv")


def test_frame_takes_the_place_of_another_source() -> None:
    frame = pd.DataFrame({"text": ["a", "b"], "label": ["x", "y"]})
    study = Study(values() | {"data": {"hub": {"id": "org/set", "revision": "0" * 40}, "text": "review"}}, frame)
    assert study.spec.data.hub is None
    assert study.spec.data.text is None or study.spec.data.text == "text"


@pytest.mark.parametrize(
    ("study", "said"),
    [
        ([1], "a study is the path of a file, a bundled study's name or a dict, not list"),
        (values(seed={1}), "study.training.seed: a study holds numbers, texts"),
        (values(seed=pd.DataFrame()), "not DataFrame"),
    ],
)
def test_what_is_no_study_is_refused(study: Any, said: str) -> None:
    with pytest.raises(InputError, match=said):
        Study(study)


@pytest.mark.parametrize("name", bundled_studies())
def test_saved_study_is_the_same(name: str, folder: Path) -> None:
    study = Study(name)
    assert load_study(study.save(folder / "saved.yaml")) == study.spec


def test_command_of_plain_values_runs_the_same_study() -> None:
    study = Study(values(), changes={"training.epochs": 2})
    command = study.command()
    assert load_study(Path(command[2]), command[3:]) == study.spec
    assert study.command() == command
