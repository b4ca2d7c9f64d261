"""Sweeps and benchmarks for fine-tuning pretrained models. `harness.load` gives a run's numbers in Python.

Importing this module imports no package that takes long.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from harness.report.study.notebook import Run

__all__ = ["load"]


def load(run: str | Path) -> Run:
    """Returns a run's data frames and figures: `load("runs/quickstart").trials`."""
    from harness.report.study.notebook import Run

    return Run(run)
