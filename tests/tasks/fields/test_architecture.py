"""The model of fields: what it computes, how it starts, and that it is loaded as it was saved."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModelForSequenceClassification

from harness.tasks.fields.architecture import FieldsConfig, FieldsForSequenceClassification

IDS = torch.tensor([[1, 3, 4, 6], [2, 5, 0, 6]])
WEIGHTS = torch.tensor([[1.0, 0.5, 0.5, 2.0], [1.0, 1.0, 0.0, -1.0]])


def model(**settings: float) -> FieldsForSequenceClassification:
    torch.manual_seed(0)
    sizes = {"vocab_size": 8, "slots": [1, 2, 1], "hidden_size": 3, "intermediate_size": 4}
    return FieldsForSequenceClassification(FieldsConfig(**sizes, num_labels=2, **settings)).eval()


def test_logit_is_that_of_pairs_and_layers() -> None:
    built = model()
    with torch.no_grad():
        built.fields.word_embeddings.weight.normal_()
        built.fields.word_embeddings.weight[0] = 0
        said = built(IDS, WEIGHTS).logits
        table, bias = built.fields.word_embeddings.weight.numpy(), built.fields.biases.weight.numpy()[:, 0]
    for row in range(2):
        vectors = table[IDS[row].numpy()] * WEIGHTS[row].numpy()[:, None]
        columns = np.stack([vectors[0], vectors[1] + vectors[2], vectors[3]])
        pairs = sum(columns[a] @ columns[b] for a in range(3) for b in range(a))
        hidden = torch.from_numpy(columns.ravel())
        with torch.no_grad():
            for layer in built.fields.layers:
                hidden = torch.relu(layer(hidden))
            top = float(built.classifier(hidden))
        expected = top + pairs + float(bias[IDS[row].numpy()] @ WEIGHTS[row].numpy())
        assert said[row].tolist() == pytest.approx([0.0, expected], rel=1e-4)


def test_a_new_model_says_about_the_click_rate_and_unknown_ids_nothing() -> None:
    built = model(log_odds=-1.5)
    with torch.no_grad():
        assert built(IDS, WEIGHTS).logits[:, 1].tolist() == pytest.approx([-1.5, -1.5], abs=0.5)
        unknown = built(torch.zeros_like(IDS), WEIGHTS).logits
        assert torch.equal(unknown, built(torch.zeros_like(IDS), 3 * WEIGHTS).logits)
    built(IDS, WEIGHTS).logits.sum().backward()
    assert not built.fields.word_embeddings.weight.grad[0].any()


def test_saved_and_loaded_by_the_auto_class(tmp_path: Path) -> None:
    built = model(log_odds=0.7)
    built.save_pretrained(tmp_path)
    loaded = AutoModelForSequenceClassification.from_pretrained(tmp_path).eval()
    assert type(loaded) is FieldsForSequenceClassification
    with torch.no_grad():
        assert torch.equal(loaded(IDS, WEIGHTS).logits, built(IDS, WEIGHTS).logits)
