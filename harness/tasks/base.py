"""The protocol of a task, which holds everything that differs between kinds of fine-tuning, and its defaults.

Modules of tasks import torch only inside the functions that training calls, so that the coordinating process stays
small.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import numpy as np

from harness.data.encoded import Arrays, Encoded, Ragged
from harness.data.kinds import kind_of
from harness.spec.study import PreprocessStep
from harness.spec.tasks import TaskFacts
from harness.spec.trial import TrialConfig
from harness.stats.metric import scores

if TYPE_CHECKING:
    import pandas as pd
    import torch
    from transformers import PreTrainedModel

    from harness.data.prepared import PreparedData

__all__ = ["PAIR", "Loss", "Task", "TaskBase"]

#: A pair of texts as code that transformers' pipelines take.
PAIR = '{"text": "first text", "text_pair": "second text"}'


class Loss(Protocol):
    """The loss of a trial. It is built once, from the recipe and the training rows."""

    def weight(self, rows: np.ndarray) -> float:
        """Returns the number that the loss of a whole batch of training examples is divided by."""

    def __call__(self, output: Any, targets: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """Returns the sum over a micro-batch, fp32; `output` is the model's, `targets` are on its device."""


class Task(Protocol):
    """One kind of supervised fine-tuning.

    `facts` are what the study's reader, the search and the report need of it. `auto` is the transformers auto class
    that loads its models, `reads` the fields of the model's output that the loss and `outputs` use, and
    `value_columns` the values of a prediction that are columns of a table. `features_baseline` is the name of the
    baseline that `on_features` fits, empty where there is none; with `scores_checkpoint` that baseline is the
    checkpoint itself, as it was before training. `writes` says that a model may read other tokens than those of the
    data, because it writes them itself. Arguments called `names` are what the ids in targets stand for (classes,
    tags), by id; empty where targets hold no ids. `TaskBase` has defaults for most methods.
    """

    facts: TaskFacts
    auto: ClassVar[str]
    reads: ClassVar[tuple[str, ...]]
    value_columns: ClassVar[tuple[str, ...]]
    features_baseline: ClassVar[str]
    scores_checkpoint: ClassVar[bool]
    writes: ClassVar[bool]

    @property
    def inputs(self) -> tuple[str, ...]:
        """The names of the fields that a model reads."""

    def encode_key(self, config: TrialConfig) -> Mapping[str, Any]:
        """Returns all that an encoding depends on besides the rows: JSON that is hashed into the cache key."""

    def encode(self, frame: pd.DataFrame, split: str, config: TrialConfig, data: PreparedData) -> Encoded:
        """Encodes the rows of one split; cleaning (and, on train, augmentation) included."""

    def row_targets(self, frame: pd.DataFrame) -> dict[str, np.ndarray | Ragged]:
        """Returns the targets of prepared rows, by name; none where only `encode` can tell them."""

    def collate(self, encoded: Encoded, rows: np.ndarray, length: int | None = None) -> dict[str, torch.Tensor]:
        """Returns the model's keyword arguments for `rows` (without targets), made on the device of a `Resident`.

        Texts are padded to the longest of the rows, or to `length`, which is at least that and at most the longest row
        of the split.
        """

    def targets(self, encoded: Encoded, rows: np.ndarray, length: int | None = None) -> dict[str, torch.Tensor]:
        """Returns the targets of `rows` on the host, padded as `collate` pads where they are ragged."""

    def variation(
        self, config: TrialConfig
    ) -> Callable[[Mapping[str, torch.Tensor], Encoded], dict[str, torch.Tensor]] | None:
        """Returns what changes the inputs of a training batch at random, or None where the study asks for nothing.

        It is called with the inputs on their device and the encoded examples, and draws from torch's random state.
        """

    def build_model(self, config: TrialConfig, data: PreparedData) -> PreTrainedModel:
        """Returns the checkpoint with a head for the data, fp32, on the CPU; the head is drawn again by each trial."""

    def make_loss(
        self, config: TrialConfig, data: PreparedData, encoded: Encoded, rows: np.ndarray, device: torch.device
    ) -> Loss:
        """Returns the loss of a trial that trains on `rows` of `encoded`."""

    def outputs(self, output: Any, inputs: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor | Ragged]:
        """Returns the outputs for each row of a batch, by name: tensors [rows, ...] fp32, or ragged arrays."""

    def of_rows(self, outputs: Arrays, encoded: Encoded, rows: np.ndarray) -> Arrays:
        """Returns the outputs of `rows` of `encoded` as metrics read them.

        `outputs` are those of the method above for `encoded.examples_of(rows)`.
        """

    def write(
        self,
        model: PreTrainedModel,
        encoded: Encoded,
        rows: np.ndarray,
        device: torch.device,
        folder: Path,
        config: TrialConfig | None = None,
    ) -> Arrays:
        """Returns further outputs of `rows` that the model makes word by word; none of most tasks.

        It is called at the end of a training and for saved models. `folder` holds the tokenizer. With the `config` of a
        trial the task may leave out rows; without one each row is a prediction that somebody asked for.
        """

    def processor_folder(self, config: TrialConfig, data: PreparedData) -> Path:
        """Returns the folder of what inference needs besides the weights, before a model is exported."""

    def tuned(self, outputs: Arrays, targets: Arrays, config: TrialConfig) -> dict[str, Any]:
        """Returns what is chosen on validation rows once a model is trained (thresholds), as JSON by name.

        It is written into config.json of the saved model.
        """

    def decided(self, outputs: Arrays, settings: Mapping[str, Any]) -> Arrays:
        """Returns the outputs with the decisions that follow from them; `settings` hold what `tuned` has chosen."""

    def told(self, settings: Mapping[str, Any], names: Sequence[str]) -> str:
        """Returns a sentence on what `tuned` has chosen; empty where that is nothing."""

    def metrics(self, outputs: Arrays, targets: Arrays) -> dict[str, float]:
        """Returns every metric of the task."""

    def chance(self, data: PreparedData) -> dict[str, float]:
        """Returns the validation metrics of a model that has learned nothing, as far as they are known."""

    def baselines(
        self, train: pd.DataFrame, others: Mapping[str, pd.DataFrame], data: PreparedData
    ) -> Iterator[tuple[str, dict[str, Arrays]]]:
        """Yields simple models that a fine-tuned one must beat: a name, and the outputs for each of `others`."""

    def on_features(
        self,
        train_features: np.ndarray,
        train_targets: Arrays,
        features: Mapping[str, np.ndarray],
        data: PreparedData,
    ) -> dict[str, Arrays] | None:
        """Returns the outputs, by split, of a linear model on a checkpoint's features; None where the task has none.

        It is fitted on `train_features` [rows, width] and predicts the rows of each split of `features`.
        """

    def data_warnings(self, config: TrialConfig, data: PreparedData) -> list[str]:
        """Returns what a person should change before training, a sentence each; `config` is the default recipe."""

    def answer_warnings(self, outputs: Arrays, targets: Arrays, names: Sequence[str]) -> list[str]:
        """Returns what is wrong with the outputs for the test rows whatever their metrics are, a sentence each."""

    def show(self, row: Mapping[str, Any]) -> str:
        """Returns a row as text, for the report's list of errors."""

    def summary(self, names: Sequence[str], *, pairs: bool = False) -> str:
        """Returns what the task's models do, as the beginning of a sentence: "Texts into 2 classes (a, b)".

        With `pairs` a row is a pair of texts.
        """

    def usage(self, folder: str, *, pairs: bool = False) -> str:
        """Returns Python code that loads an export from `folder` with plain transformers; empty where there is none.

        With `pairs` the code shows how a pair of texts is given.
        """

    def write_processor(self, config: TrialConfig, data: PreparedData, folder: Path) -> None:
        """Writes what inference needs besides the weights: tokenizer or image processor files."""

    def predict_inputs(
        self,
        rows: Sequence[Mapping[str, Any]],
        folder: Path,
        max_length: int,
        preprocess: Sequence[PreprocessStep] = (),
    ) -> Encoded:
        """Encodes raw rows (the fields `inputs`) with the processor of an exported model; there are no targets."""

    def predict(self, outputs: Arrays, row: int, names: Sequence[str]) -> dict[str, Any]:
        """Returns the prediction for one row, as JSON: values by name, and mappings of values."""

    def located(self, prediction: Mapping[str, Any], row: Mapping[str, Any]) -> dict[str, Any]:
        """Returns a prediction with what only the raw row can add, such as where its parts are in the text."""


