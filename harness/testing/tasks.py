"""What every task must do, as tests: subclass `TaskContract` in a test module and give it a few rows.

class TestMyTask(TaskContract):
    task_name = "my_package.my_module:MyTask"

    @classmethod
    def rows(cls):
        return [{"text": f"{number} days late", "days": number} for number in range(60)]
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch

from harness.data.encoded import Arrays, Ragged, by_row
from harness.data.prepare import prepare
from harness.data.prepared import PreparedData
from harness.spec.configure import default_params, resolve
from harness.spec.foreign import trust
from harness.spec.study import StudySpec
from harness.spec.trial import TrialConfig
from harness.stats.metric import num_rows, score
from harness.tasks import task_of
from harness.tasks.base import Task
from harness.tasks.encode import baselines, encoded
from harness.tasks.models import load_saved, quiet
from harness.training.evaluate import answered, to_device

__all__ = ["TINY_BERT", "Prepared", "TaskContract"]

TINY_BERT = {
    "model_type": "bert",
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "vocab_size": 200,
    "max_position_embeddings": 64,
}
CPU = torch.device("cpu")


class Prepared:
    """A task with prepared data and a tiny model of it."""

    def __init__(self, task: Task, config: TrialConfig, data: PreparedData) -> None:
        self.task, self.config, self.data = task, config, data
        torch.manual_seed(0)
        with quiet():
            self.model = task.build_model(config, data).eval()

    def outputs(self, split: str, rows: np.ndarray) -> Arrays:
        """Returns the model's outputs for rows of a split."""
        examples, folder = encoded(self.data, self.config, split), self.task.processor_folder(self.config, self.data)
        return answered(self.model, self.task, examples, rows, CPU, folder, self.config)

    def targets(self, split: str) -> Arrays:
        """Returns the targets of a split: those of its rows, or of their encoding where the rows have none."""
        return self.task.row_targets(self.data.frame(split)) or encoded(self.data, self.config, split).targets

    def loss(self, rows: np.ndarray) -> tuple[torch.Tensor, float]:
        """Returns the loss of training examples, and the weight that it is divided by."""
        examples = encoded(self.data, self.config, "train")
        loss = self.task.make_loss(self.config, self.data, examples, np.arange(len(examples)), CPU)
        output = self.model(**to_device(self.task.collate(examples, rows), self.model, CPU))
        return loss(output, self.task.targets(examples, rows)), loss.weight(rows)


def same(a: Arrays, b: Arrays) -> bool:
    """Returns True when both have the same arrays, up to rounding."""
    return a.keys() == b.keys() and all(_same(a[name], b[name]) for name in a)


def _same(a: np.ndarray | Ragged, b: np.ndarray | Ragged) -> bool:
    if isinstance(a, Ragged) or isinstance(b, Ragged):
        return isinstance(a, Ragged) and isinstance(b, Ragged) and bool(np.allclose(a.values, b.values, rtol=1e-4))
    scale = max(1e-6, float(np.abs(np.asarray(a, dtype=float)).max()))
    return bool(np.allclose(a, b, rtol=1e-4, atol=1e-5 * scale))


