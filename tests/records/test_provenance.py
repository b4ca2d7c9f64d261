from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from harness.errors import RunError
from harness.records.provenance import manifest, presentable, recorded_study, verify
from harness.spec.study import StudySpec


def make_spec(**changes: Any) -> StudySpec:
    raw: dict[str, Any] = {"name": "study", "data": {"path": "reviews.csv"}, "model": {"checkpoint": "minilm"}}
    return StudySpec.model_validate(raw | changes)


def make_manifest(
    spec: StudySpec | None = None,
    *,
    data: str = "a" * 64,
    weights: str | None = "b" * 64,
    study: str = "study.yaml",
) -> Any:
    made = manifest(
        spec or make_spec(),
        {"sha256": data, "folder": "/cache/x", "labels": ["no", "yes"]},
        {"minilm": weights},
        [{"device": "cpu", "slot": 0}],
        ["harness", "sweep", study],
    )
    return json.loads(json.dumps(made))


def test_manifest_says_where_numbers_come_from() -> None:
    made = make_manifest()
    assert made["spec"]["name"] == "study"
    assert made["data"]["sha256"] == "a" * 64 and made["weights"] == {"minilm": "b" * 64}
    assert made["command"] == ["harness", "sweep", "study.yaml"]
    assert made["devices"] == [{"device": "cpu", "slot": 0}]
    assert {"python", "torch", "optuna", "transformers", "compiled steps"} <= set(made["versions"])
    assert made["machine"]["cpus"] >= 1 and made["machine"]["platform"]


def test_manifest_study_comes_back() -> None:
    spec = make_spec(training={"learning_rate": {"low": 1e-5, "high": 1e-3, "log": True}, "batch_size": [8, 16]})
    assert recorded_study(make_manifest(spec), "manifest.json") == spec


@pytest.mark.parametrize("recorded", [{}, {"spec": None}, {"spec": {"name": 3}}, []])
def test_recorded_study_of_something_else(recorded: Any) -> None:
    with pytest.raises(RunError, match=r"manifest.json: not a run that this version of harness can read"):
        recorded_study(recorded, "manifest.json")


def test_verify_what_may_change() -> None:
    now = make_spec(
        search={"trials": 99}, budget={"minutes": 3}, confirm={"top": 5}, engine={"name": "inline", "device": "cpu"}
    )
    assert verify(make_manifest(), make_manifest(now)) == []
    assert verify(make_manifest(), make_manifest(make_spec(confirm=None))) == []


def test_verify_shows_each_difference() -> None:
    now = make_spec(training={"epochs": 4}, search={"seed": 1})
    lines = verify(make_manifest(), make_manifest(now, data="c" * 64, weights="d" * 64))
    assert lines[:2] == ["training.epochs: 3.0 -> 4.0", "search.seed: 0 -> 1"]
    assert lines[2] == "the data changed: sha256 aaaaaaaaaaaa -> cccccccccccc"
    assert lines[3] == "the weights of minilm changed: sha256 bbbbbbbbbbbb -> dddddddddddd"
    assert len(lines) == 4


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://me:secret@host/db", "postgresql://me:***@host/db"),
        ("postgresql+psycopg2://me:s:e@cret@host:5432/db", "postgresql+psycopg2://me:***@host:5432/db"),
        ("postgresql://host/db", "postgresql://host/db"),
        ("sqlite:///study.db", "sqlite:///study.db"),
        (None, None),
    ],
)
def test_presentable_hides_the_password(url: str | None, shown: str | None) -> None:
    assert presentable(make_spec(search={"storage": url})).search.storage == shown


def git(folder: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=a", "-c", "user.email=a@b"]
    subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True)


def test_manifest_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    monkeypatch.chdir(tmp_path)
    assert make_manifest()["git"] is None
    git(tmp_path, "init", "-q")
    assert make_manifest()["git"] is None, "no commit yet"
    git(tmp_path, "commit", "-q", "--allow-empty", "-m", "first")
    made = make_manifest()["git"]
    assert len(made["commit"]) == 40 and made["dirty"] is False
    (tmp_path / "new").write_text("")
    assert make_manifest()["git"]["dirty"] is True


def test_manifest_commit_is_that_of_the_study_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    for name in ("studies", "here", "plain"):
        (tmp_path / name).mkdir()
    for name in ("studies", "here"):
        git(tmp_path / name, "init", "-q")
        git(tmp_path / name, "commit", "-q", "--allow-empty", "-m", name)
    monkeypatch.chdir(tmp_path / "here")
    here = make_manifest()["git"]["commit"]
    there = make_manifest(study=str(tmp_path / "studies" / "study.yaml"))["git"]["commit"]
    assert there != here
    monkeypatch.chdir(tmp_path / "plain")
    assert make_manifest(study="../studies/study.yaml")["git"]["commit"] == there
    assert make_manifest(study="study.yaml")["git"] is None
    monkeypatch.chdir(tmp_path / "here")
    assert make_manifest(study="../plain/study.yaml")["git"]["commit"] == here


def test_manifest_commit_of_a_bundled_study_is_that_of_its_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    for name in ("bundled", "here"):
        (tmp_path / name).mkdir()
        git(tmp_path / name, "init", "-q")
        git(tmp_path / name, "commit", "-q", "--allow-empty", "-m", name)
    monkeypatch.chdir(tmp_path / "bundled")
    there = make_manifest()["git"]["commit"]
    monkeypatch.chdir(tmp_path / "here")
    bundled = {"quickstart": tmp_path / "bundled" / "quickstart.yaml"}
    monkeypatch.setattr("harness.spec.bundled.bundled_studies", lambda: bundled)
    assert make_manifest(study="quickstart")["git"]["commit"] == there
    (tmp_path / "here" / "quickstart").touch()
    assert make_manifest(study="quickstart")["git"]["commit"] != there


def test_manifest_starts_no_program_of_the_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    git(tmp_path, "init", "-q")
    (tmp_path / "file").write_text("one")
    git(tmp_path, "add", "file")
    git(tmp_path, "commit", "-q", "-m", "first")
    program = tmp_path / ".git" / "hooks" / "post-index-change"
    program.parent.mkdir(exist_ok=True)
    program.write_text(f"#!/bin/sh\ntouch {tmp_path}/.git/started\n")
    program.chmod(0o755)
    git(tmp_path, "config", "core.fsmonitor", str(program))
    (tmp_path / "file").write_text("two")
    assert make_manifest()["git"]["dirty"] is True
    git(tmp_path, "config", "filter.own.clean", f"{program}; cat")
    (tmp_path / ".gitattributes").write_text("* filter=own")
    made = make_manifest()["git"]
    assert len(made["commit"]) == 40 and made["dirty"] is None
    assert not (tmp_path / ".git" / "started").exists()


def test_manifest_without_git(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert make_manifest()["git"] is None
