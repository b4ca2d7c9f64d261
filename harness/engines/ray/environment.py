"""Changes of the environment while Ray runs, and a token of its own for a private session."""

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
    """Sets the environment variables `changes` in the block; None removes one."""
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
    """Makes Ray's processes of the block authenticate with a token at `path`.

    Ray itself would write a token to `~/.ray/auth_token`, readable by all, and every later `ray start` of this user
    would use it.
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
    """Makes Ray read mode and token again, which it does once in a process."""
    Config.initialize("")
    AuthenticationTokenLoader.instance().reset_cache()
