"""Prints where a sweep's time went: a line for each part, a column for each slot."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text

from harness.records.profile import PARTS, Phase, Profile
from harness.terminal.table import Line, TextColumn, fitted

__all__ = ["print_profile"]

_NAMES: dict[Phase, str] = {
    "preparing": "preparing",
    "search": "search",
    "confirm": "confirming",
    "concluding": "concluding",
    "report": "report",
}
#: Parts that took less than this on every slot are not shown.
_LEAST_S = 0.005


def print_profile(console: Console, profile: Profile) -> None:
    """Prints seconds and shares of the wall clock, in total and for each slot that ran trials."""
    slots = sorted({share.slot for share in profile.slots})
    lines: list[Line | None] = []
    for phase, name in _NAMES.items():
        if phase in profile.phases:
            lines.append(_line(name, profile.phases[phase], ["" for _ in slots], profile.wall_s, "bold"))
            lines += _part_lines(profile, phase, slots)
    lines += [None, _line("wall clock", profile.wall_s, ["" for _ in slots], profile.wall_s, "bold")]
    columns = [
        TextColumn(title="where the time went", right=False),
        TextColumn(title="s"),
        TextColumn(title="share"),
        *(TextColumn(title=f"slot {slot}, s", rank=1 + slot) for slot in slots),
    ]
    table, left_out = fitted(columns, lines, console.width)
    console.print()
    console.print(table)
    if left_out:
        console.print(
            Text(f"no room for {', '.join(left_out)}: they are in the run folder's profile.json", style="dim")
        )


def _part_lines(profile: Profile, phase: Phase, slots: list[int]) -> list[Line]:
    """Returns the lines of a phase's parts; seconds are means over the slots, so they add up to the phase."""
    times = {share.slot: share.parts for share in profile.slots if share.phase == phase}
    lines = []
    for part in PARTS if times else ():
        seconds = [times[slot][part] for slot in slots]
        if max(seconds) >= _LEAST_S:
            mean = sum(seconds) / len(seconds)
            lines.append(_line(f"  {part}", mean, [f"{slot_s:.2f}" for slot_s in seconds], profile.wall_s, ""))
    return lines


def _line(name: str, seconds: float, slots: list[str], wall_s: float, style: str) -> Line:
    share = f"{100 * seconds / wall_s:.1f} %" if wall_s else ""
    return Line((name, f"{seconds:.2f}", share, *slots), style)
