"""What can be learned: one small object per task.

Knows nothing of studies, search or the training loop.
"""

from __future__ import annotations

from harness.errors import look_up
from harness.tasks.base import Task
from harness.tasks.image import ImageClassification
from harness.tasks.text import TextClassification

__all__ = ["TASKS", "Task", "task_of"]

TASKS: dict[str, Task] = {task.name: task for task in (TextClassification(), ImageClassification())}


def task_of(name: str) -> Task:
    """The task of that name.

    Raises:
        InputError: there is none.
    """
    return look_up(TASKS, name, "task")
