"""`import harness` is quick, and names what there is."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import harness

ROOT = Path(__file__).parents[2]
HEAVY = {"torch", "transformers", "optuna", "ray", "pandas", "plotly", "numpy", "pydantic", "rich", "sklearn", "scipy"}


def loaded_by(code: str) -> set[str]:
    """The top-level packages in a new process after `code`."""
    code += "\nimport sys; print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


def test_functions_are_imported_without_what_is_slow() -> None:
    assert not HEAVY & loaded_by("from harness import Study, bench, evaluate, export, load, predict, sweep")


def test_every_name_is_there() -> None:
    assert set(harness.__all__) <= set(dir(harness))
    assert all(callable(getattr(harness, name)) for name in harness.__all__)
    assert all(getattr(harness, name).__doc__ for name in harness.__all__)


def test_another_name_is_not() -> None:
    with pytest.raises(AttributeError, match="'harness' has no attribute 'train'"):
        _ = harness.train
