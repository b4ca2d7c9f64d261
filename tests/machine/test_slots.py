from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import DeviceError
from harness.machine import resources, slots
from harness.machine.devices import Device, choose, signs_of_accelerator
from harness.machine.slots import Capacity, cpu_slots, device_slots, plan_slots
from harness.spec.study import EngineSpec

GIB = 2**30
TWO_CORES = Capacity(cores=2, memory_bytes=16 * GIB, processor="A CPU", node="here")
SIXTEEN_CORES = Capacity(cores=16, memory_bytes=128 * GIB, node="here")
CARDS = tuple(Device(kind="cuda", index=index, name="H200", memory_bytes=140 * GIB) for index in (0, 1))


def shape(planned: tuple[slots.Slot, ...]) -> list[tuple[str, int, int]]:
    return [(slot.place.device, slot.place.slot, slot.place.threads) for slot in planned]


@pytest.mark.parametrize(
    ("machine", "engine", "most", "expected"),
    [
        (TWO_CORES, {}, 16, [("cpu", 0, 1), ("cpu", 1, 1)]),
        (TWO_CORES, {}, 1, [("cpu", 0, 2)]),
        (TWO_CORES, {"threads_per_slot": 2}, 16, [("cpu", 0, 2)]),
        (TWO_CORES, {"slots_per_device": 3}, 16, [("cpu", 0, 1), ("cpu", 1, 1), ("cpu", 2, 1)]),
        (TWO_CORES, {"slots_per_device": 1, "threads_per_slot": 4}, 16, [("cpu", 0, 4)]),
        (Capacity(cores=16, memory_bytes=8 * GIB), {}, 16, [("cpu", 0, 5), ("cpu", 1, 5), ("cpu", 2, 5)]),
        (Capacity(cores=4, memory_bytes=GIB), {}, 16, [("cpu", 0, 4)]),
    ],
)
def test_slots_cpu(machine: Capacity, engine: dict, most: int, expected: list[tuple[str, int, int]]) -> None:
    assert shape(cpu_slots(EngineSpec(**engine), machine, most=most)) == expected


def test_slots_cpu_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    (slot,) = cpu_slots(EngineSpec(slots_per_device=1, threads_per_slot=3), TWO_CORES, most=9)
    assert (slot.env["OMP_NUM_THREADS"], slot.env["MKL_NUM_THREADS"]) == ("3", "3")
    assert slot.env["TOKENIZERS_PARALLELISM"] == "false"
    assert (slot.place.node, slot.place.device_name) == ("here", "A CPU")
    assert slot.memory_bytes == 16 * GIB
    assert slot.inside == slot.place


def test_slots_cpu_users_environment_stays() -> None:
    environment = slots._environment(1, {"MALLOC_TRIM_THRESHOLD_": "1", "OMP_NUM_THREADS": "8"})
    assert "MALLOC_TRIM_THRESHOLD_" not in environment
    assert environment["OMP_NUM_THREADS"] == "1"


def test_slots_devices_one_each() -> None:
    planned = device_slots(EngineSpec(), CARDS, SIXTEEN_CORES, most=16, environ={})
    assert shape(planned) == [("cuda:0", 0, 8), ("cuda:1", 1, 8)]
    assert [slot.env["CUDA_VISIBLE_DEVICES"] for slot in planned] == ["0", "1"]
    assert [slot.inside.device for slot in planned] == ["cuda:0", "cuda:0"]
    assert planned[0].env["PYTORCH_ALLOC_CONF"] == "expandable_segments:True"
    assert planned[0].env["CUBLAS_WORKSPACE_CONFIG"] == ":4096:8"
    assert planned[0].place.device_name == "H200"


