from __future__ import annotations

from dataclasses import replace
from math import nan
from pathlib import Path

import pandas as pd
import pytest

from harness.data.prepared import PreparedData
from harness.records.manifest import Meta, Spread
from harness.spec.tasks import TASKS
from harness.stats.metric import Metric, of_function
from harness.tasks import task_of
from harness.tasks.base import Task

SPLITS = ("train", "validation")


@pytest.mark.parametrize("name", list(TASKS))
def test_every_task_with_facts_is_there_and_has_what_the_facts_name(name: str) -> None:
    task: Task = task_of(name)
    assert task.facts is TASKS[name]
    assert set(task.inputs) | {field.name for field in task.facts.fields if field.target} == {
        field.name for field in task.facts.fields
    }
    assert task.reads
    assert task.value_columns


#: The tasks whose models write text, of which they may have read much before.
WRITING = ("causal-lm", "seq2seq")


@pytest.mark.parametrize("name", WRITING)
def test_chance_is_not_known_of_what_a_language_model_has_read_before(name: str, tmp_path: Path) -> None:
    assert task_of(name).chance(PreparedData(tmp_path)) == {}


@pytest.mark.parametrize("name", [name for name in TASKS if name not in WRITING])
def test_chance_is_known_of_every_metric(name: str, tmp_path: Path) -> None:
    """Without it, pruning by that metric would not be held back while all trials guess."""
    spread = {"number": Spread(mean=1.0, std=2.0, low=0.0, high=5.0)}
    meta = Meta(
        labels=("a", "b"), counts={split: {"a": 3, "b": 5} for split in SPLITS}, numbers=dict.fromkeys(SPLITS, spread)
    )
    sets = [[0, 1], [1, 1], [0, 0]]
    answers = {"question": ["a", "b", "c"], "context": ["x y", "y", "z"], "answers": [[[0, 1]], [], [[0, 1]]]}
    columns = {"number": [0.0, 1.0, 5.0], "labels": sets, "tags": sets} | answers
    pd.DataFrame(columns).to_parquet(tmp_path / "validation.parquet")
    data = PreparedData(tmp_path)
    data.__dict__["meta"] = meta
    task = task_of(name)
    assert task.chance(data).keys() == {metric.name for metric in TASKS[name].metrics}
    added = Metric(name="added", title="added", maximize=True, low=-1.0, high=1.0, value=of_function(lambda *_: nan))
    with_more = type("WithMore", (type(task),), {"facts": replace(task.facts, metrics=(*task.facts.metrics, added))})
    assert with_more().chance(data)["added"] == 0.0, "without a line anywhere else"
