"""Users' own code, named `my_package.my_module:name`: which names are trusted, and how they are imported.

A name is trusted if a person wrote it: in the study file of a command that trains, or after `--trust`. A name in a run
folder or an export is not trusted until then.
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

__all__ = ["FOREIGN_PATTERN", "import_object", "is_foreign", "is_trusted", "trust", "trust_option"]

FOREIGN_PATTERN = r"^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*:[A-Za-z_][A-Za-z0-9_]*$"
_TRUSTED: set[str] = set()


def is_foreign(name: str) -> bool:
    """True for `package.module:name`, the name of an object of that module."""
    return re.fullmatch(FOREIGN_PATTERN, name) is not None and not name.endswith("\n")


def trust(*names: str) -> None:
    """Allows this process to import the modules of these names."""
    _TRUSTED.update(names)


def is_trusted(name: str) -> bool:
    """Whether the module of `name` may be imported."""
    return name in _TRUSTED


def trust_option(name: str) -> str:
    """Returns the end of a command that runs the object `name`: `--trust` with it, or "" for one that is built in."""
    return f" --trust {name}" if is_foreign(name) else ""


def import_object(name: str) -> Any:
    """Imports the object `package.module:name` from the installed packages or PYTHONPATH.

    Raises:
        InputError: the name is not trusted, or there is no such module or object, or the module cannot be imported.
    """
    if not is_trusted(name):
        raise InputError(f"{name!r} is code, and is imported only if you say that you trust it: --trust {name}")
    module, _, attribute = name.partition(":")
    try:
        with _without_current_folder():
            loaded = importlib.import_module(module)
    except (Exception, SystemExit) as error:  # a module may raise anything while it is imported
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
    """Removes the current folder from `sys.path` within the block, unless PYTHONPATH names it."""
    current, path_before = Path.cwd().resolve(), list(sys.path)
    named = {Path(entry).resolve() for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep) if entry}
    if current not in named:
        sys.path[:] = [entry for entry in path_before if Path(entry or ".").resolve() != current]
    try:
        yield
    finally:
        sys.path[:] = path_before
