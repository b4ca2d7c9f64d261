"""Prints what `harness doctor` finds."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path

from rich.text import Text

from harness.jobs.doctor import examine
from harness.terminal.console import make_console

__all__ = ["show_doctor"]

STYLES = {"ok": "green", "note": "yellow", "stops": "bold red"}
WORDS = {"ok": "ok", "note": "note", "stops": "stops a sweep"}


def show_doctor(runs: Path, *, measure: bool, as_json: bool) -> bool:
    """Prints a line for each part, with its remedy; returns False when something stops a sweep."""
    if as_json:
        findings = list(examine(runs, measure=measure))
        can_sweep = all(finding.state != "stops" for finding in findings)
        shown = {"can_sweep": can_sweep, "checks": [asdict(finding) for finding in findings]}
        sys.stdout.write(json.dumps(shown, indent=1, ensure_ascii=False) + "\n")
        return can_sweep
    console, stopping = make_console(), 0
    for finding in examine(runs, measure=measure):
        stopping += finding.state == "stops"
        state = Text(f"{WORDS[finding.state]:<13}  ", style=STYLES[finding.state])
        console.print(state + Text(f"{finding.what:<13}  {finding.text}"))
        if finding.remedy:
            console.print(Text(f"{'':<30}-> {finding.remedy}"))
    said = "this machine can run a sweep" if not stopping else f"a sweep cannot run: {stopping} of these stop it"
    console.print(Text(said, style="bold"))
    return not stopping
