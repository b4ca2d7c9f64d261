"""What is changed in the environment while Ray runs, and a token of its own for a private session.

Knows nothing of clusters or trials.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from ray._raylet import AuthenticationTokenLoader, Config  # type: ignore[attr-defined]

__all__ = ["changed_environment", "own_token"]


@contextmanager
def changed_environment(changes: Mapping[str, str | None]) -> Iterator[None]:
    """Inside, the environment has `changes`; what is None there is not in it."""
    before = {name: os.environ.get(name) for name in changes}
    _put(changes)
    try:
        yield
    finally:
        _put(before)


def _put(values: Mapping[str, str | None]) -> None:
    for name, value in values.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


@contextmanager
def own_token(path: Path) -> Iterator[None]:
    """Inside, Ray's processes know each other by a token at `path`.

    Ray would write one to `~/.ray/auth_token`, readable by all, and every `ray start` of this user would use it from
    then on.
    """
    path.touch(mode=0o600)
    path.write_text(secrets.token_hex(32))
    token = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(path), "RAY_AUTH_TOKEN": None}
    try:
        with changed_environment(token):
            _read_token_again()
            yield
    finally:
        _read_token_again()


def _read_token_again() -> None:
    """Ray reads mode and token once a process."""
    Config.initialize("")
    AuthenticationTokenLoader.instance().reset_cache()
