"""Runs a sweep with what a person sees while it runs, for the command line and for Python."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from harness.jobs.going_on import continued
from harness.jobs.sweep import sweep
from harness.records.profile import Phases
from harness.records.results import Results, load
from harness.records.rundir import RunFolder
from harness.spec.study import StudySpec
from harness.terminal.view import open_view

__all__ = ["shown_sweep"]


def shown_sweep(
    console: Console,
    spec: StudySpec,
    *,
    runs: Path,
    fresh: bool,
    command: Sequence[str],
    phases: Phases | None = None,
) -> Results:
    """Runs the study, or goes on with it, and shows that on the console; for the errors see `harness.jobs.sweep`."""
    run = RunFolder.of(runs, spec.name)
    spec = spec if fresh else continued(spec, run)
    with open_view(console, spec, lambda: load(run.path)) as view:
        return sweep(spec, runs=runs, fresh=fresh, command=command, view=view, phases=phases)
