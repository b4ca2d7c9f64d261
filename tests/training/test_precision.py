"""What `precision: auto` means: by measured products, whatever the processor calls itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
import torch

from harness.data.prepared import PreparedData
from harness.errors import CheckpointError
from harness.records.schema import Place
from harness.spec.trial import TrialConfig, TrialModel
from harness.training import precision
from harness.training.host import Host
from harness.training.precision import choose, chosen_precision, faster, measure_products, products_of
from harness.trial import run_trial

CPU = torch.device("cpu")
GPU = ("fp32", "bf16", "fp16")


def measured(monkeypatch: pytest.MonkeyPatch, **gflops: float) -> list[Sequence[str]]:
    """Has every measurement come to `gflops`; the precisions that were asked for, by call."""
    asked: list[Sequence[str]] = []

    def measure(products: Any, device: torch.device, precisions: Sequence[str]) -> dict[str, float]:
        asked.append(precisions)
        return gflops

    monkeypatch.setattr(precision, "measure_products", measure)
    return asked


@pytest.mark.parametrize(
    ("gflops", "candidates", "expected"),
    [
        ({"fp32": 100, "bf16": 400}, ("fp32", "bf16"), "bf16"),
        ({"fp32": 100, "bf16": 111}, ("fp32", "bf16"), "bf16"),
        ({"fp32": 100, "bf16": 109}, ("fp32", "bf16"), "fp32"),
        ({"fp32": 290, "bf16": 150}, ("fp32", "bf16"), "fp32"),
        ({"fp32": 100}, ("fp32", "bf16"), "fp32"),
        ({}, ("fp32",), "fp32"),
        ({"fp32": 50, "bf16": 700, "fp16": 720}, GPU, "bf16"),
        ({"fp32": 50, "bf16": 40, "fp16": 400}, GPU, "fp16"),
        ({"fp32": 50, "fp16": 400}, GPU, "fp16"),
    ],
)
def test_precision_is_the_faster_one(gflops: dict[str, float], candidates: tuple[str, ...], expected: str) -> None:
    assert faster(gflops, candidates) == expected


@pytest.mark.parametrize(("gflops", "expected"), [({"fp32": 1, "bf16": 3}, "bf16"), ({"fp32": 3, "bf16": 1}, "fp32")])
def test_precision_auto_of_a_trial(
    smoke_config: TrialConfig,
    smoke_data: PreparedData,
    host: Host,
    monkeypatch: pytest.MonkeyPatch,
    gflops: dict[str, float],
    expected: str,
) -> None:
    asked = measured(monkeypatch, **gflops)
    config = smoke_config.in_precision("auto")
    for _ in range(2):
        trial = run_trial(config, str(smoke_data.folder), host)
        assert next(trial).progress.precision == expected
        trial.close()
    assert asked == [("fp32", "bf16")], "measured once a process"


def test_precision_that_is_asked_for_is_kept(
    smoke_config: TrialConfig, smoke_data: PreparedData, host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = measured(monkeypatch, fp32=3, bf16=1)
    trial = run_trial(smoke_config.in_precision("bf16"), str(smoke_data.folder), host)
    assert next(trial).progress.precision == "bf16"
    trial.close()
    assert asked == []


def test_precision_choice_says_what_was_measured(
    smoke_config: TrialConfig, smoke_data: PreparedData, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured(monkeypatch, fp32=131.4, bf16=3.25)
    place = Place(node="here", device="cpu", slot=1, threads=1, device_name="a processor")
    choice = choose(smoke_config, smoke_data, Host(place=place))
    assert choice.kind == ("cpu", "a processor", 1)
    assert choice.reason == "by the speed of this study's own matrix products: fp32 131 GFLOP/s, bf16 3.2 GFLOP/s"
    tiny = choice.model_copy(update={"gflops": {"fp32": 0.0123, "bf16": 0.12}})
    assert tiny.reason.endswith(": bf16 0.12 GFLOP/s, fp32 0.012 GFLOP/s")
    assert 1 <= len(choice.products) <= 3
    assert all(" by " in product for product in choice.products)


def test_precision_of_a_device_with_one_candidate_is_not_measured(
    smoke_config: TrialConfig, smoke_data: PreparedData, host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = measured(monkeypatch, fp32=1, bf16=3)
    monkeypatch.setattr(precision, "CANDIDATES", {})
    assert chosen_precision(smoke_config, smoke_data, host).precision == "fp32"
    assert asked == []


def test_precision_measuring_refuses_what_a_trial_refuses(smoke_config: TrialConfig, smoke_data: PreparedData) -> None:
    place = Place(node="here", device="cpu", slot=0, threads=1)
    model = TrialModel(checkpoint="scratch", architecture={"model_type": "bert", "hidden_size": 7})
    with pytest.raises(CheckpointError):
        choose(smoke_config.model_copy(update={"model": model}), smoke_data, Host(place=place))


class Small(torch.nn.Module):
    """A convolution, two equal linear layers and another one."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = torch.nn.Conv2d(3, 8, 3, padding=1)
        self.equal = torch.nn.ModuleList([torch.nn.Linear(8, 8), torch.nn.Linear(8, 8)])
        self.last = torch.nn.Linear(8, 2)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        found = self.conv(pixels).mean(dim=(2, 3))
        for layer in self.equal:
            found = layer(found)
        result: torch.Tensor = self.last(found)
        return result


