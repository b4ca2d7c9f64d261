"""An adapter taken out of a merged model, against PEFT, and a folder of an adapter as a checkpoint."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import (
    AutoModelForSequenceClassification,
    BertConfig,
    BertModel,
    GPT2Config,
    GPT2Model,
    PreTrainedModel,
)

from harness.data.checkpoints import resolve
from harness.errors import CheckpointError, HarnessError, RunError
from harness.jobs.adapter.split import keep_adapter_alone
from harness.spec.trial import TrialModel
from harness.training.trainable.adapters import add_adapter, is_of_adapter, merged

IDS = torch.arange(1, 25).view(4, 6)
AUTO = "AutoModelForSequenceClassification"


def bare(kind: str) -> PreTrainedModel:
    torch.manual_seed(0)
    if kind == "gpt2":
        return GPT2Model(GPT2Config(n_embd=8, n_layer=2, n_head=2, vocab_size=30, pad_token_id=0))
    small = {"hidden_size": 8, "num_attention_heads": 2, "intermediate_size": 16, "num_hidden_layers": 2}
    return BertModel(BertConfig(**small, vocab_size=30))


@pytest.fixture(params=["bert", "gpt2"])
def folders(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path, Any]:
    """The folders of a backbone and of a model that was trained on it with an adapter, and the trial's model."""
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    base, export = tmp_path / "base", tmp_path / "export"
    bare(request.param).save_pretrained(base)
    spec = TrialModel(checkpoint=str(base), adapter="lora", rank=2, alpha=6.0)
    model = AutoModelForSequenceClassification.from_pretrained(base, num_labels=3)
    config = model.config
    add_adapter(model, spec, ())
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if is_of_adapter(name):
                parameter.normal_(std=0.3)
    export.mkdir()
    config.save_pretrained(export)
    state = merged(model, {name: value.detach() for name, value in model.named_parameters()})
    save_file(
        {name: value.contiguous() for name, value in state.items()}, export / "model.safetensors", {"format": "pt"}
    )
    return base, export, spec


def logits(model: Any) -> torch.Tensor:
    with torch.no_grad():
        return model.eval()(input_ids=IDS, attention_mask=torch.ones_like(IDS)).logits


@pytest.mark.filterwarnings("ignore::FutureWarning")  # PEFT's own
def test_peft_loads_the_adapter_on_its_checkpoint(folders: tuple[Path, Path, Any]) -> None:
    from peft import PeftModel

    base, export, spec = folders
    before = logits(AutoModelForSequenceClassification.from_pretrained(export))
    whole = (export / "model.safetensors").stat().st_size
    keep_adapter_alone(export, spec, AUTO)
    assert sorted(path.name for path in export.iterdir()) == ["adapter_config.json", "adapter_model.safetensors"]
    assert (export / "adapter_model.safetensors").stat().st_size < whole
    plain = AutoModelForSequenceClassification.from_pretrained(base, num_labels=3)
    assert (logits(plain) - before).abs().max() > 0.01
    loaded = PeftModel.from_pretrained(plain, str(export))
    torch.testing.assert_close(logits(loaded), before, atol=1e-4, rtol=1e-3)
    settings = json.loads((export / "adapter_config.json").read_text("utf-8"))
    assert (settings["r"], settings["lora_alpha"], settings["task_type"]) == (2, 6.0, "SEQ_CLS")


def test_folder_of_an_adapter_is_a_checkpoint(folders: tuple[Path, Path, Any]) -> None:
    _, export, spec = folders
    before = logits(AutoModelForSequenceClassification.from_pretrained(export))
    keep_adapter_alone(export, spec, AUTO)
    found = resolve(str(export))
    assert (found.id, found.source) == (str(export), "folder")
    loaded = AutoModelForSequenceClassification.from_pretrained(found.folder, num_labels=3)
    torch.testing.assert_close(logits(loaded), before, atol=1e-4, rtol=1e-3)
    assert resolve(str(export)).folder == found.folder


