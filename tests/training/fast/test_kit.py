"""With and without all speed-ups, training is the same but for rounding."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from harness.data.prepare import prepare
from harness.data.prepared import PreparedData
from harness.runtime import PLAIN
from harness.spec.configure import default_params, resolve
from harness.spec.reader import load_study
from harness.spec.study.optimisers import OPTIMISERS
from harness.spec.trial import TrialConfig
from harness.tasks import task_of
from harness.training.clock import Clock
from harness.training.fast.activations import _WithActivations
from harness.training.fast.compact import CompactEmbedding
from harness.training.fast.dropout import FastDropout
from harness.training.fast.kit import Fast, kit_of
from harness.training.fast.one_pass import OnePass, _library
from harness.training.host import Host
from harness.training.loop import Trainer
from harness.training.plain import Plain
from harness.training.trainable.freeze import repeated_blocks
from harness.trial import run_trial
from tests.conftest import STUDIES

CPU = torch.device("cpu")
#: More words than the texts have, so that the table is worth cutting; no dropout, whose masks are drawn otherwise.
WORDS = 3000


def trial(checkpoint: str = "scratch", **fields: Any) -> TrialConfig:
    spec = load_study(STUDIES / "smoke.yaml", ["training.precision=fp32"])
    config = resolve(spec, number=0, params=default_params(spec))
    training = {"learning_rate": 5e-3, "batch_size": 8, "epochs": 1.0}
    architecture = {**(config.model.architecture or {}), "vocab_size": WORDS} if checkpoint == "scratch" else None
    model = {"checkpoint": checkpoint, "dropout": 0.0, "frozen_dropout": False, "architecture": architecture}
    update = {
        name: getattr(config, name).model_copy(
            update={key: value for key, value in (given | fields).items() if key in type(section).model_fields}
        )
        for name, section, given in (("model", config.model, model), ("training", config.training, training))
    }
    return config.model_copy(update=update | {"evaluate_at": (0.5, 1.0), "validation_rows": (6, None)})


def losses(config: TrialConfig, data: PreparedData, host: Host) -> list[float]:
    found = [pause.progress for pause in run_trial(config, str(data.folder), host)]
    return [value for progress in found for value in (progress.train_loss, progress.metrics["log_loss"])]


@pytest.fixture
def texts(tmp_path: Path) -> PreparedData:
    return prepare(load_study(STUDIES / "smoke.yaml"), tmp_path)


@pytest.fixture
def checkpoint(texts: PreparedData, host: Host, tmp_path: Path) -> str:
    next(run_trial(trial(), str(texts.folder), host)).save(tmp_path / "mine")
    task_of("text-classification").write_processor(trial(), texts, tmp_path / "mine")
    return str(tmp_path / "mine")


@pytest.mark.parametrize(
    ("fields", "tolerance"),
    [
        ({}, 1e-5),
        ({"freeze": 1}, 1e-4),
        ({"freeze": "backbone", "accumulation_steps": 2}, 1e-4),
        ({"precision": "bf16", "batch_size": 32}, 1e-2),
        ({"optimizer": "adafactor", "learning_rate": 2e-2}, 1e-5),
        ({"optimizer": "sgd", "learning_rate": 0.1, "weight_decay": 0.1}, 1e-5),
    ],
    ids=["all", "frozen", "backbone-accumulated", "bf16", "adafactor", "sgd"],
)
def test_training_without_speed_ups_is_the_same_but_for_rounding(
    fields: dict[str, Any],
    tolerance: float,
    texts: PreparedData,
    host: Host,
    checkpoint: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fast = losses(trial(checkpoint, **fields), texts, host)
    monkeypatch.setenv(PLAIN, "1")
    assert losses(trial(checkpoint, **fields), texts, Host(place=host.place)) == pytest.approx(fast, rel=tolerance)
    assert len(set(fast)) == len(fast), "a training that stands still would pass"


def trainer(config: TrialConfig, data: PreparedData, host: Host) -> Trainer:
    torch.manual_seed(0)
    return Trainer(config, data, host, CPU, Clock())


def test_plain_training_has_none_of_the_speed_ups(
    texts: PreparedData, host: Host, checkpoint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, frozen = trial(checkpoint, dropout=0.1, precision="bf16"), trial(freeze=1)
    fast = trainer(whole, texts, host)
    kinds = {type(module) for module in fast.model.modules()}
    assert {FastDropout, CompactEmbedding} <= kinds
    assert isinstance(fast.optimiser._straight, OnePass) == (_library() is not None)
    assert isinstance(trainer(frozen, texts, host).task, _WithActivations)
    monkeypatch.setenv(PLAIN, "1")
    plain = trainer(whole, texts, host)
    assert not {FastDropout, CompactEmbedding} & {type(module) for module in plain.model.modules()}
    assert plain.compact is None
    assert plain.optimiser._straight is None
    assert not isinstance(trainer(frozen, texts, host).task, _WithActivations)


@pytest.mark.parametrize("name", OPTIMISERS)
def test_words_are_cut_where_the_optimiser_allows_it(
    name: str, texts: PreparedData, host: Host, checkpoint: str
) -> None:
    found = trainer(trial(checkpoint, optimizer=name), texts, host)
    assert (found.compact is not None) == OPTIMISERS[name].may_leave_rows


def test_frozen_layers_have_no_dropout_in_plain_training_either(
    texts: PreparedData, host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That is what a study asks for, and no speed-up."""
    monkeypatch.setenv(PLAIN, "1")
    mine = trainer(trial(freeze=1, dropout=0.1), texts, host)
    modes: list[bool] = []
    for block in repeated_blocks(mine.model)[0]:
        next(block.children()).register_forward_hook(lambda module, args, output: modes.append(module.training))
    mine.train_to(1)
    assert modes == [False, True]


def test_weights_that_every_trial_draws_are_drawn_whole(
    texts: PreparedData, host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a checkpoint the seed decides the embeddings too."""
    fast = losses(trial(), texts, host)
    monkeypatch.setenv(PLAIN, "1")
    assert losses(trial(), texts, Host(place=host.place)) == pytest.approx(fast, rel=1e-5)


@pytest.mark.parametrize(("value", "kind"), [(None, Fast), ("", Fast), ("0", Fast), ("1", Plain)])
def test_environment_says_which(
    value: str | None,
    kind: type[Plain],
    smoke_config: TrialConfig,
    smoke_data: PreparedData,
    host: Host,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv(PLAIN, raising=False)
    if value is not None:
        monkeypatch.setenv(PLAIN, value)
    assert type(kit_of(smoke_config, smoke_data, host, CPU)) is kind


def test_evaluation_says_whether_there_were_speed_ups(
    texts: PreparedData, host: Host, checkpoint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for value, plain in (("0", False), ("1", True)):
        monkeypatch.setenv(PLAIN, value)
        found = [
            pause.progress.plain for pause in run_trial(trial(checkpoint), str(texts.folder), Host(place=host.place))
        ]
        assert found == [plain, plain]
