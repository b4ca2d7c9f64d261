"""Splits on a device: the CPU plays it for values, torch's `meta` device for what a step may not do."""

from __future__ import annotations

import importlib
from pathlib import Path

import numpy as np
import pytest
import torch

from harness.data.encoded import Encoded, Ragged
from harness.data.prepare import prepare
from harness.data.prepared import PreparedData
from harness.data.resident import Resident
from harness.spec.configure import default_params, resolve
from harness.spec.reader import load_study
from harness.spec.trial import TrialConfig
from harness.tasks import task_of
from harness.tasks.encode import encoded
from harness.training import device as devices
from harness.training.clock import Clock
from harness.training.evaluate import predict
from harness.training.fast.residence import MAX_SHARE, resident
from harness.training.host import Host
from harness.training.loop import Trainer
from tests.conftest import STUDIES

CPU, META = torch.device("cpu"), torch.device("meta")
FOLDER = Path("/encoded/train")


def free(monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    """Has every device say that so many bytes are free."""
    monkeypatch.setattr(devices, "free_memory_bytes", lambda device: size)


def asking(config: TrialConfig) -> TrialConfig:
    """The trial of a study that wants its data on the device."""
    return config.model_copy(update={"data_on_device": True})


def pairs(num_rows: int = 6) -> Encoded:
    """Texts of `num_rows` to 1 tokens, with segments."""
    lengths = np.arange(num_rows, 0, -1)
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    ids = np.arange(100, 100 + offsets[-1], dtype=np.int32)
    fields = {
        "input_ids": Ragged(values=ids, offsets=offsets),
        "token_type_ids": Ragged(values=(ids % 2).astype(np.int8), offsets=offsets),
    }
    targets = {"labels": np.zeros(num_rows, dtype=np.int64)}
    return Encoded(fields=fields, targets=targets, lengths=lengths.astype(np.int32), stats={"pad_token_id": 7})


def images(num_rows: int = 6) -> Encoded:
    pixels = np.random.default_rng(0).integers(0, 256, (num_rows, 4, 4, 1), dtype=np.uint8)
    stats = {"size": [6, 6], "num_channels": 3, "mean": [0.5, 0.4, 0.3], "std": [0.5, 0.2, 0.1]}
    ones = np.ones(num_rows, dtype=np.int32)
    targets = {"labels": ones.astype(np.int64)}
    return Encoded(fields={"pixel_values": pixels}, targets=targets, lengths=ones, stats=stats)


@pytest.mark.parametrize("length", [None, 6])
@pytest.mark.parametrize(
    ("task", "examples"), [("text-classification", pairs()), ("image-classification", images())], ids=["text", "image"]
)
def test_batches_of_a_resident_split_are_those_of_the_host(
    task: str, examples: Encoded, length: int | None, host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    free(monkeypatch, 2**30)
    there = resident(examples, FOLDER, CPU, host)
    assert isinstance(there, Resident)
    assert set(there.tensors) == set(examples.fields)
    # The last row too, behind which there is nothing more to read.
    for rows in (np.array([4, 0, 2]), np.array([5]), np.array([0, 5])):
        expected = task_of(task).collate(examples, rows, length)
        found = task_of(task).collate(there, rows, length)
        assert list(found) == list(expected)
        for name, tensor in found.items():
            assert tensor.dtype is expected[name].dtype
            assert torch.equal(tensor, expected[name])


@pytest.mark.parametrize(
    ("task", "examples"), [("text-classification", pairs()), ("image-classification", images())], ids=["text", "image"]
)
def test_batches_are_made_on_the_device(
    task: str, examples: Encoded, host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    free(monkeypatch, 2**30)
    rows = np.array([3, 1])
    found = task_of(task).collate(resident(examples, FOLDER, META, host), rows)
    expected = task_of(task).collate(examples, rows)
    assert {name: (tensor.device, tensor.shape) for name, tensor in found.items()} == {
        name: (META, tensor.shape) for name, tensor in expected.items()
    }


def test_pixels_that_stay_on_the_host_are_scaled_on_the_device(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    free(monkeypatch, 0)
    there = resident(images(), FOLDER, META, host)
    assert isinstance(there, Resident)
    assert not there.tensors
    assert task_of("image-classification").collate(there, np.arange(2))["pixel_values"].device == META


def test_texts_that_stay_on_the_host_are_padded_there(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    free(monkeypatch, 0)
    there = resident(pairs(), FOLDER, META, host)
    assert task_of("text-classification").collate(there, np.arange(2))["input_ids"].device == CPU


def test_splits_share_what_they_may_take(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    examples = images()
    pixels = examples.fields["pixel_values"]
    assert isinstance(pixels, np.ndarray)
    free(monkeypatch, round(1.5 * pixels.nbytes / MAX_SHARE))
    first = resident(examples, Path("/first"), CPU, host)
    second = resident(examples, Path("/second"), CPU, host)
    assert isinstance(first, Resident)
    assert isinstance(second, Resident)
    assert first.tensors
    assert not second.tensors
    assert resident(examples, Path("/first"), CPU, host) is first


def test_nothing_is_kept_where_the_device_is_the_cpu(host: Host) -> None:
    examples = pairs()
    assert resident(examples, FOLDER, CPU, host) is examples
    assert host.cache == {}


def trained(config: TrialConfig, data: PreparedData, host: Host) -> tuple[Trainer, float, np.ndarray]:
    with devices.RandomState(0, CPU).active():
        trainer = Trainer(config, data, host, CPU, Clock())
        trainer.train_to(4)
        return trainer, trainer.take_train_loss(), trainer.evaluate(0)[0]["probabilities"]


def test_training_on_resident_data_is_training_to_the_bit(
    smoke_config: TrialConfig, smoke_data: PreparedData, host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, loss, probabilities = trained(smoke_config, smoke_data, host)
    free(monkeypatch, 2**30)
    unasked, *_ = trained(smoke_config, smoke_data, host)
    assert not isinstance(unasked.splits.train.examples, Resident), "nobody asked for it"
    first, *found = trained(asking(smoke_config), smoke_data, host)
    assert isinstance(first.splits.train.examples, Resident)
    assert found[0] == loss
    np.testing.assert_array_equal(found[1], probabilities)
    second, *_ = trained(asking(smoke_config), smoke_data, host)
    assert second.splits.train.examples is first.splits.train.examples
    assert second.splits.validation.examples is first.splits.validation.examples


def test_activations_are_found_for_resident_rows(
    smoke_data: PreparedData, host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = load_study(STUDIES / "smoke.yaml", ["model.freeze=1", "model.frozen_dropout=false"])
    config = resolve(spec, number=0, params=default_params(spec))
    config = config.model_copy(update={"training": config.training.model_copy(update={"precision": "fp32"})})
    _, loss, _ = trained(config, smoke_data, host)
    free(monkeypatch, 2**30)
    trainer, found, _ = trained(asking(config), smoke_data, host)
    train, longest = trainer.splits.train, int(trainer.splits.lengths.max())
    names = trainer.task.collate(train.examples, train.rows[:2], longest)
    assert any(name.startswith("frozen_prefix.") for name in names)
    assert len({tuple(tensor.shape[:2]) for tensor in names.values()}) == 1
    assert found == loss


@pytest.mark.parametrize(("precision", "optimizer"), [("fp32", "adamw"), ("bf16", "adamw"), ("fp32", "sgd")])
def test_a_training_step_reads_nothing_from_the_device(
    precision: str,
    optimizer: str,
    smoke_config: TrialConfig,
    smoke_data: PreparedData,
    host: Host,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A tensor on `meta` has no values: reading one raises, and so does mixing it with one on the CPU."""
    free(monkeypatch, 2**30)
    monkeypatch.setattr(devices, "synchronize", lambda device: None)
    monkeypatch.setattr(
        importlib.import_module("torch.optim.adam"), "_device_dtype_check_for_fused", lambda *args, **kwargs: None
    )
    # Not ours: to leave an attention mask out, transformers asks the device whether anything is padded.
    monkeypatch.setattr("transformers.masking_utils._ignore_bidirectional_mask_sdpa", lambda *args: False)
    update = {
        "precision": precision,
        "optimizer": optimizer,
        "class_weights": "balanced",
        "batch_size": 8,
        "accumulation_steps": 2,
    }
    config = asking(smoke_config.model_copy(update={"training": smoke_config.training.model_copy(update=update)}))
    trainer = Trainer(config, smoke_data, host, META, Clock())
    trainer.train_to(3)
    assert trainer.step == 3
    assert {tensor.device for tensor in trainer.optimiser.inner.state[trainer.weights.masters[0]].values()} == {META}
    with pytest.raises((RuntimeError, NotImplementedError)):
        predict(trainer.model, trainer.task, trainer.splits.validation.examples, np.arange(4), META)


def test_a_prepared_split_is_named_by_its_folder(tmp_path: Path, host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another length is another encoding, and so another copy."""
    free(monkeypatch, 2**30)
    spec = load_study(STUDIES / "smoke.yaml", ["training.precision=fp32"])
    data = prepare(spec, tmp_path)
    config = asking(resolve(spec, number=0, params=default_params(spec)))
    short = config.model_copy(update={"data": config.data.model_copy(update={"max_length": 5})})
    trainers = [Trainer(each, data, host, CPU, Clock()) for each in (config, short)]
    for trainer, each in zip(trainers, (config, short), strict=True):
        assert int(trainer.splits.lengths.max()) == int(np.asarray(encoded(data, each, "train").lengths).max())
    assert len(host.cache["resident:cpu"]) == 4
