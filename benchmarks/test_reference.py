"""The operation that the others are divided by, so that figures of different machines can be compared."""

from __future__ import annotations

import material
import torch
from pytest_benchmark.fixture import BenchmarkFixture


def test_reference(benchmark: BenchmarkFixture) -> None:
    """A matrix product in fp32 on one thread."""
    material.one_thread()
    a, b = torch.randn(512, 512), torch.randn(512, 512)
    benchmark.pedantic(lambda: torch.mm(a, b), rounds=60, iterations=10, warmup_rounds=5)
