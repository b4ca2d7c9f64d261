"""What a cell repeats: training steps, scoring as a trial scores, or prediction as an exported model predicts.

Training is `harness.training.loop.Trainer` itself with time marks, not a copy of it.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import cycle, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch

from harness.benchmark.memory import release_memory
from harness.benchmark.timing import Marks, StepCost
from harness.data.batch import evaluation_batches
from harness.data.encoded import Encoded
from harness.data.prepared import PreparedData
from harness.errors import DataError
from harness.spec.trial import TrialConfig
from harness.tasks import task_of
from harness.tasks.base import Task
from harness.tasks.encode import encoded
from harness.tasks.models import load_saved
from harness.training import device as devices
from harness.training.clock import Clock, Part
from harness.training.evaluate import predict, to_device
from harness.training.host import Host
from harness.training.loop import WARMUP_STEPS, Trainer
from harness.training.model import tune_for, write_model
from harness.training.optimiser import entry_of
from harness.training.plain import Forward
from harness.training.weights import DTYPES, cast_model

if TYPE_CHECKING:
    from transformers import PreTrainedModel

__all__ = ["UNTIMED", "Evaluating", "Predicting", "Training", "Workload"]

#: The loop leaves these first steps of each start out of its throughput; so does a cell.
UNTIMED = WARMUP_STEPS


class Workload(Protocol):
    """The work of a cell, done step by step."""

    precision: str
    #: The numbers that the optimiser keeps of each weight; None where nothing is trained.
    moments: int | None

    @property
    def micro_batch_size(self) -> int:
        """Rows that go through the model at once; less than a batch where memory ran out."""

    @property
    def model(self) -> PreTrainedModel:
        """The model that computes."""

    @property
    def lengths(self) -> np.ndarray:
        """Real tokens of every row [rows]."""

    def run(self, steps: int) -> list[StepCost]:
        """Makes `steps` steps, continuing from the last one."""

    def rewind(self) -> None:
        """Goes back to the first batch, so that repeats see the same ones."""

    def once(self, rows: int) -> tuple[Any, np.ndarray]:
        """Returns a function that does one step's products for the first `rows` rows, and their padded lengths."""


class MarkingClock(Clock):
    """A clock that also sets a time mark whenever the loop begins another part."""

    def __init__(self, marks: Marks) -> None:
        super().__init__()
        self._marks = marks

    def go(self, part: Part) -> None:
        super().go(part)
        self._marks.mark(part)


class _MarkedTrainer(Trainer):
    """A trainer that records which rows it trains on, and when forward, backward and optimiser begin.

    What it relies on in `harness.training.loop` beyond its public names: `train_to` goes on from `step`, which may be
    set back; it calls its clock with "data" before each batch and after the last, and with "step" before the forward
    pass; a step calls `_backward(rows)` once for its rows (again when memory ran out), which calls
    `_forward(inputs, is_full)` for each micro-batch, and at the end comes `_update()`.
    """

    def __init__(self, config: TrialConfig, data: PreparedData, host: Host, device: torch.device) -> None:
        self.marks = Marks(device)
        self.batches: list[np.ndarray] = []
        super().__init__(config, data, host, device, MarkingClock(self.marks))

    def _backward(self, rows: np.ndarray) -> tuple[torch.Tensor, int]:
        self.batches.append(rows)
        return super()._backward(rows)

    def _forward(self, inputs: dict[str, torch.Tensor], is_full: bool) -> Any:
        self.marks.mark("forward")
        output = super()._forward(inputs, is_full)
        self.marks.mark("backward")
        return output

    def _update(self) -> None:
        self.marks.mark("optimiser")
        super()._update()


