from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from harness.data.encoded import Encoded, Ragged
from harness.data.prepare import prepare
from harness.spec.configure import default_params, resolve
from harness.spec.reader import load_study
from harness.training import evaluate
from harness.training.clock import Clock
from harness.training.host import Host
from harness.training.loop import Trainer
from tests.conftest import STUDIES

RESNET = "{model_type: resnet, embedding_size: 8, hidden_sizes: [8, 16], depths: [1, 1], num_channels: 1}"


def test_images_are_scored_in_the_precision_of_the_model(tmp_path: Path, host: Host) -> None:
    """A convolution takes no other, and a ResNet does not cast its inputs."""
    changes = ["task=image-classification", "data.builtin=digits", "training.precision=bf16"]
    spec = load_study(STUDIES / "smoke.yaml", [*changes, f"model.architecture={RESNET}"])
    config = resolve(spec, number=0, params=default_params(spec))
    trainer = Trainer(config, prepare(spec, tmp_path), host, torch.device("cpu"), Clock())
    outputs, targets = trainer.evaluate(-1)
    probabilities, labels = np.asarray(outputs["probabilities"]), targets["labels"]
    assert probabilities.dtype == np.float32
    np.testing.assert_allclose(probabilities.sum(axis=1), np.ones(len(labels)), atol=1e-3)


class Echo(torch.nn.Module):
    """A model that gives its inputs back."""

    dtype = torch.float32

    def forward(self, **inputs: torch.Tensor) -> dict[str, torch.Tensor]:
        return inputs


class Tokens:
    """A task whose outputs are a number a row, and a number a token."""

    def collate(self, encoded: Encoded, rows: np.ndarray, length: int | None = None) -> dict[str, torch.Tensor]:
        ids = encoded.fields["ids"]
        assert isinstance(ids, Ragged)
        taken = [torch.from_numpy(ids.of(np.array([row]))) for row in rows]
        return {
            "ids": torch.nn.utils.rnn.pad_sequence(taken, batch_first=True),
            "lengths": torch.from_numpy(encoded.lengths[rows].astype(np.int64)),
        }

    def outputs(self, output: dict[str, torch.Tensor], inputs: object) -> dict[str, torch.Tensor | Ragged]:
        lengths = output["lengths"].numpy()
        real = [row[:length] for row, length in zip(output["ids"].numpy(), lengths, strict=True)]
        tags = Ragged(values=np.concatenate(real), offsets=np.concatenate([[0], np.cumsum(lengths)]))
        return {"first": output["ids"][:, 0], "tags": tags}


def test_outputs_of_any_shape_are_in_the_order_of_the_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(evaluate.MAX_POSITIONS, "cpu", 4)
    lengths = np.array([3, 1, 2, 4, 1])
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    ids = Ragged(values=np.arange(offsets[-1]), offsets=offsets)
    examples = Encoded(fields={"ids": ids}, targets={}, lengths=lengths)
    rows = np.array([3, 0, 4, 2])
    found = evaluate.predict(Echo(), Tokens(), examples, rows, torch.device("cpu"))  # type: ignore[arg-type]
    tags = found["tags"]
    assert isinstance(tags, Ragged)
    assert np.asarray(found["first"]).tolist() == offsets[rows].tolist()
    assert tags.values.tolist() == ids.of(rows).tolist()
    assert np.diff(tags.offsets).tolist() == lengths[rows].tolist()
