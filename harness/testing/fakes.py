"""A fake trial that takes milliseconds and needs no torch, and the diary that it writes for tests."""

from __future__ import annotations

import errno
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from harness.errors import CheckpointError, DataError, FailReason, TrialFailure
from harness.records.patience import is_out_of_patience
from harness.records.precision import PrecisionChoice, device_kind
from harness.records.schema import Progress, Usage
from harness.spec.trial import TrialConfig, TrialData, TrialModel, TrialTraining
from harness.training.host import Host

__all__ = [
    "TOTAL_STEPS",
    "TRIAL",
    "FakePausedTrial",
    "OutOfMemoryError",
    "config",
    "diary",
    "evaluation",
    "measure_precision",
    "misbehave",
    "note",
    "precision_of",
    "run_trial",
    "wait_for",
]

TOTAL_STEPS = 8
#: The trial function as engines take it.
TRIAL = "harness.testing.fakes:run_trial"


def config(number: int, behave: str = "fine", *, evaluate_at: tuple[float, ...] = (0.25, 0.5, 1.0)) -> TrialConfig:
    """A trial that behaves as named after its first evaluation; its learning rate decides how good it is."""
    return TrialConfig(
        number=number,
        task="text-classification",
        params={"learning_rate": 10.0 ** -(number % 5 + 1), "behave": behave},
        data=TrialData(),
        model=TrialModel(checkpoint="none"),
        training=TrialTraining(
            learning_rate=10.0 ** -(number % 5 + 1),
            batch_size=8,
            epochs=1.0,
            weight_decay=0.0,
            warmup_fraction=0.0,
            schedule="linear",
            precision="fp32",
            max_grad_norm=None,
            accumulation_steps=1,
            seed=number,
        ),
        evaluate_at=evaluate_at,
        validation_rows=(None,) * len(evaluate_at),
        objectives=("accuracy",),
    )


