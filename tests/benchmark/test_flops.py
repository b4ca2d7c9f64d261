"""The formula's FLOPs against torch's own count, over architectures, modes and frozen layers."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
import torch
from transformers import (
    AutoConfig,
    AutoModelForImageClassification,
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
)

from harness.benchmark.flops import AGREE, Flops, count_flops, flops_formula, tokens_of
from harness.data.prepared import PreparedData
from harness.tasks import task_of
from harness.tasks.models import quiet
from harness.training.fast.compact import CompactEmbedding, compact_table
from harness.training.trainable.freeze import freeze_parameters
from tests.tasks.tiny import VIT, architecture, config

ROWS, LENGTH = 4, 24
SMALL = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}


def text_model(family: str, data: PreparedData) -> tuple[Any, dict[str, torch.Tensor]]:
    trial = config(architecture=architecture(family) | {"vocab_size": 600})
    with quiet():
        model = task_of(trial.task).build_model(trial, data)
    end = model.config.eos_token_id or 3
    ids = torch.randint(10, 100, (ROWS, LENGTH))
    ids[:, -1] = end
    return model, {"input_ids": ids, "attention_mask": torch.ones_like(ids)}


def image_model() -> tuple[Any, dict[str, torch.Tensor]]:
    torch.manual_seed(0)
    model = AutoModelForImageClassification.from_config(AutoConfig.for_model(**VIT, image_size=8, num_channels=1))
    return model, {"pixel_values": torch.randn(ROWS, 1, 8, 8)}


def both(model: Any, inputs: dict[str, torch.Tensor], *, training: bool) -> tuple[float, float]:
    model.set_attn_implementation("eager")

    def step() -> None:
        with torch.set_grad_enabled(training):
            logits = model(**inputs).logits
        if training:
            logits.sum().backward()

    lengths = np.full(ROWS, LENGTH if "input_ids" in inputs else 1)
    formula = flops_formula(model, training=training)
    assert formula is not None
    return formula.of(lengths), count_flops(step)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("family", ["bert", "gpt2", "t5", "distilbert", "vit"])
def test_formula_agrees_with_torch(family: str, training: bool, smoke_data: PreparedData) -> None:
    model, inputs = image_model() if family == "vit" else text_model(family, smoke_data)
    formula, counted = both(model, inputs, training=training)
    assert counted > 0
    assert formula == pytest.approx(counted, rel=AGREE)


@pytest.mark.parametrize("family", ["bert", "gpt2"])
def test_formula_knows_that_tags_have_a_head_at_each_token(family: str) -> None:
    settings = AutoConfig.for_model(**architecture(family) | {"vocab_size": 600}, num_labels=40)
    model = AutoModelForTokenClassification.from_config(settings)
    ids = torch.randint(10, 100, (ROWS, LENGTH))
    formula, counted = both(model, {"input_ids": ids, "attention_mask": torch.ones_like(ids)}, training=True)
    assert formula == pytest.approx(counted, rel=AGREE)


@pytest.mark.parametrize(("family", "freeze"), [("gpt2", 1), ("gpt2", "backbone"), ("vit", 2), ("t5", "embeddings")])
def test_formula_knows_what_is_frozen(family: str, freeze: Any, smoke_data: PreparedData) -> None:
    model, inputs = image_model() if family == "vit" else text_model(family, smoke_data)
    whole, _ = both(model, inputs, training=True)
    freeze_parameters(model, freeze)
    formula, counted = both(model, inputs, training=True)
    assert formula == pytest.approx(counted, rel=AGREE)
    assert formula < whole or freeze == "embeddings"


def test_formula_looks_words_up_in_compact_tables() -> None:
    settings = AutoConfig.for_model("bert", **SMALL, vocab_size=4000)
    whole = AutoModelForSequenceClassification.from_config(settings)
    model = copy.deepcopy(whole, compact_table(whole, np.arange(2000), torch.device("cpu")))
    assert isinstance(model.get_input_embeddings(), CompactEmbedding)
    ids = torch.randint(10, 100, (ROWS, LENGTH))
    formula, counted = both(model, {"input_ids": ids, "attention_mask": torch.ones_like(ids)}, training=True)
    assert formula == pytest.approx(counted, rel=AGREE)


def test_formula_does_not_know_convolutions() -> None:
    small = AutoConfig.for_model("resnet", embedding_size=8, hidden_sizes=[8, 8], depths=[1, 1], num_channels=1)
    model = AutoModelForImageClassification.from_config(small)
    assert flops_formula(model, training=True) is None
    assert count_flops(lambda: model(pixel_values=torch.randn(1, 1, 16, 16))) > 0


def test_flops_add_up_over_lengths() -> None:
    flops = Flops(per_sample=1.0, per_token=10.0, per_square=100.0)
    assert flops.of(np.array([1, 3])) == (1 + 10 + 100) + (1 + 30 + 900)


def test_tokens_of_an_image_are_its_patches() -> None:
    assert tokens_of(AutoConfig.for_model(**VIT, image_size=8, num_channels=1), 1) == 16
    assert tokens_of(AutoConfig.for_model("bert"), 7) == 7
