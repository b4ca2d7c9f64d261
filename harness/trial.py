"""The trial function: a generator that trains, evaluates and pauses after every evaluation.

A trial that is not pulled is paused; one whose generator is closed is stopped, and its memory is freed.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from safetensors import SafetensorError

from harness.data.answers import Answers, read_answers, write_answers
from harness.data.prepared import PreparedData
from harness.errors import HarnessError, RunError
from harness.records.patience import is_out_of_patience
from harness.records.precision import PrecisionChoice
from harness.records.schema import Progress, best_progress
from harness.runtime import trains_plain
from harness.spec.trial import TrialConfig
from harness.training import device as devices
from harness.training.check import check_model
from harness.training.clock import Clock
from harness.training.host import Host
from harness.training.loop import Trainer
from harness.training.model import warm_up, write_model
from harness.training.precision import choose, chosen_precision
from harness.training.snapshot import Best, read_snapshot, write_snapshot
from harness.training.trainable.adapters import is_of_adapter
from harness.training.weights import copies_bytes

__all__ = ["Pause", "check_models", "measure_precision", "release", "run_trial", "warm_up"]


class Trial:
    """A trainer with its history, its best weights and its own random state."""

    def __init__(self, config: TrialConfig, data: PreparedData, host: Host, resume: Path | None) -> None:
        self.clock = Clock(_last_usage(resume))
        self.clock.go("start")
        device = devices.bind(host.place)
        if config.training.precision == "auto":
            begun = _history(resume)[-1].precision if resume is not None else ""  # it may have begun on another device
            config = config.in_precision(begun or chosen_precision(config, data, host).precision)
        self.config = config
        devices.reset_peak_memory(device)
        self.device, self.host = device, host
        self.random = devices.RandomState(config.training.seed, device)
        self.history: list[Progress] = []
        self.best: Best | None = None
        self.best_answers: Answers | None = None
        with self.random.active():
            self.trainer = Trainer(self.config, data, host, device, self.clock)
        if resume is not None:
            self._resume(resume)

    def points(self) -> list[tuple[int, int]]:
        """Returns (evaluation point, step) of the evaluations ahead; of several at one step, that with most rows."""
        at: dict[int, int] = {}
        for point, fraction in enumerate(self.config.evaluate_at):
            at[self.trainer.step_at(fraction)] = point
        return [(point, step) for step, point in at.items() if step > self.trainer.step]

    def advance(self, point: int, step: int) -> Progress:
        """Trains to `step` and evaluates there."""
        threads = dict(self.config.threads).get(step) or self.host.lent_threads or self.host.place.threads
        devices.use_threads(threads)
        with self.random.active():
            self._keep_best()
            self.trainer.train_to(step)
            self.clock.go("evaluation")
            train_loss = self.trainer.take_train_loss()
            outputs, targets = self.trainer.evaluate(point)
            task = self.trainer.task
            outputs = task.decided(outputs, task.tuned(outputs, targets, self.config))
            metrics = task.metrics(outputs, targets)
        self.clock.memory(devices.peak_memory_mib(self.device))
        self.clock.stop()
        usage = self.clock.usage()
        metrics |= {
            "samples_per_second": usage.samples_per_second,
            "tokens_per_second": usage.tokens_per_second,
            "predicted_samples_per_second": usage.predicted_samples_per_second,
            "peak_memory_mib": usage.peak_memory_mib,
        }
        progress = Progress(
            number=self.config.number,
            step=step,
            total_steps=self.trainer.splits.total_steps,
            epoch=step / self.trainer.splits.steps_per_epoch,
            num_rows=len(self.trainer.splits.scored[point]),
            metrics=metrics,
            train_loss=train_loss,
            usage=usage,
            micro_batch_size=self.trainer.micro_batch_size,
            num_parameters=self.num_parameters,
            threads=threads,
            precision=self.config.training.precision,
            plain=trains_plain(),
        )
        self.history.append(progress)
        is_last = point == len(self.config.evaluate_at) - 1 and not progress.done
        if is_last or is_out_of_patience(self.history, self.config, len(self.trainer.splits.scored[-1])):
            progress = self.history[-1] = progress.model_copy(update={"out_of_patience": True})
        if self.best_is_current:
            self.best, self.best_answers = None, Answers(outputs, targets)
        return progress

    @property
    def best_is_current(self) -> bool:
        """True when the last evaluation is the best so far."""
        return best_progress(self.history, self.config) is self.history[-1]

    def _keep_best(self) -> None:
        """Copies the weights before training goes on, when they are the best so far on the full validation split."""
        full = len(self.trainer.splits.scored[-1])
        if self.history and self.best_is_current and self.history[-1].num_rows == full:
            self.best = (self.trainer.weights.copy(), self.trainer.optimiser.decay)

    def save(self, folder: Path) -> None:
        """Writes the model of the best evaluation, and its answers for validation."""
        self.clock.go("saving")
        trainer, current = self.trainer, None
        decay = trainer.optimiser.decay
        if self.best is not None:
            current = trainer.weights.copy()
            best, decay = self.best
            trainer.weights.load(best)
        if self.best_answers is not None:
            tuned = trainer.task.tuned(self.best_answers.outputs, self.best_answers.targets, self.config)
            trainer.model.config.update(tuned)
        write_model(trainer.model, trainer.weights, trainer.compact, decay, folder)
        if current is not None:
            trainer.weights.load(current)
        self._write_best_answers(folder / "validation.npz")
        self.clock.stop()

    def snapshot(self, folder: Path) -> None:
        """Writes all that going on elsewhere needs."""
        self.clock.go("saving")
        folder.mkdir(parents=True, exist_ok=True)
        with devices.CAPTURES:
            write_snapshot(self.trainer, self.random, self.best, folder)
        self._write_best_answers(folder / "best.npz")
        history = [progress.model_dump(mode="json") for progress in self.history]
        (folder / "history.json").write_text(json.dumps(history), encoding="utf-8")
        self.clock.stop()

    def _write_best_answers(self, path: Path) -> None:
        """Writes what the model of the best evaluation said; the folder around the file is synced as a whole."""
        if self.best_answers is not None:
            write_answers(path, {"validation": self.best_answers}, durable=False)

    def _resume(self, folder: Path) -> None:
        try:
            self.best = read_snapshot(self.trainer, self.random, folder)
            self.history = _history(folder)
            if (folder / "best.npz").exists():
                self.best_answers = read_answers(folder / "best.npz", "validation")
        except (OSError, KeyError, ValueError, SafetensorError, RunError) as error:
            raise HarnessError(f"{folder}: the snapshot cannot be read ({error})") from error

    @property
    def num_parameters(self) -> int:
        """The number of parameters of the saved model, words that do not occur here included."""
        named = self.trainer.model.named_parameters()
        trained: int = sum(parameter.numel() for name, parameter in named if not is_of_adapter(name))
        return trained + (self.trainer.compact.num_left_out if self.trainer.compact else 0)

    @property
    def memory_bytes(self) -> int:
        """The bytes of the weights, their copies, the optimiser's state, the best weights and the graphs of steps."""
        model = copies_bytes(self.trainer.model)
        masters = sum(master.numel() * 4 for master in self.trainer.weights.masters)
        kept = self.trainer.optimiser.memory_bytes + self.trainer.forward.memory_bytes
        return model + (2 if self.best else 1) * masters + kept


