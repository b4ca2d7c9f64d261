"""Frozen layers without dropout: skipping them changes nothing but rounding, whatever the model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from harness.data.answers import read_answers
from harness.data.prepare import prepare
from harness.data.prepared import PreparedData
from harness.spec.configure import default_params, resolve
from harness.spec.reader import load_study
from harness.spec.study import Freeze
from harness.spec.trial import TrialConfig
from harness.tasks import task_of
from harness.tasks.encode import encoded
from harness.tasks.models import load_saved
from harness.training.clock import Clock
from harness.training.evaluate import predict
from harness.training.fast import activations
from harness.training.host import Host
from harness.training.loop import Trainer
from harness.training.model import tune_for
from harness.training.trainable.freeze import repeated_blocks
from harness.training.weights import DTYPES, cast_model
from harness.trial import run_trial
from tests.conftest import STUDIES
from tests.tasks.tiny import VIT, architecture

CPU = torch.device("cpu")
RESNET = {"model_type": "resnet", "embedding_size": 8, "hidden_sizes": [8, 16], "depths": [1, 1], "num_channels": 1}
ALBERT = {
    "model_type": "albert", "vocab_size": 200, "embedding_size": 8, "hidden_size": 16, "num_hidden_layers": 3,
    "num_attention_heads": 2, "intermediate_size": 32, "max_position_embeddings": 40,
    "hidden_dropout_prob": 0.1, "attention_probs_dropout_prob": 0.1,
}  # fmt: skip


@pytest.fixture
def texts(tmp_path: Path) -> PreparedData:
    return prepare(load_study(STUDIES / "smoke.yaml"), tmp_path)


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> PreparedData:
    study = load_study(STUDIES / "smoke.yaml", ["task=image-classification", "data.builtin=digits"])
    return prepare(study, tmp_path_factory.mktemp("digits"))


def trial(freeze: Freeze, built: dict[str, Any] | None = None, **fields: Any) -> TrialConfig:
    """A short trial of the smoke study at a rate that moves the losses, frozen layers without dropout."""
    spec = load_study(STUDIES / "smoke.yaml", ["training.precision=fp32"])
    config = resolve(spec, number=0, params=default_params(spec))
    if built:
        fields["architecture"] = built
    fields = {"freeze": freeze, "frozen_dropout": False, "learning_rate": 5e-3, "batch_size": 8, "epochs": 1} | fields
    sections = {
        name: section.model_copy(update={key: fields[key] for key in fields if key in type(section).model_fields})
        for name, section in (("data", config.data), ("model", config.model), ("training", config.training))
    }
    images = built is not None and built["model_type"] in ("vit", "resnet")
    return config.model_copy(
        update=sections
        | {"task": "image-classification" if images else config.task}
        | {"evaluate_at": (0.5, 1.0), "validation_rows": (6, None)}
    )


def losses(config: TrialConfig, data: PreparedData, host: Host) -> list[float]:
    found = [pause.progress for pause in run_trial(config, str(data.folder), host)]
    return [value for progress in found for value in (progress.train_loss, progress.metrics["log_loss"])]


def kept(data: PreparedData) -> set[str]:
    return {path.name for path in (data.folder / "frozen").glob("[!.]*")}


def trainer(config: TrialConfig, data: PreparedData, host: Host) -> Trainer:
    torch.manual_seed(0)
    return Trainer(config, data, host, CPU, Clock(None))


def running(module: torch.nn.Module, modes: list[bool]) -> None:
    """From now on, each time that `module` runs, says whether it does so in training mode."""
    forward = module.forward

    def watched(*args: Any, **kwargs: Any) -> Any:
        modes.append(module.training)
        return forward(*args, **kwargs)

    module.forward = watched


@pytest.mark.parametrize(
    ("built", "freeze"),
    [
        *((architecture(family), freeze) for family in ("bert", "gpt2", "t5") for freeze in (2, 3, "backbone")),
        (architecture("distilbert"), 1),
        (VIT | {"hidden_dropout_prob": 0.1}, 1),
        (RESNET, "backbone"),
    ],
    ids=lambda value: value["model_type"] if isinstance(value, dict) else str(value),
)
def test_skipping_frozen_layers_changes_losses_by_rounding_only(
    built: dict[str, Any],
    freeze: Freeze,
    texts: PreparedData,
    digits: PreparedData,
    host: Host,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    data = digits if built["model_type"] in ("vit", "resnet") else texts
    config = trial(freeze, built, train_rows=32)
    before = kept(data)
    skipped = losses(config, data, host)
    assert "keeping what the frozen layers give for 32 rows" in capfd.readouterr().err
    assert len(kept(data) - before) == 2
    monkeypatch.setattr(activations, "MAX_BYTES", 0)
    monkeypatch.setattr(activations, "VERSION", "another")
    assert losses(config, data, host) == pytest.approx(skipped, rel=1e-4)
    assert "the frozen layers run in every step: keeping what they give would take" in capfd.readouterr().err
    assert len(kept(data) - before) == 2
    assert len(set(skipped)) == len(skipped)


def test_skipped_layers_do_not_run(texts: PreparedData, host: Host) -> None:
    mine = trainer(trial(1), texts, host)
    ran: list[list[bool]] = [[], []]
    for block, modes in zip(repeated_blocks(mine.model)[0], ran, strict=True):
        running(next(block.children()), modes)
    mine.train_to(3)
    mine.evaluate(0)
    assert ran == [[], [True, True, True, False]]


@pytest.mark.parametrize(("freeze", "dropout"), [("embeddings", [True, True]), (1, [False, True]), (2, [False, False])])
def test_frozen_layers_run_without_dropout_where_they_cannot_be_skipped(
    freeze: Freeze, dropout: list[bool], texts: PreparedData, host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(activations, "MAX_BYTES", 0)
    mine = trainer(trial(freeze), texts, host)
    modes: list[bool] = []
    for module in (mine.model.base_model.embeddings, *repeated_blocks(mine.model)[0], mine.model.dropout):
        running(next(iter(module.children()), module), modes)
    mine.train_to(1)
    assert modes == [False, *dropout, True]
    mine.train_to(2)
    assert modes == [False, *dropout, True] * 2
    mine.evaluate(0)
    assert modes[8:] == [False] * 4
    assert not kept(texts)


def test_frozen_dropout_is_kept_unless_a_study_says_otherwise(texts: PreparedData, host: Host) -> None:
    assert TrialConfig.model_validate(trial(1).model_dump(exclude={"model": {"frozen_dropout"}})).model.frozen_dropout
    with_dropout = losses(trial(1, frozen_dropout=True), texts, host)
    assert not kept(texts)
    assert losses(trial(1), texts, host) != pytest.approx(with_dropout, rel=1e-4)


@pytest.mark.parametrize("freeze", ["embeddings", 1, "backbone"])
def test_frozen_layers_leave_no_graph_and_no_gradients(freeze: Freeze, texts: PreparedData, host: Host) -> None:
    mine = trainer(trial(freeze, frozen_dropout=True), texts, host)
    recorded: list[bool] = []
    for block in (mine.model.base_model.embeddings, *repeated_blocks(mine.model)[0]):
        block.register_forward_hook(lambda module, args, output: recorded.append(output.requires_grad))
    mine.train_to(1)
    assert recorded == {"embeddings": [False, True, True], 1: [False, False, True], "backbone": [False] * 3}[freeze]
    trained = sum(parameter.numel() for parameter in mine.model.parameters() if parameter.requires_grad)
    assert sum(master.numel() for master in mine.weights.masters) == trained
    assert all(parameter.grad is None for parameter in mine.model.parameters())


def files(data: PreparedData) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in (data.folder / "frozen").rglob("*.npy")}


@pytest.fixture
def checkpoint(texts: PreparedData, host: Host, tmp_path: Path) -> Path:
    next(run_trial(trial("none"), str(texts.folder), host)).save(tmp_path / "mine")
    task_of("text-classification").write_processor(trial("none"), texts, tmp_path / "mine")
    return tmp_path / "mine"


def test_activations_are_shared_by_trials_that_see_the_same(texts: PreparedData, host: Host, checkpoint: Path) -> None:
    losses(trial(1, checkpoint=str(checkpoint)), texts, host)
    written = files(texts)
    assert len(written) == 2
    for cache in (host.cache, {}):
        other = trial(1, checkpoint=str(checkpoint), seed=3, batch_size=16, dropout=0.3, learning_rate=1e-3)
        losses(other, texts, Host(place=host.place, cache=cache))
        assert files(texts) == written


def test_activations_of_a_model_from_scratch_are_those_of_its_seed(texts: PreparedData, host: Host) -> None:
    for seed, folders in ((0, 2), (1, 4), (0, 4)):
        losses(trial(1, seed=seed), texts, host)
        assert len(kept(texts)) == folders


@pytest.mark.parametrize(
    "other",
    [
        {"freeze": 2},
        {"max_length": 6},
        {"preprocess": ("lowercase", "strip_punctuation")},
        {"precision": "bf16"},
        {"train_rows": 20},
        {"layers": 1},
    ],
    ids=lambda other: next(iter(other)),
)
def test_activations_are_not_shared_by_trials_that_see_other_inputs_or_layers(
    other: dict[str, Any], texts: PreparedData, host: Host
) -> None:
    for config in (trial(1), trial(**{"freeze": 1} | other)):
        trainer(config, texts, host)
    same = 1 if "train_rows" in other else 0
    assert len(kept(texts)) == 4 - same


def test_activations_of_other_weights_are_not_taken(texts: PreparedData, host: Host, checkpoint: Path) -> None:
    config = trial(1, checkpoint=str(checkpoint))
    trainer(config, texts, host)
    before = kept(texts)
    next(run_trial(trial("none", seed=5), str(texts.folder), host)).save(checkpoint)
    trainer(config, texts, Host(place=host.place))
    assert len(kept(texts) - before) == len(before) == 2


def test_augmented_copies_have_activations_of_their_own(texts: PreparedData, host: Host) -> None:
    mine = trainer(trial(1, augment=("delete",), train_rows=10), texts, host)
    assert len(mine.splits.train.rows) == 20
    rows = mine.splits.train.rows[[3, 13]]
    inputs = mine.task.collate(mine.splits.train.examples, rows)
    plain = task_of("text-classification").collate(mine.splits.train.examples, rows)
    found = mine.model.base_model.eval()(**plain, output_hidden_states=True).hidden_states[1]
    given = next(inputs[name] for name in inputs if name not in plain)
    real = plain["attention_mask"].bool()
    torch.testing.assert_close(given[real], found[real], rtol=1e-4, atol=1e-6)
    assert not torch.equal(given[0, 1], given[1, 1]) or not torch.equal(given[0, 2], given[1, 2])


@pytest.mark.parametrize(("freeze", "precision"), [(1, "fp32"), (1, "bf16"), ("backbone", "bf16")])
def test_exported_model_scores_as_its_trial_did_to_the_bit(
    freeze: Freeze, precision: str, texts: PreparedData, host: Host, tmp_path: Path
) -> None:
    config = trial(freeze, precision=precision, epochs=2)
    for pause in run_trial(config, str(texts.folder), host):
        if pause.progress.done:
            pause.save(tmp_path / "weights")
    assert kept(texts)
    model = load_saved(tmp_path / "weights", task_of(config.task).auto)
    tune_for(model, CPU)
    cast_model(model, DTYPES[precision])
    examples = encoded(texts, config, "validation")
    found = predict(model, task_of(config.task), examples, np.arange(len(examples)), CPU)["probabilities"]
    saved = read_answers(tmp_path / "weights" / "validation.npz", "validation")
    assert np.array_equal(np.asarray(saved.outputs["probabilities"]), np.asarray(found))


def test_model_whose_layers_are_one_layer_trains_as_usual(
    texts: PreparedData, host: Host, capfd: pytest.CaptureFixture[str]
) -> None:
    assert all(np.isfinite(losses(trial(1, ALBERT), texts, host)))
    assert "the frozen layers run in every step: without them the logits of a albert model change" in (
        capfd.readouterr().err
    )
    assert not kept(texts)


def test_trained_parameter_below_the_frozen_layers_is_not_forgotten(texts: PreparedData, host: Host) -> None:
    mine = trainer(trial(1, frozen_dropout=True), texts, host)
    mine.model.base_model.embeddings.LayerNorm.weight.requires_grad_(True)
    assert activations.skip_frozen(mine.task, mine.model, trial(1), texts, host, [mine.splits.train]) is mine.task


def test_resumed_trial_goes_on_to_the_bit(texts: PreparedData, host: Host, tmp_path: Path) -> None:
    config = trial(1)
    whole = losses(config, texts, host)
    started = run_trial(config, str(texts.folder), host)
    next(started).snapshot(tmp_path / "snapshot")
    started.close()
    rest = [pause.progress for pause in run_trial(config, str(texts.folder), host, tmp_path / "snapshot")]
    assert [value for p in rest for value in (p.train_loss, p.metrics["log_loss"])] == whole[2:]
