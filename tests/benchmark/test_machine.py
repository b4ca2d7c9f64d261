"""The fingerprint: the same for the same hardware, and only for it."""

from __future__ import annotations

import os
import platform
import socket
from pathlib import Path

import pytest
import torch

from harness.benchmark import machine
from harness.benchmark.ceiling import copy_bandwidth, matmul_ceiling, measure_setup
from harness.benchmark.machine import code_version, describe_machine
from harness.benchmark.outcome import probe_config
from harness.data.prepared import PreparedData
from harness.machine.devices import Device
from harness.records.bench import Setup
from harness.spec.trial import TrialConfig
from harness.training.host import Host

GPU = Device(kind="cuda", index=0, name="Big GPU", memory_bytes=80 * 2**30)


def test_id_is_of_the_hardware_not_of_the_session(monkeypatch: pytest.MonkeyPatch) -> None:
    before = describe_machine(())
    monkeypatch.setattr(socket, "gethostname", lambda: "elsewhere")
    monkeypatch.setattr(platform, "node", lambda: "elsewhere")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    after = describe_machine(())
    assert after.id == before.id
    assert after.limits["threads"] == 1
    assert after.limits["threads_by_OMP_NUM_THREADS"] == "1"
    assert "elsewhere" not in after.model_dump_json()


def test_id_changes_with_the_hardware(monkeypatch: pytest.MonkeyPatch) -> None:
    plain, with_one = describe_machine(()), describe_machine((GPU,))
    with_two = describe_machine((GPU, GPU))
    assert len({plain.id, with_one.id, with_two.id}) == 3
    assert (with_one.name, with_two.name) == ("Big GPU", "2 x Big GPU")
    monkeypatch.setattr(os, "cpu_count", lambda: 777)
    assert describe_machine(()).id != plain.id


def test_machine_is_read_from_the_system(tmp_path: Path) -> None:
    (tmp_path / "proc/driver/nvidia").mkdir(parents=True)
    (tmp_path / "proc/cpuinfo").write_text("model name\t: Fast Processor 9\n")
    text = "NVRM version: NVIDIA UNIX x86_64 Kernel Module  580.65.06  Mon\n"
    (tmp_path / "proc/driver/nvidia/version").write_text(text)
    cache = tmp_path / "sys/devices/system/cpu/cpu0/cache/index0"
    cache.mkdir(parents=True)
    for name, value in {"level": "1", "type": "Data", "size": "48K"}.items():
        (cache / name).write_text(value + "\n")
    (tmp_path / ".dockerenv").touch()
    found = describe_machine((), tmp_path)
    assert found.name == "Fast Processor 9"
    assert found.hardware["caches"] == {"L1d": "48K"}
    assert found.software["nvidia driver"] == "580.65.06"
    assert found.limits["container"] is True


def test_code_version_is_of_the_core_and_its_libraries(monkeypatch: pytest.MonkeyPatch) -> None:
    now = code_version()
    assert now == code_version()
    assert f"torch {torch.__version__.partition('+')[0]}" in now
    monkeypatch.setattr(machine, "CORE", ("training",))
    assert code_version() == now  # what is loaded stays what it is
    code_version.cache_clear()
    assert code_version() != now
    code_version.cache_clear()


def test_ceilings_are_rates() -> None:
    cpu = torch.device("cpu")
    assert matmul_ceiling(cpu, torch.float32, (32,)) > 0
    assert copy_bandwidth(cpu, 2**12) > 0


def test_setup_is_measured_where_cells_are(
    smoke_config: TrialConfig, smoke_data: PreparedData, host: Host, inline: list[int]
) -> None:
    probe = probe_config(smoke_config, ("fp32", "auto"))
    outcome = next(iter(measure_setup(probe, str(smoke_data.folder), host)))
    found = Setup.model_validate(outcome.document)
    assert (found.device, found.threads) == ("cpu", 1)
    assert set(found.ceiling) == {"fp32", found.auto_precision}
    assert "GFLOP/s" in found.auto_reason
    assert found.memory_bandwidth_gib_per_second is not None
    assert outcome.progress.done
