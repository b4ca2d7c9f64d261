"""Studies that are named instead of given as a file."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from harness.errors import SpecError
from harness.spec.bundled import bundled_studies, find_study
from harness.spec.reader import load_study
from tests.conftest import STUDIES


@pytest.fixture(autouse=True)
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def error_of(name: str) -> str:
    with pytest.raises(SpecError) as caught:
        load_study(Path(name))
    return str(caught.value)


def test_bundled_studies_are_those_beside_the_package() -> None:
    assert bundled_studies() == {path.stem: path for path in STUDIES.glob("*.yaml")}


def test_bundled_studies_of_a_wheel_are_in_the_package(tmp_path: Path) -> None:
    for folder in ("studies", "harness/studies"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "one.yaml").touch()
    assert bundled_studies(tmp_path / "harness") == {"one": tmp_path / "harness" / "studies" / "one.yaml"}


def test_load_study_takes_the_name_of_a_bundled_study() -> None:
    spec = load_study(Path("quickstart"), ["search.trials=3"])
    assert (spec.name, spec.search.trials) == ("quickstart", 3)
    assert spec.data.path == str(STUDIES / "data" / "reviews_en.csv")


def test_file_of_the_same_name_wins() -> None:
    Path("quickstart").write_text("name: own\ndata: {path: a.csv}\nmodel: {checkpoint: tiny}\n", encoding="utf-8")
    assert load_study(Path("quickstart"), ["search.trials=1"]).name == "own"


def test_folder_of_the_same_name_is_no_study() -> None:
    Path("quickstart").mkdir()
    assert find_study(Path("quickstart")) == STUDIES / "quickstart.yaml"


def test_path_is_never_a_bundled_study() -> None:
    for path in (Path("studies/quickstart"), Path("/quickstart"), Path("quickstart.yaml"), Path()):
        assert find_study(path) == path


def test_unknown_name_is_told_the_bundled_ones() -> None:
    message = error_of("quikstart")
    assert message.startswith("quikstart: no such study file; give the path of one, or the name of a bundled study: ")
    assert ", ".join(bundled_studies()) in message
    assert message.endswith("; did you mean 'quickstart'?")


def test_unknown_name_is_told_a_file_that_is_near() -> None:
    Path("reviews.yaml").touch()
    assert error_of("reviews").endswith("; did you mean 'reviews.yaml'?")


def test_missing_file_called_as_a_bundled_study_is_told_so() -> None:
    assert error_of("studies/smoke.yaml") == "studies/smoke.yaml: no such study file; did you mean the bundled 'smoke'?"


def test_chinese_study_names_a_commit_of_the_hub_and_a_folder_may_stand_for_it(tmp_path: Path) -> None:
    spec = load_study(Path("sentiment_zh"))
    assert re.fullmatch("intfloat/multilingual-e5-small@[0-9a-f]{40}", spec.model.checkpoints[0])
    assert spec.data.path == str(STUDIES / "data" / "reviews_zh.csv")
    folder = tmp_path / "encoder"
    folder.mkdir()
    assert load_study(Path("sentiment_zh"), [f"model.checkpoint={folder}"]).model.checkpoints == (str(folder),)
