from __future__ import annotations

import pytest

from harness.spec.tasks import TASKS
from harness.tasks import task_of
from harness.tasks.base import Task


@pytest.mark.parametrize("name", list(TASKS))
def test_every_task_with_facts_is_there_and_has_what_the_facts_name(name: str) -> None:
    task: Task = task_of(name)
    assert task.facts is TASKS[name]
    assert set(task.inputs) | {field.name for field in task.facts.fields if field.target} == {
        field.name for field in task.facts.fields
    }
    assert task.reads
    assert task.shown