def test_slots_devices_several_each() -> None:
    planned = device_slots(EngineSpec(slots_per_device=2), CARDS, SIXTEEN_CORES, most=3, environ={})
    assert shape(planned) == [("cuda:0", 0, 5), ("cuda:1", 1, 5), ("cuda:0", 2, 5)]
    assert [slot.memory_bytes // GIB for slot in planned] == [70, 140, 70]


@pytest.mark.parametrize(
    ("environ", "rocm", "name", "expected"),
    [
        ({"CUDA_VISIBLE_DEVICES": "3,5"}, False, "CUDA_VISIBLE_DEVICES", ["3", "5"]),
        ({"CUDA_VISIBLE_DEVICES": "GPU-a, GPU-b"}, False, "CUDA_VISIBLE_DEVICES", ["GPU-a", "GPU-b"]),
        ({}, True, "HIP_VISIBLE_DEVICES", ["0", "1"]),
        ({"HIP_VISIBLE_DEVICES": "2,0"}, True, "HIP_VISIBLE_DEVICES", ["2", "0"]),
        ({"CUDA_VISIBLE_DEVICES": "2,0"}, True, "CUDA_VISIBLE_DEVICES", ["2", "0"]),
    ],
)
def test_slots_devices_users_choice_is_mapped(
    environ: dict[str, str], rocm: bool, name: str, expected: list[str]
) -> None:
    cards = [Device(kind="cuda", index=index, name="", memory_bytes=GIB, rocm=rocm) for index in (0, 1)]
    planned = device_slots(EngineSpec(), tuple(cards), SIXTEEN_CORES, most=9, environ=environ)
    assert [slot.env[name] for slot in planned] == expected
    assert all(sum(binding in slot.env for binding in slots.BINDINGS) == 1 for slot in planned)


def test_slots_devices_xpu_and_mps() -> None:
    (xpu,) = device_slots(
        EngineSpec(), (Device(kind="xpu", index=1, name="", memory_bytes=GIB),), SIXTEEN_CORES, most=9, environ={}
    )
    (mps,) = device_slots(
        EngineSpec(), (Device(kind="mps", index=0, name="", memory_bytes=GIB),), SIXTEEN_CORES, most=9, environ={}
    )
    assert xpu.env["ZE_AFFINITY_MASK"] == "1" and xpu.inside.device == "xpu:0"
    assert not any(binding in mps.env for binding in slots.BINDINGS)


def test_slots_standing_bytes() -> None:
    (slot,) = device_slots(EngineSpec(), CARDS[:1], SIXTEEN_CORES, most=1, environ={})
    assert slot.standing_bytes(None) == int(0.4 * 140 * GIB)
    assert slot.standing_bytes(7) == 7


def test_slots_plan_inline_takes_all_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resources, "cores", lambda: 6)
    (slot,) = plan_slots(EngineSpec(name="inline", device="cpu"), num_trials=9)
    assert slot.place.threads == 6


def test_slots_plan_max_concurrent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resources, "cores", lambda: 6)
    monkeypatch.setattr(resources, "memory_bytes", lambda: 64 * GIB)
    assert len(plan_slots(EngineSpec(device="cpu", max_concurrent=3), num_trials=9)) == 3
    assert len(plan_slots(EngineSpec(device="cpu", max_concurrent=3), num_trials=2)) == 2


def test_slots_plan_device_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slots, "accelerators", lambda: ())
    with pytest.raises(DeviceError, match=r"'cuda:7' is not there; this machine has cpu; auto takes what there is"):
        plan_slots(EngineSpec(device="cuda:7"), num_trials=1)


def test_devices_choose() -> None:
    assert choose("auto", CARDS) == CARDS == choose("cuda", CARDS)
    assert choose("cuda:1", CARDS) == CARDS[1:]
    assert choose("cpu", CARDS) == ()
    with pytest.raises(DeviceError, match=r"'cuda:2' is not there; this machine has cpu, cuda:0 \(H200\), cuda:1"):
        choose("cuda:2", CARDS)
    with pytest.raises(DeviceError, match="did you mean 'cuda'"):
        choose("cudaa", ())


@pytest.mark.parametrize(
    ("files", "platform", "version", "expected"),
    [
        ([], "linux", "2.13.0", False),
        (["dev/nvidia0"], "linux", "2.13.0", True),
        (["dev/nvidia0"], "linux", "2.13.0+cpu", False),
        (["dev/nvidiactl"], "linux", "2.13.0", False),
        (["dev/kfd"], "linux", "2.13.0", True),
        ([], "darwin", "2.13.0", True),
    ],
)
def test_devices_signs(tmp_path: Path, files: list[str], platform: str, version: str, expected: bool) -> None:
    write(tmp_path, dict.fromkeys(files, ""))
    assert signs_of_accelerator(tmp_path, platform, version) is expected


