from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from harness.errors import RunError
from harness.records.manifest import (
    BEHAVIOUR,
    Commit,
    DataFacts,
    Manifest,
    Meta,
    parsed,
    read_manifest,
    write_manifest,
)
from harness.records.precision import PrecisionChoice
from harness.records.rundir import RunFolder
from harness.records.schema import Place
from harness.spec.study import StudySpec

SPEC = StudySpec.model_validate(
    {
        "name": "study",
        "data": {"path": "reviews.csv"},
        "model": {"checkpoint": "minilm"},
        "training": {"learning_rate": {"low": 1e-5, "high": 1e-3, "log": True}, "batch_size": [8, 16]},
    }
)
#: What the version before behaviour, rows' hash and precision wrote.
EARLIER: dict[str, Any] = {
    "format": 1,
    "created_at": 1795939353.5,
    "spec": SPEC.model_dump(mode="json"),
    "command": ["harness", "sweep", "study.yaml"],
    "data": {
        "task": "image-classification", "source": "digits", "sha256": "a" * 64,
        "columns": {"image": "image", "label": "label"}, "labels": ["0", "1"],
        "rows": {"train": 2, "validation": 1, "test": 1}, "counts": {"train": {"0": 1, "1": 1}},
        "image": [8, 8, 1], "seed": 42, "notes": ["one"], "folder": "/cache",
    },
    "weights": {"scratch": None},
    "devices": [{"node": "here", "device": "cpu", "slot": 0, "threads": 1, "device_name": "CPU"}],
    "machine": {"host": "here", "platform": "Linux", "cpu": "CPU", "cpus": 2},
    "versions": {"python": "3.11.7", "finetune-harness": "0.1.0"},
    "git": {"commit": "85af", "dirty": False},
}  # fmt: skip


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    folder = RunFolder.of(tmp_path, "study")
    folder.create()
    return folder


def test_manifest_comes_back_as_it_was_written(run: RunFolder) -> None:
    choice = PrecisionChoice(device="cpu", threads=1, precision="bf16", gflops={"bf16": 2.0, "fp32": 1.0})
    manifest = Manifest(
        created_at=5.0,
        spec=SPEC,
        command=("harness", "sweep"),
        data=DataFacts(sha256="a", rows_sha256="b", image=(8, 8, 1), folder="/cache"),
        weights={"minilm": "c", "scratch": None},
        devices=(Place(node="here", device="cpu", slot=0, threads=1),),
        precision=(choice,),
        git=Commit(commit="d"),
    )
    write_manifest(run, manifest)
    assert read_manifest(run) == manifest


def test_manifest_of_a_folder_without_a_run(tmp_path: Path, run: RunFolder) -> None:
    assert read_manifest(run) is None
    assert read_manifest(RunFolder(tmp_path / "nothing")) is None


def test_manifest_of_the_version_before() -> None:
    found = parsed(EARLIER, "manifest.json")
    assert found.behaviour == 1
    assert found.precision == ()
    assert found.data.rows_sha256 == ""
    assert found.spec == SPEC
    assert found.data.image == (8, 8, 1) and found.data.notes == ("one",)
    assert found.devices[0].device_name == "CPU"
    assert found.git == Commit(commit="85af", dirty=False)
    assert found.version == "0.1.0"


def test_manifest_of_a_version_that_knows_more() -> None:
    later = json.loads(json.dumps(EARLIER)) | {"behaviour": BEHAVIOUR + 3, "weather": "fine"}
    for section in (later["data"], later["machine"], later["git"], later["devices"][0]):
        section["more"] = [1, {"a": None}]
    found = parsed(later, "manifest.json")
    assert found.behaviour == BEHAVIOUR + 3
    assert found.data.source == "digits"


def test_manifest_needs_no_more_than_a_study() -> None:
    found = parsed({"spec": EARLIER["spec"]}, "manifest.json")
    assert found == Manifest(spec=SPEC, behaviour=1)
    assert found.version == "" and found.created_at == 0.0


@pytest.mark.parametrize("raw", [{}, {"spec": None}, {"spec": {"name": 3}}, [], "text", EARLIER | {"data": 3}])
def test_manifest_of_something_else(raw: Any) -> None:
    with pytest.raises(RunError, match=r"manifest.json: not a run that this version of harness can read") as caught:
        parsed(raw, "manifest.json")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("before", "after", "same"),
    [
        (("a", "r"), ("a", "r"), True),
        (("a", "r"), ("b", "r"), True),
        (("a", "r"), ("a", "s"), False),
        (("a", ""), ("a", "s"), True),
        (("a", ""), ("b", "s"), False),
        (("a", "r"), ("a", ""), True),
    ],
)
def test_rows_are_the_same_by_their_hash_else_by_that_of_their_source(
    before: tuple[str, str], after: tuple[str, str], same: bool
) -> None:
    first, second = (Meta(sha256=source, rows_sha256=rows) for source, rows in (before, after))
    assert first.same_rows(second) is same


def test_meta_says_which_hash_changed() -> None:
    assert Meta(sha256="a", rows_sha256="r").changed(Meta(sha256="b", rows_sha256="s")) == (
        "sha256 of the prepared rows r -> s"
    )
    assert Meta(sha256="a").changed(Meta(sha256="b", rows_sha256="s")) == "sha256 a -> b"
    assert Meta().changed(Meta(sha256="b", rows_sha256="s")) == "sha256 not known -> b"
