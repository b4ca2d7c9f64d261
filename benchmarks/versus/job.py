"""The whole job against the peer's, with and without confirmation; and how good the pick is.

Both sides are timed from outside, from the start of the process to its end.
"""

from __future__ import annotations

from statistics import fmean, stdev

from versus.ledger import Ledger, Measured, Row
from versus.sides import ours, peer

__all__ = ["confirm", "expert", "job", "seeds"]

NUM_SEEDS = 5
SCRIPT = "hf_trainer_optuna.py"
PLAIN = "confirm=null"


def _peer(ledger: Ledger, part: str) -> Measured:
    setting = ledger.setting
    options = ["--trials", setting.trials, "--epochs", setting.epochs, *(["--tuned"] if part == "expert" else [])]
    return ledger.measured(part, "peer", lambda: peer(SCRIPT, setting, *options))


def _ours(ledger: Ledger, part: str, name: str, *overrides: str) -> Measured:
    return ledger.measured(part, name, lambda: ours(ledger.setting, *overrides))


def _row(what: str, runs: list[Measured], other: Measured, least: float, reach: float) -> Row:
    mine, theirs = [run["wall_s"] for run in runs], other["wall_s"]
    ratio = theirs / fmean(mine)
    seconds = " and ".join(f"{value:.1f}" for value in mine)
    tests = " and ".join(f"{100 * run['test_accuracy']:.1f}" for run in runs)
    return Row(
        what=what,
        target=f"at least {least:g}x; reach for {reach:g}x",
        reached=f"**{ratio:.1f}x**: ours {seconds} s, peer {theirs:.1f} s; "
        f"test {tests} % against {100 * other['test_accuracy']:.1f} %",
        met=ratio >= least,
    )


def job(ledger: Ledger) -> list[Row]:
    """Against the peer's defaults: ours, the peer, ours."""
    before, other = _ours(ledger, "job", "ours 1", PLAIN), _peer(ledger, "job")
    return [_row("whole job, peer's defaults", [before, _ours(ledger, "job", "ours 2", PLAIN)], other, 12, 20)]


def expert(ledger: Ledger) -> list[Row]:
    """Against what an expert would switch on in the peer: ours (the last of the job), the peer, ours."""
    before, other = _ours(ledger, "job", "ours 2", PLAIN), _peer(ledger, "expert")
    return [_row("whole job, peer's expert setting", [before, _ours(ledger, "expert", "ours", PLAIN)], other, 6.5, 11)]


def confirm(ledger: Ledger) -> list[Row]:
    """With confirmation, which the peer has not, against its defaults."""
    found = _ours(ledger, "confirm", "ours", "confirm={top: 3, seeds: 3}")
    what = "whole job with confirm {top: 3, seeds: 3}, peer's defaults"
    return [_row(what, [found], _peer(ledger, "job"), 5, 7)]


def seeds(ledger: Ledger) -> list[Row]:
    """Test accuracy of the pick, over searches that differ in their seed only."""
    runs = [_ours(ledger, "job", "ours 1", PLAIN)]  # of seed 0
    runs += [_ours(ledger, "seeds", f"seed {seed}", PLAIN, f"search.seed={seed}") for seed in range(1, NUM_SEEDS)]
    other = 100 * _peer(ledger, "job")["test_accuracy"]
    found = [100 * run["test_accuracy"] for run in runs]
    return [
        Row(
            what=f"test accuracy of the pick, mean of {NUM_SEEDS} sweeps with different seeds",
            target="not lower than the peer's by more than 0.5 points",
            reached=f"**{fmean(found):.2f} %** (standard deviation {stdev(found):.2f}; "
            f"{', '.join(f'{value:.1f}' for value in found)}) against {other:.1f} %",
            met=fmean(found) >= other - 0.5,
        )
    ]
