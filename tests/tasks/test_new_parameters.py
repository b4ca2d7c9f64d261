"""What a checkpoint has is kept, and only what it lacks is drawn, anew by each trial."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from harness.data.prepared import PreparedData
from harness.spec.trial import TrialConfig
from harness.tasks import task_of
from harness.tasks.models import build, model_config
from harness.training import model as training_model
from harness.training.host import Host
from harness.training.model import fresh_model
from harness.training.weights import FlatWeights
from tests.tasks.tiny import architecture, config, texts

CPU = torch.device("cpu")
HEAD = "classifier.weight"


def drawn(trial: TrialConfig, data: PreparedData, host: Host, seed: int) -> dict[str, torch.Tensor]:
    """The weights of a trial before its first step; they are changed afterwards, as training does."""
    torch.manual_seed(seed)
    model = fresh_model(trial, data, host, CPU)
    weights = {name: value.detach().clone() for name, value in model.named_parameters()}
    FlatWeights(model, torch.float32)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(1.0)
    return weights


def test_tied_language_model_starts_as_saved_every_time(
    data: PreparedData, host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its head is its word table, which drawing the head would overwrite."""
    scratch = config(architecture=architecture("gpt2"))
    build("AutoModelForCausalLM", scratch.model, model_config(scratch.model)).save_pretrained(tmp_path)
    trial = config(checkpoint=str(tmp_path))

    def causal(config: TrialConfig, data: PreparedData) -> Any:
        return build("AutoModelForCausalLM", config.model, model_config(config.model))

    monkeypatch.setattr(training_model, "task_of", lambda name: SimpleNamespace(build_model=causal))
    saved = load_file(tmp_path / "model.safetensors")
    for seed in (0, 1):
        found = drawn(trial, data, host, seed)
        assert found.keys() == saved.keys()
        assert all(torch.equal(found[name], saved[name]) for name in saved)


def test_head_of_the_right_size_is_continued(data: PreparedData, host: Host, saved: Callable[[str], Path]) -> None:
    folder = saved("bert")
    expected = load_file(folder / "model.safetensors")
    for seed in (0, 1):
        found = drawn(config(checkpoint=str(folder)), data, host, seed)
        assert all(torch.equal(found[name], expected[name]) for name in expected if "pooler" not in name)


def test_head_of_another_size_is_drawn_by_each_trial(
    host: Host, saved: Callable[[str], Path], make_data: Callable[..., PreparedData]
) -> None:
    folder = saved("bert")
    three = make_data([*texts(), *((f"{text} Or so.", "unsure") for text, _ in texts())])
    trial = config(checkpoint=str(folder))
    first, again, other = (drawn(trial, three, host, seed) for seed in (0, 0, 1))
    assert first[HEAD].shape[0] == 3
    assert torch.equal(first[HEAD], again[HEAD])
    assert not torch.equal(first[HEAD], other[HEAD])
    kept = load_file(folder / "model.safetensors")
    assert all(torch.equal(first[name], kept[name]) for name in kept if "classifier" not in name)


@pytest.mark.parametrize("family", ["bert", "gpt2", "t5"])
def test_new_weights_have_the_spread_that_transformers_gives_them(family: str, data: PreparedData, host: Host) -> None:
    """T5's attention and GPT-2's projections have another one than their layers have by themselves."""
    trial = config(architecture=architecture(family))
    plain = dict(task_of(trial.task).build_model(trial, data).named_parameters())
    found = drawn(trial, data, host, 0)
    assert found.keys() == plain.keys()
    large = {name: value for name, value in found.items() if value.numel() >= 256}
    assert large
    for name, value in large.items():
        assert float(value.std()) == pytest.approx(float(plain[name].detach().std()), rel=0.25), name
