"""Steady steps of Hugging Face's Trainer with its defaults, at a given batch size, length and precision.

Usage: python benchmarks/peers/trainer_step.py CHECKPOINT --batch-size 32 --length 16,64 --precision fp32,bf16

The texts are those of `harness bench` at that length, so every row has exactly that many tokens. A step is timed from
the end of the one before, so that fetching and collating its batch is in it, as it is in ours.

Needs: pip install '.[peers]'
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from itertools import product
from pathlib import Path
from statistics import median
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from peers.tables import Tables, quiet, say

from harness.benchmark.data import of_length
from harness.benchmark.plan import LEAST_ROWS, bench_study
from harness.data.prepare import prepare

#: Of these first steps no time is taken, nor of any in the first `WARM_SECONDS`.
WARM_STEPS, WARM_SECONDS = 3, 2.0
LEAST_STEPS, MOST_STEPS = 3, 500


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("checkpoint", help="folder of a pretrained model")
    parser.add_argument("--batch-size", type=_numbers, default=(32,))
    parser.add_argument("--length", type=_numbers, default=(16, 64))
    parser.add_argument("--precision", type=lambda text: tuple(text.split(",")), default=("fp32", "bf16"))
    parser.add_argument("--seconds", type=float, default=3.0, help="how long each cell is timed")
    parser.add_argument("--out", type=Path, help="JSON file for the result")
    asked = parser.parse_args()
    quiet()
    cells = product(asked.precision, asked.length, asked.batch_size)
    found = [_cell(asked.checkpoint, size, length, name, asked.seconds) for name, length, size in cells]
    say({"peer": "hf-trainer", "cells": found}, asked.out)


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(map(int, text.split(",")))


def _tables(length: int, batch_size: int) -> Tables:
    """The rows of `harness bench --length LENGTH`."""
    frame = of_length(prepare(bench_study(None)), length, max(LEAST_ROWS, 4 * batch_size)).frame("train")
    frame["label"] = frame["label"].map(str)
    return Tables(train=frame, valid=frame.head(8), test=frame.head(8), labels=tuple(sorted(frame["label"].unique())))


def _cell(checkpoint: str, batch_size: int, length: int, precision: str, seconds: float) -> dict[str, Any]:
    from peers.stopwatch import Stopwatch
    from peers.trainer import Peer

    with tempfile.TemporaryDirectory(prefix="hf-step-") as folder:
        peer = Peer(_tables(length, batch_size), checkpoint, max_length=length, folder=Path(folder), tuned=False)
        recipe = {"per_device_train_batch_size": batch_size, "bf16": precision == "bf16", "fp16": precision == "fp16"}
        trainer = peer.build(10**6, recipe, eval_strategy="no")
        watch = Stopwatch(seconds, warm_steps=WARM_STEPS, warm_s=WARM_SECONDS, least=LEAST_STEPS, most=MOST_STEPS)
        trainer.add_callback(watch)
        trainer.train()
    lengths = {len(ids) for ids in peer.train["input_ids"]}
    if lengths != {length}:
        raise SystemExit(f"the texts are {sorted(lengths)} tokens long, not {length}")
    times = watch.steps_s
    return {
        "batch_size": batch_size,
        "length": length,
        "precision": precision,
        "samples_per_second": batch_size * len(times) / sum(times),
        "step_ms": 1000 * median(times),
        "steps": len(times),
        "attention": trainer.model.config._attn_implementation,
        "optimiser": str(trainer.args.optim),
    }


if __name__ == "__main__":
    main()
