"""The two sides, each run as its user would: a fresh process, a folder of its own, nothing cached from before."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from peers.tables import read_tables

from harness.data.checkpoints import resolve
from harness.records.results import Results, load
from harness.records.schema import TrialRecord
from versus.ledger import Measured, Setting

__all__ = ["ROOT", "command", "ours", "peer", "unpruned"]

ROOT = Path(__file__).resolve().parents[2]
STUDY = ROOT / "studies" / "trec6.yaml"
PEERS = ROOT / "benchmarks" / "peers"


def command(arguments: Sequence[object], folder: str) -> tuple[str, float]:
    """What `python ARGUMENTS` prints, and the seconds it took."""
    environment = os.environ | {
        "PYTHONPATH": str(ROOT),
        "HARNESS_CACHE": f"{folder}/cache",
        "HF_HUB_OFFLINE": "1",
        "COLUMNS": "120",
    }
    before = time.perf_counter()
    done = subprocess.run(
        [sys.executable, *map(str, arguments)],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    seconds = time.perf_counter() - before
    if done.returncode:
        raise SystemExit(f"error: {' '.join(map(str, arguments))} ended with {done.returncode}:\n{done.stdout[-3000:]}")
    return done.stdout, seconds


def _drawn(data: str, rows: int, folder: Path) -> list[str]:
    """Overrides for the rows that the peer draws, written into `folder`."""
    folder.mkdir()
    tables = read_tables(Path(data), rows)
    for name, frame in (("train", tables.train), ("validation", tables.valid), ("test", tables.test)):
        frame.to_csv(folder / f"{name}.csv", index=False)
    return [f"data.path={folder}"]


def unpruned(learning_rate: float, batch_size: int) -> list[str]:
    """Overrides for one training of a fixed recipe."""
    return [
        "search.trials=1",
        "search.pruner.name=none",
        f"training.learning_rate={learning_rate}",
        f"training.batch_size={batch_size}",
    ]


def ours(setting: Setting, *overrides: str, data: str | None = None, rows: int | None = None) -> Measured:
    """`harness sweep` on the setting's job, with `overrides`, and what of its records the parts need.

    It gets the rows that the peer draws, unless `overrides` say how to split.
    """
    data, rows = str(Path(data or setting.data).resolve()), rows or setting.rows
    own_split = any(each.startswith("data.split.") for each in overrides)
    usual = [
        "name=versus",
        f"model.checkpoint={setting.checkpoint}",
        f"training.epochs={setting.epochs}",
        f"search.trials={setting.trials}",
    ]
    with tempfile.TemporaryDirectory(prefix="versus-") as folder:
        table = [f"data.path={data}", f"data.train_rows={rows}"]
        usual += table if own_split else _drawn(data, rows, Path(folder) / "data")
        began = time.time()
        # Of two values for a key the last one counts.
        values = dict(each.split("=", 1) for each in (*usual, *overrides))
        given = [f"{key}={value}" for key, value in values.items()]
        _, wall_s = command(["-m", "harness.cli", "sweep", STUDY, *given, "--profile"], folder)
        run = Path(folder) / "runs" / "versus"
        profile = json.loads((run / "profile.json").read_text(encoding="utf-8"))
        return {"wall_s": wall_s, "overrides": list(overrides), "profile": profile} | _extract(load(run), began)


def _extract(results: Results, began: float) -> dict[str, Any]:
    records = [*results.trials, *results.confirm]
    best = results.to_json()["best"]
    started = [record for record in records if record.spans and record.history]
    return {
        "states": Counter(record.state.value for record in records),
        "params": best["params"],
        "validation_accuracy": best["metrics"]["accuracy"],
        "test_accuracy": best["test"]["accuracy"]["value"],
        "test_interval": [best["test"]["accuracy"]["low"], best["test"]["accuracy"]["high"]],
        "first_step_s": min(record.spans[0].start + record.history[0].usage.start_s for record in started) - began,
        "warm_start_ms": _warm_starts(started),
        "validation_rows": max(progress.num_rows for record in started for progress in record.history),
        "trials": [_trial(record) for record in started],
    }


def _warm_starts(records: Sequence[TrialRecord]) -> list[float]:
    """Milliseconds from when a trial was assigned to its first step; the first trial of each slot is left out."""
    seen: set[int] = set()
    found = []
    for record in sorted(records, key=lambda record: record.spans[0].start):
        first = record.spans[0]
        if first.slot in seen:
            found.append(1000 * (first.start - record.started_at + record.history[0].usage.start_s))
        seen.add(first.slot)
    return found


def _trial(record: TrialRecord) -> dict[str, Any]:
    """Speed over the whole training, its first steps included, evaluation not; and what it came to."""
    usage = record.usage
    seconds = usage.data_s + usage.step_s
    return {
        "kind": record.kind,
        "number": record.number,
        "seed": record.seed,
        "state": record.state.value,
        "samples_per_second": usage.samples / seconds if seconds else 0.0,
        "steady_samples_per_second": usage.samples_per_second,
        "accuracy": record.metrics.get("accuracy"),
        "log_loss": record.metrics.get("log_loss"),
    }


def peer(script: str, setting: Setting, *options: object, data: str | None = None, rows: int | None = None) -> Measured:
    """One of the peers on the setting's job."""
    with tempfile.TemporaryDirectory(prefix="versus-") as folder:
        out = Path(folder) / "result.json"
        where = [Path(data or setting.data).resolve(), resolve(setting.checkpoint).folder]
        given = ["--rows", rows or setting.rows, "--out", out, *options]
        _, wall_s = command([PEERS / script, *where, *given], folder)
        found: Measured = json.loads(out.read_text(encoding="utf-8"))
        return {"wall_s": wall_s} | found