def test_whole_training_is_no_adapter(folders: tuple[Path, Path, Any]) -> None:
    _, export, spec = folders
    with pytest.raises(RunError, match="trained without an adapter"):
        keep_adapter_alone(export, spec.model_copy(update={"adapter": "none"}), AUTO)
    weights = load_file(export / "model.safetensors")
    name = next(name for name, value in weights.items() if ".0." in name and value.ndim == 2)
    weights[name] = weights[name] + torch.randn_like(weights[name])
    save_file(weights, export / "model.safetensors", {"format": "pt"})
    with pytest.raises(HarnessError, match="by more than an adapter of rank 2"):
        keep_adapter_alone(export, spec, AUTO)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"use_dora": True}, "an adapter with use_dora: True, which is not read; merge it first"),
        ({"peft_type": "IA3"}, "an adapter with peft_type: IA3, which is not read"),
        ({"lora_alpha": None}, "has no number lora_alpha, by which the adapter is scaled"),
        ({"base_model_name_or_path": None}, "does not name the model that the adapter was trained on"),
    ],
)
def test_adapter_of_another_kind_is_refused(
    folders: tuple[Path, Path, Any], change: dict[str, Any], message: str
) -> None:
    _, export, spec = folders
    keep_adapter_alone(export, spec, AUTO)
    path = export / "adapter_config.json"
    path.write_text(json.dumps(json.loads(path.read_text("utf-8")) | change), encoding="utf-8")
    with pytest.raises(CheckpointError, match=message):
        resolve(str(export))


def test_part_of_an_adapter_that_is_not_read_is_refused(folders: tuple[Path, Path, Any]) -> None:
    _, export, spec = folders
    keep_adapter_alone(export, spec, AUTO)
    tensors = load_file(export / "adapter_model.safetensors")
    name = "base_model.model.bert.embeddings.word_embeddings.lora_embedding_A"
    save_file(tensors | {name: torch.ones(2, 30)}, export / "adapter_model.safetensors")
    with pytest.raises(CheckpointError, match=r"holds bert.*lora_embedding_A, which is not read"):
        resolve(str(export))
    half = {name: value for name, value in tensors.items() if not name.endswith("lora_B.weight")}
    save_file(half, export / "adapter_model.safetensors")
    with pytest.raises(CheckpointError, match="holds half an adapter, which is not read"):
        resolve(str(export))


def test_adapter_is_merged_again_where_its_checkpoint_has_changed(folders: tuple[Path, Path, Any]) -> None:
    base, export, spec = folders
    keep_adapter_alone(export, spec, AUTO)
    before = resolve(str(export)).folder
    weights = load_file(base / "model.safetensors")
    save_file({name: value + 1 for name, value in weights.items()}, base / "model.safetensors", {"format": "pt"})
    after = resolve(str(export)).folder
    assert after != before
    one, other = (load_file(folder / "model.safetensors") for folder in (before, after))
    name = next(name for name in one if name.endswith(("0.attention.self.query.weight", "0.attn.c_attn.weight")))
    torch.testing.assert_close(other[name], one[name] + 1)


def test_adapter_of_another_checkpoint_is_refused(folders: tuple[Path, Path, Any], tmp_path: Path) -> None:
    _, export, spec = folders
    keep_adapter_alone(export, spec, AUTO)
    BertModel(
        BertConfig(hidden_size=12, num_attention_heads=2, intermediate_size=16, num_hidden_layers=1, vocab_size=30)
    ).save_pretrained(tmp_path / "other")
    path = export / "adapter_config.json"
    settings = json.loads(path.read_text("utf-8")) | {"base_model_name_or_path": str(tmp_path / "other")}
    path.write_text(json.dumps(settings), encoding="utf-8")
    with pytest.raises(CheckpointError, match="the adapter does not fit"):
        resolve(str(export))
    (export / "adapter_model.safetensors").unlink()
    with pytest.raises(CheckpointError, match=r"has no adapter_model\.safetensors; copy it too"):
        resolve(str(export))
