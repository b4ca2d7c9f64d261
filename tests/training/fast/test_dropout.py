from __future__ import annotations

import copy

import pytest
import torch

from harness.training.fast.dropout import FastDropout, fast_dropouts


def test_fast_dropout_keeps_the_mean_and_drops_the_share() -> None:
    torch.manual_seed(1)
    dropped = FastDropout(0.1)(torch.ones(400, 1001))
    assert abs(float((dropped == 0).float().mean()) - 0.1) < 0.002
    assert abs(float(dropped.mean()) - 1) < 0.002
    assert len(dropped.unique()) == 2


def test_fast_dropout_follows_the_global_random_state() -> None:
    layer, inputs = FastDropout(0.5), torch.ones(7, 13)
    torch.manual_seed(3)
    first, second = layer(inputs), layer(inputs)
    torch.manual_seed(3)
    assert torch.equal(layer(inputs), first)
    assert not torch.equal(first, second)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32, torch.float64])
def test_fast_dropout_scales_in_the_inputs_precision(dtype: torch.dtype) -> None:
    torch.manual_seed(5)
    outputs = FastDropout(0.1)(torch.ones(50, 3, dtype=dtype))
    assert outputs.dtype is dtype
    assert set(outputs.unique().tolist()) == {0.0, float(torch.ones((), dtype=dtype) * (65536 / 58982))}


def test_fast_dropout_does_nothing_in_evaluation() -> None:
    inputs = torch.rand(3, 3)
    assert FastDropout(0.9).eval()(inputs) is inputs
    assert FastDropout(0.0)(inputs) is inputs


def test_fast_dropout_passes_gradients_of_kept_elements_only() -> None:
    inputs = torch.ones(1000, dtype=torch.bfloat16, requires_grad=True)
    outputs = FastDropout(0.25)(inputs)
    outputs.sum().backward()
    assert outputs.dtype is torch.bfloat16
    assert torch.equal(inputs.grad, outputs.detach())


def test_copy_of_a_model_has_fast_dropout_in_the_place_of_every_layer() -> None:
    model = torch.nn.Sequential(
        torch.nn.Dropout(0.3), torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Dropout(0.1))
    )
    copied = copy.deepcopy(model, dict(fast_dropouts(model)))
    assert [type(m).__name__ for m in copied.modules()].count("FastDropout") == 2
    assert copied[1][1].p == 0.1
    assert type(model[0]) is torch.nn.Dropout
