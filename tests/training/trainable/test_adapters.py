"""Low-rank adapters: what is trained, what is saved, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import (
    AutoModelForSequenceClassification,
    BertConfig,
    BertForSequenceClassification,
    GPT2Config,
    GPT2ForSequenceClassification,
    GPT2LMHeadModel,
    T5Config,
    T5ForConditionalGeneration,
)

from harness.data.prepared import PreparedData
from harness.errors import CheckpointError
from harness.spec.trial import TrialConfig, TrialModel
from harness.training.host import Host
from harness.training.trainable.adapters import add_adapter, is_of_adapter, merged
from harness.training.trainable.freeze import freeze_parameters
from harness.trial import run_trial

IDS = torch.arange(1, 25).view(4, 6)
SMALL = {"hidden_size": 8, "num_attention_heads": 2, "intermediate_size": 16, "num_hidden_layers": 2}


def bert(**config: Any) -> Any:
    return BertForSequenceClassification(BertConfig(**SMALL, vocab_size=30, num_labels=3, **config)).eval()


def gpt2(kind: Any = GPT2ForSequenceClassification) -> Any:
    return kind(GPT2Config(n_embd=8, n_layer=2, n_head=2, vocab_size=30, num_labels=3, pad_token_id=0)).eval()


def t5() -> Any:
    return T5ForConditionalGeneration(
        T5Config(d_model=8, d_ff=16, d_kv=4, num_layers=2, num_heads=2, vocab_size=30, decoder_start_token_id=0)
    ).eval()


def lora(**keys: Any) -> TrialModel:
    return TrialModel(**{"checkpoint": "x", "adapter": "lora", "rank": 2, "alpha": 4.0, **keys})


def trained(model: Any) -> set[str]:
    return {name for name, parameter in model.named_parameters() if parameter.requires_grad}


def adapt(model: Any, spec: TrialModel, drawn: tuple[str, ...] = ()) -> Any:
    freeze_parameters(model, spec.freeze)
    add_adapter(model, spec, drawn)
    return model


def test_matrices_and_head_are_trained_and_nothing_else() -> None:
    model = adapt(bert(), lora())
    whole = {name for name in trained(model) if not is_of_adapter(name)}
    assert whole == {"classifier.weight", "classifier.bias"}
    adapted = {name.split(".lora_")[0] for name in trained(model) if is_of_adapter(name)}
    assert len(adapted) == 2 * 6 + 1  # six layers a block, and the pooler
    assert model.bert.encoder.layer[0].attention.self.query.lora_A["default"].weight.shape == (2, 8)


def test_new_layer_of_the_backbone_is_trained_as_a_whole() -> None:
    model = adapt(bert(), lora(), drawn=("bert.pooler.dense.weight", "bert.pooler.dense.bias"))
    assert "bert.pooler.dense.weight" in trained(model)
    assert "bert.pooler.dense.lora_A.default.weight" not in trained(model)


def test_output_layer_of_a_language_model_is_no_head() -> None:
    for model in (gpt2(GPT2LMHeadModel), t5()):
        assert all(map(is_of_adapter, trained(adapt(model, lora()))))


def test_frozen_layers_get_no_adapter() -> None:
    model = adapt(bert(), lora(freeze=1))
    assert not any(".layer.0." in name for name in trained(model))
    assert any(".layer.1." in name for name in trained(model))


def test_targets_are_names_or_their_ends() -> None:
    model = adapt(bert(), lora(targets=("query", "output.dense")))
    layers = {name.split(".lora_")[0].split(".", 4)[-1] for name in trained(model) if is_of_adapter(name)}
    assert layers == {"attention.self.query", "attention.output.dense", "output.dense"}


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (
            lora(targets=("qery",)),
            "no layer to adapt is called 'qery'; there are dense, key, query, value; did you",
        ),
        (lora(checkpoint="scratch"), "goes with a pretrained checkpoint: scratch has no weights to adapt"),
        (lora(freeze="backbone"), r"this bert model has no linear layer to adapt outside of its head"),
    ],
)
def test_nothing_to_adapt_is_refused(spec: TrialModel, message: str) -> None:
    with pytest.raises(CheckpointError, match=message):
        adapt(bert(), spec)


@pytest.mark.parametrize("make", [bert, gpt2, t5], ids=["bert", "gpt2", "t5"])
def test_merged_weights_are_those_of_a_plain_model(make: Any) -> None:
    torch.manual_seed(0)
    plain = make()
    keys = {"decoder_input_ids": IDS} if make is t5 else {}
    with torch.no_grad():
        before = plain(input_ids=IDS, **keys).logits
        model = adapt(make(), lora())
        for name, parameter in model.named_parameters():
            source = name.replace(".base_layer.", ".")
            if not is_of_adapter(name):
                parameter.copy_(dict(plain.named_parameters())[source])
        torch.testing.assert_close(model(input_ids=IDS, **keys).logits, before)  # an adapter begins at nothing
        for name, parameter in model.named_parameters():
            if is_of_adapter(name):
                parameter.normal_()
        after = model(input_ids=IDS, **keys).logits
        state = merged(model, dict(model.named_parameters()))
        assert set(state) == {name for name, _ in plain.named_parameters()}
        plain.load_state_dict(state, strict=False)
        assert (after - before).abs().max() > 0.05
        torch.testing.assert_close(plain(input_ids=IDS, **keys).logits, after, atol=1e-5, rtol=1e-4)


@pytest.fixture
def checkpoint(tmp_path: Path, smoke_data: PreparedData, smoke_config: TrialConfig, host: Host) -> Path:
    """A saved model of the smoke study with its tokenizer: a checkpoint like any other."""
    from harness.tasks import task_of

    folder = tmp_path / "checkpoint"
    *_, last = run_trial(smoke_config, str(smoke_data.folder), host)
    last.save(folder)
    task_of(smoke_config.task).write_processor(smoke_config, smoke_data, folder)
    return folder


def adapted(config: TrialConfig, checkpoint: Path, **training: Any) -> TrialConfig:
    model = lora(checkpoint=str(checkpoint))
    recipe = config.training.model_copy(update={"learning_rate": 0.05, "epochs": 4, **training})
    return config.model_copy(update={"model": model, "training": recipe, "evaluate_at": (0.5, 1.0)})


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_trial_learns_goes_on_to_the_bit_and_saves_a_plain_model(
    checkpoint: Path, smoke_data: PreparedData, smoke_config: TrialConfig, host: Host, tmp_path: Path, precision: str
) -> None:
    config = adapted(smoke_config, checkpoint, precision=precision)
    first, last = list(run_trial(config, str(smoke_data.folder), host))[-2:]
    trial = run_trial(config, str(smoke_data.folder), host)
    next(trial).snapshot(tmp_path / "snapshot")
    trial.close()
    pause = next(run_trial(config, str(smoke_data.folder), Host(place=host.place), tmp_path / "snapshot"))
    assert pause.progress.train_loss == last.progress.train_loss < first.progress.train_loss
    pause.save(tmp_path / "saved")
    saved = AutoModelForSequenceClassification.from_pretrained(tmp_path / "saved")
    base = AutoModelForSequenceClassification.from_pretrained(checkpoint)
    assert set(saved.state_dict()) == set(base.state_dict())
    changed = {name for name, value in saved.state_dict().items() if not torch.equal(value, base.state_dict()[name])}
    assert any("query" in name for name in changed)
    assert not any("embeddings" in name or ("bias" in name and "classifier" not in name) for name in changed)
    assert pause.progress.num_parameters == sum(parameter.numel() for parameter in base.parameters())


def test_paused_trial_with_an_adapter_holds_a_fraction(
    checkpoint: Path, smoke_data: PreparedData, smoke_config: TrialConfig, host: Host
) -> None:
    config = adapted(smoke_config, checkpoint)
    whole = config.model_copy(update={"model": config.model.model_copy(update={"adapter": "none"})})
    held = []
    for each in (config, whole):
        trial = run_trial(each, str(smoke_data.folder), host)
        held.append(next(trial).memory_bytes)
        trial.close()
    assert held[0] < held[1] / 2  # the smoke study's model is little more than its layers


def test_checkpoint_of_the_process_is_not_changed_by_training(
    checkpoint: Path, smoke_data: PreparedData, smoke_config: TrialConfig, host: Host
) -> None:
    config = adapted(smoke_config, checkpoint)
    losses = [
        [pause.progress.train_loss for pause in run_trial(config, str(smoke_data.folder), host)] for _ in range(2)
    ]
    assert losses[0] == losses[1]
