"""Estimates, admission, and the search for the largest batch."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoConfig

from harness.benchmark import memory
from harness.benchmark.memory import admit, estimated_bytes, largest_that_fits, moved_bytes
from harness.errors import FailReason, TrialFailure

BERT = AutoConfig.for_model("bert", hidden_size=64, num_hidden_layers=2, num_attention_heads=2)


@given(limit=st.integers(0, 5000), most=st.integers(1, 4096))
def test_largest_comes_near_the_truth_from_below(limit: int, most: int) -> None:
    tried: list[int] = []

    def fits(size: int) -> bool:
        tried.append(size)
        return size <= limit

    truth = min(limit, most)
    found = largest_that_fits(fits, most)
    assert found <= truth
    assert truth - found <= max(1, found // 8)
    assert max(tried, default=0) <= most
    assert found == 0 or found in tried


def test_estimate_grows_with_what_is_asked() -> None:
    def estimate(**changed: object) -> float:
        asked = {"rows": 8, "length": 64, "precision": "fp32", "moments": 2} | changed
        found = estimated_bytes(BERT, 1000, **asked)  # type: ignore[arg-type]
        assert found is not None
        return found

    assert estimate(rows=16) > estimate()
    assert estimate(length=128) > 2 * estimate() - 1000 * 24
    assert estimate(precision="bf16") < estimate()
    assert estimate(moments=None) < estimate(moments=0) < estimate(moments=1) < estimate()


def test_estimate_follows_the_paper() -> None:
    # 16-bit: s b h L (34 + 5 a s / h), and 16 + 2 * 2 bytes a parameter.
    activations = 64 * 8 * 64 * 2 * (34 + 5 * 2 * 64 / 64)
    found = estimated_bytes(BERT, 1000, rows=8, length=64, precision="bf16", moments=2)
    assert found == pytest.approx(activations + 1000 * 20)


def test_unknown_architectures_are_not_estimated() -> None:
    resnet = AutoConfig.for_model("resnet")
    assert estimated_bytes(resnet, 10, rows=1, length=1, precision="fp32", moments=2) is None
    assert moved_bytes(resnet, 10, rows=1, length=1, precision="fp32", moments=2) is None
    admit(None)


def test_more_is_moved_in_training() -> None:
    training, scoring = (
        moved_bytes(BERT, 1000, rows=1, length=8, precision="fp32", moments=moments) for moments in (2, None)
    )
    assert training is not None
    assert scoring is not None
    assert training > 2 * scoring


def test_a_moment_is_read_and_written() -> None:
    one, none = (moved_bytes(BERT, 1000, rows=1, length=8, precision="fp32", moments=moments) for moments in (1, 0))
    assert one is not None
    assert none is not None
    assert one - none == 1000 * 2 * 4


def test_what_does_not_fit_is_not_started(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "available_bytes", lambda: 2**30)
    admit(2.0**28)
    with pytest.raises(TrialFailure, match=r"about 3\.4 GiB needed, 1\.0 GiB free") as failed:
        admit(2.0**31)
    assert failed.value.reason is FailReason.OOM