def note(data: str, line: str) -> None:
    """Appends a line to the file `diary` in the folder `data`, which all processes share.

    A line is one write, so that lines of several processes do not mix.
    """
    descriptor = os.open(Path(data) / "diary", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.write(descriptor, f"{line}\n".encode())
    os.close(descriptor)


def diary(data: str, word: str) -> list[list[str]]:
    """The diary's lines that start with `word`, each as the list of its further words."""
    path = Path(data) / "diary"
    lines = path.read_text().splitlines() if path.exists() else []
    return [line.split()[1:] for line in lines if line.split()[0] == word]


def wait_for(data: str, line: str) -> None:
    """Waits until another trial has written a line that begins with `line`, and a moment more for the coordinator.

    Raises:
        TimeoutError: no trial wrote it within 20 s.
    """
    word, *rest = line.split()
    end = time.monotonic() + 20
    while rest not in [words[: len(rest)] for words in diary(data, word)]:
        if time.monotonic() > end:
            raise TimeoutError(f"no trial wrote {line!r}")
        time.sleep(0.005)
    time.sleep(0.1)


class FakePausedTrial:
    """A paused fake trial, whose state is a few numbers."""

    memory_bytes = 1000

    def __init__(self, progress: Progress, state: dict[str, Any], history: list[Progress]) -> None:
        self.progress = progress
        self._state = state
        self._history = history

    def save(self, folder: Path) -> None:
        """Writes the loss to model.json; raises as on a full disk for a trial that behaves as "full"."""
        if self._state["behave"] == "full":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        (folder / "model.json").write_text(json.dumps(self._state["loss"]))

    def snapshot(self, folder: Path) -> None:
        """Writes state.json and history.json."""
        (folder / "state.json").write_text(json.dumps(self._state))
        (folder / "history.json").write_text(json.dumps([row.model_dump(mode="json") for row in self._history]))


def run_trial(config: TrialConfig, data: str, host: Host, resume: Path | None = None) -> Iterator[FakePausedTrial]:
    """Runs eight steps; the loss is a random walk from the seed, scaled by the learning rate."""
    behave = str(config.params.get("behave", "fine"))
    if behave == "refused":
        raise CheckpointError("model.freeze: 13 layers cannot be frozen: the model has 6")
    generator = random.Random(config.training.seed)
    state: dict[str, Any] = {"step": 0, "loss": 1.0, "behave": behave}
    history: list[Progress] = []
    if resume is not None:
        state = json.loads((resume / "state.json").read_text())
        history = [Progress.model_validate(row) for row in json.loads((resume / "history.json").read_text())]
        version, internal, gauss = state.pop("random")
        generator.setstate((version, tuple(internal), gauss))
        note(data, f"resume {config.number} {state['step']}")
    host.cache["trials"] = host.cache.get("trials", 0) + 1
    note(data, f"start {config.number} {os.getpid()} {host.cache['trials']} {host.place.slot}")
    try:
        for fraction in config.evaluate_at:
            end = round(fraction * TOTAL_STEPS)
            if end <= state["step"]:
                continue
            while state["step"] < end:
                state["step"] += 1
                gain = generator.random() * config.training.learning_rate
                state["loss"] -= 0 if behave == "no better" and history else gain
                note(data, f"step {config.number} {state['step']}")
            if history:
                misbehave(behave, data)
            if behave == "slow":
                time.sleep(0.2)
            if behave.startswith("after "):
                lines = behave.removeprefix("after ").split(", ")
                wait_for(data, lines[min(len(history), len(lines) - 1)])
            threads = dict(config.threads).get(end) or host.lent_threads or host.place.threads
            history.append(evaluation(config.number, state).model_copy(update={"threads": threads}))
            history[-1] = history[-1].model_copy(update={"precision": precision_of(config, host)})
            if "peak_memory_mib" in config.params:
                history[-1].metrics["peak_memory_mib"] = float(str(config.params["peak_memory_mib"]))
            if is_out_of_patience(history, config, history[-1].num_rows):
                history[-1] = history[-1].model_copy(update={"out_of_patience": True})
            state["random"] = generator.getstate()
            note(data, f"evaluated {config.number} {end}")
            note(data, f"threads {config.number} {threads}")
            yield FakePausedTrial(history[-1], state, history)
            if history[-1].done:
                return
    finally:
        note(data, f"closed {config.number}")


def precision_of(config: TrialConfig, host: Host) -> str:
    """Returns the trial's precision; for `auto` that of its host."""
    precision = config.training.precision
    return host.precision.precision if precision == "auto" and host.precision is not None else precision


def measure_precision(config: TrialConfig, data: str, host: Host) -> PrecisionChoice:
    """Returns bf16, and notes the call in the diary."""
    note(data, f"measured {config.number}")
    if config.params["behave"] == "cannot be measured":
        raise CheckpointError("no such model")
    device, name, threads = device_kind(host.place)
    gflops = {"fp32": 1.0, "bf16": 3.0}
    return PrecisionChoice(device=device, device_name=name, threads=threads, precision="bf16", gflops=gflops)


def evaluation(number: int, state: dict[str, Any]) -> Progress:
    """Returns what a trial reports at `state["step"]`: accuracy is 1 - loss / 2."""
    metrics = {"accuracy": 1 - state["loss"] / 2, "log_loss": float("nan")}
    step = state["step"]
    return Progress(
        number=number,
        step=step,
        total_steps=TOTAL_STEPS,
        epoch=step / TOTAL_STEPS,
        num_rows=10_000,
        metrics=metrics,
        train_loss=state["loss"],
        usage=Usage(elapsed_s=step),
    )


class OutOfMemoryError(RuntimeError):
    """An error with the name of torch's."""


def misbehave(behave: str, data: str) -> None:
    """Fails, hangs or dies in the way that `behave` names."""
    match behave:
        case "nan":
            raise TrialFailure(FailReason.NAN, "the loss is not finite")
        case "oom":
            raise OutOfMemoryError("CUDA out of memory")
        case "data":
            raise DataError("no rows")
        case "disk":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        case "crash":
            sys.stdout.write("what the trial printed\n")
            raise ValueError("broken <here>\nsecond line")
        case "exit":
            sys.exit(3)
        case "device":
            raise RuntimeError("CUDA error: device-side assert triggered")
        case "sleep":
            note(data, f"asleep {os.getpid()}")
            time.sleep(100)
        case "busy":
            note(data, f"asleep {os.getpid()}")
            sum(range(10**13))  # one C call that keeps the interpreter's lock
        case "child":
            child = subprocess.Popen(["sleep", "100"])
            note(data, f"asleep {os.getpid()} {child.pid}")
            time.sleep(100)
        case "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        case "killed once":
            if len(diary(data, "start")) == 1:
                os.kill(os.getpid(), signal.SIGKILL)
        case "segfault":
            os.kill(os.getpid(), signal.SIGSEGV)
