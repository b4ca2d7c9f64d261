from __future__ import annotations

from pathlib import Path

import pytest

from harness.data.prepared import PreparedData
from harness.records.manifest import Meta, Spread
from harness.spec.tasks import TASKS
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


@pytest.mark.parametrize("name", list(TASKS))
def test_chance_is_known_of_every_metric(name: str) -> None:
    """Without it, pruning by that metric would not be held back while all trials guess."""
    spread = {"number": Spread(mean=1.0, std=2.0, low=0.0, high=5.0, from_mean=1.5)}
    meta = Meta(
        labels=("a", "b"), counts={split: {"a": 3, "b": 5} for split in SPLITS}, numbers=dict.fromkeys(SPLITS, spread)
    )
    data = PreparedData(Path("nowhere"))
    data.__dict__["meta"] = meta
    assert task_of(name).chance(data).keys() == {metric.name for metric in TASKS[name].metrics}
