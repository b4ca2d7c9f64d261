"""Makes the run folders of tests/kept: runs of an old version of the code, which later ones must read and continue.

Usage: python benchmarks/make_kept_runs.py (as root on Linux, where nothing lies in /home/user; some minutes)

They are never made again with later code: then they would prove nothing. That is why the code that runs is a clone at
`COMMIT`, whatever this working tree holds. It works in /home/user on a host called `machine`, so that no record names
another path or host; only the kernel's name and the numbers of processes are replaced afterwards.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

COMMIT = "85af8332e6c1dd00c99727c76d6e8f5d730bcc18"
REPOSITORY = Path(__file__).resolve().parents[1]
KEPT = REPOSITORY / "tests" / "kept"
HOME = Path("/home/user")
PROJECT, STUDIES = HOME / "project", HOME / "studies"
#: More than any process can have on Linux, so that nobody seems to be at work on a kept run.
NO_PROCESS = 2**22 + 1
DEEP = {"hidden_size": 16, "num_hidden_layers": 3, "num_attention_heads": 2, "intermediate_size": 32}
WIDE = {"hidden_size": 24, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 48}
#: How often a run may be begun again that was stopped too late.
TRIES = 20


def main() -> None:
    if HOME.exists():
        sys.exit(f"{HOME} is there already; these runs are made where it is not")
    try:
        prepare()
        finish("finished")
        keep("finished")
        (KEPT / "finished_results.json").write_text(results("finished"), encoding="utf-8")
        stop("stopped", signal.SIGKILL, in_its_last_rung)
        stop("stopped_early", signal.SIGINT, in_the_middle)
        for name in ("stopped", "stopped_early"):
            keep(name)
            finish(name)
        continued = {name: outcome(name) for name in ("stopped", "stopped_early")}
        (KEPT / "continued.json").write_text(json.dumps(continued, indent=1) + "\n", encoding="utf-8")
        replace(STUDIES / "checkpoints", KEPT / "checkpoints")
    finally:
        shutil.rmtree(HOME, ignore_errors=True)


def replace(source: Path, target: Path) -> None:
    """Copies a folder over another one."""
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(source, target)


def prepare() -> None:
    """Puts the code, the studies and their checkpoints in place."""
    subprocess.run(["git", "clone", "--quiet", "--no-checkout", str(REPOSITORY), str(PROJECT)], check=True)
    subprocess.run(["git", "checkout", "--quiet", COMMIT], cwd=PROJECT, check=True)
    STUDIES.mkdir()
    for study in KEPT.glob("*.yaml"):
        shutil.copy(study, STUDIES)
    for name, size in {"deep": DEEP, "wide": WIDE}.items():
        make_checkpoint(STUDIES / "checkpoints" / name, size)


def make_checkpoint(folder: Path, size: dict[str, int]) -> None:
    """Writes a ViT of random weights for the digits."""
    import torch
    from transformers import ViTConfig, ViTForImageClassification

    torch.manual_seed(0)
    config: dict[str, Any] = {"image_size": 8, "patch_size": 2, "num_channels": 1, "num_labels": 10, **size}
    ViTForImageClassification(ViTConfig(**config)).save_pretrained(folder)


def harness(*arguments: str, **options: Any) -> subprocess.Popen[str]:
    """Starts a command on a host called `machine`; the process that it returns is the command itself."""
    command = [sys.executable, "-m", "harness.cli", *arguments]
    named = ["unshare", "--uts", "sh", "-c", 'hostname machine && exec "$@"', "sh", *command]
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("HARNESS_", "XDG_"))}
    environment |= {"HOME": str(HOME), "PYTHONPATH": str(PROJECT), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.Popen(named, cwd=PROJECT, env=environment, text=True, **options)


def sweep(name: str) -> subprocess.Popen[str]:
    """Starts a study, or continues it."""
    return harness("sweep", f"../studies/{name}.yaml")


def finish(name: str) -> None:
    """Runs a study to its end."""
    if sweep(name).wait() != 0:
        sys.exit(f"{name} failed")


def results(name: str) -> str:
    """What `harness results --json` prints of a run."""
    return harness("results", f"runs/{name}", "--json", stdout=subprocess.PIPE).communicate()[0]


def outcome(name: str) -> dict[str, Any]:
    """By trial its params, and its log loss on validation by step."""
    return {
        str(trial["number"]): {
            "params": trial["params"],
            "log_loss": {str(row["step"]): row["log_loss"] for row in trial["history"]},
        }
        for trial in json.loads(results(name))["trials"]
    }


def keep(name: str) -> None:
    """Copies a run to where it is kept."""
    replace(PROJECT / "runs" / name, KEPT / name)
    neutralise(KEPT / name)


def stop(name: str, how: signal.Signals, wanted: Callable[[Path, Counter[str]], bool]) -> None:
    """Runs a study and stops it in a wanted state; begins again where that was missed."""
    run = PROJECT / "runs" / name
    for _ in range(TRIES):
        shutil.rmtree(run, ignore_errors=True)
        process = sweep(name)
        while process.poll() is None and not wanted(run, states(run)):
            time.sleep(0.01)
        process.send_signal(how)
        process.wait()
        time.sleep(2)  # its workers end after it
        if wanted(run, states(run)):
            return
    sys.exit(f"{name} was never stopped in the wanted state")


def states(run: Path) -> Counter[str]:
    """How many trials of the search are in each state."""
    query = "select state, count(*) from trials join studies using (study_id) where study_name = ? group by state"
    try:
        with closing(sqlite3.connect(f"file:{run / 'study.db'}?mode=ro", uri=True)) as database:
            return Counter(dict(database.execute(query, (run.name,)).fetchall()))
    except sqlite3.Error:
        return Counter()  # it is being made


def in_its_last_rung(run: Path, found: Counter[str]) -> bool:
    """All have begun, some have ended in each way, and of those that go on one has a snapshot."""
    snapshots = len(list(run.glob("trials/*/snapshot/state.safetensors")))
    return found["COMPLETE"] == 1 and found["PRUNED"] > 0 and found["RUNNING"] > 1 and snapshots > 0


def in_the_middle(run: Path, found: Counter[str]) -> bool:
    """Some have ended in each way, some are running, and some have not begun."""
    return found["COMPLETE"] > 0 and found["PRUNED"] > 0 and found["RUNNING"] > 0 and found.total() <= 5


def neutralise(run: Path) -> None:
    """Takes out what is this machine's alone, and leaves one database file."""
    with closing(sqlite3.connect(run / "study.db")) as database:
        database.execute("pragma wal_checkpoint(truncate)")
        database.execute("vacuum")
    edit(run / "manifest.json", lambda found: found["machine"].update(platform="Linux-x86_64"))
    for path in (run / "live.json", run / "lock"):
        edit(path, lambda found: found.update(pid=NO_PROCESS))
    for log in (*run.rglob("*.txt"), *run.rglob("*.log")):
        text = log.read_text(encoding="utf-8")
        log.write_text(text.replace(sys.prefix, str(HOME / "venv")), encoding="utf-8")


def edit(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Changes a JSON file, if it is there."""
    if path.exists():
        found = json.loads(path.read_text(encoding="utf-8"))
        change(found)
        path.write_text(json.dumps(found, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