class TaskBase:
    """Defaults of a task's methods, which follow from its facts. `reads` suits a model with one `logits`."""

    facts: TaskFacts
    reads: ClassVar[tuple[str, ...]] = ("logits",)
    features_baseline: ClassVar[str] = ""
    scores_checkpoint: ClassVar[bool] = False
    writes: ClassVar[bool] = False

    @property
    def inputs(self) -> tuple[str, ...]:
        """The names of the fields that are not the target."""
        return tuple(field.name for field in self.facts.fields if not field.target)

    def row_targets(self, frame: pd.DataFrame) -> dict[str, np.ndarray | Ragged]:
        """Returns the column of the target, by the name that its kind gives it."""
        target = self.facts.target
        if target is None:
            return {}
        kind = kind_of(target)
        return {kind.target: frame[target.name].to_numpy(dtype=kind.dtype)}

    def targets(self, encoded: Encoded, rows: np.ndarray, length: int | None = None) -> dict[str, torch.Tensor]:
        """Returns the dense targets of `rows`, real numbers as fp32; dense targets are not padded."""
        import torch

        tensors = {name: torch.from_numpy(np.asarray(array)[rows]) for name, array in encoded.targets.items()}
        return {name: tensor.float() if tensor.is_floating_point() else tensor for name, tensor in tensors.items()}

    def variation(
        self, config: TrialConfig
    ) -> Callable[[Mapping[str, torch.Tensor], Encoded], dict[str, torch.Tensor]] | None:
        """Returns None."""
        return None

    def of_rows(self, outputs: Arrays, encoded: Encoded, rows: np.ndarray) -> Arrays:
        """Returns the outputs as they are."""
        return outputs

    def write(
        self,
        model: PreTrainedModel,
        encoded: Encoded,
        rows: np.ndarray,
        device: torch.device,
        folder: Path,
        config: TrialConfig | None = None,
    ) -> Arrays:
        """Returns nothing."""
        return {}

    def processor_folder(self, config: TrialConfig, data: PreparedData) -> Path:
        """Returns the folder of the data."""
        return data.folder

    def tuned(self, outputs: Arrays, targets: Arrays, config: TrialConfig) -> dict[str, Any]:
        """Returns nothing."""
        return {}

    def decided(self, outputs: Arrays, settings: Mapping[str, Any]) -> Arrays:
        """Returns the outputs as they are."""
        return outputs

    def told(self, settings: Mapping[str, Any], names: Sequence[str]) -> str:
        """Returns nothing."""
        return ""

    def metrics(self, outputs: Arrays, targets: Arrays) -> dict[str, float]:
        """Returns every metric of the facts."""
        return scores(self.facts.metrics, outputs, targets)

    def chance(self, data: PreparedData) -> dict[str, float]:
        """Returns no metrics, so every value counts as better than chance."""
        return {}

    def baselines(
        self, train: pd.DataFrame, others: Mapping[str, pd.DataFrame], data: PreparedData
    ) -> Iterator[tuple[str, dict[str, Arrays]]]:
        """Yields no baselines."""
        return iter(())

    def on_features(
        self,
        train_features: np.ndarray,
        train_targets: Arrays,
        features: Mapping[str, np.ndarray],
        data: PreparedData,
    ) -> dict[str, Arrays] | None:
        """Returns None."""
        return None

    def data_warnings(self, config: TrialConfig, data: PreparedData) -> list[str]:
        """Returns no warnings."""
        return []

    def answer_warnings(self, outputs: Arrays, targets: Arrays, names: Sequence[str]) -> list[str]:
        """Returns no warnings."""
        return []

    def located(self, prediction: Mapping[str, Any], row: Mapping[str, Any]) -> dict[str, Any]:
        """Returns the prediction as it is."""
        return dict(prediction)

    def summary(self, names: Sequence[str], *, pairs: bool = False) -> str:
        """Returns the rows and the target."""
        inputs = f"pairs of {self.facts.inputs}" if pairs else self.facts.inputs
        return f"{inputs.capitalize()} to {self.facts.target.name if self.facts.target else 'learn'}"

    def usage(self, folder: str, *, pairs: bool = False) -> str:
        """Returns no code."""
        return ""
