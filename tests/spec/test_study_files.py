"""The studies that come with the project: each is read, resolved, and says what it is for."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from harness.spec.configure import arms, default_params, resolve, search_space
from harness.spec.reader import load_study
from harness.spec.study import StudySpec

STUDIES = Path(__file__).resolve().parents[2] / "studies"
NAMES = sorted(path.stem for path in STUDIES.glob("*.yaml"))


def load(name: str, *overrides: str) -> StudySpec:
    return load_study(STUDIES / f"{name}.yaml", overrides)


def test_all_studies_are_there() -> None:
    assert {"quickstart", "trec6", "checkpoints", "digits", "smoke"} <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_study_is_read_and_resolved(name: str) -> None:
    spec = load(name)
    assert spec.name == name
    for arm in arms(spec):
        assert resolve(spec, number=0, params=default_params(spec, arm), arm=arm).evaluate_at[-1] == 1.0


@pytest.mark.parametrize("name", NAMES)
def test_study_says_how_it_is_run(name: str) -> None:
    lines = (STUDIES / f"{name}.yaml").read_text(encoding="utf-8").splitlines()
    comment = [line for line in lines[: lines.index(f"name: {name}")] if line.startswith("#")]
    assert f"#   harness sweep studies/{name}.yaml" in comment


@pytest.mark.parametrize("name", NAMES)
def test_study_finds_its_data(name: str) -> None:
    path, text = load(name).data.path, (STUDIES / f"{name}.yaml").read_text(encoding="utf-8")
    is_given = f"#   harness sweep studies/{name}.yaml data.path=FOLDER" in text.splitlines()
    assert path is None or Path(path).exists() or is_given, "the data of others is not bundled"


def test_quickstart_searches_four_params() -> None:
    names = {param.name for param in search_space(load("quickstart"))}
    assert names == {"learning_rate", "batch_size", "warmup_fraction", "weight_decay"}


def test_trec6_is_pinned_and_takes_a_folder_instead() -> None:
    spec = load("trec6")
    assert spec.data.hub is not None
    assert (spec.data.hub.id, spec.data.label) == ("CogComp/trec", "coarse_label")
    spec = load("trec6", "data.path=some/folder", "search.trials=12")
    assert spec.data.hub is None
    assert (spec.data.text, spec.data.label, spec.search.trials) == ("text", "label", 12)
    assert {param.name for param in search_space(spec)} == {"learning_rate", "batch_size"}


def test_checkpoints_compares_with_equal_trials() -> None:
    spec = load("checkpoints")
    assert len(arms(spec)) == 2
    assert spec.search.trials % 2 == 0
    whole, three = (resolve(spec, number=0, params=default_params(spec, arm), arm=arm).model for arm in arms(spec))
    assert whole.checkpoint == three.checkpoint
    assert (whole.layers, three.layers) == (None, 3)


def test_smoke_table_has_120_distinct_texts_in_three_classes() -> None:
    with (STUDIES / "data" / "smoke.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len({row["text"] for row in rows}) == len(rows) == 120
    assert len({row["label"] for row in rows}) == 3