def test_products_of_a_forward_pass() -> None:
    model, inputs = Small().train(), {"pixels": torch.rand(5, 3, 6, 6)}
    state = torch.get_rng_state()
    found = products_of(model, inputs, CPU)  # type: ignore[arg-type]
    assert [(product.label, product.times, product.flops) for product in found] == [
        ("5x3x6x6 by 8x3x3x3", 1, 2.0 * 5 * 8 * 36 * 27),
        ("5x8 by 8x8", 2, 2.0 * 5 * 64),
        ("5x8 by 2x8", 1, 2.0 * 5 * 16),
    ]
    assert model.training and torch.equal(state, torch.get_rng_state())
    assert not model.equal[0]._forward_hooks
    speeds = measure_products(found, CPU, ("fp32",))
    assert speeds["fp32"] > 0


def test_products_of_gpt2_are_seen(smoke_data: PreparedData) -> None:
    from transformers import GPT2Config, GPT2Model

    model = GPT2Model(GPT2Config(n_layer=1, n_head=2, n_embd=8, n_positions=8, vocab_size=11))
    found = products_of(model, {"input_ids": torch.zeros((2, 3), dtype=torch.long)}, CPU)
    assert {product.label for product in found} == {"6x8 by 32x8", "6x32 by 8x32", "6x8 by 24x8"}


def test_precision_that_a_device_cannot_compute_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    product = products_of(Small(), {"pixels": torch.rand(5, 3, 6, 6)}, CPU)[-1]  # type: ignore[arg-type]

    def no_half(given: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        if given.dtype == torch.float16:
            raise RuntimeError("not implemented for 'Half'")
        return torch.nn.functional.linear(given, weight)

    from dataclasses import replace

    speeds = measure_products([replace(product, call=no_half)], CPU, ("fp32", "fp16"))
    assert set(speeds) == {"fp32"}


def test_hopeless_precision_is_measured_with_few_rows_only(monkeypatch: pytest.MonkeyPatch) -> None:
    product = products_of(Small(), {"pixels": torch.rand(5, 3, 6, 6)}, CPU)[1]  # type: ignore[arg-type]
    rounds: list[tuple[Sequence[str], int]] = []

    def speeds(products: Any, device: Any, precisions: Sequence[str], **how: Any) -> dict[str, float]:
        rounds.append((tuple(precisions), how["rounds"]))
        return {name: {"fp32": 50.0, "bf16": 2.0}[name] for name in precisions}

    monkeypatch.setattr(precision, "_speeds", speeds)
    assert measure_products([product], CPU, ("fp32", "bf16")) == {"fp32": 50.0, "bf16": 2.0}
    assert rounds == [(("fp32", "bf16"), precision.FIRST_ROUNDS), (("fp32",), precision.LEAST_ROUNDS)]