class Training:
    """Training steps of a trial."""

    def __init__(self, config: TrialConfig, data: PreparedData, host: Host, device: torch.device) -> None:
        self.precision: str = config.training.precision
        self.moments: int | None = entry_of(config.training).moments
        self._random = devices.RandomState(config.training.seed, device)
        with self._random.active():
            self._trainer = _MarkedTrainer(config, data, host, device)

    @property
    def model(self) -> PreTrainedModel:
        """The model under training."""
        return self._trainer.model

    @property
    def lengths(self) -> np.ndarray:
        """The tokens of each training example [examples]."""
        return np.asarray(self._trainer.splits.lengths)

    @property
    def micro_batch_size(self) -> int:
        """The rows of a micro-batch."""
        return self._trainer.micro_batch_size

    def rewind(self) -> None:
        """Puts the training back to step 0."""
        self._trainer.step = 0

    def run(self, steps: int) -> list[StepCost]:
        trainer = self._trainer
        trainer.marks.clear()
        trainer.batches.clear()
        before = trainer.micro_batch_size
        with self._random.active():
            trainer.train_to(trainer.step + steps)
        step_parts = list(self._steps())
        if trainer.micro_batch_size != before or len(trainer.batches) != len(step_parts):
            return self.run(steps)  # a step was repeated in smaller micro-batches: the times are not those of the cell
        lengths = np.asarray(trainer.splits.train.examples.lengths)
        return [
            StepCost(seconds=sum(parts.values()), lengths=lengths[rows], parts=parts)
            for parts, rows in zip(step_parts, trainer.batches, strict=True)
        ]

    def _steps(self) -> Iterator[dict[str, float]]:
        """Yields the seconds of each step by part; fetching, collating and copying to the device are data."""
        parts: dict[str, float] = {}
        previous = ""
        for name, seconds in self._trainer.marks.spans():
            if name == "data" and previous not in ("", "data"):
                yield parts
                parts = {}
            previous = name
            key = "data" if name == "step" else name
            parts[key] = parts.get(key, 0.0) + seconds
        if previous not in ("", "data"):
            yield parts

    def once(self, rows: int) -> tuple[Any, np.ndarray]:
        """See `Workload`. The gradients are freed, so training goes on unchanged."""
        trainer = self._trainer
        chosen = trainer.splits.train.rows[:rows]
        lengths = np.asarray(trainer.splits.train.examples.lengths)[chosen]

        def step() -> None:
            forward, trainer.forward = trainer.forward, Forward(trainer.model)  # products in a graph cannot be counted
            with self._random.active():
                Trainer._backward(trainer, chosen)
            trainer.weights.forget_gradients()
            trainer.forward = forward

        return step, np.full(len(chosen), int(lengths.max()))

    def fits(self, batch_size: int) -> bool:
        """Whether a batch of the longest rows can be trained in one micro-batch."""
        trainer = self._trainer
        longest = trainer.splits.train.rows[np.argsort(-trainer.splits.lengths, kind="stable")[:batch_size]]
        trainer.micro_batch_size = batch_size
        try:
            with self._random.active():
                Trainer._backward(trainer, longest)
                trainer._update()
            return True
        except RuntimeError as error:
            if not devices.is_out_of_memory(error):
                raise
        trainer.weights.forget_gradients()
        devices.empty_cache(trainer.device)
        return False


class _Scoring:
    """Scores batches of a fixed number of rows, made by length, again and again."""

    moments: int | None = None

    def __init__(self, examples: Encoded, batch_size: int) -> None:
        self._lengths = np.asarray(examples.lengths)
        if len(self._lengths) < batch_size:
            raise DataError(f"there are {len(self._lengths)} rows to score, less than one batch of {batch_size}")
        self._batches = evaluation_batches(self._lengths, max_positions=2**62, max_rows=batch_size)
        if len(self._batches) > 1 and len(self._batches[-1]) < batch_size:
            self._batches.pop()
        # Sorted batches would go from short to long; a sample of them must not.
        order = np.random.default_rng(0).permutation(len(self._batches))
        self._batches = [self._batches[at] for at in order]
        self.micro_batch_size = batch_size
        self.rewind()

    @property
    def lengths(self) -> np.ndarray:
        return self._lengths

    def rewind(self) -> None:
        self._next = cycle(self._batches)

    def run(self, steps: int) -> list[StepCost]:
        batches = list(islice(self._next, steps))
        encode_s = self._encode(np.concatenate(batches))
        return [self._step(rows, encode_s * len(rows)) for rows in batches]

    def _step(self, rows: np.ndarray, encode_s: float) -> StepCost:
        start = time.perf_counter()
        self._score(rows)
        forward_s = time.perf_counter() - start
        parts = {"forward": forward_s} | ({"encode": encode_s} if encode_s else {})
        return StepCost(seconds=forward_s + encode_s, lengths=self._lengths[rows], parts=parts)

    def _encode(self, rows: np.ndarray) -> float:
        """Does the work before the model for all steps at once; returns seconds a row, 0 where there is none."""
        return 0.0

    def _score(self, rows: np.ndarray) -> None:
        raise NotImplementedError


