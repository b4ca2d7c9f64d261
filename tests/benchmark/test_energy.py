"""Energy counters of a machine that the tests bring along."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from harness.benchmark.energy import Meter, nvml_counter, open_meter, rapl_counters


def zone(root: Path, name: str, microjoules: int, limit: int = 1000_000_000) -> Path:
    folder = root / "sys/class/powercap" / name
    folder.mkdir(parents=True)
    (folder / "max_energy_range_uj").write_text(str(limit))
    (folder / "energy_uj").write_text(str(microjoules))
    return folder / "energy_uj"


def test_rapl_adds_packages_and_leaves_out_their_parts(tmp_path: Path) -> None:
    first, second = zone(tmp_path, "intel-rapl:0", 5_000_000), zone(tmp_path, "intel-rapl:1", 1_000_000)
    core = zone(tmp_path, "intel-rapl:0:0", 7_000_000)
    meter = open_meter(torch.device("cpu"), tmp_path)
    assert meter is not None
    meter.start()
    first.write_text("8000000")
    second.write_text("2000000")
    core.write_text("90000000")
    assert meter.joules() == pytest.approx(4.0)
    assert "RAPL" in meter.source


def test_rapl_counter_that_ran_over_goes_on(tmp_path: Path) -> None:
    counter = zone(tmp_path, "intel-rapl:0", 999_000_000)
    meter = Meter("x", rapl_counters(tmp_path))
    meter.start()
    counter.write_text("2000000")
    assert meter.joules() == pytest.approx(3.0)


@pytest.mark.parametrize("text", [None, "", "no number"])
def test_rapl_that_cannot_be_read_is_not_available(tmp_path: Path, text: str | None) -> None:
    counter = zone(tmp_path, "intel-rapl:0", 1)
    counter.unlink() if text is None else counter.write_text(text)
    assert open_meter(torch.device("cpu"), tmp_path) is None


def test_no_counter_is_not_available(tmp_path: Path) -> None:
    assert open_meter(torch.device("cpu"), tmp_path) is None
    assert open_meter(torch.device("meta"), tmp_path) is None


def fake_nvml(monkeypatch: pytest.MonkeyPatch, **functions: Any) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", SimpleNamespace(nvmlInit=lambda: None, **functions))
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: SimpleNamespace(uuid="1234"))


def test_nvml_counts_millijoules_of_the_device_by_its_uuid(monkeypatch: pytest.MonkeyPatch) -> None:
    counts = iter([7, 1000, 4500])
    fake_nvml(
        monkeypatch,
        nvmlDeviceGetHandleByUUID=lambda uuid: {"GPU-1234": "handle"}[uuid],
        nvmlDeviceGetTotalEnergyConsumption=lambda handle: next(counts),
    )
    meter = open_meter(torch.device("cuda", 0))
    assert meter is not None
    meter.start()
    assert meter.joules() == pytest.approx(3.5)


def test_nvml_without_the_counter_is_not_available(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(handle: str) -> int:
        raise RuntimeError("not supported")

    fake_nvml(monkeypatch, nvmlDeviceGetHandleByUUID=str, nvmlDeviceGetTotalEnergyConsumption=refuse)
    assert nvml_counter(torch.device("cuda", 0)) is None


def test_nvml_that_is_not_installed_is_not_available(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", None)
    assert nvml_counter(torch.device("cuda", 0)) is None
