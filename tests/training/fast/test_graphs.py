"""Which batches go through a graph. A fake capture gives the module back, so that the CPU can run the rest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.torch_version import TorchVersion

from harness.data.prepared import PreparedData
from harness.spec.configure import default_params, resolve
from harness.spec.reader import load_study
from harness.spec.trial import TrialConfig
from harness.training import device as devices
from harness.training.clock import Clock
from harness.training.fast import graphs
from harness.training.fast.graphs import CAPTURED_AT, MAX_GRAPHS, MULTIPLE, ModelLogits, StepGraphs
from harness.training.host import Host
from harness.training.loop import Trainer
from harness.trial import run_trial
from tests.conftest import STUDIES

CPU = torch.device("cpu")
Inputs = tuple[torch.Tensor, ...]


class FakeCapture:
    """Does what torch does before a capture, a pass or more, and counts what runs through what it gives."""

    def __init__(self, fails: BaseException | None = None) -> None:
        self.shapes: list[torch.Size] = []
        self.runs: Counter[torch.Size] = Counter()
        self._fails = fails

    def __call__(self, logits: ModelLogits, inputs: Inputs) -> Callable[..., torch.Tensor]:
        logits(*inputs)
        if self._fails is not None:
            raise self._fails
        self.shapes.append(inputs[0].shape)

        def run(*tensors: torch.Tensor) -> torch.Tensor:
            self.runs[tensors[0].shape] += 1
            found: torch.Tensor = logits(*tensors)
            return found

        return run


def trial(**training: Any) -> TrialConfig:
    spec = load_study(STUDIES / "smoke.yaml", ["training.precision=fp32"])
    config = resolve(spec, number=0, params=default_params(spec))
    update = {"batch_size": 4, "epochs": 4.0, "learning_rate": 5e-3, "step_graphs": True, **training}
    return config.model_copy(
        update={
            "training": config.training.model_copy(update=update),
            "model": config.model.model_copy(update={"dropout": 0.0}),
        }
    )


def graphed(config: TrialConfig, data: PreparedData, host: Host, capture: FakeCapture | None) -> Trainer:
    trainer = Trainer(config, data, host, CPU, Clock())
    if capture is not None:
        trainer.forward = StepGraphs(trainer.model, CPU, host.cache, capture)
    return trainer


def losses(trainer: Trainer, steps: int) -> list[float]:
    found = []
    for step in range(1, steps + 1):
        trainer.train_to(step)
        found.append(trainer.take_train_loss())
    return found


def run_seeded(config: TrialConfig, data: PreparedData, host: Host, capture: FakeCapture | None) -> list[float]:
    with devices.RandomState(0, CPU).active():
        return losses(graphed(config, data, host, capture), 30)


@pytest.mark.parametrize(
    ("device", "version", "there"),
    [("cuda:1", "2.13.0+cu130", True), ("cuda", "2.12.1", False), ("cpu", "2.13.0", False), ("xpu", "2.14.0", False)],
)
def test_step_graphs_are_for_cuda_and_torch_that_survives_a_failed_capture(
    monkeypatch: pytest.MonkeyPatch, device: str, version: str, there: bool
) -> None:
    monkeypatch.setattr(torch, "__version__", TorchVersion(version))
    assert devices.has_step_graphs(torch.device(device)) is there


@pytest.mark.parametrize("training", [{}, {"accumulation_steps": 2}, {"class_weights": "balanced"}])
def test_losses_are_those_of_eager_steps(training: dict[str, Any], smoke_data: PreparedData, host: Host) -> None:
    capture = FakeCapture()
    found = run_seeded(trial(**training), smoke_data, host, capture)
    assert sum(capture.runs.values()) > 5
    assert found == pytest.approx(run_seeded(trial(**training), smoke_data, host, None), rel=1e-5)


def test_captured_shapes_are_full_and_rounded_up(smoke_data: PreparedData, host: Host) -> None:
    capture = FakeCapture()
    trainer = graphed(trial(), smoke_data, host, capture)
    longest = int(trainer.splits.lengths.max())
    losses(trainer, 30)
    assert capture.shapes
    assert all(rows == 4 and (length % MULTIPLE == 0 or length == longest) for rows, length in capture.shapes)
    assert len(set(capture.shapes)) == len(capture.shapes)


def test_short_batch_is_neither_rounded_nor_captured(smoke_data: PreparedData, host: Host) -> None:
    capture = FakeCapture()
    trainer = graphed(trial(batch_size=4), smoke_data, host, capture)
    seen = []
    trainer.model.register_forward_pre_hook(
        lambda module, args, kwargs: seen.append(kwargs["input_ids"].shape), with_kwargs=True
    )
    rows = trainer.splits.train.rows[np.argsort(trainer.splits.lengths, kind="stable")][:3]
    for _ in range(CAPTURED_AT + 1):
        _, positions = trainer._backward(rows)
    assert set(seen) == {torch.Size([3, int(trainer.splits.train.examples.lengths[rows].max())])}
    assert positions == seen[0].numel()
    assert not capture.shapes


def test_positions_count_the_padding_of_rounded_lengths(smoke_data: PreparedData, host: Host) -> None:
    trainer = graphed(trial(batch_size=2), smoke_data, host, FakeCapture())
    rows = trainer.splits.train.rows[np.argsort(trainer.splits.lengths, kind="stable")][:2]
    longest = int(trainer.splits.train.examples.lengths[rows].max())
    rounded = min(-(-longest // MULTIPLE) * MULTIPLE, int(trainer.splits.lengths.max()))
    assert rounded > longest
    assert trainer._backward(rows)[1] == 2 * rounded


class Tiny(torch.nn.Module):
    """A model with a dropout mask, a batch norm and a bias that nothing reads."""

    def __init__(self) -> None:
        super().__init__()
        self.dropout, self.norm, self.unused = torch.nn.Dropout(0.5), torch.nn.BatchNorm1d(3), torch.nn.Linear(1, 1)

    def forward(self, values: torch.Tensor) -> Any:
        class Output:
            logits = self.norm(self.dropout(values))

        return Output


def tiny(capture: FakeCapture, cache: dict[str, Any] | None = None) -> StepGraphs:
    torch.manual_seed(0)
    return StepGraphs(Tiny().train(), CPU, {} if cache is None else cache, capture)  # type: ignore[arg-type]


def test_shape_is_captured_when_it_comes_for_the_third_time() -> None:
    capture = FakeCapture()
    found = tiny(capture)
    for count in range(1, CAPTURED_AT + 3):
        found.logits({"values": torch.ones(2, 3)})
        found.logits({"values": torch.ones(count + 2, 3)})
        assert capture.shapes == ([torch.Size([2, 3])] if count >= CAPTURED_AT else [])
        assert capture.runs[torch.Size([2, 3])] == max(0, count - CAPTURED_AT + 1)


def test_graphs_are_few() -> None:
    capture = FakeCapture()
    found = tiny(capture)
    for rows in range(2, MAX_GRAPHS + 5):
        for _ in range(CAPTURED_AT):
            found.logits({"values": torch.ones(rows, 3)})
    assert len(capture.shapes) == MAX_GRAPHS


@pytest.mark.parametrize("fails", [None, torch.OutOfMemoryError("out of memory"), RuntimeError("cannot be captured")])
def test_capture_leaves_random_state_and_buffers_alone(fails: BaseException | None) -> None:
    captured, never = tiny(FakeCapture(fails)), tiny(FakeCapture())
    never._captures = False
    logits = []
    for each in (captured, never):
        torch.manual_seed(1)
        logits.append([each.logits({"values": torch.ones(4, 3)}) for _ in range(CAPTURED_AT + 2)])
    assert all(torch.equal(a, b) for a, b in zip(*logits, strict=True))
    buffers = [list(each._model.buffers()) for each in (captured, never)]
    assert all(torch.equal(a, b) for a, b in zip(*buffers, strict=True))


def test_evaluation_is_not_captured() -> None:
    capture = FakeCapture()
    found = tiny(capture)
    found._model.eval()
    for _ in range(CAPTURED_AT + 1):
        found.logits({"values": torch.ones(2, 3)})
    assert not capture.shapes


def failed(fails: BaseException, cache: dict[str, Any]) -> FakeCapture:
    capture = FakeCapture(fails)
    found = tiny(capture, cache)
    for _ in range(CAPTURED_AT + 2):
        assert found.logits({"values": torch.ones(2, 3)}).shape == (2, 3)
    assert not capture.runs
    return capture


def captures_again(cache: dict[str, Any]) -> bool:
    capture = FakeCapture()
    found = tiny(capture, cache)
    for _ in range(CAPTURED_AT):
        found.logits({"values": torch.ones(2, 3)})
    return bool(capture.shapes)


def test_out_of_memory_ends_the_captures_of_one_trial(capsys: pytest.CaptureFixture[str]) -> None:
    cache: dict[str, Any] = {}
    failed(torch.OutOfMemoryError("CUDA out of memory. Tried to allocate"), cache)
    assert capsys.readouterr().err.count("step_graphs: no more graphs are captured") == 1
    assert captures_again(cache)


def test_what_cannot_be_captured_is_not_tried_again_in_this_process(capsys: pytest.CaptureFixture[str]) -> None:
    cache: dict[str, Any] = {}
    failed(RuntimeError("operation not permitted when stream is capturing\nmore"), cache)
    assert "operation not permitted when stream is capturing\n" in capsys.readouterr().err
    assert not captures_again(cache)
    assert "operation not permitted" in capsys.readouterr().err


def test_smaller_micro_batches_forget_the_graphs(smoke_data: PreparedData, host: Host) -> None:
    capture = FakeCapture()
    trainer = graphed(trial(), smoke_data, host, capture)
    losses(trainer, 20)
    assert {shape[0] for shape in capture.shapes} == {4}

    def refuse(module: torch.nn.Module, args: Any, kwargs: Any) -> None:
        if len(kwargs["input_ids"]) > 2:
            raise torch.OutOfMemoryError("out of memory")

    trainer.model.register_forward_pre_hook(refuse, with_kwargs=True)
    trainer.train_to(40)
    assert trainer.micro_batch_size == 2
    assert {shape[0] for shape in capture.shapes} == {4, 2}
    assert isinstance(trainer.forward, StepGraphs)
    assert {shape[0][1] for shape in trainer.forward._graphs} == {2}


def test_gradients_of_the_logits_reach_the_models_parameters() -> None:
    found = tiny(FakeCapture())
    for _ in range(CAPTURED_AT):
        logits = found.logits({"values": torch.randn(4, 3)})
    logits.square().sum().backward()
    gradients = {name: parameter.grad for name, parameter in found._model.named_parameters()}
    assert gradients["norm.bias"] is not None
    assert gradients["unused.weight"] is None


def test_cut_off_logits_keep_their_values_and_free_the_autograd_graph() -> None:
    module = ModelLogits(Tiny().eval(), ("values",))  # type: ignore[arg-type]
    logits = module(torch.randn(4, 3, requires_grad=True))
    values = logits.detach().clone()
    module.cut_off()
    assert logits.grad_fn is None
    assert torch.equal(logits, values)


def test_option_changes_nothing_on_the_cpu(smoke_data: PreparedData, host: Host) -> None:
    config = trial(epochs=1)
    plain = config.model_copy(update={"training": config.training.model_copy(update={"step_graphs": False})})
    found = [
        [pause.progress.train_loss for pause in run_trial(each, str(smoke_data.folder), host)]
        for each in (config, plain)
    ]
    assert found[0] == found[1]
    assert not isinstance(Trainer(config, smoke_data, host, CPU, Clock()).forward, StepGraphs)


def test_nobody_copies_from_the_device_during_a_capture(
    smoke_data: PreparedData, host: Host, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Another thread may snapshot a standing trial meanwhile; CUDA would refuse it, and spoil the capture."""
    held: list[bool] = []

    def is_held() -> bool:
        free = devices.CAPTURES.acquire(blocking=False)
        if free:
            devices.CAPTURES.release()
        return not free

    class Looking(FakeCapture):
        def __call__(self, logits: ModelLogits, inputs: Inputs) -> Callable[..., torch.Tensor]:
            with ThreadPoolExecutor(1) as pool:
                held.append(pool.submit(is_held).result())
            return super().__call__(logits, inputs)

    def write(*arguments: Any) -> None:
        with ThreadPoolExecutor(1) as pool:
            held.append(pool.submit(is_held).result())

    losses(graphed(trial(), smoke_data, host, Looking()), 10)
    assert held and all(held)
    held.clear()
    monkeypatch.setattr("harness.trial.write_snapshot", write)
    next(run_trial(trial(), str(smoke_data.folder), host)).snapshot(tmp_path / "snapshot")
    assert held == [True] and not is_held()


