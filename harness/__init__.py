"""Sweeps and benchmarks for fine-tuning pretrained models, for Python as for the command line (docs/python.md).

Importing this module imports no package that takes long: each name below is imported when it is first asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from harness.api.bench import bench
    from harness.api.models import evaluate, export, predict
    from harness.api.study import Study
    from harness.api.sweep import load, sweep
    from harness.report.study.notebook import Run

__all__ = ["Run", "Study", "bench", "evaluate", "export", "load", "predict", "sweep"]

#: The module of each name.
_MODULES = {
    "Run": "harness.report.study.notebook",
    "Study": "harness.api.study",
    "bench": "harness.api.bench",
    "evaluate": "harness.api.models",
    "export": "harness.api.models",
    "load": "harness.api.sweep",
    "predict": "harness.api.models",
    "sweep": "harness.api.sweep",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module 'harness' has no attribute {name!r}")
    return getattr(import_module(_MODULES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
