"""The training core: one model, one optimiser and one position in the data; trains to a step and evaluates.

A step is a batch, a loss, a backward pass and an update; what makes it fast is in `fast/`. Everything that decides the
next step is in `Trainer`, so that a trial resumed from its snapshot makes the same steps.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch

from harness.data.encoded import Arrays, by_row, file_arrays
from harness.data.prepared import PreparedData
from harness.errors import FailReason, TrialFailure
from harness.spec.steps import step_at
from harness.spec.trial import TrialConfig
from harness.training import device as devices
from harness.training.clock import Clock
from harness.training.evaluate import predict, to_device
from harness.training.fast.kit import kit_of
from harness.training.host import Host
from harness.training.model import fresh_model
from harness.training.optimiser import Optimiser
from harness.training.trainable.freeze import depths
from harness.training.trainable.norms import follow_steps
from harness.training.weights import FlatWeights, dtype_of

__all__ = ["Trainer"]

#: Steps left out of throughput after each start: allocator, thread pools and kernels settle in them.
WARMUP_STEPS = 2


class Trainer:
    """A model under training. The trial's random state must be active when a method is called."""

    def __init__(self, config: TrialConfig, data: PreparedData, host: Host, device: torch.device, clock: Clock) -> None:
        self.config, self.data = config, data
        self.recipe, self.device, self.clock = config.training, device, clock
        kit = kit_of(config, data, host, device)
        self.splits = kit.splits()
        self.model = fresh_model(config, data, host, device, lambda template: kit.replacements(template, self.splits))
        follow_steps(self.model, self.splits.total_steps)
        self.compact = kit.cut_table(self.model)
        apart = depths(self.model) if self.recipe.layer_decay != 1 else None
        self.weights = FlatWeights(self.model, dtype_of(self.recipe.precision), host.cache, apart)
        self.task = kit.task(self.model, self.splits)
        self.vary = self.task.variation(config)
        self.loss = self.task.make_loss(config, data, self.splits.train.examples, self.splits.train.rows, device)
        self.forward = kit.forward(self.model)
        self.optimiser = Optimiser(self.weights, self.recipe, self.splits.total_steps, device, kit.straight_step)
        self.step = 0
        self.micro_batch_size = math.ceil(self.recipe.batch_size / self.recipe.accumulation_steps)
        self._loss_sum = torch.zeros((), device=device)
        self._loss_steps = 0

    def step_at(self, fraction: float) -> int:
        """Returns the step at a share of the full training, at least step 1."""
        return step_at(self.splits.total_steps, fraction)

    def train_to(self, step: int) -> None:
        """Trains up to `step`.

        Raises:
            TrialFailure: reason nan when the loss is no longer finite, oom when one example does not fit.
        """
        self.model.train()
        settled = min(self.step + WARMUP_STEPS, step - 1)
        self.clock.go("data")
        for rows in self.splits.batches(self.step, step):
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
        self._update()
        self._loss_sum += loss
        self._loss_steps += 1
        tokens = int(np.asarray(self.splits.train.examples.lengths)[rows].sum())
        self.clock.count(samples=len(rows), tokens=tokens, positions=positions)
        if self.device.type == "cpu" and not math.isfinite(loss.item()):
            self._fail_nan()

    def _backward(self, rows: np.ndarray) -> tuple[torch.Tensor, int]:
        """Returns the loss of a batch and its positions (tokens and padding); leaves its gradients for `_update`."""
        total, positions = torch.zeros((), device=self.device), 0
        weight = self.loss.weight(rows)
        for start in range(0, len(rows), self.micro_batch_size):
            part = rows[start : start + self.micro_batch_size]
            loss, length = self._backward_part(part, weight)
            self.optimiser.gather(is_first=start == 0, is_last=start + len(part) == len(rows))
            total += loss
            positions += len(part) * length
        return total, positions

    def _backward_part(self, rows: np.ndarray, weight: float) -> tuple[torch.Tensor, int]:
        """Returns a micro-batch's share in the loss of its batch, and its padded length. Its graph is freed."""
        is_full = len(rows) == self.micro_batch_size
        inputs, targets, length = self._batch(rows, is_full)
        output = self._forward(inputs, is_full)
        loss = self.loss(output, targets) / weight
        self.optimiser.scaler.scale(loss).backward()
        return loss.detach(), length

    def _batch(self, rows: np.ndarray, is_full: bool) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor], int]:
        """Returns the model's inputs and the targets for `rows`, on the device, and the length of a padded row."""
        examples = self.splits.train.examples
        length = self.forward.padded_length(int(examples.lengths[rows].max()), self.splits.lengths, is_full=is_full)
        inputs = to_device(self.task.collate(examples, rows, length), self.model, self.device)
        if self.vary is not None:
            inputs = self.vary(inputs, examples)
        targets = self.task.targets(examples, rows, length)
        return inputs, {name: devices.upload(array, self.device) for name, array in targets.items()}, length

    def _forward(self, inputs: dict[str, torch.Tensor], is_full: bool) -> Any:
        """Returns the model's output, or as much of it as the task reads."""
        return self.forward(inputs, is_full=is_full)

    def _update(self) -> None:
        self.optimiser.step(self.step)

    def _backward_or_shrink(self, rows: np.ndarray) -> tuple[torch.Tensor, int]:
        """Computes the gradients of the batch; out of memory, again from its start in halved micro-batches."""
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
            self.forward.forget()
            devices.empty_cache(self.device)
            self.micro_batch_size = math.ceil(self.micro_batch_size / 2)

    def take_train_loss(self) -> float:
        """Returns the mean training loss since the last call.

        Raises:
            TrialFailure: reason nan when it is not finite.
        """
        loss = float(self._loss_sum) / max(1, self._loss_steps)
        if not math.isfinite(loss):
            self._fail_nan()
        self._loss_sum.zero_()
        self._loss_steps = 0
        return loss

    def evaluate(self, point: int) -> tuple[Arrays, Arrays]:
        """Returns outputs and targets of the validation rows of evaluation point `point`, by name.

        At the last point the outputs that take long are among them (`Task.write`).
        """
        examples, rows = self.splits.validation.examples, self.splits.scored[point]
        with self.clock.predicting(len(rows), torch.get_num_threads()):
            outputs: Arrays = predict(self.model, self.task, examples, examples.examples_of(rows), self.device)
        if not all(np.isfinite(array).all() for array in file_arrays(outputs).values()):
            self._fail_nan()
        outputs = self.task.of_rows(outputs, examples, rows)
        if point == len(self.splits.scored) - 1:
            folder = self.task.processor_folder(self.config, self.data)
            outputs = {**outputs, **self.task.write(self.model, examples, rows, self.device, folder, self.config)}
        return outputs, by_row(examples.targets, rows)

    def _fail_nan(self) -> None:
        where = f"step {self.step + 1} (learning rate {self.recipe.learning_rate:g})"
        raise TrialFailure(FailReason.NAN, f"the loss is not finite at {where}")
