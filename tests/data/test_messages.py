"""docs/errors.md has every message with which reading tables and finding checkpoints ends."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness import errors

ROOT = Path(__file__).parents[2]
DOCS = re.sub(r"\s+", " ", (ROOT / "docs" / "errors.md").read_text(encoding="utf-8"))
MODULES = [
    *sorted((ROOT / "harness" / "data").rglob("*.py")),
    *(ROOT / "harness" / name for name in ("jobs/predict.py", "cli/predictions.py", "tasks/tokenizers.py")),
]
ERRORS = {
    name for name in errors.__all__ if isinstance(found := getattr(errors, name), type) and issubclass(found, Exception)
}
#: Raised where a mistake of the program would show, or with a message made elsewhere.
WITHOUT = {"harness/data/answers.py", "harness/data/batch.py"}


def pieces(message: ast.expr) -> list[str]:
    """The constant parts of a message, the names of variables left out."""
    if isinstance(message, ast.JoinedStr):
        return [part.value for part in message.values if isinstance(part, ast.Constant)]
    return [message.value] if isinstance(message, ast.Constant) and isinstance(message.value, str) else []


def raised(path: Path) -> Iterator[tuple[int, list[str]]]:
    """The line of each error that a module makes, and the constant parts of its message."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ERRORS:
            parts = [part for argument in node.args for part in pieces(argument)]
            if parts:
                yield node.lineno, parts


def missing(parts: list[str]) -> list[str]:
    """The longer parts of a message that the page lacks."""
    words = [re.sub(r"\s+", " ", part).strip(" ;:,.('") for part in parts]
    return [part for part in words if len(part.split()) > 2 and part not in DOCS]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_message_is_documented(path: Path) -> None:
    name = path.relative_to(ROOT).as_posix()
    undocumented = [(line, lacking) for line, parts in raised(path) if (lacking := missing(parts))]
    assert not undocumented or name in WITHOUT, f"{name}: not in docs/errors.md: {undocumented}"


def test_messages_are_found() -> None:
    assert sum(len(list(raised(path))) for path in MODULES) > 80
    assert missing(["no such words are ", "in the page"]) == ["no such words are", "in the page"]