class Evaluating(_Scoring):
    """Validation rows through the model of a trial under training, in its precision."""

    def __init__(self, config: TrialConfig, data: PreparedData, host: Host, device: torch.device) -> None:
        self._training = Training(config, data, host, device)
        self._trainer = self._training._trainer
        self.precision: str = config.training.precision
        super().__init__(self._trainer.splits.validation.examples, config.training.batch_size)

    @property
    def model(self) -> PreTrainedModel:
        """The model of the trial."""
        return self._trainer.model

    def _score(self, rows: np.ndarray) -> None:
        trainer = self._trainer
        predict(trainer.model, trainer.task, trainer.splits.validation.examples, rows, trainer.device, may_split=False)

    def once(self, rows: int) -> tuple[Any, np.ndarray]:
        trainer = self._trainer
        return _forward(trainer.model, trainer.task, trainer.splits.validation.examples, rows, trainer.device)


class Predicting(_Scoring):
    """Raw rows through an exported model: its tokenizer or image processor, then its weights; as `harness predict`."""

    def __init__(self, config: TrialConfig, data: PreparedData, host: Host, device: torch.device, folder: Path) -> None:
        """`folder` is where the model is exported to."""
        _export(config, data, host, device, folder)
        release_memory(device)
        self._config, self._folder, self._device = config, folder, device
        self._task = task_of(config.task)
        self._model = load_saved(folder, self._task.auto)
        tune_for(self._model, device)
        self.precision: str = config.training.precision
        cast_model(self._model.to(device), DTYPES[self.precision])
        self._model.eval()
        frame = data.frame("validation")
        self._rows = [{str(key): value for key, value in row.items()} for row in frame.to_dict("records")]
        self._encoded = encoded(data, config, "validation")
        super().__init__(self._encoded, config.training.batch_size)
        self._load_s = min(self._timed_inputs(np.arange(1)) for _ in range(2))

    @property
    def model(self) -> PreTrainedModel:
        """The exported model."""
        return self._model

    def _timed_inputs(self, rows: np.ndarray) -> float:
        start = time.perf_counter()
        length, steps = self._config.data.max_length, self._config.data.preprocess
        self._task.predict_inputs([self._rows[row] for row in rows], self._folder, length, steps)
        return time.perf_counter() - start

    def _encode(self, rows: np.ndarray) -> float:
        # Every call loads the tokenizer, which a prediction does once: that is start-up, not work a row.
        row_of = self._encoded.row_of
        read = rows if row_of is None else np.unique(row_of[rows])
        return max(0.0, self._timed_inputs(read) - self._load_s) / int(self._encoded.num_examples(read).sum())

    def _score(self, rows: np.ndarray) -> None:
        predict(self._model, self._task, self._encoded, rows, self._device, may_split=False)

    def once(self, rows: int) -> tuple[Any, np.ndarray]:
        return _forward(self._model, self._task, self._encoded, rows, self._device)


def _export(config: TrialConfig, data: PreparedData, host: Host, device: torch.device, folder: Path) -> None:
    training = Training(config, data, host, device)
    trainer = training._trainer
    write_model(trainer.model, trainer.weights, trainer.compact, trainer.optimiser.decay, folder)
    task_of(config.task).write_processor(config, data, folder)


def _forward(
    model: PreTrainedModel, task: Task, examples: Encoded, rows: int, device: torch.device
) -> tuple[Any, np.ndarray]:
    chosen = np.arange(min(rows, len(examples)))
    inputs = to_device(task.collate(examples, chosen), model, device)
    length = int(np.asarray(examples.lengths)[chosen].max())

    def step() -> None:
        # Not inference mode: there torch's counter does not see products that it has not taken apart.
        with torch.no_grad():
            model(**inputs)

    return step, np.full(len(chosen), length)
