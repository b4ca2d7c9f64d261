"""The training core: one model, one optimiser, one position in the data; trains to a step and evaluates.

Knows nothing of trials, sweeps or engines. Everything that decides the next step is in `Trainer`, so that a
snapshot of it goes on elsewhere as if nothing had happened.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch

from harness.data.batch import num_batches, training_batches
from harness.data.encoded import Arrays, Encoded, Ragged, by_row, file_arrays
from harness.data.prepared import PreparedData
from harness.errors import DataError, FailReason, TrialFailure
from harness.spec.trial import TrialConfig
from harness.tasks import task_of
from harness.tasks.encode import encoded, encoded_folder, training_rows, validation_subset
from harness.training import device as devices
from harness.training.clock import Clock
from harness.training.evaluate import predict, to_device
from harness.training.fast.activations import Rows, skip_frozen
from harness.training.fast.compact import CompactEmbedding
from harness.training.fast.graphs import MULTIPLE, CudaCapture, StepGraphs
from harness.training.fast.residence import resident
from harness.training.host import Host
from harness.training.model import fresh_model
from harness.training.optimiser import Optimiser
from harness.training.weights import DTYPES, FlatWeights

__all__ = ["Trainer"]

#: Steps left out of throughput after each start: allocator, thread pools and kernels settle in them.
WARMUP_STEPS = 2


class Trainer:
    """A model under training. All methods want the trial's random state active."""

    def __init__(self, config: TrialConfig, data: PreparedData, host: Host, device: torch.device, clock: Clock) -> None:
        self.config, self.device, self.clock = config, device, clock
        self.recipe = config.training
        self.task = task_of(config.task)

        def examples(split: str) -> Encoded:
            return resident(encoded(data, config, split), encoded_folder(data, config, split), device, host)

        self.train_data = examples("train")
        self.rows = training_rows(data, config, self.train_data)
        if not len(self.rows):
            raise DataError("the training split has no rows")
        self.lengths = np.asarray(self.train_data.lengths)[self.rows]
        self.validation_data = examples("validation")
        self.validation_rows = [
            np.arange(len(self.validation_data)) if count is None else validation_subset(data, config.task, count)
            for count in config.validation_rows
        ]
        self.model = fresh_model(config, data, host, device, self._words())
        self.compact = next((part for part in self.model.modules() if isinstance(part, CompactEmbedding)), None)
        self.weights = FlatWeights(self.model, DTYPES[self.recipe.precision], host.cache)
        rows = [
            Rows(split="train", examples=self.train_data, rows=self.rows),
            Rows(split="validation", examples=self.validation_data, rows=np.arange(len(self.validation_data))),
        ]
        self.task = skip_frozen(self.task, self.model, config, data, host, rows)
        self.loss = self.task.make_loss(config, data, self.train_data, self.rows, device)
        self.steps_per_epoch = num_batches(len(self.rows), self.recipe.batch_size)
        self.total_steps = max(1, round(self.steps_per_epoch * self.recipe.epochs))
        self.optimiser = Optimiser(self.weights, self.recipe, self.total_steps, device)
        self.step = 0
        self.micro_batch_size = math.ceil(self.recipe.batch_size / self.recipe.accumulation_steps)
        self.graphs: StepGraphs | None = None
        if self.recipe.step_graphs and devices.has_step_graphs(device):
            self.graphs = StepGraphs(self.model, device, host.cache, CudaCapture())
        self._loss_sum = torch.zeros((), device=device)
        self._loss_steps = 0

    def _words(self) -> np.ndarray | None:
        """The ids of the words in the training and validation rows; None where the data has no words."""
        train, validation = (each.fields.get("input_ids") for each in (self.train_data, self.validation_data))
        if not isinstance(train, Ragged) or not isinstance(validation, Ragged):
            return None
        return np.union1d(train.of(self.rows), validation.values)

    def step_at(self, fraction: float) -> int:
        """The step at a share of the full training; at least the first."""
        return min(self.total_steps, max(1, round(self.total_steps * fraction)))

    def _batches(self, start: int, end: int) -> Iterator[np.ndarray]:
        """The rows of steps `start` to `end`, epochs running on."""
        epoch, plan = -1, []
        for step in range(start, end):
            if step // self.steps_per_epoch != epoch:
                epoch = step // self.steps_per_epoch
                plan = training_batches(self.lengths, self.recipe.batch_size, seed=self.recipe.seed, epoch=epoch)
            yield self.rows[plan[step % self.steps_per_epoch]]

    def train_to(self, step: int) -> None:
        """Trains up to `step`.

        Raises:
            TrialFailure: reason nan when the loss is no longer finite, oom when one example does not fit.
        """
        self.model.train()
        settled = min(self.step + WARMUP_STEPS, step - 1)
        self.clock.go("data")
        for rows in self._batches(self.step, step):
            if self.step == settled:
                devices.synchronize(self.device)
                self.clock.start_steady(torch.get_num_threads())
            self._train_step(rows)
            self.step += 1
            self.clock.go("data")
        devices.synchronize(self.device)
        self.clock.end_steady()

    def _train_step(self, rows: np.ndarray) -> None:
        self.clock.go("step")
        loss, positions = self._backward_or_shrink(rows)
        self._update(rows)
        self._loss_sum += loss
        self._loss_steps += 1
        tokens = int(np.asarray(self.train_data.lengths)[rows].sum())
        self.clock.count(samples=len(rows), tokens=tokens, positions=positions)
        if self.device.type == "cpu" and not math.isfinite(loss.item()):
            self._fail_nan()

    def _backward_or_shrink(self, rows: np.ndarray) -> tuple[torch.Tensor, int]:
        """Gradients of the whole batch; when memory runs out, the whole step again in halved micro-batches."""
        while True:
            try:
                return self._backward(rows)
            except RuntimeError as error:
                if not devices.is_out_of_memory(error):
                    raise
                if self.micro_batch_size == 1:
                    raise TrialFailure(FailReason.OOM, f"one example does not fit into {self.device}") from None
            # Outside the except block: the traceback, and with it the activations, is gone.
            self.weights.forget_gradients()
            self.forget_graphs()
            devices.empty_cache(self.device)
            self.micro_batch_size = math.ceil(self.micro_batch_size / 2)

    def _backward(self, rows: np.ndarray) -> tuple[torch.Tensor, int]:
        """The loss of a batch and its positions (tokens and padding); its gradients are left for `_update`."""
        total, positions = torch.zeros((), device=self.device), 0
        weight = self.loss.weight(rows)
        for start in range(0, len(rows), self.micro_batch_size):
            part = rows[start : start + self.micro_batch_size]
            loss, length = self._backward_part(part, weight)
            if not self._in_one_pass(rows):
                self.weights.gather(accumulate=start > 0)
            total += loss
            positions += len(part) * length
        return total, positions

    def _backward_part(self, rows: np.ndarray, weight: float) -> tuple[torch.Tensor, int]:
        """The share of a micro-batch in the loss of its batch, and its padded length. Nothing of its graph is left."""
        length = self._padded_length(rows)
        inputs = to_device(self.task.collate(self.train_data, rows, length), self.model, self.device)
        targets = self.task.targets(self.train_data, rows, length)
        output = self._forward(inputs, len(rows))
        loss = self.loss(output, {name: devices.upload(each, self.device) for name, each in targets.items()}) / weight
        self.optimiser.scaler.scale(loss).backward()
        return loss.detach(), length

    def _padded_length(self, rows: np.ndarray) -> int:
        """Of a micro-batch; rounded up where it may go through a graph, but never beyond the longest row of all."""
        longest = int(self.train_data.lengths[rows].max())
        if self.graphs is None or len(rows) < self.micro_batch_size:
            return longest
        return min(-(-longest // MULTIPLE) * MULTIPLE, int(self.lengths.max()))

    def _forward(self, inputs: dict[str, torch.Tensor], num_rows: int) -> Any:
        """The model's output, or as much of it as the loss reads."""
        if self.graphs is None or num_rows < self.micro_batch_size:
            return self.model(**inputs)
        return SimpleNamespace(logits=self.graphs.logits(inputs))

    def forget_graphs(self) -> None:
        """Frees the memory of all graphs."""
        if self.graphs is not None:
            self.graphs.forget()

    def _in_one_pass(self, rows: np.ndarray) -> bool:
        """Whether a batch is stepped straight from the parameters' gradients, which it fills once."""
        return len(rows) <= self.micro_batch_size and self.optimiser.has_pass

    def _update(self, rows: np.ndarray) -> None:
        self.optimiser.step(self.step, gathered=not self._in_one_pass(rows))

    def take_train_loss(self) -> float:
        """The mean training loss since the last call.

        Raises:
            TrialFailure: reason nan when it is not finite.
        """
        loss = float(self._loss_sum) / max(1, self._loss_steps)
        if not math.isfinite(loss):
            self._fail_nan()
        self._loss_sum.zero_()
        self._loss_steps = 0
        return loss

    def _fail_nan(self) -> None:
        rate = self.recipe.learning_rate
        raise TrialFailure(FailReason.NAN, f"the loss is not finite at step {self.step + 1} (learning rate {rate:g})")

    def evaluate(self, point: int) -> tuple[Arrays, Arrays]:
        """Outputs and targets of validation at evaluation point `point`, by name."""
        rows = self.validation_rows[point]
        outputs = predict(self.model, self.task, self.validation_data, rows, self.device)
        if not all(np.isfinite(array).all() for array in file_arrays(outputs).values()):
            self._fail_nan()
        return outputs, by_row(self.validation_data.targets, rows)
