"""The learning rate of each depth of a model, against a plain loop with a rate for each parameter."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from transformers import BertConfig, BertForSequenceClassification, T5Config, T5ForConditionalGeneration

from harness.errors import CheckpointError
from harness.training.optimiser import Optimiser
from harness.training.trainable.freeze import depths
from harness.training.weights import FlatWeights
from tests.training.test_optimiser import recipe

RATE, WEIGHT_DECAY, LAYER_DECAY, STEPS = 1e-2, 0.1, 0.5, 3
SMALL = {"hidden_size": 8, "num_attention_heads": 2, "intermediate_size": 16, "vocab_size": 30}


def bert() -> Any:
    torch.manual_seed(0)
    config = BertConfig(**SMALL, num_hidden_layers=3, max_position_embeddings=16, num_labels=2)
    return BertForSequenceClassification(config).eval()


def loss_of(model: Any) -> torch.Tensor:
    ids = torch.arange(1, 13).view(3, 4)
    return model(input_ids=ids, labels=torch.tensor([0, 1, 1])).loss


def depth_in_bert(name: str) -> int:
    if ".embeddings." in name:
        return 4
    return 3 - int(name.split(".layer.")[1].split(".")[0]) if ".layer." in name else 0


def test_depths_are_counted_from_the_head() -> None:
    model = bert()
    found = depths(model)
    assert {name: found[id(parameter)] for name, parameter in model.named_parameters()} == {
        name: depth_in_bert(name) for name, _ in model.named_parameters()
    }


def test_decoder_is_above_its_encoder() -> None:
    config = T5Config(d_model=8, d_ff=16, d_kv=4, num_layers=2, num_decoder_layers=3, num_heads=2, vocab_size=30)
    model = T5ForConditionalGeneration(config)
    found = {name: depths(model)[id(parameter)] for name, parameter in model.named_parameters()}
    blocks = {name.split(".layer.")[0]: depth for name, depth in found.items() if ".block." in name}
    assert blocks == {
        "encoder.block.0": 5, "encoder.block.1": 4, "decoder.block.0": 3, "decoder.block.1": 2, "decoder.block.2": 1
    }  # fmt: skip
    assert found["shared.weight"] == 6 and found["encoder.final_layer_norm.weight"] == 0


def test_model_without_blocks_is_refused() -> None:
    model = bert()
    model.bert.encoder.layer = torch.nn.ModuleList()
    with pytest.raises(CheckpointError, match=r"a bert model has no repeated blocks of layers; use 1\.0"):
        depths(model)


@pytest.mark.parametrize("layer_decay", [LAYER_DECAY, 1.0])
def test_steps_are_those_of_a_plain_loop(layer_decay: float) -> None:
    model, plain = bert(), bert()
    weights = FlatWeights(model, torch.float32, None, depths(model))
    fields = {"learning_rate": RATE, "weight_decay": WEIGHT_DECAY, "layer_decay": layer_decay}
    mine = Optimiser(weights, recipe("linear", **fields), STEPS, torch.device("cpu"))
    parts = list(plain.named_parameters())
    rates = [RATE * layer_decay ** depth_in_bert(name) for name, _ in parts]
    optimiser = torch.optim.AdamW(
        {"params": [parameter], "weight_decay": WEIGHT_DECAY if parameter.ndim > 1 else 0.0} for _, parameter in parts
    )
    for step in range(STEPS):
        loss_of(model).backward()
        mine.gather(is_first=True, is_last=True)
        mine.step(step)
        for group, rate in zip(optimiser.param_groups, rates, strict=True):
            group["lr"] = rate * (STEPS - step) / STEPS
        optimiser.zero_grad()
        loss_of(plain).backward()
        torch.nn.utils.clip_grad_norm_(plain.parameters(), 1.0)
        optimiser.step()
    for (name, theirs), ours in zip(parts, model.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-6, msg=name)


def test_row_without_a_gradient_shrinks_by_the_rate_of_the_embeddings() -> None:
    model = bert()
    table = model.bert.embeddings.word_embeddings.weight
    row = table[29].detach().clone()
    weights = FlatWeights(model, torch.float32, None, depths(model))
    fields = {"learning_rate": RATE, "weight_decay": WEIGHT_DECAY, "layer_decay": LAYER_DECAY}
    mine = Optimiser(weights, recipe("linear", **fields), STEPS, torch.device("cpu"))
    for step in range(STEPS):
        loss_of(model).backward()
        mine.gather(is_first=True, is_last=True)
        mine.step(step)
    assert mine.decay < 1
    torch.testing.assert_close(table[29].detach(), row * mine.decay, rtol=1e-6, atol=0)
