from __future__ import annotations

import subprocess
from dataclasses import replace
from math import inf
from pathlib import Path
from typing import Any

import pytest
from pydantic import create_model

from harness.errors import RunError
from harness.records.manifest import BEHAVIOUR, Commit, DataFacts, Manifest, parsed
from harness.records.provenance import new_manifest, presentable, verify
from harness.records.schema import Place
from harness.spec import tasks
from harness.spec.space import Frozen
from harness.spec.study import StudySpec
from harness.spec.tasks import TASKS, remember


def make_spec(**changes: Any) -> StudySpec:
    raw: dict[str, Any] = {"name": "study", "data": {"path": "reviews.csv"}, "model": {"checkpoint": "minilm"}}
    return StudySpec.model_validate(raw | changes)


ROWS = "e" * 64
PLACE = Place(node="here", device="cpu", slot=0, threads=1)


def make_manifest(
    spec: StudySpec | None = None,
    *,
    data: str = "a" * 64,
    rows: str = ROWS,
    weights: str | None = "b" * 64,
    study: str = "study.yaml",
) -> Manifest:
    facts = DataFacts(sha256=data, rows_sha256=rows, folder="/cache/x", labels=("no", "yes"))
    return new_manifest(spec or make_spec(), facts, {"minilm": weights}, [PLACE], ["harness", "sweep", study])


def before(manifest: Manifest) -> Manifest:
    """The manifest as the version before wrote it: without the rows' hash and the behaviour's number."""
    raw = manifest.model_dump(mode="json")
    del raw["behaviour"], raw["precision"], raw["data"]["rows_sha256"]
    return parsed(raw, "manifest.json")


def test_manifest_says_where_numbers_come_from() -> None:
    made = make_manifest()
    assert made.spec.name == "study"
    assert made.data.sha256 == "a" * 64 and made.weights == {"minilm": "b" * 64}
    assert made.command == ("harness", "sweep", "study.yaml")
    assert made.devices == (PLACE,)
    assert made.behaviour == BEHAVIOUR
    assert made.created_at > 1.7e9
    assert {"python", "torch", "optuna", "transformers", "compiled steps"} <= set(made.versions)
    assert (made.machine.cpus or 0) >= 1 and made.machine.platform


def test_verify_what_may_change() -> None:
    now = make_spec(
        search={"trials": 99}, budget={"minutes": 3}, confirm={"top": 5}, engine={"name": "inline", "device": "cpu"},
        loggers=["tensorboard"],
    )  # fmt: skip
    assert verify(make_manifest(), make_manifest(now)) == []
    assert verify(make_manifest(), make_manifest(make_spec(confirm=None))) == []


def test_verify_shows_each_difference() -> None:
    now = make_spec(training={"epochs": 4}, search={"seed": 1})
    lines = verify(make_manifest(), make_manifest(now, rows="c" * 64, weights="d" * 64))
    assert lines[:2] == ["training.epochs: 3.0 -> 4.0", "search.seed: 0 -> 1"]
    assert lines[2] == "the data changed: sha256 of the prepared rows eeeeeeeeeeee -> cccccccccccc"
    assert lines[3] == "the weights of minilm changed: sha256 bbbbbbbbbbbb -> dddddddddddd"
    assert len(lines) == 4


def test_verify_shows_what_changed_in_a_users_own_task(monkeypatch: pytest.MonkeyPatch) -> None:
    def made(**changes: Any) -> Manifest:
        changed = replace(
            gap, **{name: value for name, value in changes.items() if name in ("maximize", "unit", "low")}
        )
        facts = replace(TASKS["text-regression"], name=name_of_task, metrics=(changed, error), loss="error")
        remember(replace(facts, options=create_model("Options", __base__=Frozen, steps=(int, changes.get("steps", 1)))))
        return parsed(make_manifest(make_spec(task=name_of_task)).model_dump(mode="json"), "manifest.json")

    monkeypatch.setattr(tasks, "_FOREIGN", {})
    name_of_task = "somebodys.module:Task"
    gap = replace(TASKS["text-regression"].metric("r2"), name="gap", low=-1.0)
    error = replace(TASKS["text-regression"].metric("rmse"), name="error")
    recorded = made()
    assert verify(recorded, made()) == []
    assert verify(recorded, made(maximize=False)) == ["task.metrics.gap.maximize: true -> false"]
    assert verify(recorded, made(unit="days")) == ['task.metrics.gap.unit: "" -> "days"']
    assert verify(recorded, made(low=-inf)) == ["task.metrics.gap.low: -1.0 -> null"]
    assert verify(recorded, made(steps=2)) == ["task.options.steps: 1 -> 2"]
    assert verify(recorded.model_copy(update={"task": None}), made(steps=2)) == [], "its facts were not recorded"


def test_verify_goes_by_the_names_of_earlier_runs() -> None:
    first, moved, other = (
        make_manifest(make_spec(search={"from": [run]}))
        for run in ("/here/runs/before", "/there/before", "/here/other")
    )
    assert verify(first, moved) == []
    assert verify(first, other) == ["search.from: [/here/runs/before] -> [/here/other]"]
    assert verify(first, make_manifest()) == ["search.from: [/here/runs/before] -> []"]


def test_verify_goes_by_the_rows_wherever_and_however_they_lie() -> None:
    moved = make_manifest(make_spec(data={"path": "elsewhere/reviews.parquet"}), data="c" * 64)
    assert verify(make_manifest(), moved) == []
    other = make_manifest(make_spec(data={"path": "elsewhere/reviews.csv"}), data="c" * 64, rows="c" * 64)
    path, rows = verify(make_manifest(), other)
    assert path == "data.path: reviews.csv -> elsewhere/reviews.csv"
    assert rows.startswith("the data changed")


