"""The loss of a batch is a sum over its micro-batches, whatever they are."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch.nn import functional

from harness.tasks.losses import CrossEntropy, balanced

LABELS = np.array([0, 0, 0, 1, 2, 2])
CPU = torch.device("cpu")


def test_balanced_weights_have_mean_one_over_the_rows() -> None:
    weights = balanced(LABELS, 4)
    assert float(weights[torch.from_numpy(LABELS)].mean()) == pytest.approx(1.0)
    assert float(weights[1]) == pytest.approx(3 * float(weights[0]))


@pytest.mark.parametrize("weights", [None, balanced(LABELS, 3)], ids=["equal", "balanced"])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_cross_entropy_of_micro_batches_is_torchs_mean(weights: torch.Tensor | None, smoothing: float) -> None:
    loss = CrossEntropy(LABELS, weights, smoothing, CPU)
    rows = np.array([5, 0, 3, 4])
    logits = torch.randn(4, 3, generator=torch.Generator().manual_seed(0))
    targets = torch.from_numpy(LABELS[rows])
    parts = [
        loss(SimpleNamespace(logits=logits[part].to(torch.bfloat16).float()), {"labels": targets[part]})
        for part in (slice(0, 1), slice(1, 4))
    ]
    mean = functional.cross_entropy(
        logits.to(torch.bfloat16).float(), targets, weight=weights, label_smoothing=smoothing
    )
    assert float(sum(parts)) / loss.weight(rows) == pytest.approx(float(mean), rel=1e-6)


def test_cross_entropy_is_computed_in_fp32() -> None:
    logits = torch.tensor([[300.0, 0.0, 0.0]], dtype=torch.float16)
    loss = CrossEntropy(LABELS, None, 0.0, CPU)(SimpleNamespace(logits=logits), {"labels": torch.tensor([1])})
    assert loss.dtype is torch.float32
    assert float(loss) == pytest.approx(300.0)
