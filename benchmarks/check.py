"""Did anything get slower? A run of the benchmarks against the committed baseline, as ratios to a reference operation.

Usage: python benchmarks/check.py RUN.json [--factor 1.6] [--update]

RUN.json is what `pytest benchmarks --benchmark-json=RUN.json` wrote. Each figure is divided by a
matrix product of the same run (`test_reference`, in bf16 `test_reference_bf16`), so that a faster or slower machine
raises no alarm. A machine with a baseline file of its own is held to it; any other one to the first file, with twice
the factor. Exit 1: something is slower, or gone.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from harness.machine import resources

__all__ = ["Baseline", "Verdict", "compare", "ratios", "verdicts_text"]

HERE = Path(__file__).parent
REFERENCE, REFERENCE_BF16 = "test_reference", "test_reference_bf16"
FACTOR = 1.6


@dataclass(frozen=True, slots=True)
class Verdict:
    """One benchmark: what it takes in reference operations, now and in the baseline; None where there is none.

    `strict`: the baseline is of this hardware, so that what it has must be measured here too.
    """

    name: str
    now: float | None
    before: float | None
    factor: float
    strict: bool

    @property
    def slower(self) -> bool:
        return self.now is not None and self.before is not None and self.now > self.before * self.factor

    @property
    def missing(self) -> bool:
        """In the baseline, and not measured: a benchmark that is gone checks nothing."""
        return self.now is None and self.strict


@dataclass(frozen=True, slots=True)
class Baseline:
    """A committed file."""

    hardware: str
    ratios: dict[str, float]


def ratios(run: dict[str, Any]) -> dict[str, float]:
    """Each benchmark's fastest round over the reference's; the fastest, because other processes only make it slower.

    What says in its name that it is in bf16 has the reference in bf16, where that was measured.

    Raises:
        ValueError: the reference was not measured.
    """
    fastest = {each["name"]: float(each["stats"]["min"]) for each in run["benchmarks"]}
    if REFERENCE not in fastest:
        raise ValueError(f"{REFERENCE} is not among the benchmarks: there is nothing to divide by")
    fp32 = fastest.pop(REFERENCE)
    bf16 = fastest.pop(REFERENCE_BF16, fp32)
    return {name: seconds / (bf16 if "bf16" in name else fp32) for name, seconds in fastest.items()}


def compare(now: dict[str, float], baseline: Baseline, hardware: str, factor: float) -> list[Verdict]:
    """A verdict for each benchmark of either side."""
    same = hardware == baseline.hardware
    names = sorted({*now, *baseline.ratios})
    return [
        Verdict(name, now.get(name), baseline.ratios.get(name), factor if same else 2 * factor, same) for name in names
    ]


def verdicts_text(verdicts: list[Verdict], baseline: Baseline, hardware: str) -> str:
    """A line each, and what they were compared with."""
    width = max(len(each.name) for each in verdicts)
    lines = [f"in reference operations, this machine ({hardware}) against the baseline of {baseline.hardware}:"]
    for each in verdicts:
        now, before = ("-" if value is None else f"{value:.4g}" for value in (each.now, each.before))
        change = f"{each.now / each.before:.2f}x" if each.now and each.before else ""
        word = f"SLOWER than {each.factor:g}x" if each.slower else "NOT MEASURED" if each.missing else ""
        word = word or ("new" if each.before is None else "")
        lines.append(f"  {each.name:<{width}} {now:>10} {before:>10} {change:>7}  {word}".rstrip())
    return "\n".join(lines)


def hardware_name() -> str:
    """The processor and its cores, as a part of a file name: epyc-2core."""
    words = re.findall(r"[a-z0-9]+", resources.processor_name().lower())
    known = [word for word in words if word not in ("amd", "intel", "r", "tm", "cpu", "processor")]
    return f"{'-'.join(known[:3]) or 'unknown'}-{resources.cores()}core"


def load_baseline(hardware: str) -> Baseline | None:
    """The file of this hardware, else the first; None when none is committed."""
    files = sorted(HERE.glob("baseline_*.json"))
    own = HERE / f"baseline_{hardware}.json"
    if not files:
        return None
    document = json.loads((own if own in files else files[0]).read_text(encoding="utf-8"))
    return Baseline(document["hardware"], document["ratios"])


def write_baseline(hardware: str, found: dict[str, float]) -> Path:
    """Writes this machine's file."""
    path = HERE / f"baseline_{hardware}.json"
    document = {
        "hardware": hardware,
        "date": date.today().isoformat(),
        "ratios": {name: float(f"{value:.4g}") for name, value in sorted(found.items())},
    }
    path.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    return path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="JSON of pytest-benchmark")
    parser.add_argument("--factor", type=float, default=FACTOR, help="slower than this is an error")
    parser.add_argument("--update", action="store_true", help="write this machine's baseline instead")
    asked = parser.parse_args()
    found, hardware = ratios(json.loads(asked.run.read_text(encoding="utf-8"))), hardware_name()
    if asked.update:
        print(f"wrote {write_baseline(hardware, found)}")
        return
    baseline = load_baseline(hardware)
    if baseline is None:
        sys.exit("no baseline is committed: run with --update")
    verdicts = compare(found, baseline, hardware, asked.factor)
    print(verdicts_text(verdicts, baseline, hardware))
    if any(each.slower or each.missing for each in verdicts):
        sys.exit(1)


if __name__ == "__main__":
    main()