def test_verify_goes_by_the_file_where_the_rows_hash_was_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.records.provenance.BEHAVIOUR", 1)
    recorded = before(make_manifest())
    assert recorded.data.rows_sha256 == ""
    assert verify(recorded, make_manifest()) == []
    assert verify(recorded, make_manifest(make_spec(data={"path": "elsewhere/reviews.csv"}))) == []
    assert verify(recorded, make_manifest(data="c" * 64)) == ["the data changed: sha256 aaaaaaaaaaaa -> cccccccccccc"]


def test_verify_names_the_version_where_the_same_file_gives_other_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RunError, match=r"which read other rows from .*eeeeeeeeeeee -> cccccccccccc\).*finishes it"):
        verify(make_manifest(), make_manifest(rows="c" * 64))
    changed = make_manifest(make_spec(data={"path": "reviews.csv", "label": "stars"}), rows="c" * 64)
    assert verify(make_manifest(), changed)[0] == "data.label: label -> stars"
    counted = before(make_manifest()).model_dump(mode="json")
    counted["data"]["rows"] = {"train": 8, "test": 2}
    monkeypatch.setattr("harness.records.provenance.BEHAVIOUR", 1)
    with pytest.raises(RunError, match=r"rows of each split train 8, test 2 -> \)"):
        verify(parsed(counted, "manifest.json"), make_manifest())


def test_verify_leaves_data_that_is_not_read_yet_for_later() -> None:
    moved = make_spec(data={"path": "elsewhere/reviews.csv"})
    assert verify(make_manifest(), Manifest(spec=moved)) == []
    assert verify(make_manifest(), Manifest(spec=make_spec(data={"builtin": "digits"}))) == [
        "data.builtin: null -> digits"
    ]


def test_verify_names_the_version_that_finishes_a_run_of_another_behaviour() -> None:
    recorded = make_manifest().model_copy(
        update={"behaviour": BEHAVIOUR + 1, "versions": {"finetune-harness": "7.5.0", "torch": "1"}}
    )
    with pytest.raises(RunError) as caught:
        verify(recorded, make_manifest())
    assert "'study' was begun by finetune-harness 7.5.0" in str(caught.value)
    assert f"behaviour {BEHAVIOUR + 1}, here {BEHAVIOUR}" in str(caught.value)
    assert "pip install finetune-harness==7.5.0" in str(caught.value)
    assert caught.value.exit_code == 2
    unknown = recorded.model_copy(update={"versions": {}})
    with pytest.raises(RunError, match="install that version"):
        verify(unknown, make_manifest())


def test_verify_continues_a_run_without_a_behaviour_as_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    recorded = before(make_manifest())
    monkeypatch.setattr("harness.records.provenance.BEHAVIOUR", 1)
    assert verify(recorded, make_manifest()) == []
    monkeypatch.setattr("harness.records.provenance.BEHAVIOUR", 2)
    with pytest.raises(RunError, match="behaviour 1, here 2"):
        verify(recorded, make_manifest())


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


def git_of(study: str = "study.yaml") -> Commit:
    found = make_manifest(study=study).git
    assert found is not None
    return found


def git(folder: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=a", "-c", "user.email=a@b"]
    subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True)


def test_manifest_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    monkeypatch.chdir(tmp_path)
    assert make_manifest().git is None
    git(tmp_path, "init", "-q")
    assert make_manifest().git is None, "no commit yet"
    git(tmp_path, "commit", "-q", "--allow-empty", "-m", "first")
    made = git_of()
    assert len(made.commit) == 40 and made.dirty is False
    (tmp_path / "new").write_text("")
    assert git_of().dirty is True


def test_manifest_commit_is_that_of_the_study_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    for name in ("studies", "here", "plain"):
        (tmp_path / name).mkdir()
    for name in ("studies", "here"):
        git(tmp_path / name, "init", "-q")
        git(tmp_path / name, "commit", "-q", "--allow-empty", "-m", name)
    monkeypatch.chdir(tmp_path / "here")
    here = git_of().commit
    there = git_of(study=str(tmp_path / "studies" / "study.yaml")).commit
    assert there != here
    monkeypatch.chdir(tmp_path / "plain")
    assert git_of(study="../studies/study.yaml").commit == there
    assert make_manifest(study="study.yaml").git is None
    monkeypatch.chdir(tmp_path / "here")
    assert git_of(study="../plain/study.yaml").commit == here


def test_manifest_commit_of_a_bundled_study_is_that_of_its_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    for name in ("bundled", "here"):
        (tmp_path / name).mkdir()
        git(tmp_path / name, "init", "-q")
        git(tmp_path / name, "commit", "-q", "--allow-empty", "-m", name)
    monkeypatch.chdir(tmp_path / "bundled")
    there = git_of().commit
    monkeypatch.chdir(tmp_path / "here")
    bundled = {"quickstart": tmp_path / "bundled" / "quickstart.yaml"}
    monkeypatch.setattr("harness.spec.bundled.bundled_studies", lambda: bundled)
    assert git_of(study="quickstart").commit == there
    (tmp_path / "here" / "quickstart").touch()
    assert git_of(study="quickstart").commit != there


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
    assert git_of().dirty is True
    git(tmp_path, "config", "filter.own.clean", f"{program}; cat")
    (tmp_path / ".gitattributes").write_text("* filter=own")
    made = git_of()
    assert len(made.commit) == 40 and made.dirty is None
    assert not (tmp_path / ".git" / "started").exists()


def test_manifest_without_git(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert make_manifest().git is None
