"""The training core: one model, one optimiser, one position in the data; trains to a step and evaluates.

Knows nothing of trials, sweeps or engines. Everything that decides the next step is in `Trainer`, so that a
snapshot of it goes on elsewhere as if nothing had happened.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping

import numpy as np
import torch
from torch.nn import functional

from harness.data.batch import training_batches
from harness.data.encoded import Encoded, Ragged
from harness.data.prepared import PreparedData
from harness.errors import DataError, FailReason, TrialFailure, look_up
from harness.spec.steps import num_batches, step_at, total_steps
from harness.spec.trial import TrialConfig
from harness.tasks import task_of
from harness.tasks.encode import encoded, encoded_folder, training_rows, validation_subset
from harness.training import device as devices
from harness.training.clock import Clock
from harness.training.evaluate import predict_probabilities, to_device
from harness.training.fast.activations import Rows, skip_frozen
from harness.training.fast.compact import CompactEmbedding
from harness.training.fast.graphs import MULTIPLE, CudaCapture, StepGraphs
from harness.training.fast.residence import resident
from harness.training.host import Host
from harness.training.model import fresh_model
from harness.training.optimiser import Optimiser
from harness.training.weights import FlatWeights, dtype_of

__all__ = ["Trainer"]

#: Steps left out of throughput after each start: allocator, thread pools and kernels settle in them.
WARMUP_STEPS = 2


def _balanced(counts: np.ndarray) -> np.ndarray:
    """Weights inverse to the counts [num_labels], with the mean 1 over all rows; a class without rows counts as one."""
    weights: np.ndarray = counts.sum() / (np.count_nonzero(counts) * np.maximum(counts, 1))
    return weights


#: From the training rows of each class [num_labels] to its weight in the loss; None: all weigh the same.
CLASS_WEIGHTS: Mapping[str, Callable[[np.ndarray], np.ndarray | None]] = {
    "none": lambda counts: None,
    "balanced": _balanced,
}


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
            np.arange(len(self.validation_data)) if count is None else validation_subset(data, count)
            for count in config.validation_rows
        ]
        self.model = fresh_model(config, data, host, device, self._words())
        self.compact = next((part for part in self.model.modules() if isinstance(part, CompactEmbedding)), None)
        self.weights = FlatWeights(self.model, dtype_of(self.recipe.precision), host.cache)
        rows = [
            Rows(split="train", examples=self.train_data, rows=self.rows),
            Rows(split="validation", examples=self.validation_data, rows=np.arange(len(self.validation_data))),
        ]
        self.task = skip_frozen(self.task, self.model, config, data, host, rows)
        self._weight_of = self._class_weights(len(data.labels))
        self.class_weights = None if self._weight_of is None else self._weight_of.to(device)
        self.steps_per_epoch = num_batches(len(self.rows), self.recipe.batch_size)
        self.total_steps = total_steps(len(self.rows), self.recipe.batch_size, self.recipe.epochs)
        self.optimiser = Optimiser(self.weights, self.recipe, self.total_steps, device)
        self.step = 0
        self.micro_batch_size = math.ceil(self.recipe.batch_size / self.recipe.accumulation_steps)
        self.graphs: StepGraphs | None = None
        if self.recipe.step_graphs and devices.has_step_graphs(device):
            self.graphs = StepGraphs(self.model, device, host.cache, CudaCapture())
        self._loss_sum = torch.zeros((), device=device)
        self._loss_steps = 0

    def _class_weights(self, num_labels: int) -> torch.Tensor | None:
        """On the host: [num_labels]; None for equal weights."""
        weigh = look_up(CLASS_WEIGHTS, self.recipe.class_weights, "training.class_weights")
        counts = np.bincount(np.asarray(self.train_data.labels)[self.rows], minlength=num_labels)
        weights = weigh(counts)
        return None if weights is None else torch.tensor(weights, dtype=torch.float32)

    def _words(self) -> np.ndarray | None:
        """The ids of the words in the training and validation rows; None where the data has no words."""
        train, validation = (each.fields.get("input_ids") for each in (self.train_data, self.validation_data))
        if not isinstance(train, Ragged) or not isinstance(validation, Ragged):
            return None
        return np.union1d(train.of(self.rows), validation.values)

    def step_at(self, fraction: float) -> int:
        """The step at a share of the full training; at least the first."""
        return step_at(self.total_steps, fraction)

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
        labels = torch.from_numpy(np.asarray(self.train_data.labels)[rows].astype(np.int64))
        weight = float(len(rows)) if self._weight_of is None else float(self._weight_of[labels].sum())
        self.clock.go("step")
        loss, positions = self._backward_or_shrink(rows, labels, weight)
        self._update(rows)
        self._loss_sum += loss
        self._loss_steps += 1
        tokens = int(np.asarray(self.train_data.lengths)[rows].sum())
        self.clock.count(samples=len(rows), tokens=tokens, positions=positions)
        if self.device.type == "cpu" and not math.isfinite(loss.item()):
            self._fail_nan()

    def _backward_or_shrink(self, rows: np.ndarray, labels: torch.Tensor, weight: float) -> tuple[torch.Tensor, int]:
        """Gradients of the whole batch; when memory runs out, the whole step again in halved micro-batches."""
        while True:
            try:
                return self._backward(rows, labels, weight)
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

    def _backward(self, rows: np.ndarray, labels: torch.Tensor, weight: float) -> tuple[torch.Tensor, int]:
        """The loss of a batch and its positions (tokens and padding); its gradients are left for `_update`."""
        total = torch.zeros((), device=self.device)
        positions = 0
        for start in range(0, len(rows), self.micro_batch_size):
            part = slice(start, start + self.micro_batch_size)
            loss, length = self._backward_part(rows[part], labels[part], weight)
            if not self._in_one_pass(rows):
                self.weights.gather(accumulate=start > 0)
            total += loss
            positions += len(rows[part]) * length
        return total, positions

    def _backward_part(self, rows: np.ndarray, labels: torch.Tensor, weight: float) -> tuple[torch.Tensor, int]:
        """The share of a micro-batch in the loss of its batch, and its padded length. Nothing of its graph is left."""
        length = self._padded_length(rows)
        inputs = self.task.collate(self.train_data, rows, length)
        logits = self._logits(to_device(inputs, self.model, self.device), len(rows))
        loss = functional.cross_entropy(
            logits.float(),
            devices.upload(labels, self.device),
            weight=self.class_weights,
            label_smoothing=self.recipe.label_smoothing,
            reduction="sum",
        )
        loss = loss / weight
        self.optimiser.scaler.scale(loss).backward()
        return loss.detach(), length

    def _padded_length(self, rows: np.ndarray) -> int:
        """Of a micro-batch; rounded up where it may go through a graph, but never beyond the longest row of all."""
        longest = int(self.train_data.lengths[rows].max())
        if self.graphs is None or len(rows) < self.micro_batch_size:
            return longest
        return min(-(-longest // MULTIPLE) * MULTIPLE, int(self.lengths.max()))

    def _logits(self, inputs: dict[str, torch.Tensor], num_rows: int) -> torch.Tensor:
        """[num_rows, num_labels] for what the model reads."""
        if self.graphs is None or num_rows < self.micro_batch_size:
            found: torch.Tensor = self.model(**inputs).logits
            return found
        return self.graphs.logits(inputs)

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

    def evaluate(self, point: int) -> tuple[np.ndarray, np.ndarray]:
        """Labels [rows] and probabilities [rows, num_labels] of validation at evaluation point `point`."""
        rows = self.validation_rows[point]
        probabilities = predict_probabilities(self.model, self.task, self.validation_data, rows, self.device)
        if not np.isfinite(probabilities).all():
            self._fail_nan()
        return np.asarray(self.validation_data.labels)[rows], probabilities