@pytest.mark.parametrize(("vendor", "expected"), [("0x8086", True), ("0x1002", False)])
def test_devices_signs_of_intel(tmp_path: Path, vendor: str, expected: bool) -> None:
    write(tmp_path, {"sys/class/drm/renderD128/device/vendor": f"{vendor}\n"})
    assert signs_of_accelerator(tmp_path, "linux", "2.13.0") is expected


def write(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)


V2 = {"proc/self/cgroup": "0::/pod/one\n"}
V1 = {"proc/self/cgroup": "4:memory:/docker/abc\n2:cpu,cpuacct:/docker/abc\n"}


@pytest.mark.parametrize(
    ("files", "environ", "expected"),
    [
        ({}, {}, 8),
        (V2 | {"sys/fs/cgroup/pod/one/cpu.max": "max 100000\n"}, {}, 8),
        (V2 | {"sys/fs/cgroup/pod/one/cpu.max": "250000 100000\n"}, {}, 2),
        (V2 | {"sys/fs/cgroup/pod/cpu.max": "300000 100000\n"}, {}, 3),
        (V2 | {"sys/fs/cgroup/cpu.max": "50000 100000\n"}, {}, 1),
        (V1 | {"sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1", "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000"}, {}, 8),
        (V1 | {"sys/fs/cgroup/cpu/cpu.cfs_quota_us": "400000", "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000"}, {}, 4),
        ({}, {"OMP_NUM_THREADS": "3"}, 3),
        ({}, {"OMP_NUM_THREADS": "3,2"}, 3),
        ({}, {"OMP_NUM_THREADS": "0"}, 8),
        ({}, {"OMP_NUM_THREADS": "many"}, 8),
        ({}, {"OMP_NUM_THREADS": "64"}, 8),
    ],
)
def test_resources_cores(tmp_path: Path, files: dict[str, str], environ: dict[str, str], expected: int) -> None:
    write(tmp_path, files)
    assert resources.cores(tmp_path, environ, affinity=8) == expected


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, 100),
        (V2 | {"sys/fs/cgroup/pod/one/memory.max": "max\n"}, 100),
        (V2 | {"sys/fs/cgroup/pod/one/memory.max": "40\n", "sys/fs/cgroup/pod/memory.max": "30\n"}, 30),
        (V1 | {"sys/fs/cgroup/memory/docker/abc/memory.limit_in_bytes": "9223372036854771712"}, 100),
        (V1 | {"sys/fs/cgroup/memory/memory.limit_in_bytes": "20"}, 20),
    ],
)
def test_resources_memory(tmp_path: Path, files: dict[str, str], expected: int) -> None:
    write(tmp_path, files)
    assert resources.memory_bytes(tmp_path, installed=100) == expected


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, 0),
        ({"proc/vmstat": "pgfault 9\noom_kill 4\n"}, 4),
        (V2 | {"sys/fs/cgroup/pod/one/memory.events": "oom 5\noom_kill 2\n", "proc/vmstat": "oom_kill 4\n"}, 2),
        (V1 | {"sys/fs/cgroup/memory/docker/abc/memory.oom_control": "under_oom 0\noom_kill 1\n"}, 1),
    ],
)
def test_resources_oom_kills(tmp_path: Path, files: dict[str, str], expected: int) -> None:
    write(tmp_path, files)
    assert resources.oom_kills(tmp_path) == expected


def test_resources_hostile_cgroup_path(tmp_path: Path) -> None:
    write(tmp_path, {"proc/self/cgroup": "0::/../../outside\n", "outside/memory.max": "1"})
    assert resources.memory_bytes(tmp_path / "root", installed=100) == 100


def test_resources_of_this_machine() -> None:
    assert resources.cores() >= 1
    assert resources.memory_bytes() > 0
    assert resources.oom_kills() >= 0