class TaskContract(ABC):
    """The tests of a task: derive a class for each. `architecture` is a tiny model that is trained from scratch."""

    task_name: ClassVar[str]
    architecture: ClassVar[Mapping[str, Any]] = TINY_BERT
    options: ClassVar[Mapping[str, Any]] = {}

    @classmethod
    @abstractmethod
    def rows(cls) -> list[dict[str, Any]]:
        """Returns at least 60 different rows, each with a value for every field that the task reads."""

    @classmethod
    def write_files(cls, folder: Path) -> None:
        """Writes the files that the rows name (pictures) into the folder of their table; none by default."""
        del folder

    @pytest.fixture(scope="class")
    @classmethod
    def prepared(cls, tmp_path_factory: pytest.TempPathFactory) -> Prepared:
        """The rows, prepared, and a tiny model."""
        trust(cls.task_name)
        folder = tmp_path_factory.mktemp("task")
        cls.write_files(folder)
        rows = cls.rows()
        (folder / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
        spec = StudySpec.model_validate(
            {
                "name": "contract",
                "task": cls.task_name,
                "task_options": dict(cls.options),
                "data": {"path": str(folder / "rows.jsonl"), "columns": {name: name for name in rows[0]}},
                "model": {"checkpoint": "scratch", "architecture": dict(cls.architecture)},
                "training": {"precision": "fp32", "batch_size": 8},
            }
        )
        config = resolve(spec, number=0, params=default_params(spec))
        return Prepared(task_of(cls.task_name), config, prepare(spec, folder / "cache"))

    def test_facts_name_metrics_that_can_be_computed(self, prepared: Prepared) -> None:
        """Each metric has a unique name and a formula, and a smaller loss is better."""
        facts = prepared.task.facts
        assert facts.name == self.task_name
        assert len({metric.name for metric in facts.metrics}) == len(facts.metrics)
        assert all(metric.row_stats or metric.value for metric in facts.metrics)
        assert not facts.metric(facts.loss).maximize

    def test_every_row_is_in_one_split(self, prepared: Prepared) -> None:
        """No row is lost or doubled, and no split is empty."""
        rows = prepared.data.meta.rows
        assert sum(rows.values()) == len(self.rows())
        assert min(rows.values()) > 0

    def test_a_row_is_said_the_same_of_alone_and_in_a_batch(self, prepared: Prepared) -> None:
        """Padding and order do not change the outputs."""
        rows = np.arange(min(6, prepared.data.meta.rows["validation"]))
        together = prepared.outputs("validation", rows)
        for row in rows:
            assert same(prepared.outputs("validation", rows[row : row + 1]), by_row(together, rows[row : row + 1]))
        assert same(prepared.outputs("validation", rows[::-1]), by_row(together, rows[::-1]))

    def test_loss_is_a_sum_over_micro_batches(self, prepared: Prepared) -> None:
        """The losses of two parts of a batch add up to that of the whole batch."""
        rows = np.arange(8)
        whole, weight = prepared.loss(rows)
        first, second = prepared.loss(rows[:3]), prepared.loss(rows[3:])
        assert float((first[0] + second[0]).detach()) == pytest.approx(float(whole.detach()), rel=1e-4)
        assert first[1] + second[1] == pytest.approx(weight)
        assert whole.dtype == torch.float32

    def test_the_model_learns_its_training_rows(self, prepared: Prepared) -> None:
        """A few steps on one batch make its loss smaller."""
        rows = np.arange(8)
        before = float(prepared.loss(rows)[0].detach())
        weights = {name: value.clone() for name, value in prepared.model.state_dict().items()}
        optimizer = torch.optim.AdamW(prepared.model.parameters(), lr=3e-3)
        for _ in range(10):
            loss, weight = prepared.loss(rows)
            (loss / weight).backward()
            optimizer.step()
            optimizer.zero_grad()
        after = float(prepared.loss(rows)[0].detach())
        prepared.model.load_state_dict(weights)
        assert after < before

    def test_metrics_are_numbers_and_predictions_are_json(self, prepared: Prepared) -> None:
        """Every metric is computed, and a prediction is JSON with all values that a table shows."""
        rows = np.arange(prepared.data.meta.rows["validation"])
        outputs, targets = prepared.outputs("validation", rows), prepared.targets("validation")
        assert targets, "neither row_targets nor encode gives targets"
        assert num_rows(targets) == len(rows)
        metrics = prepared.task.metrics(outputs, targets)
        known = {metric.name for metric in prepared.task.facts.metrics if metric.is_known(outputs)}
        assert metrics.keys() == known
        assert np.isfinite(metrics[prepared.task.facts.loss])
        prediction = prepared.task.predict(outputs, 0, prepared.data.names)
        assert set(prepared.task.value_columns) <= prediction.keys()
        json.dumps(prediction, allow_nan=False)

    def test_an_export_says_what_the_model_said(self, prepared: Prepared, tmp_path: Path) -> None:
        """An export predicts the model's outputs from its own files, for rows of the table."""
        from harness.tasks.heads import fold

        rows_of_tuning = np.arange(prepared.data.meta.rows["validation"])
        outputs = prepared.outputs("validation", rows_of_tuning)
        prepared.model.config.update(
            prepared.task.tuned(outputs, prepared.targets("validation"), prepared.config)  # as a saved trial has it
        )
        state = {name: value.clone() for name, value in prepared.model.state_dict().items()}
        fold(prepared.model, state)
        with quiet():
            prepared.model.save_pretrained(tmp_path, state_dict=state)
            prepared.task.write_processor(prepared.config, prepared.data, tmp_path)
            loaded = load_saved(tmp_path, prepared.task.auto)
        frame = prepared.data.frame("test")
        rows = [{str(name): value for name, value in row.items()} for row in frame.to_dict("records")]
        examples = prepared.task.predict_inputs(rows, tmp_path, prepared.config.data.max_length)
        chosen = np.arange(len(rows))
        said = answered(loaded, prepared.task, examples, chosen, CPU, tmp_path, prepared.config)
        assert same(said, prepared.outputs("test", chosen))

    def test_baselines_can_be_scored(self, prepared: Prepared) -> None:
        """Baselines have the model's outputs, or as many as a metric needs, so that both can be compared."""
        fitted, targets = baselines(prepared.data, self.task_name, None, ["validation", "test"])
        chosen = np.arange(prepared.data.meta.rows["test"])
        outputs_of_model = prepared.outputs("test", chosen)
        facts = prepared.task.facts
        for outputs in fitted.values():
            assert outputs["test"].keys() <= outputs_of_model.keys()
            assert num_rows(outputs["test"]) == len(chosen)
            known = [metric for metric in facts.metrics if metric.is_known(outputs["validation"])]
            assert facts.metric(facts.loss) in known or outputs["test"].keys() < outputs_of_model.keys()
            judge = next(metric for metric in (facts.metric(facts.loss), *known) if metric in known)
            assert np.isfinite(score(judge, outputs["validation"], targets["validation"]))

    def test_model_on_features_can_be_scored(self, prepared: Prepared) -> None:
        """A baseline on features has a name and the model's outputs; a task without one returns None."""
        random, rows = np.random.default_rng(0), prepared.data.meta.rows
        features = {split: random.normal(size=(rows[split], 4)).astype(np.float32) for split in ("train", "test")}
        targets = prepared.targets("train")
        fitted = prepared.task.on_features(features["train"], targets, {"test": features["test"]}, prepared.data)
        assert (fitted is not None) == bool(prepared.task.features_baseline and not prepared.task.scores_checkpoint)
        if fitted is not None:
            assert fitted["test"].keys() == prepared.outputs("test", np.arange(1)).keys()
            assert num_rows(fitted["test"]) == rows["test"]

    def test_warnings_are_sentences(self, prepared: Prepared) -> None:
        """Warnings on the data and on a model's outputs are texts, if there are any."""
        outputs = prepared.outputs("test", np.arange(prepared.data.meta.rows["test"]))
        targets = prepared.targets("test")
        warnings = prepared.task.data_warnings(prepared.config, prepared.data)
        warnings += prepared.task.answer_warnings(outputs, targets, prepared.data.names)
        assert all(isinstance(warning, str) and warning for warning in warnings)

    def test_a_row_can_be_read(self, prepared: Prepared) -> None:
        """A row is shown as text, and a card begins with what the model does."""
        row = prepared.data.frame("test").to_dict("records")[0]
        assert prepared.task.show({str(name): value for name, value in row.items()}).strip()
        assert prepared.task.summary(prepared.data.names)
