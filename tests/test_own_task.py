"""A user's own task, the one of docs/tasks.md, through every command: one metric, a number a row, no labels."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from harness.testing.tasks import TINY_BERT, TaskContract

ROOT = Path(__file__).parents[1]
EXAMPLE = re.search(r"```python\n(.*?)```", (ROOT / "docs" / "tasks.md").read_text(encoding="utf-8"), re.DOTALL)
TASK = "days:Days"
SHORT = {
    "training": {"learning_rate": 3e-3, "batch_size": 8, "epochs": 2},
    "search": {"trials": 1},
    "confirm": None,
    "engine": {"name": "inline"},
}
WORDS = {"lost": 9, "late": 5, "wrong": 3, "dirty": 2, "loud": 1}
STUDY = {
    "name": "days",
    "task": TASK,
    "data": {"path": "complaints.csv", "split": {"train": 0.6, "validation": 0.2, "test": 0.2}},
    "model": {"checkpoint": "scratch", "architecture": TINY_BERT},
    "training": {"learning_rate": {"low": 3e-3, "high": 1e-2, "log": True}, "batch_size": 8, "epochs": 10},
    "search": {"trials": 3, "pruner": {"name": "none"}},
    "confirm": {"top": 1, "seeds": 2},
    "engine": {"threads_per_slot": 1},
}

LENGTHS = """
from dataclasses import replace

from days import AbsoluteError, Days
from harness.spec.tasks import TEXT
from harness.tasks.texts import TextTask


class Lengths(Days):
    facts = replace(Days.facts, name="lengths", fields=(TEXT,))

    def encode(self, frame, split, config, data):
        encoded = super().encode(frame, split, config, data)
        return replace(encoded, targets={"numbers": encoded.lengths.astype(float)})

    def build_model(self, config, data):
        return TextTask.build_model(self, config, data)

    def make_loss(self, config, data, encoded, rows, device):
        return AbsoluteError(1.0)
"""


def complaints() -> list[dict[str, Any]]:
    names = list(WORDS)
    chosen = [(names[at % 5], names[at // 5 % 5]) for at in range(100)]
    return [
        {"text": f"a {a} parcel, a {b} reply, case {at}", "days": WORDS[a] + WORDS[b]}
        for at, (a, b) in enumerate(chosen)
    ]


@pytest.fixture(scope="module", autouse=True)
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the example of the documentation as a module."""
    assert EXAMPLE is not None
    folder = tmp_path_factory.mktemp("library")
    (folder / "days.py").write_text(EXAMPLE[1], encoding="utf-8")
    (folder / "lengths.py").write_text(LENGTHS, encoding="utf-8")
    renamed = EXAMPLE[1].replace("fields=(TEXT,", 'fields=(Field(name="letter", kind="text"),')
    (folder / "letters.py").write_text(renamed, encoding="utf-8")
    sys.path.append(str(folder))
    yield folder
    sys.path.remove(str(folder))


class TestLetters(TaskContract):
    """The same task with another name for its field of texts."""

    task_name = "letters:Days"

    @classmethod
    def rows(cls) -> list[dict[str, Any]]:
        return [{"letter": row["text"], "days": row["days"]} for row in complaints()]


