from __future__ import annotations

from typing import Any

import pytest

from harness.data.prepared import PreparedData
from harness.errors import CheckpointError
from harness.tasks import task_of
from harness.training.trainable.freeze import freeze_parameters
from tests.tasks.tiny import VIT, architecture, config


def trained(model: Any) -> set[str]:
    return {name for name, parameter in model.named_parameters() if parameter.requires_grad}


@pytest.mark.parametrize(
    ("family", "embeddings", "block", "head"),
    [
        ("bert", ["bert.embeddings."], "bert.encoder.layer.{}.", "classifier."),
        ("roberta", ["roberta.embeddings."], "roberta.encoder.layer.{}.", "classifier."),
        ("distilbert", ["distilbert.embeddings."], "distilbert.transformer.layer.{}.", "classifier."),
        ("gpt2", ["transformer.wte.", "transformer.wpe."], "transformer.h.{}.", "score."),
        ("t5", ["transformer.shared."], "transformer.encoder.block.{}.", "classification_head."),
        ("vit", ["vit.embeddings."], "vit.{}", "classifier."),
    ],
)
def test_freeze(
    family: str, embeddings: list[str], block: str, head: str, data: PreparedData, digits: PreparedData
) -> None:
    image = family == "vit"
    task = task_of("image-classification" if image else "text-classification")
    trial = config(task.facts.name, architecture=VIT if image else architecture(family))
    model = task.build_model(trial, digits if image else data)
    everything = trained(model)

    def frozen(freeze: Any) -> set[str]:
        freeze_parameters(model, freeze)
        return everything - trained(model)

    bottom = {name for name in everything if name.startswith(tuple(embeddings))}
    assert bottom
    assert frozen("none") == set()
    assert frozen("embeddings") == bottom
    assert {name for name in trained_after(model, "backbone") if not name.startswith(("pre_classifier", head))} == set()
    if image:
        assert len(frozen(2)) == len(bottom) + 2 * (len(frozen(3)) - len(frozen(2)))
    else:
        lowest = {name for name in everything if name.startswith((block.format(0), block.format(1)))}
        assert frozen(2) == bottom | lowest
    with pytest.raises(CheckpointError, match="4 layers cannot be frozen: the model has 3"):
        freeze_parameters(model, 4)


def trained_after(model: Any, freeze: Any) -> set[str]:
    freeze_parameters(model, freeze)
    return trained(model)
