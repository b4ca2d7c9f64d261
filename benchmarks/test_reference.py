"""The operations that the others are divided by, so that figures of different machines can be compared."""

from __future__ import annotations

import material
import torch
from pytest_benchmark.fixture import BenchmarkFixture


def test_reference(benchmark: BenchmarkFixture) -> None:
    """A matrix product in fp32 on one thread."""
    _measure(benchmark, torch.float32)


def test_reference_bf16(benchmark: BenchmarkFixture) -> None:
    """The same in bf16: two machines may be alike in one precision and not in the other."""
    _measure(benchmark, torch.bfloat16)


def _measure(benchmark: BenchmarkFixture, dtype: torch.dtype) -> None:
    material.one_thread()
    a, b = torch.randn(512, 512).to(dtype), torch.randn(512, 512).to(dtype)
    benchmark.pedantic(lambda: torch.mm(a, b), rounds=60, iterations=10, warmup_rounds=5)
