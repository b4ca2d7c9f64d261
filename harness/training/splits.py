"""The rows of a trial: those that it trains on, in batches, and those that it is scored on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from harness.data.batch import training_batches
from harness.data.encoded import Encoded
from harness.data.prepared import PreparedData
from harness.errors import DataError
from harness.spec.steps import num_batches, total_steps
from harness.spec.trial import TrialConfig
from harness.tasks.encode import training_rows, validation_rows

__all__ = ["Rows", "Splits"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """The examples of one split, and which of them a trial may ask for (`rows`)."""

    split: str
    examples: Encoded
    rows: np.ndarray


class Splits:
    """The training and the validation rows of a trial, and the order in which it trains on them."""

    def __init__(self, config: TrialConfig, data: PreparedData, examples: Callable[[str], Encoded]) -> None:
        """`examples` returns the encoded examples of a split.

        Raises:
            DataError: the training split has no rows.
        """
        train, validation = examples("train"), examples("validation")
        rows = train.examples_of(training_rows(data, config))
        self.train = Rows(split="train", examples=train, rows=rows)
        self.validation = Rows(split="validation", examples=validation, rows=np.arange(len(validation)))
        if not len(self.train.rows):
            raise DataError("the training split has no rows")
        #: The tokens of each training example.
        self.lengths = np.asarray(train.lengths)[self.train.rows]
        self.steps_per_epoch = num_batches(len(self.train.rows), config.training.batch_size)
        self.total_steps = total_steps(len(self.train.rows), config.training.batch_size, config.training.epochs)
        #: The validation rows of each evaluation; each may have several examples.
        self.scored = [
            np.arange(validation.num_rows) if count is None else validation_rows(data, config, count)
            for count in config.validation_rows
        ]
        self._batch_size, self._seed = config.training.batch_size, config.training.seed

    @property
    def both(self) -> tuple[Rows, Rows]:
        """The rows of both splits."""
        return self.train, self.validation

    def batches(self, start: int, end: int) -> Iterator[np.ndarray]:
        """Yields the training rows of steps `start` to `end`, through all epochs."""
        epoch, plan = -1, []
        for step in range(start, end):
            if step // self.steps_per_epoch != epoch:
                epoch = step // self.steps_per_epoch
                plan = training_batches(self.lengths, self._batch_size, seed=self._seed, epoch=epoch)
            yield self.train.rows[plan[step % self.steps_per_epoch]]