class Pause:
    """A trial that is paused after an evaluation; valid until the generator is pulled again."""

    def __init__(self, trial: Trial, progress: Progress) -> None:
        self._trial = trial
        self.progress = progress

    def save(self, folder: Path) -> None:
        """Writes config.json, model.safetensors and validation.npz of the best evaluation so far."""
        self._trial.save(folder)

    def snapshot(self, folder: Path) -> None:
        """Writes weights, optimiser, random state, position and history."""
        self._trial.snapshot(folder)

    @property
    def memory_bytes(self) -> int:
        """The memory that the paused trial holds."""
        return self._trial.memory_bytes


def run_trial(config: TrialConfig, data: str, host: Host, resume: Path | None = None) -> Iterator[Pause]:
    """Trains one configuration; yields a `Pause` after every evaluation, the last with `progress.done`.

    The same config, device kind and number of threads give the same losses, alone or among others; on a CPU to the bit.

    Args:
        config: the resolved trial.
        data: folder of prepared data.
        host: the slot's place, and the cache of base weights that outlives the trial.
        resume: folder that `Pause.snapshot` wrote; None starts at step 0.

    Raises:
        TrialFailure: the loss is not finite, or one example does not fit into memory.
        HarnessError: the data, the checkpoint or the snapshot cannot be used.
    """
    trial = Trial(config, PreparedData(Path(data)), host, resume)
    try:
        for point, step in trial.points():
            pause = Pause(trial, trial.advance(point, step))
            yield pause
            if pause.progress.done:
                return
    finally:
        device = trial.device
        trial.trainer.forward.forget()
        del trial
        devices.empty_cache(device)


def check_models(configs: Sequence[TrialConfig], data: str, host: Host) -> None:
    """Checks that the model of each config can be trained on the data.

    Raises:
        HarnessError: one of them cannot; the message says why.
    """
    for config in configs:
        check_model(config, PreparedData(Path(data)), host)


def measure_precision(config: TrialConfig, data: str, host: Host) -> PrecisionChoice:
    """Measures what `precision: auto` means in this slot, with the products of `config`'s model.

    Raises:
        HarnessError: the data or the checkpoint cannot be used.
    """
    return choose(config, PreparedData(Path(data)), host)


def release(host: Host) -> None:
    """Frees device memory that this process only caches, and starts a new peak."""
    device = devices.torch_device(host.place)
    devices.empty_cache(device)
    devices.reset_peak_memory(device)


def _history(folder: Path) -> list[Progress]:
    rows = json.loads((folder / "history.json").read_text(encoding="utf-8"))
    return [Progress.model_validate(row) for row in rows]


def _last_usage(folder: Path | None):  # type: ignore[no-untyped-def]
    history = _history(folder) if folder is not None else []
    return history[-1].usage if history else None
