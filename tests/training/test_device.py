"""What only accelerators do, tested on a CPU with stand-ins for them."""

from __future__ import annotations

import sys

import pytest
import torch

from harness.errors import DeviceError
from harness.records.schema import Place
from harness.training import device


def place(name: str, threads: int = 1) -> Place:
    return Place(node="here", device=name, slot=0, threads=threads)


def pretend(monkeypatch: pytest.MonkeyPatch, kind: str | None) -> None:
    found = torch.device(kind) if kind else None
    monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda check_available=False: found)


@pytest.mark.parametrize(("name", "kind"), [("cuda:1", "cuda"), ("xpu", "xpu"), ("mps", "mps")])
def test_torch_device_of_an_accelerator(monkeypatch: pytest.MonkeyPatch, name: str, kind: str) -> None:
    pretend(monkeypatch, kind)
    assert device.torch_device(place(name)) == torch.device(kind, int(name.partition(":")[2] or 0))


@pytest.mark.parametrize("there", [None, "mps"])
def test_torch_device_that_is_not_there_is_refused(monkeypatch: pytest.MonkeyPatch, there: str | None) -> None:
    pretend(monkeypatch, there)
    with pytest.raises(DeviceError, match="device 'cuda:0' is not there"):
        device.torch_device(place("cuda:0"))


def test_bind_makes_an_accelerator_current(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch, "cuda")
    chosen: list[int] = []
    monkeypatch.setattr(torch.accelerator, "set_device_index", chosen.append)
    device.bind(place("cuda:2", torch.get_num_threads()))
    assert chosen == [2]


def test_synchronise_waits_for_accelerators_only(monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[torch.device] = []
    monkeypatch.setattr(torch.accelerator, "synchronize", waited.append)
    device.synchronize(torch.device("cpu"))
    device.synchronize(torch.device("cuda", 1))
    assert waited == [torch.device("cuda", 1)]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the peak is reset on Linux alone")
def test_a_new_peak_has_not_what_was_freed() -> None:
    cpu = torch.device("cpu")
    device.reset_peak_memory(cpu)
    before = device.peak_memory_mib(cpu)
    parts = [bytearray(50_000) for _ in range(8_000)]  # too small for pages of their own
    last = parts.pop()  # it keeps the heap from shrinking by itself
    del parts
    assert device.peak_memory_mib(cpu) > before + 300
    device.reset_peak_memory(cpu)
    assert device.peak_memory_mib(cpu) < before + 100
    assert last is not None


def test_peak_memory_reads_the_allocator_of_an_accelerator(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.accelerator, "max_memory_allocated", lambda _: 3 * 2**20)
    assert device.peak_memory_mib(torch.device("cuda", 0)) == 3
    assert device.peak_memory_mib(torch.device("cpu")) > 1


def test_out_of_memory_is_told_from_other_errors() -> None:
    assert device.is_out_of_memory(torch.OutOfMemoryError("CUDA out of memory"))
    assert device.is_out_of_memory(RuntimeError("MPS backend out of memory"))
    assert not device.is_out_of_memory(RuntimeError("shapes do not match"))


def test_random_state_is_swapped_in_and_out() -> None:
    torch.manual_seed(5)
    outer = torch.get_rng_state()
    state = device.RandomState(1, torch.device("cpu"))
    assert torch.equal(torch.get_rng_state(), outer)
    with state.active():
        first = torch.rand(3)
    with state.active():
        second = torch.rand(3)
    assert torch.equal(torch.get_rng_state(), outer)
    torch.manual_seed(1)
    assert torch.equal(torch.rand(6), torch.cat([first, second]))
