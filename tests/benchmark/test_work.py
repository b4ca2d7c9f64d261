"""Training, scoring and prediction as a cell repeats them: the core itself, watched."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from harness.benchmark.cell import open_cell
from harness.benchmark.measure import measurement_of
from harness.benchmark.plan import PlannedCell
from harness.benchmark.work import Training
from harness.data.prepared import PreparedData
from harness.errors import DataError, FailReason, TrialFailure
from harness.training.clock import Clock
from harness.training.device import RandomState
from harness.training.fast.graphs import StepGraphs
from harness.training.host import Host
from harness.training.loop import Trainer

CPU = torch.device("cpu")
MakeCell = Callable[..., PlannedCell]


def opened(planned: PlannedCell, data: PreparedData, host: Host, folder: Path) -> Any:
    work, _ = open_cell(planned.config, data, host, folder)
    return work


def test_training_is_the_trial_core(cell: MakeCell, smoke_data: PreparedData, host: Host, tmp_path: Path) -> None:
    planned = cell(batch_size=8)
    work = opened(planned, smoke_data, host, tmp_path)
    work.run(2)
    work.run(3)
    random = RandomState(planned.config.training.seed, CPU)
    with random.active():
        trainer = Trainer(planned.config, smoke_data, Host(place=host.place), CPU, Clock())
        trainer.train_to(2)
        trainer.train_to(5)
    plain = [parameter.detach() for parameter in trainer.model.parameters()]
    watched = [parameter.detach() for parameter in work.model.parameters()]
    assert all(torch.equal(a, b) for a, b in zip(plain, watched, strict=True))


def test_training_steps_are_made_of_their_parts(
    cell: MakeCell, smoke_data: PreparedData, host: Host, tmp_path: Path
) -> None:
    work = opened(cell(batch_size=8), smoke_data, host, tmp_path)
    steps = work.run(4)
    assert len(steps) == 4
    for step in steps:
        assert set(step.parts) == {"data", "forward", "backward", "optimiser"}
        assert step.seconds == pytest.approx(sum(step.parts.values()))
        assert len(step.lengths) == 8


def test_rewind_brings_the_same_batches(cell: MakeCell, smoke_data: PreparedData, host: Host, tmp_path: Path) -> None:
    for mode in ("train", "evaluate", "predict"):
        work = opened(cell(mode=mode), smoke_data, host, tmp_path / mode)
        first = [step.lengths.tolist() for step in work.run(3)]
        work.rewind()
        assert [step.lengths.tolist() for step in work.run(3)] == first


@pytest.mark.parametrize("mode", ["train", "evaluate", "predict"])
def test_fixed_lengths_are_exact_and_without_padding(
    mode: str, cell: MakeCell, smoke_data: PreparedData, host: Host, tmp_path: Path
) -> None:
    work = opened(cell(mode=mode, length=9, batch_size=4), smoke_data, host, tmp_path)
    found = measurement_of(work, work.run(3), batch_size=4, device=CPU)
    assert (found.samples, found.tokens, found.positions) == (12, 108, 108)
    assert len(found.steps_ms) == 3
    assert found.flops_ratio == pytest.approx(1.0, rel=0.02)
    assert found.model_flops is not None
    assert found.moved_bytes is not None
    assert work.moments == (2 if mode == "train" else None)


def test_training_costs_three_times_the_flops(
    cell: MakeCell, smoke_data: PreparedData, host: Host, tmp_path: Path
) -> None:
    flops = []
    for mode in ("train", "evaluate"):
        work = opened(cell(mode=mode, length=9), smoke_data, host, tmp_path)
        flops.append(measurement_of(work, work.run(2), batch_size=4, device=CPU).model_flops)
    assert flops[0] == pytest.approx(3 * flops[1])


def test_padding_is_not_counted_as_work(cell: MakeCell, smoke_data: PreparedData, host: Host, tmp_path: Path) -> None:
    work = opened(cell(batch_size=64), smoke_data, host, tmp_path)
    found = measurement_of(work, work.run(2), batch_size=64, device=CPU)
    assert found.tokens < found.positions


def test_products_are_counted_outside_of_graphs(
    cell: MakeCell, smoke_data: PreparedData, host: Host, tmp_path: Path
) -> None:
    """With `step_graphs`, whose replays torch's counter cannot look into."""
    work = opened(cell(length=9, batch_size=4), smoke_data, host, tmp_path)
    runs: list[int] = []

    def captured(module: torch.nn.Module, inputs: Any) -> Callable[..., torch.Tensor]:
        return lambda *tensors: runs.append(len(tensors[0])) or module(*tensors)

    work._trainer.forward = graphs = StepGraphs(work.model, CPU, {}, captured)
    steps = work.run(6)
    assert len(runs) == 4
    assert set(steps[-1].parts) == {"data", "forward", "backward", "optimiser"}
    found = measurement_of(work, steps, batch_size=4, device=CPU)
    assert found.flops_ratio == pytest.approx(1.0, rel=0.02)
    assert len(runs) == 4
    assert work._trainer.forward is graphs


