"""docs/errors.md has every message with which a command ends."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from harness import errors

ROOT = Path(__file__).parents[1]
#: Tests that ship, with the fakes that they need.
TESTING = ROOT / "harness" / "testing"
MODULES = [path for path in sorted((ROOT / "harness").rglob("*.py")) if TESTING not in path.parents]
ERRORS = {
    name for name in errors.__all__ if isinstance(found := getattr(errors, name), type) and issubclass(found, Exception)
}
#: Beside the errors themselves: a mistake of a study file, and what pydantic makes one of.
MISTAKES = {"Problem"}
#: Messages that no command shows, by a part of each, with the reason.
INTERNAL = {
    "the trial function returned before its last evaluation": "harness/trial.py's does not",
    "the scoring process was closed before it was asked": "a mistake in the order of harness/jobs",
}


@cache
def page() -> str:
    """The page in one line, with signs that only its tables need left out."""
    text = (ROOT / "docs" / "errors.md").read_text(encoding="utf-8")
    return re.sub(r"\s+", " ", text.replace("\\|", "|").replace("`` `", "`").replace("` ``", "`"))


def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def makers() -> frozenset[str]:
    """The names of the errors, and of the functions that return one."""
    names = set(ERRORS | MISTAKES)
    for path in MODULES:
        for node in ast.walk(tree_of(path)):
            if isinstance(node, ast.FunctionDef) and isinstance(node.returns, ast.Name) and node.returns.id in ERRORS:
                names.add(node.name)
    return frozenset(names)


def is_made(call: ast.Call, path: Path) -> bool:
    """True for a call that makes an error or a mistake of a study file."""
    if not isinstance(call.func, ast.Name):
        return False
    is_of_study = ROOT / "harness" / "spec" in path.parents and call.func.id == "ValueError"
    return call.func.id in makers() or is_of_study


def words_in(node: ast.AST) -> Iterator[str]:
    """The constant texts in an expression, without formats and the keys of look-ups."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.FormattedValue):
        yield from words_in(node.value)
    elif not isinstance(node, ast.Subscript):
        for child in ast.iter_child_nodes(node):
            yield from words_in(child)


def messages(path: Path) -> Iterator[tuple[int, list[str]]]:
    """The line of each error that a module makes, and the constant parts of its message.

    What stands in a variable of the function, or is returned by a function of the module, is part of the message.
    """
    tree = tree_of(path)
    returned = {
        node.name: [text for part in ast.walk(node) if isinstance(part, ast.Return) and part.value is not None
                    for text in words_in(part.value)]
        for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)
    }  # fmt: skip
    for function in [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]:
        assigned: dict[str, list[str]] = {}
        for node in ast.walk(function):
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                assigned.setdefault(node.targets[0].id, []).extend(words_in(node.value))
        for node in ast.walk(function):
            if isinstance(node, ast.Call) and is_made(node, path):
                arguments = [*node.args, *(keyword.value for keyword in node.keywords)]
                parts = [text for argument in arguments for text in words_in(argument)]
                names = [part.id for argument in arguments for part in ast.walk(argument) if isinstance(part, ast.Name)]
                beside = [text for name in names for text in (*assigned.get(name, ()), *returned.get(name, ()))]
                yield node.lineno, parts + beside


def missing(parts: list[str]) -> list[str]:
    """The longer parts of a message that the page lacks."""
    words = [re.sub(r"\s+", " ", part).strip(" ;:,.('") for part in parts]
    return [part for part in words if len(part.split()) > 2 and part not in page() and part not in INTERNAL]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_message_is_documented(path: Path) -> None:
    undocumented = [(line, lacking) for line, parts in messages(path) if (lacking := missing(parts))]
    assert not undocumented, f"{path.relative_to(ROOT)}: not in docs/errors.md: {undocumented}"


def test_messages_are_found() -> None:
    found = [message for path in MODULES for message in messages(path)]
    assert len(found) > 350
    assert missing(["no such words are ", "in the page"]) == ["no such words are", "in the page"]
    assert {"missing_package", "unknown_name", "DataError", "Problem"} <= makers()


def test_parts_in_variables_branches_and_functions_count(tmp_path: Path) -> None:
    path = tmp_path / "module.py"
    path.write_text(
        """
def how(x):
    return "as the function says" if x else f"or {x} so it says"

def fail(x):
    what = "as the variable says"
    key = names["a key of a look-up"]
    raise InputError(f"{x}: {what:>4}; {how(x)}" + ("one branch of it" if x else "another branch of it"))
""",
        encoding="utf-8",
    )
    [(line, parts)] = messages(path)
    assert line == 8
    assert {"as the function says", "as the variable says", "one branch of it", "another branch of it"} <= set(parts)
    assert "a key of a look-up" not in parts


def test_internal_messages_are_in_the_code() -> None:
    parts = {text for path in MODULES for _, found in messages(path) for text in found}
    assert parts >= INTERNAL.keys()
    assert all(INTERNAL.values())
