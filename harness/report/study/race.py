"""What is said of the race of `confirm: {seeds: auto}`: how many seeds each finalist got, and who was dropped when."""

from __future__ import annotations

from math import isfinite

from harness.records.final import DroppedFinalist, SeedRace
from harness.report.kit.text import amount, join, plural

__all__ = ["dropped_text", "race_text"]


def dropped_text(objective: str, dropped: DroppedFinalist) -> str:
    """ "trial 7 dropped after 1 seed: 2.1 points of accuracy behind"."""
    why = f"{amount(objective, dropped.behind)} behind" if isfinite(dropped.behind) else "failed or beyond a limit"
    return f"trial {dropped.number} dropped after {plural(dropped.num_seeds, 'seed')}: {why}"


def race_text(objective: str, race: SeedRace) -> str:
    """ "trial 4 with 3 seeds, trial 7 dropped after 1 seed: 2.1 points of accuracy behind"."""
    seeds = plural(race.num_seeds, "seed")
    left = [f"{join(f'trial {number}' for number in race.left)} with {seeds}{' each' if len(race.left) > 1 else ''}"]
    return ", ".join([*(left if race.left else []), *(dropped_text(objective, each) for each in race.dropped)])
