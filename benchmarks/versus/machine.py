"""What needs no peer: share of the ceiling, starts, the coordinator, and slots against each other."""

from __future__ import annotations

import json
import tempfile
from functools import partial
from pathlib import Path
from statistics import fmean, median

from harness.records.bench import read_bench
from versus.ledger import Ledger, Measured, Row
from versus.sides import ROOT, command, ours

__all__ = ["ceiling_share", "cold_start", "coordinator", "slots", "trial_start"]

NUM_NOOPS = 10_000
NUM_STARTS = 3
NUM_HELPS = 5


def ceiling_share(ledger: Ledger) -> list[Row]:
    """The steady step as `harness bench` measures it."""

    def measure() -> Measured:
        with tempfile.TemporaryDirectory(prefix="versus-") as folder:
            file = Path(folder) / "bench.json"
            cell = [
                "--checkpoint",
                ledger.setting.checkpoint,
                "--batch-size",
                32,
                "--length",
                64,
                "--precision",
                "bf16",
            ]
            command(["-m", "harness.cli", "bench", *cell, "--json", file], folder)
            found = read_bench(file)
            (measured,) = found.cells
            setup = found.setup(measured.device, measured.threads)
            return {
                "gflops_per_second": (measured.model_flops_per_second or 0.0) / 1e9,
                "ceiling": dict(setup.ceiling) if setup else {},
                "samples_per_second": measured.samples_per_second,
                "steady": measured.steady,
                "others_cpu": measured.others_cpu,
            }

    found = ledger.measured("ceiling-share", "bench", measure)
    share = found["gflops_per_second"] / found["ceiling"]["bf16"]
    return [
        Row(
            what="steady step at batch 32, length 64, share of the bf16 matrix-product ceiling",
            target="at least 40 %; reach for 55 %",
            reached=f"**{100 * share:.0f} %**: {found['gflops_per_second']:.0f} of "
            f"{found['ceiling']['bf16']:.0f} GFLOP/s" + ("" if found["steady"] else "; the steps were not steady"),
            met=share >= 0.4,
        )
    ]


def trial_start(ledger: Ledger) -> list[Row]:
    """From when the coordinator assigns a trial to its first step, in a worker that has had one before."""
    given = ["confirm=null", "training.epochs=1", "search.trials=8"]
    found = ledger.measured("trial-start", "ours", lambda: ours(ledger.setting, *given))["warm_start_ms"]
    return [
        Row(
            what="trial start on a warm worker (assigned to first step)",
            target="at most 100 ms, none of it reading weights from disk",
            reached=f"**{median(found):.0f} ms** at the median of {len(found)}, worst {max(found):.0f} ms; "
            "`benchmarks/test_start.py` takes the weights away before such a start",
            met=max(found) <= 100,
        )
    ]


def cold_start(ledger: Ledger) -> list[Row]:
    """A process that has nothing yet."""
    tiny = ["confirm=null", "training.epochs=1", "search.trials=2", "data.train_rows=200"]
    first = [
        ledger.measured("cold-start", f"sweep {turn}", lambda: ours(ledger.setting, *tiny))["first_step_s"]
        for turn in range(1, NUM_STARTS + 1)
    ]

    def helps() -> Measured:
        with tempfile.TemporaryDirectory() as folder:
            return {"help_s": [command(["-m", "harness.cli", "--help"], folder)[1] for _ in range(NUM_HELPS)]}

    help_s = median(ledger.measured("cold-start", "help", helps)["help_s"])
    return [
        Row(
            what="cold start: `harness --help`",
            target="0.3 s",
            reached=f"**{help_s:.2f} s** at the median of {NUM_HELPS}",
            met=help_s <= 0.3,
        ),
        Row(
            what="cold start: `harness sweep` to the first training step",
            target="6 s",
            reached=f"**{median(first):.1f} s** ({', '.join(f'{value:.1f}' for value in first)})",
            met=median(first) <= 6,
        ),
    ]


def coordinator(ledger: Ledger) -> list[Row]:
    """Trials that do nothing."""

    def measure() -> Measured:
        with tempfile.TemporaryDirectory(prefix="versus-") as folder:
            told, _ = command([ROOT / "benchmarks" / "coordinator.py", "--trials", NUM_NOOPS], folder)
        found: Measured = json.loads(told)
        return found

    found = ledger.measured("coordinator", f"{NUM_NOOPS} no-ops", measure)
    told = "; ".join(
        f"{sample['memory_mib']:.0f} MiB and {sample['files']} files after {sample['trials']:,}"
        for sample in found["samples"]
    )
    first, last = found["samples"][0], found["samples"][-1]
    flat = last["files"] <= first["files"] and last["memory_mib"] <= 2 * first["memory_mib"]
    return [
        Row(
            what=f"coordinator, {NUM_NOOPS:,} no-op trials, random sampler",
            target="at most 25 ms each at the median, memory and file count flat; sampler time stated apart",
            reached=f"**{found['trial_ms']:.1f} ms** at the median (first tenth {found['first_tenth_ms']:.1f}, "
            f"last {found['last_tenth_ms']:.1f}), of which the sampler {found['sampler_ms']:.2f}; {told}",
            met=found["trial_ms"] <= 25 and flat,
        )
    ]


def slots(ledger: Ledger) -> list[Row]:
    """The same trainings on one slot and on two, with all cores each time; nothing is pruned, so the work is equal."""
    given = ["confirm=null", "training.epochs=1", "search.trials=4", "search.sampler=random", "search.pruner.name=none"]
    seconds: dict[int, list[float]] = {1: [], 2: []}
    for turn in (1, 2):
        for count in seconds:
            one = [*given, f"engine.slots_per_device={count}"]
            found = ledger.measured("slots", f"{count} slots, {turn}", partial(ours, ledger.setting, *one))
            seconds[count].append(found["wall_s"])
    ratio = fmean(seconds[1]) / fmean(seconds[2])
    told = {count: " and ".join(f"{value:.1f}" for value in each) for count, each in seconds.items()}
    return [
        Row(
            what="two local slots against one, CPU, same total threads",
            target="never slower",
            reached=f"**{ratio:.2f}x** as fast: {told[2]} s on two, {told[1]} s on one (4 trainings of one epoch)",
            met=ratio >= 1,
        )
    ]