def out_of_memory_above(limit: int, work: Training) -> None:
    def refuse(module: torch.nn.Module, args: Any, kwargs: Any) -> None:
        if len(kwargs["input_ids"]) > limit:
            raise torch.OutOfMemoryError("out of memory")

    work.model.register_forward_pre_hook(refuse, with_kwargs=True)


def test_smaller_micro_batches_are_said_and_not_timed(
    cell: MakeCell, smoke_data: PreparedData, host: Host, tmp_path: Path
) -> None:
    work = opened(cell(batch_size=8), smoke_data, host, tmp_path)
    out_of_memory_above(3, work)
    steps = work.run(2)
    assert work.micro_batch_size == 2
    assert [len(step.lengths) for step in steps] == [8, 8]


def test_what_fits_is_tried_with_the_longest_rows(
    cell: MakeCell, smoke_data: PreparedData, host: Host, tmp_path: Path
) -> None:
    work = opened(cell(batch_size=1), smoke_data, host, tmp_path)
    seen: list[int] = []
    work.model.register_forward_pre_hook(
        lambda module, args, kwargs: seen.append(kwargs["input_ids"].shape[1]), with_kwargs=True
    )
    out_of_memory_above(5, work)
    assert [work.fits(size) for size in (1, 4, 6)] == [True, True, False]
    assert set(seen) == {int(np.max(work.lengths))}


def test_largest_batch_is_found_and_measured(
    cell: MakeCell, smoke_data: PreparedData, host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Training, "fits", lambda self, size: size <= 11)
    planned = cell(batch_size=1)
    config = planned.config.model_copy(update={"params": {**planned.config.params, "largest": True}})
    work, batch_size = open_cell(config, smoke_data, host, tmp_path)
    assert batch_size == 11
    assert len(work.run(1)[0].lengths) == 11


def test_nothing_fits_is_out_of_memory(
    cell: MakeCell, smoke_data: PreparedData, host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Training, "fits", lambda self, size: False)
    planned = cell(batch_size=1)
    config = planned.config.model_copy(update={"params": {**planned.config.params, "largest": True}})
    with pytest.raises(TrialFailure) as failed:
        open_cell(config, smoke_data, host, tmp_path)
    assert failed.value.reason is FailReason.OOM


def test_length_beyond_the_model_is_said(cell: MakeCell, smoke_data: PreparedData, host: Host, tmp_path: Path) -> None:
    with pytest.raises(TrialFailure, match="length 100 is more than the 64 tokens"):
        opened(cell(length=100), smoke_data, host, tmp_path)


@pytest.mark.parametrize("mode", ["train", "evaluate", "predict"])
def test_batch_of_more_rows_than_there_are_is_refused(
    mode: str, cell: MakeCell, smoke_data: PreparedData, host: Host, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match="less than one batch of 1000"):
        opened(cell(mode=mode, batch_size=1000), smoke_data, host, tmp_path)


def test_cell_too_large_for_the_machine_is_not_started(
    cell: MakeCell, smoke_data: PreparedData, host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.benchmark.memory.available_bytes", lambda: 1000)
    with pytest.raises(TrialFailure, match="not started") as failed:
        opened(cell(length=16), smoke_data, host, tmp_path)
    assert failed.value.reason is FailReason.OOM
