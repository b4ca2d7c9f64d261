"""`harness sweep` on a console: its view while it runs, and its outcome."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import typer

from harness.jobs.sweep import report_folder
from harness.records.profile import PROFILE, Phases, profile_of
from harness.records.rundir import RunFolder
from harness.spec.requirement import parse_requirements
from harness.spec.study import StudySpec
from harness.spec.tasks import facts_of
from harness.terminal.console import make_console
from harness.terminal.profile import print_profile
from harness.terminal.sweep import shown_sweep

__all__ = ["run_sweep"]


def run_sweep(
    spec: StudySpec,
    *,
    runs: Path,
    fresh: bool,
    command: Sequence[str],
    profile: bool = False,
    required: Sequence[str] = (),
) -> None:
    """Runs the study and prints leaderboard, winner and paths; with `profile` also where the time went.

    At the end it checks what is `required` of the winner.
    """
    phases = Phases()
    console = make_console()
    run = RunFolder.of(runs, spec.name)
    requirements = parse_requirements(required, facts_of(spec.task))
    results = shown_sweep(console, spec, runs=runs, fresh=fresh, command=command, phases=phases)
    # They import scipy, which would delay the start of workers by half a second.
    from harness.jobs.require import check_requirements
    from harness.terminal.outcome import print_outcome

    print_outcome(console, results, report_folder(run.path))
    if profile:
        times = profile_of(results, phases.stop(), len(results.manifest.devices))
        run.write_json(PROFILE, times.model_dump(mode="json"))
        print_profile(console, times)
    check_requirements(results, requirements, typer.echo)
