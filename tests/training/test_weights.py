from __future__ import annotations

import copy

import pytest
import torch

from harness.training.weights import FlatWeights, cast_model


def small_model() -> torch.nn.Module:
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Linear(6, 8), torch.nn.LayerNorm(8), torch.nn.Tanh(), torch.nn.Linear(8, 3))


def loss_of(model: torch.nn.Module, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    inputs = torch.linspace(-1, 1, 24, dtype=dtype).view(4, 6)
    return model(inputs).float().square().mean()


def test_flat_weights_adamw_equals_per_parameter_adamw() -> None:
    flat_model, plain = small_model(), small_model()
    weights = FlatWeights(flat_model, torch.float32)
    decays = [0.1 if decayed else 0.0 for decayed in weights.decayed]
    flat_optimiser = torch.optim.AdamW(
        [{"params": [m], "weight_decay": d} for m, d in zip(weights.masters, decays, strict=True)], lr=1e-2
    )
    groups = [
        {"params": [p for p in plain.parameters() if p.ndim > 1], "weight_decay": 0.1},
        {"params": [p for p in plain.parameters() if p.ndim <= 1], "weight_decay": 0.0},
    ]
    optimiser = torch.optim.AdamW(groups, lr=1e-2)
    for _ in range(3):
        loss_of(flat_model).backward()
        weights.gather(accumulate=False)
        torch.nn.utils.clip_grad_norm_(weights.masters, 0.05)
        flat_optimiser.step()
        weights.refresh()
        optimiser.zero_grad()
        loss_of(plain).backward()
        torch.nn.utils.clip_grad_norm_(list(plain.parameters()), 0.05)
        optimiser.step()
    for mine, theirs in zip(flat_model.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(mine, theirs)


def test_gather_accumulates_micro_batches() -> None:
    model = small_model()
    weights = FlatWeights(model, torch.float32)
    loss_of(model).backward()
    weights.gather(accumulate=False)
    once = [master.grad.clone() for master in weights.masters]
    loss_of(model).backward()
    weights.gather(accumulate=True)
    for master, gradient in zip(weights.masters, once, strict=True):
        torch.testing.assert_close(master.grad, 2 * gradient)


def test_gather_counts_a_missing_gradient_as_zero() -> None:
    model = small_model()
    weights = FlatWeights(model, torch.float32)
    loss_of(model).backward()
    weights.gather(accumulate=False)
    model[0].weight.sum().backward()
    weights.gather(accumulate=False)
    values = weights.full_precision()
    assert set(values) == {id(p) for p in model.parameters()}
    assert float(torch.cat([master.grad for master in weights.masters]).sum()) == pytest.approx(48)


def test_bf16_master_keeps_updates_that_bf16_would_lose() -> None:
    model = torch.nn.Linear(1, 1, bias=False)
    model.weight.data.fill_(1.0)
    weights = FlatWeights(model, torch.bfloat16)
    for _ in range(8):
        with torch.no_grad():
            weights.masters[0].add_(1e-3)
        weights.refresh()
    assert model.weight.dtype is torch.bfloat16
    assert float(weights.masters[0].detach()) == pytest.approx(1.008)
    assert float(model.weight.detach()) == pytest.approx(1.0078, abs=1e-4)


def test_copy_and_load_restore_masters_copies_and_buffers() -> None:
    model = torch.nn.Sequential(torch.nn.Linear(4, 4), torch.nn.BatchNorm1d(4))
    weights = FlatWeights(model, torch.bfloat16)
    before = weights.copy()
    low = copy.deepcopy(model[0].weight.data)
    with torch.no_grad():
        weights.masters[0].add_(1.0)
        model[1].running_mean.add_(5.0)
    weights.refresh()
    weights.load(before)
    torch.testing.assert_close(model[0].weight.data, low)
    assert float(model[1].running_mean.abs().max()) == 0


def test_frozen_parameters_keep_full_precision_for_saving() -> None:
    model = small_model()
    original = model[0].weight.detach().clone()
    model[0].weight.requires_grad_(False)
    weights = FlatWeights(model, torch.bfloat16)
    assert model[0].weight.dtype is torch.bfloat16
    torch.testing.assert_close(weights.full_precision()[id(model[0].weight)], original, rtol=0, atol=0)


def test_cast_model_leaves_batch_norm_in_fp32() -> None:
    model = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3), torch.nn.BatchNorm2d(2))
    cast_model(model, torch.bfloat16)
    assert model[0].weight.dtype is torch.bfloat16
    assert model[1].weight.dtype is torch.float32
    assert model(torch.rand(2, 1, 5, 5, dtype=torch.bfloat16)).shape == (2, 2, 3, 3)


def test_gradients_of_all_weights_with_one_cache_lie_in_the_same_memory() -> None:
    cache: dict[str, object] = {}
    models = [small_model() for _ in range(2)]
    first, second = (FlatWeights(model, torch.float32, cache) for model in models)
    loss_of(models[0]).backward()
    first.gather(accumulate=False)
    (2 * loss_of(models[1])).backward()
    second.gather(accumulate=False)
    for mine, other in zip(first.masters, second.masters, strict=True):
        assert mine.grad.data_ptr() == other.grad.data_ptr()
    larger = torch.nn.Linear(30, 30)
    third = FlatWeights(larger, torch.float32, cache)
    larger(torch.ones(1, 30)).sum().backward()
    third.gather(accumulate=False)
    twice = second.masters[0].grad.clone()
    loss_of(models[0]).backward()
    first.gather(accumulate=False)
    torch.testing.assert_close(2 * first.masters[0].grad, twice)
    assert float(third.masters[0].grad.sum()) == 900
