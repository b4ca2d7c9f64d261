"""`harness.sweep` and `harness.load`: runs a study, or reads a run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.runtime import quick_imports

if TYPE_CHECKING:
    import pandas as pd

    from harness.api.study import Study
    from harness.report.study.notebook import Run

__all__ = ["load", "sweep"]


def sweep(
    study: str | Path | Mapping[str, Any] | Study,
    data: str | Path | pd.DataFrame | None = None,
    *,
    changes: Mapping[str, Any] | None = None,
    runs: str | Path = "runs",
    fresh: bool = False,
    progress: bool = True,
) -> Run:
    """Runs a study, or goes on with it where it stopped, and returns its run.

    Args:
        study: a study file, the name of a bundled study, plain values, or a `Study`; see there, for `changes` too.
        data: a table's path or a data frame (one row an example, the columns that `data.text` and the like name),
            instead of the study's own data.
        changes: values that replace the study's, by dotted keys: `{"search.trials": 8}`.
        runs: the folder of run folders; this run's is `runs`/NAME.
        fresh: move an earlier run of this name aside and begin again.
        progress: show a screen on a terminal; elsewhere print a line a trial, and one a minute.

    Ctrl-C, or the notebook's stop button, raises KeyboardInterrupt; the same call goes on.

    Raises:
        SpecError: the study has mistakes; all of them, one a line.
        InputError: data, checkpoint, device or run folder cannot be used.
        StudyFailed: no trial completed.
    """
    with quick_imports():
        from harness.api.study import Study
        from harness.terminal.console import make_console
        from harness.terminal.sweep import shown_sweep
    chosen = Study(study, data, changes)
    results = shown_sweep(
        make_console(quiet=not progress), chosen.spec, runs=Path(runs), fresh=fresh, command=chosen.command()
    )
    from harness.report.study.notebook import Run

    return Run(results)


def load(run: str | Path) -> Run:
    """Reads a run folder, `load("runs/quickstart")`; a sweep may be writing to it.

    Raises:
        RunError: `run` is not a run folder, or its study cannot be read.
    """
    from harness.report.study.notebook import Run

    return Run(run)
