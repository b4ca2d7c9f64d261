"""The one trial function: reproducible, interruptible, and alone in its world."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from harness.data.answers import Answers, read_answers
from harness.data.encoded import Arrays
from harness.data.prepared import PreparedData
from harness.errors import FailReason, HarnessError, TrialFailure
from harness.records.precision import unmeasured
from harness.records.schema import Place, Progress, repeating
from harness.spec.trial import TrialConfig
from harness.tasks import task_of
from harness.tasks.encode import encoded
from harness.tasks.models import load_saved
from harness.training import loop
from harness.training.evaluate import predict
from harness.training.host import Host
from harness.training.loop import Trainer
from harness.training.model import tune_for
from harness.training.weights import DTYPES, cast_model
from harness.trial import release, run_trial


def with_training(config: TrialConfig, **fields: object) -> TrialConfig:
    return config.model_copy(update={"training": config.training.model_copy(update=fields)})


def learning(config: TrialConfig, **fields: object) -> TrialConfig:
    """A config whose losses move: a higher rate than the default recipe's."""
    return with_training(config, **({"learning_rate": 5e-3, "epochs": 4.0} | fields))


def outcome(progress: Progress) -> tuple[int, float, float]:
    return progress.step, progress.train_loss, progress.metrics["log_loss"]


def full_run(config: TrialConfig, data: PreparedData, host: Host) -> list[tuple[int, float, float]]:
    return [outcome(pause.progress) for pause in run_trial(config, str(data.folder), host)]


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_trial_same_seed_same_losses_to_the_bit(
    smoke_config: TrialConfig, smoke_data: PreparedData, host: Host, precision: str
) -> None:
    config = learning(smoke_config, precision=precision)
    first = full_run(config, smoke_data, host)
    assert full_run(config, smoke_data, host) == first
    assert full_run(learning(config, seed=1, precision=precision), smoke_data, host) != first


def test_trial_learns(smoke_config: TrialConfig, smoke_data: PreparedData, host: Host) -> None:
    losses = [
        loss for _, loss, _ in full_run(with_training(smoke_config, learning_rate=5e-3, epochs=20), smoke_data, host)
    ]
    assert losses[-1] < 0.5 * losses[0]


def test_trials_interleaved_in_one_process_do_not_disturb_each_other(
    smoke_config: TrialConfig, smoke_data: PreparedData, host: Host
) -> None:
    configs = [learning(smoke_config), learning(smoke_config, seed=7, batch_size=8)]
    alone = [full_run(config, smoke_data, host) for config in configs]
    running = [run_trial(config, str(smoke_data.folder), host) for config in configs]
    torch.manual_seed(123)
    outer = torch.get_rng_state()
    mixed: list[list[tuple[int, float, float]]] = [[], []]
    for _ in range(len(alone[0])):
        for at, trial in enumerate(running):
            if (pause := next(trial, None)) is not None:
                mixed[at].append(outcome(pause.progress))
    assert mixed == alone
    assert torch.equal(torch.get_rng_state(), outer)


@pytest.mark.parametrize(
    "recipe",
    [
        {"precision": "fp32"},
        {"precision": "bf16"},
        {"optimizer": "adafactor", "learning_rate": 2e-2},
        {"optimizer": "adafactor", "learning_rate": 2e-2, "precision": "bf16"},
        {"optimizer": "sgd", "learning_rate": 0.1},
        {"layer_decay": 0.7, "precision": "bf16"},
        {"optimizer": "sgd", "learning_rate": 0.1, "precision": "bf16", "accumulation_steps": 2},
    ],
    ids=lambda recipe: "-".join(str(recipe[key]) for key in ("optimizer", "layer_decay", "precision") if key in recipe),
)
def test_trial_resumed_from_a_snapshot_goes_on_to_the_bit(
    smoke_config: TrialConfig, smoke_data: PreparedData, host: Host, tmp_path: Path, recipe: dict[str, object]
) -> None:
    config = learning(smoke_config, **recipe)
    whole = full_run(config, smoke_data, host)
    trial = run_trial(config, str(smoke_data.folder), host)
    next(trial)
    next(trial).snapshot(tmp_path / "snapshot")
    trial.close()
    elsewhere = Host(place=host.place)
    rest = run_trial(config, str(smoke_data.folder), elsewhere, tmp_path / "snapshot")
    assert [outcome(pause.progress) for pause in rest] == whole[2:]


