"""What can be learned: one module a task, and users' own tasks by `my_package.my_module:MyTask`.

The module of a task that is built in is called as the task is, and holds it as `TASK`.
"""

from __future__ import annotations

from importlib import import_module

from harness.errors import InputError
from harness.spec.foreign import import_object, is_foreign
from harness.spec.tasks import facts_of
from harness.tasks.base import Task

__all__ = ["Task", "task_of"]

_FOREIGN: dict[str, Task] = {}


def task_of(name: str) -> Task:
    """Returns the task `name`.

    Raises:
        InputError: no task has this name, or a user's own task cannot be imported, or its class takes arguments.
    """
    facts = facts_of(name)
    if not is_foreign(name):
        task: Task = import_module(f"harness.tasks.{name.replace('-', '_')}").TASK
        return task
    if name not in _FOREIGN:
        kind = import_object(name)
        try:
            task = kind()
        except Exception as error:  # a class of a user may raise anything
            raise InputError(f"{name!r} cannot be made without arguments ({error}); a task is a class") from error
        task.facts = facts
        _FOREIGN[name] = task
    return _FOREIGN[name]
