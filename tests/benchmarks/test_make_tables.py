"""A grid of a tiny model on made-up rows: trained, interrupted, continued and read back."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from grids.sets import GRIDS, Grid, planned
from grids.table import Table, read_table
from grids.train import Job, Row, train
from make_tables import Folders, fill, jobs_of

from harness.errors import InputError
from harness.spec.configure import search_space
from harness.spec.rungs import FIRST_STEPS
from harness.spec.study import StudySpec

WORDS = {"good": ("fine", "lovely", "tasty"), "bad": ("cold", "late", "stale"), "other": ("blue", "round", "wide")}
BERT = {
    "model_type": "bert",
    "hidden_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "vocab_size": 200,
    "max_position_embeddings": 32,
}


def grid(**training: object) -> Grid:
    """Two learning rates and two batch sizes, on the two commonest classes of the made-up rows."""
    study = {
        "name": "made_up",
        "data": {"path": "texts", "max_length": 16, "split": {"train": 0.5, "validation": 0.25, "test": 0.25}},
        "model": {"checkpoint": "scratch", "architecture": BERT},
        "training": {
            "learning_rate": [1e-3, 1e-2],
            "batch_size": [2, 8],
            "epochs": 2,
            "precision": "fp32",
            **training,
        },
    }
    return Grid(spec=StudySpec.model_validate(study), source="made up", licence="none", classes=slice(0, 2))


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Folders:
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    (tmp_path / "data" / "texts").mkdir(parents=True)
    for name, count in (("train.csv", 30), ("test.csv", 10)):
        rows = [
            (f"the {words[number % 3]} soup of {name} number {number}", label)
            for label, words in WORDS.items()
            for number in range(count - (label == "other"))
        ]
        with (tmp_path / "data" / "texts" / name).open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([("text", "label"), *rows])
    for name in ("out", "scratch"):
        (tmp_path / name).mkdir()
    return Folders(data=tmp_path / "data", checkpoints=tmp_path, out=tmp_path / "out", scratch=tmp_path / "scratch")


def interrupted(jobs: list[Job], count: int) -> Iterator[tuple[Job, list[Row]]]:
    """Trains so many cells and then is interrupted."""
    yield from ((job, train(job)) for job in jobs[:count])
    raise KeyboardInterrupt


def test_a_table_goes_on_after_an_interruption_and_is_read_back(folders: Folders) -> None:
    table, jobs = jobs_of(grid(), folders, seeds=[0])
    assert len(jobs) == 4
    with pytest.raises(KeyboardInterrupt):
        fill({"made_up": table}, interrupted(jobs, 2))
    path = folders.out / "made_up.parquet"
    _, before = read_table(path)

    table, jobs = jobs_of(grid(), folders, seeds=[0])
    assert [job.config.params for job in jobs] == [
        {"learning_rate": 1e-2, "batch_size": 2},
        {"learning_rate": 1e-2, "batch_size": 8},
    ]
    fill({"made_up": table}, ((job, train(job)) for job in jobs))
    facts, rows = read_table(path)
    assert rows[: len(before)] == before, "cells that the file has are not trained again"
    assert Table(path, facts).num_cells == 4
    assert jobs_of(grid(), folders, seeds=[0])[1] == []

    assert facts["classes"] == ["bad", "good"]
    assert facts["params"] == ["learning_rate", "batch_size"]
    assert facts["study"]["data"]["path"] == "texts"
    assert str(folders.data.parent) not in str(facts)
    for row in rows:
        assert row["num_rows"] == facts["rows"]["validation"]
        hits = np.unpackbits(np.frombuffer(row["hits"], np.uint8), count=row["num_rows"])
        assert hits.mean() == pytest.approx(row["accuracy"])
        losses = np.frombuffer(row["losses"], "<f2")
        assert len(losses) == row["num_rows"]
        assert losses.astype(float).mean() == pytest.approx(row["log_loss"], rel=2e-3)
        assert (row["test_accuracy"] is None) == (row["step"] < row["total_steps"])
    for params, seed in planned(grid().spec, [0]):
        cell = [row for row in rows if {name: row[name] for name in params} == params and row["seed"] == seed]
        steps = [row["step"] for row in cell]
        assert steps == sorted(set(steps))
        assert steps[-1] == cell[-1]["total_steps"]
        assert 0 <= cell[-1]["test_accuracy"] <= 1
        assert steps[-1] <= FIRST_STEPS or FIRST_STEPS in steps, "a pruner may judge the trial there"


def test_a_table_of_another_study_is_not_continued(folders: Folders) -> None:
    table, jobs = jobs_of(grid(), folders)
    fill({"made_up": table}, ((job, train(job)) for job in jobs[:1]))
    with pytest.raises(InputError, match=r"made otherwise \(training.epochs: 2.0 -> 3.0\)"):
        jobs_of(grid(epochs=3), folders)
    _, jobs = jobs_of(grid(batch_size=[2, 8, 16]), folders, seeds=[0])
    assert len(jobs) == 5, "a grid may get further cells"


def test_no_cell_is_begun_when_time_is_up(folders: Folders) -> None:
    _, jobs = jobs_of(grid(), folders, until=0.0)
    assert train(jobs[0]) == []


@pytest.mark.parametrize("kept", GRIDS, ids=lambda kept: kept.spec.name)
def test_every_grid_has_24_cells_or_more_and_a_third_of_them_twice_spread_over_all_values(kept: Grid) -> None:
    cells = planned(kept.spec)
    first, second = ([params for params, own in cells if own == seed] for seed in (0, 1))
    assert len(first) in (24, 32)
    assert len(second) == round(len(first) / 3)
    for param in search_space(kept.spec):
        assert {params[param.name] for params in second} == set(param.domain.choices)
