"""What can be learned: one small object a task, and users' own tasks by `my_package.my_module:MyTask`."""

from __future__ import annotations

from harness.errors import InputError, look_up
from harness.spec.foreign import import_object, is_foreign
from harness.spec.tasks import facts_of
from harness.tasks.base import Task
from harness.tasks.image import ImageClassification
from harness.tasks.text import TextClassification
from harness.tasks.text_regression import TextRegression

__all__ = ["TASKS", "Task", "task_of"]

TASKS: dict[str, Task] = {
    task.facts.name: task for task in (TextClassification(), TextRegression(), ImageClassification())
}
_FOREIGN: dict[str, Task] = {}


def task_of(name: str) -> Task:
    """The task of that name.

    Raises:
        InputError: there is none, or a user's own task cannot be imported, or its class takes arguments.
    """
    if not is_foreign(name):
        return look_up(TASKS, name, "task")
    if name not in _FOREIGN:
        facts, kind = facts_of(name), import_object(name)
        try:
            task: Task = kind()
        except TypeError as error:
            raise InputError(f"{name!r} cannot be made without arguments ({error}); a task is a class") from error
        task.facts = facts
        _FOREIGN[name] = task
    return _FOREIGN[name]