class TestDays(TaskContract):
    task_name = TASK

    @classmethod
    def rows(cls) -> list[dict[str, Any]]:
        return complaints()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the study, its table and whatever the commands leave."""
    folder = tmp_path_factory.mktemp("days")
    lines = [f"{row['text']!r},{row['days']}".replace("'", '"') for row in complaints()]
    (folder / "complaints.csv").write_text("\n".join(["text,days", *lines]), encoding="utf-8")
    (folder / "days.yaml").write_text(json.dumps(STUDY), encoding="utf-8")
    return folder


def run(folder: Path, *command: str, library: Path | None = None, code: int = 0) -> str:
    """What a command says in a process of its own, with the library on PYTHONPATH or without it."""
    paths = [str(ROOT), *([str(library)] if library else [])]
    environ = os.environ | {"PYTHONPATH": os.pathsep.join(paths), "HARNESS_CACHE": str(folder / "cache")}
    done = subprocess.run(
        [sys.executable, "-m", "harness", *command],
        cwd=folder,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def swept(folder: Path, library: Path) -> Path:
    """The run folder of the study."""
    run(folder, "sweep", "days.yaml", library=library)
    return folder / "runs" / "days"


def test_example_is_short() -> None:
    assert EXAMPLE is not None
    assert len(EXAMPLE[1].splitlines()) < 80


def test_records_need_none_of_the_code(swept: Path, folder: Path) -> None:
    results = json.loads(run(folder, "results", "runs/days", "--json"))
    assert [trial["state"] for trial in results["trials"]] == ["COMPLETE"] * 3
    assert results["best"]["test"].keys() == {"gap"}
    bounds = results["best"]["test"]["gap"]
    assert bounds["low"] <= bounds["value"] <= bounds["high"]
    assert [baseline["name"] for baseline in results["baselines"]] == ["median"]
    best = min(trial["metrics"]["gap"] for trial in results["trials"])
    assert best < results["baselines"][0]["metrics"]["gap"]
    assert "gap" in run(folder, "results", "runs/days")
    assert "gap" in run(folder, "status", "runs/days")


def test_pages_need_none_of_the_code(swept: Path, folder: Path) -> None:
    run(folder, "report", "runs/days", "--out", "page")
    page = (folder / "page" / "index.html").read_text(encoding="utf-8")
    assert page.count("plotly-graph-div") > 5
    summary = (folder / "page" / "summary.md").read_text(encoding="utf-8")
    assert "gap" in summary
    assert not re.search("accuracy|macro F1|class", summary)
    run(folder, "compare", "runs/days", "runs/days", "--out", "both")
    assert "gap" in (folder / "both" / "index.html").read_text(encoding="utf-8")


def test_commands_that_are_given_run_as_they_stand(swept: Path, folder: Path, library: Path) -> None:
    end = run(folder, "sweep", "days.yaml", library=library)
    tried = re.search(r"harness predict .*", end)
    assert tried is not None
    assert "days" in run(folder, *shlex.split(tried[0])[1:], library=library)
    card = (swept / "best" / "README.md").read_text(encoding="utf-8")
    assert f'`harness predict FOLDER --trust {TASK} "a text"`' in card
    run(folder, "report", "runs/days", "--out", "given")
    page = (folder / "given" / "index.html").read_text(encoding="utf-8")
    for command in ("rerun", "export"):
        assert re.search(rf"harness {command} [^\"]+ --trust {TASK}", page)


@pytest.mark.parametrize(
    "command",
    [
        ("export", "runs/days", "--to", "model"),
        ("export", "runs/days", "--trial", "0", "--to", "model"),
        ("rerun", "runs/days", "1"),
        ("predict", "runs/days/best", "a lost parcel"),
        ("bench", "runs/days"),
    ],
    ids=" ".join,
)
def test_code_that_a_folder_names_is_not_run(command: Sequence[str], swept: Path, folder: Path, library: Path) -> None:
    said = run(folder, *command, library=library, code=2)
    assert f"--trust {TASK}" in said


@pytest.mark.long
def test_trusted_code_is_run(swept: Path, folder: Path, library: Path) -> None:
    trust = ("--trust", TASK)
    run(folder, "export", "runs/days", "--to", "model", *trust, library=library)
    card = (folder / "model" / "README.md").read_text(encoding="utf-8")
    assert "Complaints to days, fine-tuned from\nscratch" in card
    run(folder, "export", "runs/days", "--trial", "0", "--to", "other", *trust, library=library)
    run(folder, "rerun", "runs/days", "1", *trust, library=library)
    texts = ["a lost parcel, a lost reply", "a loud parcel, a loud reply"]
    said = json.loads(run(folder, "predict", "model", *texts, "--json", *trust, library=library))
    assert said[0]["days"] > said[1]["days"]


def test_a_study_that_is_swept_again_prints_its_results(swept: Path, folder: Path, library: Path) -> None:
    assert "days is finished" in run(folder, "sweep", "days.yaml", library=library)


def test_task_that_is_not_to_be_had_is_told_with_its_line(swept: Path, folder: Path) -> None:
    said = run(folder, "sweep", "days.yaml", code=2)
    assert "days.yaml:1: task: 'days:Days' cannot be imported" in said


@pytest.mark.long
def test_field_of_texts_may_have_any_name(folder: Path, library: Path) -> None:
    data = STUDY["data"] | {"columns": {"letter": "text"}}
    study = STUDY | SHORT | {"name": "letters", "task": "letters:Days", "data": data}
    (folder / "letters.yaml").write_text(json.dumps(study), encoding="utf-8")
    run(folder, "sweep", "letters.yaml", library=library)
    trust = ("--trust", "letters:Days")
    run(folder, "export", "runs/letters", "--to", "copy", *trust, library=library)
    (alone,) = json.loads(run(folder, "predict", "copy", "a lost parcel", "--json", *trust, library=library))
    (folder / "new.csv").write_text("text\na lost parcel", encoding="utf-8")
    run(folder, "predict", "copy", "--csv", "new.csv", "--out", "out.csv", *trust, library=library)
    assert (folder / "out.csv").read_text(encoding="utf-8") == f"text,days\na lost parcel,{alone['days']:.6g}\n"


@pytest.mark.long
def test_targets_may_follow_from_the_tokens(folder: Path, library: Path) -> None:
    study = STUDY | SHORT | {"name": "lengths", "task": "lengths:Lengths"}
    (folder / "lengths.yaml").write_text(json.dumps(study), encoding="utf-8")
    run(folder, "sweep", "lengths.yaml", library=library)
    results = json.loads(run(folder, "results", "runs/lengths", "--json"))
    assert results["best"]["test"]["gap"]["value"] > 0
    assert results["baselines"] == []


@pytest.mark.long
def test_bench_of_a_study(folder: Path, library: Path) -> None:
    quick = ("--seconds", "0.2", "--repeats", "2", "--json", "bench.json", "--batch-size", "8")
    said = run(folder, "bench", "days.yaml", *quick, library=library)
    assert "samples/s" in said
