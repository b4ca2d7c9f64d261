from __future__ import annotations

from collections.abc import Iterable

import pytest
import torch

from harness.data.prepared import PreparedData
from harness.spec.trial import TrialConfig
from harness.training.fast import one_pass as module
from harness.training.fast.one_pass import OnePass, one_pass
from harness.training.host import Host
from harness.training.weights import FlatWeights
from harness.trial import run_trial

compiled = pytest.mark.skipif(module._library() is None, reason="this installation has no compiled half: no C compiler")
MAX_NORM = 0.5


def draw(twins: Iterable[Twin], step: int, size: float = 1.0) -> None:
    """The same gradients for all."""
    for twin in twins:
        twin.draw(step, size)


class Twin:
    """A model in bf16 and its AdamW; its gradients are drawn."""

    def __init__(self, dtype: torch.dtype = torch.bfloat16) -> None:
        torch.manual_seed(0)
        self.model = torch.nn.Sequential(torch.nn.Linear(61, 33), torch.nn.LayerNorm(33), torch.nn.Linear(33, 3))
        self.weights = FlatWeights(self.model, dtype)
        groups = [
            {"params": [master], "weight_decay": 0.1 if decayed else 0.0}
            for master, decayed in zip(self.weights.masters, self.weights.decayed, strict=True)
        ]
        self.optimiser = torch.optim.AdamW(groups, lr=1e-2, fused=True)
        self.one_pass = one_pass(self.weights, self.optimiser)

    def draw(self, step: int, size: float = 1.0) -> None:
        torch.manual_seed(step)
        for parameter in self.model.parameters():
            parameter.grad = (size * torch.randn(parameter.shape)).to(parameter.dtype)

    def step_by_torch(self) -> None:
        self.weights.gather(accumulate=False)
        norm = torch.nn.utils.get_total_norm([master.grad for master in self.weights.masters])
        self.optimiser.grad_scale = (norm / MAX_NORM).clamp_(min=1.0)
        self.optimiser.step()
        self.weights.refresh()

    def step_in_one_pass(self) -> None:
        assert self.one_pass is not None
        self.one_pass.step(MAX_NORM)

    def check(self, other: Twin) -> None:
        """Masters and moments are equal but for rounding, and the model has what the masters have."""
        for mine, theirs in zip(self.weights.masters, other.weights.masters, strict=True):
            torch.testing.assert_close(mine, theirs, rtol=1e-5, atol=1e-6)
            ours, others = self.optimiser.state[mine], other.optimiser.state[theirs]
            assert ours["step"] == others["step"]
            close = torch.testing.assert_close
            close(ours["exp_avg"], others["exp_avg"], rtol=1e-5, atol=1e-6 * float(others["exp_avg"].abs().max()))
            close(ours["exp_avg_sq"], others["exp_avg_sq"], rtol=3e-6, atol=0)
        for master, group in zip(self.weights.masters, self.weights.groups, strict=True):
            assert torch.equal(torch.cat([parameter.flatten() for parameter in group]), master.to(torch.bfloat16))


@compiled
@pytest.mark.parametrize("size", [10.0, 1e-3])
def test_one_pass_steps_as_torch_does(size: float) -> None:
    """Clipped and not."""
    mine, theirs = Twin(), Twin()
    for step in range(5):
        draw((mine, theirs), step, size)
        mine.step_in_one_pass()
        theirs.step_by_torch()
    mine.check(theirs)
    assert all(parameter.grad is None for parameter in mine.model.parameters())


@compiled
def test_one_pass_and_torch_go_on_from_each_other() -> None:
    mine, theirs = Twin(), Twin()
    for step in range(6):
        draw((mine, theirs), step)
        mine.step_in_one_pass() if step % 2 else mine.step_by_torch()
        theirs.step_by_torch()
    mine.check(theirs)


@compiled
def test_one_pass_counts_a_missing_gradient_as_zero() -> None:
    mine, theirs = Twin(), Twin()
    for step in range(3):
        draw((mine, theirs), step)
        if step:
            mine.model[0].weight.grad = theirs.model[0].weight.grad = None
        mine.step_in_one_pass()
        theirs.step_by_torch()
    mine.check(theirs)


@compiled
def test_one_pass_keeps_not_a_number() -> None:
    """A broken gradient is seen in the next loss, whatever its bits."""
    mine = Twin()
    mine.draw(0)
    broken = torch.tensor([0x7FFF, -1], dtype=torch.int16).view(torch.bfloat16)
    assert broken.isnan().all()
    assert mine.model[2].bias.grad is not None
    mine.model[2].bias.grad[:2] = broken
    assert mine.one_pass is not None
    mine.one_pass.step(None)
    assert mine.model[2].bias.isnan().tolist() == [True, True, False]
    mine.model[2].bias.grad = broken[[0, 0, 1]]
    mine.one_pass.step(MAX_NORM)
    assert mine.model[0].weight.isnan().all(), "as by torch: the norm is not a number"


def test_one_pass_is_for_bf16_only() -> None:
    assert Twin(torch.float32).one_pass is None


@compiled
def test_one_pass_trains_as_without(
    smoke_config: TrialConfig, smoke_data: PreparedData, host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A whole trial, and the one that an installation without a C compiler has; micro-batches go torch's way."""
    taken = []
    step = OnePass.step

    def watched(self: OnePass, max_norm: float | None) -> None:
        taken.append(max_norm)
        step(self, max_norm)

    monkeypatch.setattr(OnePass, "step", watched)

    def losses(**training: object) -> list[float]:
        recipe = smoke_config.training.model_copy(update={"precision": "bf16", "learning_rate": 1e-3} | training)
        config = smoke_config.model_copy(update={"training": recipe})
        return [pause.progress.train_loss for pause in run_trial(config, str(smoke_data.folder), host)]

    with_it = losses()
    assert taken
    taken.clear()
    losses(accumulation_steps=2)
    assert not taken
    monkeypatch.setattr(module, "_library", lambda: None)
    assert losses() == pytest.approx(with_it, rel=2e-3)
    assert not taken