def test_ended_trial_frees_its_graphs(smoke_data: PreparedData, host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    capture = FakeCapture()
    kept: list[StepGraphs] = []

    class Kept(StepGraphs):
        def __init__(self, *args: Any) -> None:
            super().__init__(*args)
            kept.append(self)

    monkeypatch.setattr(devices, "has_step_graphs", lambda device: True)
    monkeypatch.setattr("harness.training.fast.kit.StepGraphs", Kept)
    monkeypatch.setattr("harness.training.fast.kit.CudaCapture", lambda: capture)
    monkeypatch.setattr(devices, "reserved_bytes", lambda device: 1000 * len(capture.shapes))
    run = run_trial(trial(), str(smoke_data.folder), host)
    pause = next(run)
    pause = next(run)
    assert kept[0].memory_bytes == 1000 * len(kept[0]._graphs) > 0
    with_graphs = pause.memory_bytes
    kept[0].memory_bytes = 0
    assert pause.memory_bytes < with_graphs
    run.close()
    assert not kept[0]._graphs


def test_cuda_capture_is_torchs_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is handed to torch, and that what it put in the place of `forward` comes back."""
    given: dict[str, Any] = {}

    class Stream:
        def __enter__(self) -> None: ...

        def __exit__(self, *error: object) -> None: ...

    def make(module: ModelLogits, inputs: Inputs, **options: Any) -> ModelLogits:
        given.update(options)
        given["logits"] = module(*inputs)
        module.forward = lambda *tensors: torch.zeros(1)  # type: ignore[method-assign]
        return module

    monkeypatch.setattr(torch.cuda, "graph_pool_handle", lambda: "pool")
    monkeypatch.setattr(torch.cuda, "current_stream", lambda: None)
    monkeypatch.setattr(torch.cuda, "stream", lambda stream: Stream())
    monkeypatch.setattr(torch.cuda, "make_graphed_callables", make)
    module = ModelLogits(Tiny(), ("values",))  # type: ignore[arg-type]
    run = graphs.CudaCapture()(module, (torch.ones(2, 3),))
    assert run(torch.ones(2, 3)).shape == (1,)
    assert module(torch.ones(2, 3)).shape == (2, 3)
    assert (given["allow_unused_input"], given["pool"], given["logits"].grad_fn) == (True, "pool", None)
