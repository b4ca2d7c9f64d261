from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch

from harness.data.encoded import Encoded, Ragged
from harness.data.prepare import prepare
from harness.spec.configure import default_params, resolve
from harness.spec.reader import load_study
from harness.training import device as devices
from harness.training import evaluate
from harness.training.clock import Clock
from harness.training.host import Host
from harness.training.loop import Trainer
from tests.conftest import STUDIES

CPU, CUDA = torch.device("cpu"), torch.device("cuda")
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


def check_order(outputs: Mapping[str, np.ndarray | Ragged], examples: Encoded, rows: np.ndarray) -> None:
    """Raises AssertionError unless these are the outputs of `rows`."""
    ids, tags = examples.fields["ids"], outputs["tags"]
    assert isinstance(ids, Ragged) and isinstance(tags, Ragged)
    assert np.asarray(outputs["first"]).tolist() == ids.offsets[rows].tolist()
    assert tags.values.tolist() == ids.of(rows).tolist()
    assert np.diff(tags.offsets).tolist() == examples.lengths[rows].tolist()


def texts(*lengths: int) -> Encoded:
    """Texts of these lengths, whose token ids count on from one to the next."""
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    ids = Ragged(values=np.arange(offsets[-1]), offsets=offsets)
    return Encoded(fields={"ids": ids}, targets={}, lengths=np.array(lengths))


def test_outputs_of_any_shape_are_in_the_order_of_the_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(evaluate.MAX_POSITIONS, "cpu", 4)
    examples, rows = texts(3, 1, 2, 4, 1), np.array([3, 0, 4, 2])
    check_order(evaluate.predict(Echo(), Tokens(), examples, rows, CPU), examples, rows)  # type: ignore[arg-type]


class Tight(Echo):
    """A model that has memory for `limit` tokens and padding."""

    def __init__(self, limit: int) -> None:
        super().__init__()
        self.limit = limit
        self.shapes: list[tuple[int, ...]] = []

    def forward(self, **inputs: torch.Tensor) -> dict[str, torch.Tensor]:
        self.shapes.append(tuple(inputs["ids"].shape))
        if inputs["ids"].numel() > self.limit:
            raise torch.OutOfMemoryError("CUDA out of memory (pretended)")
        return inputs


@pytest.fixture
def emptied(monkeypatch: pytest.MonkeyPatch) -> list[torch.device]:
    """An accelerator's memory is the host's; the times that its cache was emptied."""
    calls: list[torch.device] = []
    monkeypatch.setattr(evaluate, "to_device", lambda inputs, model, device: inputs)
    monkeypatch.setattr(devices, "empty_cache", calls.append)
    return calls


def test_a_batch_that_does_not_fit_is_halved(emptied: list[torch.device]) -> None:
    examples, rows = texts(*(1 + at % 5 for at in range(24))), np.random.default_rng(0).permutation(24)[:20]
    model = Tight(limit=15)
    check_order(evaluate.predict(model, Tokens(), examples, rows, CUDA), examples, rows)  # type: ignore[arg-type]
    assert [count for count, _ in model.shapes[:3]] == [20, 10, 5]
    assert all(count <= 5 and count * length <= 15 for count, length in model.shapes[2:]), "the others fit at once"
    assert emptied == [CUDA, CUDA]


@pytest.mark.parametrize(
    ("lengths", "limit", "device", "options", "num_tries"),
    [
        ((4,), 3, "cuda", {}, 1),
        ((1, 4), 3, "cuda", {}, 3),
        ((1, 1), 1, "cpu", {}, 1),
        ((1, 1), 1, "cuda", {"may_split": False}, 1),
    ],
    ids=["one row", "one of two rows", "on a CPU", "for a measurement"],
)
def test_what_cannot_be_halved_is_out_of_memory(
    lengths: tuple[int, ...],
    limit: int,
    device: str,
    options: dict[str, bool],
    num_tries: int,
    emptied: list[torch.device],
) -> None:
    model, rows = Tight(limit), np.arange(len(lengths))
    with pytest.raises(torch.OutOfMemoryError):
        evaluate.predict(model, Tokens(), texts(*lengths), rows, torch.device(device), **options)  # type: ignore[arg-type]
    assert len(model.shapes) == num_tries


def test_another_error_is_no_lack_of_memory(emptied: list[torch.device]) -> None:
    class Broken(Echo):
        def forward(self, **inputs: torch.Tensor) -> dict[str, torch.Tensor]:
            raise RuntimeError("shapes do not match")

    with pytest.raises(RuntimeError, match="shapes"):
        evaluate.predict(Broken(), Tokens(), texts(1, 2), np.arange(2), CUDA)  # type: ignore[arg-type]
    assert emptied == []
