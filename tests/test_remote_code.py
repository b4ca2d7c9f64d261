"""No call of the package lets transformers run the Python code of a checkpoint."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "harness"
#: The functions of transformers that run a checkpoint's code, or ask for leave to.
LOADERS = {"from_pretrained", "from_config", "pipeline"}


def loads(source: str) -> list[bool]:
    """For each call that loads: whether it says that no code may be run."""
    return [
        any(
            keyword.arg == "trust_remote_code"
            and isinstance(keyword.value, ast.Constant)
            and keyword.value.value is False
            for keyword in call.keywords
        )
        for call in ast.walk(ast.parse(source))
        if isinstance(call, ast.Call) and getattr(call.func, "attr", getattr(call.func, "id", "")) in LOADERS
    ]


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("AutoModel.from_pretrained(folder, trust_remote_code=False)", [True]),
        ("AutoModel.from_pretrained(folder)", [False]),
        ("auto.from_config(config, trust_remote_code=trusted)", [False]),
        ("auto.from_config(config, trust_remote_code=True)", [False]),
        ("pipeline('text-classification')", [False]),
        ("open(folder)", []),
    ],
)
def test_loads_finds_what_it_is_for(source: str, says: list[bool]) -> None:
    assert loads(source) == says


def test_every_load_refuses_remote_code() -> None:
    found = {path: loads(path.read_text(encoding="utf-8")) for path in sorted(PACKAGE.rglob("*.py"))}
    assert sum(map(len, found.values())) >= 5
    assert [path for path, says in found.items() if not all(says)] == []