def test_trial_resumed_elsewhere_keeps_the_precision_that_it_began_with(
    smoke_config: TrialConfig, smoke_data: PreparedData, host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = learning(smoke_config, precision="auto")
    measured = unmeasured(host.place, "fp32")
    monkeypatch.setattr("harness.trial.chosen_precision", lambda *_: measured.model_copy(update={"precision": "bf16"}))
    trial = run_trial(config, str(smoke_data.folder), host)
    next(trial).snapshot(tmp_path / "snapshot")
    trial.close()
    monkeypatch.setattr("harness.trial.chosen_precision", lambda *_: measured)
    rest = run_trial(config, str(smoke_data.folder), Host(place=host.place), tmp_path / "snapshot")
    assert {pause.progress.precision for pause in rest} == {"bf16"}


def test_trial_snapshot_holds_no_pickle(
    smoke_config: TrialConfig, smoke_data: PreparedData, host: Host, tmp_path: Path
) -> None:
    trial = run_trial(smoke_config, str(smoke_data.folder), host)
    next(trial).snapshot(tmp_path / "snapshot")
    trial.close()
    assert {path.suffix for path in (tmp_path / "snapshot").iterdir()} == {".json", ".safetensors", ".npz"}


def test_trial_broken_snapshot_is_one_line(
    smoke_config: TrialConfig, smoke_data: PreparedData, host: Host, tmp_path: Path
) -> None:
    (tmp_path / "history.json").write_text("[]")
    (tmp_path / "state.safetensors").write_bytes(b"no")
    with pytest.raises(HarnessError, match="the snapshot cannot be read"):
        next(run_trial(smoke_config, str(smoke_data.folder), host, tmp_path))


def test_trial_torn_answers_of_a_snapshot_are_one_line(
    smoke_config: TrialConfig, smoke_data: PreparedData, host: Host, tmp_path: Path
) -> None:
    trial = run_trial(smoke_config, str(smoke_data.folder), host)
    next(trial).snapshot(tmp_path)
    trial.close()
    torn = (tmp_path / "best.npz").read_bytes()[:-30]
    (tmp_path / "best.npz").write_bytes(torn)
    with pytest.raises(HarnessError, match=r"the snapshot cannot be read \(.*best\.npz: the answers for split"):
        next(run_trial(smoke_config, str(smoke_data.folder), host, tmp_path))


def test_trial_saves_the_best_evaluation_not_the_last(
    smoke_config: TrialConfig, smoke_data: PreparedData, host: Host, tmp_path: Path
) -> None:
    config = learning(smoke_config, learning_rate=2e-2, schedule="constant", precision="bf16")
    config = config.model_copy(
        update={"evaluate_at": (0.25, 0.5, 0.75, 1.0), "validation_rows": (None,) * 4, "objectives": ("log_loss",)}
    )
    pauses = []
    for pause in run_trial(config, str(smoke_data.folder), host):
        pauses.append(pause.progress)
        if pause.progress.done:
            pause.save(tmp_path / "weights")
    best = min(pauses, key=lambda progress: progress.metrics["log_loss"])
    model = load_saved(tmp_path / "weights", task_of(config.task).auto)
    tune_for(model, torch.device("cpu"))
    cast_model(model, DTYPES["bf16"])
    examples = encoded(smoke_data, config, "validation")
    outputs = predict(model, task_of(config.task), examples, np.arange(len(examples)), torch.device("cpu"))
    found = np.asarray(outputs["probabilities"])
    loss = -np.log(found[np.arange(len(found)), np.asarray(examples.targets["labels"])]).mean()
    assert loss == pytest.approx(best.metrics["log_loss"], rel=1e-6)
    saved = read_answers(tmp_path / "weights" / "validation.npz", "validation")
    assert np.array_equal(np.asarray(saved.outputs["probabilities"]), found)
    assert saved.same_targets(Answers(outputs, examples.targets))
    assert best.num_parameters == sum(parameter.numel() for parameter in model.parameters())


def test_trial_saves_no_evaluation_from_within_its_warm_up(
    smoke_config: TrialConfig, smoke_data: PreparedData, host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    losses, seen, evaluate = iter((0.1, 0.2, 0.4, 0.3)), [], Trainer.evaluate

    def kept(self: Trainer, point: int) -> tuple[Arrays, Arrays]:
        found = evaluate(self, point)
        seen.append(np.asarray(found[0]["probabilities"]))
        return found

    monkeypatch.setattr(Trainer, "evaluate", kept)
    monkeypatch.setattr(type(task_of(smoke_config.task)), "metrics", lambda *_: {"log_loss": next(losses)})
    config = learning(smoke_config, schedule="constant", warmup_fraction=0.6)
    config = config.model_copy(
        update={"evaluate_at": (0.25, 0.5, 0.75, 1.0), "validation_rows": (None,) * 4, "objectives": ("log_loss",)}
    )
    for pause in run_trial(config, str(smoke_data.folder), host):
        if pause.progress.done:
            pause.save(tmp_path)
    saved = np.asarray(read_answers(tmp_path / "validation.npz", "validation").outputs["probabilities"])
    assert [np.array_equal(saved, each) for each in seen] == [False, False, False, True]


def test_trial_out_of_patience_ends_with_its_best_evaluation(
    smoke_config: TrialConfig, smoke_data: PreparedData, host: Host, tmp_path: Path
) -> None:
    """Up to there it is the full training to the bit; from a snapshot on it ends at the same step."""
    config = learning(smoke_config, learning_rate=5e-2, schedule="linear")
    points = tuple(at / 12 for at in range(1, 13))
    config = config.model_copy(
        update={"evaluate_at": points, "validation_rows": (None,) * 12, "objectives": ("log_loss",)}
    )
    whole = full_run(config, smoke_data, host)
    patient = with_training(config, patience=2)
    pauses, trial = [], run_trial(patient, str(smoke_data.folder), host)
    for pause in trial:
        pauses.append(pause.progress)
        if pause.progress.done:
            pause.save(tmp_path / "weights")
        else:
            pause.snapshot(tmp_path / "snapshot")
    assert [outcome(progress) for progress in pauses] == whole[: len(pauses)]
    assert len(pauses) < len(whole) and pauses[-1].out_of_patience
    assert not any(progress.out_of_patience for progress in pauses[:-1])
    losses = [progress.metrics["log_loss"] for progress in pauses]
    assert losses.index(min(losses)) == len(losses) - 3
    answers = read_answers(tmp_path / "weights" / "validation.npz", "validation")
    found, labels = np.asarray(answers.outputs["probabilities"]), np.asarray(answers.targets["labels"])
    assert -np.log(found[np.arange(len(found)), labels]).mean() == pytest.approx(min(losses), rel=1e-5)
    rest = [pause.progress for pause in run_trial(patient, str(smoke_data.folder), host, tmp_path / "snapshot")]
    assert [outcome(progress) for progress in rest] == [outcome(pauses[-1])] and rest[0].out_of_patience


def test_trial_parts_add_up_to_the_wall_clock(smoke_config: TrialConfig, smoke_data: PreparedData, host: Host) -> None:
    usage = [pause.progress.usage for pause in run_trial(smoke_config, str(smoke_data.folder), host)][-1]
    assert sum(usage.times().values()) == pytest.approx(usage.elapsed_s, rel=0.02)
    assert usage.samples_per_second > 0
    assert 0 <= usage.padding_fraction < 1


def test_trial_exploding_loss_fails_with_reason_nan(
    smoke_config: TrialConfig, smoke_data: PreparedData, host: Host
) -> None:
    config = with_training(smoke_config, learning_rate=1e38, max_grad_norm=None, epochs=4.0)
    with pytest.raises(TrialFailure, match="not finite") as failure:
        full_run(config, smoke_data, host)
    assert failure.value.reason is FailReason.NAN


def test_trial_out_of_memory_halves_the_micro_batch_and_keeps_the_effective_batch(
    smoke_config: TrialConfig, smoke_data: PreparedData, host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = with_training(smoke_config, learning_rate=1e-3, batch_size=16)
    config = config.model_copy(update={"model": config.model.model_copy(update={"dropout": 0.0})})
    whole = full_run(config, smoke_data, host)
    backward = loop.Trainer._backward

    def tight(self: loop.Trainer, rows: np.ndarray) -> object:
        if self.micro_batch_size > 4:
            raise torch.OutOfMemoryError("out of memory (pretended)")
        return backward(self, rows)

    monkeypatch.setattr(loop.Trainer, "_backward", tight)
    pauses = [pause.progress for pause in run_trial(config, str(smoke_data.folder), host)]
    assert {progress.micro_batch_size for progress in pauses} == {4}
    assert [progress.usage.samples for progress in pauses][-1] > 0
    for progress, (step, loss, log_loss) in zip(pauses, whole, strict=True):
        assert progress.step == step
        assert progress.train_loss == pytest.approx(loss, rel=1e-5)
        assert progress.metrics["log_loss"] == pytest.approx(log_loss, rel=1e-4)


def test_trial_one_example_too_large_fails_with_reason_oom(
    smoke_config: TrialConfig, smoke_data: PreparedData, host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: object) -> object:
        raise torch.OutOfMemoryError("out of memory (pretended)")

    monkeypatch.setattr(loop.Trainer, "_backward", never)
    with pytest.raises(TrialFailure) as failure:
        full_run(smoke_config, smoke_data, host)
    assert failure.value.reason is FailReason.OOM


@pytest.mark.parametrize("freeze", ["embeddings", 1, "backbone"])
def test_trial_frozen_layers_do_not_move(
    smoke_config: TrialConfig, smoke_data: PreparedData, host: Host, tmp_path: Path, freeze: object
) -> None:
    config = learning(smoke_config)
    model = config.model.model_copy(update={"freeze": freeze})
    config = config.model_copy(update={"model": model, "evaluate_at": (0.1, 1.0), "validation_rows": (6, None)})
    trial = run_trial(config, str(smoke_data.folder), host)
    next(trial).save(tmp_path / "early")
    for pause in trial:
        if pause.progress.done:
            pause.save(tmp_path / "late")
    early = load_saved(tmp_path / "early", task_of(config.task).auto).state_dict()
    late = load_saved(tmp_path / "late", task_of(config.task).auto).state_dict()
    moved = {name for name in early if not torch.equal(early[name], late[name])}
    assert any(name.startswith("classifier") for name in moved)
    assert not any("embeddings" in name for name in moved)
    assert any("layer.1." in name for name in moved) == (freeze != "backbone")
    assert any("layer.0." in name for name in moved) == (freeze == "embeddings")


def test_trial_class_weights_change_the_loss(smoke_config: TrialConfig, smoke_data: PreparedData, host: Host) -> None:
    rows = with_training(smoke_config, class_weights="balanced")
    assert math.isfinite(full_run(rows, smoke_data, host)[-1][1])


def test_trial_trains_with_lent_threads_and_repeats_with_them(
    smoke_config: TrialConfig, smoke_data: PreparedData, host: Host
) -> None:
    config, history = learning(smoke_config), []
    lender = Host(place=host.place)
    for pause in run_trial(config, str(smoke_data.folder), lender):
        history.append(pause.progress)
        lender.lent_threads = 2
    assert [progress.threads for progress in history] == [1] + [2] * (len(history) - 1)
    assert torch.get_num_threads() == 2
    again = [pause.progress for pause in run_trial(repeating(config, history), str(smoke_data.folder), host)]
    assert [progress.threads for progress in again] == [progress.threads for progress in history]
    assert [outcome(progress) for progress in again] == [outcome(progress) for progress in history]


def test_trial_release_gives_an_accelerator_its_memory_back_and_counts_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[object] = []
    monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda: torch.device("cuda"))
    monkeypatch.setattr(torch.accelerator, "empty_cache", lambda: done.append("emptied"))
    monkeypatch.setattr(torch.accelerator, "reset_peak_memory_stats", done.append)
    release(Host(place=Place(node="here", device="cuda:0", slot=0, threads=1)))
    assert done == ["emptied", torch.device("cuda", 0)]


@pytest.mark.parametrize("freeze", ["none", 1])
@pytest.mark.parametrize("precision", ["fp32", pytest.param("bf16", marks=pytest.mark.long)])
def test_trials_of_one_checkpoint_start_from_its_weights(
    smoke_config: TrialConfig, smoke_data: PreparedData, host: Host, freeze: object, precision: str
) -> None:
    """They share them in memory: what one trains must not show in the next."""
    source = {"checkpoint": "sentence-transformers/all-MiniLM-L6-v2#layers=2", "architecture": None, "freeze": freeze}
    config = learning(smoke_config, precision=precision, batch_size=32, epochs=1)
    few = config.data.model_copy(update={"train_rows": 32})  # bf16 products take seconds on some processors
    config = config.model_copy(update={"model": config.model.model_copy(update=source), "data": few})
    first = full_run(config, smoke_data, host)
    (key,) = (key for key in host.cache if key.startswith("model:"))
    before = [parameter.clone() for parameter in host.cache[key].parameters()]
    assert full_run(config, smoke_data, host) == first
    assert all(torch.equal(*pair) for pair in zip(before, host.cache[key].parameters(), strict=True))
