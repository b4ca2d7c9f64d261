"""Gradient checkpointing: equal losses, and less kept between the passes."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from transformers import BertConfig, BertForSequenceClassification, GPT2Config, GPT2LMHeadModel

from harness.data.prepared import PreparedData
from harness.errors import CheckpointError
from harness.spec.trial import TrialConfig
from harness.training.host import Host
from harness.training.recompute import recompute_blocks
from harness.trial import run_trial

IDS = torch.arange(1, 25).view(4, 6)


def bert() -> Any:
    torch.manual_seed(0)
    config = {"hidden_size": 8, "num_attention_heads": 2, "intermediate_size": 16, "num_hidden_layers": 3}
    return BertForSequenceClassification(BertConfig(**config, vocab_size=30)).train()


def gpt2() -> Any:
    torch.manual_seed(0)
    return GPT2LMHeadModel(GPT2Config(n_embd=8, n_layer=3, n_head=2, vocab_size=30)).train()


def kept_bytes(model: Any) -> int:
    """The bytes of what a forward pass keeps for the backward pass."""
    sizes: list[int] = []

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        sizes.append(tensor.numel() * tensor.element_size())
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        model(input_ids=IDS)
    return sum(sizes)


@pytest.mark.parametrize("make", [bert, gpt2])
def test_blocks_keep_little_more_than_their_inputs(make: Any) -> None:
    model = make()
    before = kept_bytes(model)
    recompute_blocks(model)
    assert kept_bytes(model) < before / 2


def test_model_that_cannot_is_refused() -> None:
    model = bert()
    model.supports_gradient_checkpointing = False
    with pytest.raises(CheckpointError, match="a bert model cannot recompute its blocks; use false"):
        recompute_blocks(model)


@pytest.mark.parametrize("freeze", ["none", 1])
def test_losses_are_those_without(
    smoke_config: TrialConfig, smoke_data: PreparedData, host: Host, freeze: str | int
) -> None:
    recipe = smoke_config.training.model_copy(update={"learning_rate": 5e-3, "epochs": 2})
    losses = []
    for checkpointing in (False, True):
        model = smoke_config.model.model_copy(update={"gradient_checkpointing": checkpointing, "freeze": freeze})
        config = smoke_config.model_copy(update={"model": model, "training": recipe})
        losses.append([pause.progress.train_loss for pause in run_trial(config, str(smoke_data.folder), host)])
    assert losses[1] == pytest.approx(losses[0], rel=1e-6)
