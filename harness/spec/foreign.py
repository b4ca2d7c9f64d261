"""Code of a user's own, named `my_package.my_module:name`: which names are trusted, and from where they are imported.

A name is trusted where a person wrote it: in the study file of a command that trains, or behind `--trust`. What a run
folder or an export names is data until then.
"""

from __future__ import annotations

import importlib
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from harness.errors import InputError

__all__ = ["FOREIGN_PATTERN", "import_object", "is_foreign", "is_trusted", "trust"]

FOREIGN_PATTERN = r"^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*:[A-Za-z_][A-Za-z0-9_]*$"
_TRUSTED: set[str] = set()


def is_foreign(name: str) -> bool:
    """True for `package.module:name`, which stands for an object of that module."""
    return re.fullmatch(FOREIGN_PATTERN, name) is not None and not name.endswith("\n")


def trust(*names: str) -> None:
    """Lets the modules of these names be imported by this process."""
    _TRUSTED.update(names)


def is_trusted(name: str) -> bool:
    """Whether the module of `name` may be imported."""
    return name in _TRUSTED


def import_object(name: str) -> Any:
    """The object that `package.module:name` stands for, from the installed packages or PYTHONPATH.

    Raises:
        InputError: the name is not trusted, or there is no such module or object, or the module cannot be imported.
    """
    if not is_trusted(name):
        raise InputError(f"{name!r} is code, and is imported only if you say that you trust it: --trust {name}")
    module, _, attribute = name.partition(":")
    try:
        with _without_current_folder():
            loaded = importlib.import_module(module)
    except Exception as error:  # a module may raise anything while it is imported
        lines = str(error).strip().splitlines()
        what = f"{type(error).__name__}: {lines[0][:200]}" if lines else type(error).__name__
        raise InputError(
            f"{name!r} cannot be imported ({what}); install its package, or put the folder that holds it on "
            "PYTHONPATH (the current folder is not searched)"
        ) from error
    if not hasattr(loaded, attribute):
        raise InputError(f"{name!r}: the module {module} ({loaded.__file__}) has no '{attribute}'")
    return getattr(loaded, attribute)


@contextmanager
def _without_current_folder() -> Iterator[None]:
    """Inside, `sys.path` lacks the current folder, unless PYTHONPATH names it."""
    here, before = Path.cwd().resolve(), list(sys.path)
    given = {Path(entry).resolve() for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep) if entry}
    if here not in given:
        sys.path[:] = [entry for entry in before if Path(entry or ".").resolve() != here]
    try:
        yield
    finally:
        sys.path[:] = before
