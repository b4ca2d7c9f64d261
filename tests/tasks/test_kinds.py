"""Every accepted model type answers a text alike: alone, in any batch, and in transformers' own pipeline."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import pipeline

from harness.data.prepared import PreparedData
from harness.errors import CheckpointError
from harness.tasks import task_of
from harness.tasks.models import load_saved, quiet
from harness.training.check import check_model
from harness.training.evaluate import predict
from harness.training.host import Host
from tests.tasks.kinds import KINDS, OFTEN, architecture_of
from tests.tasks.tiny import config

TASK = task_of("text-classification")
TEXTS = [
    "a bowl of coffee",
    "the cake was a joy",
    "a bowl of hot noodles let me down, twice, on my birthday in the cold month of May",
    "the soup won me over",
    "the cake was a joy",
]
CPU = torch.device("cpu")


@pytest.mark.parametrize(
    "kind", [pytest.param(kind, marks=[] if kind in OFTEN else pytest.mark.long) for kind in KINDS]
)
def test_a_text_is_answered_alike_alone_in_a_batch_and_in_a_pipeline(
    kind: str, data: PreparedData, host: Host, tmp_path: Path
) -> None:
    trial = config(architecture=architecture_of(kind))
    check_model(trial, data, host)
    torch.manual_seed(0)
    with quiet():
        TASK.build_model(trial, data).save_pretrained(tmp_path)
    TASK.write_processor(trial, data, tmp_path)
    model = load_saved(tmp_path, TASK.auto)
    examples = TASK.predict_inputs([{"text": text} for text in TEXTS], tmp_path, max_length=64)
    assert len(set(examples.lengths.tolist())) >= 3
    together = np.asarray(predict(model, TASK, examples, np.arange(len(TEXTS)), CPU)["probabilities"])
    alone = [predict(model, TASK, examples, np.array([at]), CPU)["probabilities"] for at in range(len(TEXTS))]
    np.testing.assert_allclose(together, np.concatenate(alone), rtol=0, atol=1e-6)
    with quiet():
        classify = pipeline("text-classification", model=str(tmp_path), device="cpu", top_k=None)
        answers = classify(TEXTS)
    for answer, probabilities in zip(answers, together, strict=True):
        scores = {part["label"]: part["score"] for part in answer}
        assert scores == pytest.approx(dict(zip(data.names, probabilities.tolist(), strict=True)), abs=1e-6)


def test_a_kind_that_reads_other_rows_is_refused(
    data: PreparedData, host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.tasks.token_ids._UNPADDED", set())
    with pytest.raises(CheckpointError, match="a fnet model gives a row another answer beside another row than alone"):
        check_model(config(architecture=architecture_of("fnet")), data, host)


def test_damaged_weights_that_answer_with_nan_are_refused(data: PreparedData, host: Host, tmp_path: Path) -> None:
    torch.manual_seed(0)
    with quiet():
        model = TASK.build_model(config(architecture=architecture_of("bert")), data)
        torch.nn.init.constant_(model.base_model.encoder.layer[0].output.dense.bias, float("nan"))
        model.save_pretrained(tmp_path)
    TASK.write_processor(config(architecture=architecture_of("bert")), data, tmp_path)
    with pytest.raises(CheckpointError, match="a bert model answers a row with NaN: its weights are damaged; copy"):
        check_model(config(checkpoint=str(tmp_path)), data, host)


def test_a_kind_that_cannot_be_trained_is_refused(data: PreparedData, host: Host) -> None:
    own = {"attn_layers": ["local"], "axial_pos_embds": False, "local_attn_chunk_length": 8, "is_decoder": True}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trial = config(architecture=architecture_of("reformer") | own)
        with pytest.raises(CheckpointError, match="a reformer model cannot be trained on this data \\("):
            check_model(trial, data, host)
