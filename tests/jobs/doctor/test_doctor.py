"""`harness doctor`: each line with its remedy, on machines that are made up."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
import tomllib
from collections.abc import Mapping
from pathlib import Path

import pytest
from typer.testing import CliRunner

from harness.cli import app
from harness.errors import DeviceError
from harness.jobs.doctor import Finding, hardware, software
from harness.jobs.doctor.tested import TESTED
from harness.machine.devices import Device

ROOT = Path(__file__).resolve().parents[3]
GIB = 2**30


def test_tested_versions_are_those_of_the_constraints() -> None:
    dependencies = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["dependencies"]
    names = [re.split(r"[<>=\[]", dependency)[0] for dependency in dependencies]
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = dict(line.split()[0].lower().split("==") for line in lines if "==" in line and line[0] != "#")
    assert {name: pins[name.lower()] for name in names} == TESTED


@pytest.mark.parametrize(
    ("limit", "available", "state"),
    [(16, 12, "ok"), (16, 2, "note"), (2, 12, "note"), (None, 12, "ok"), (16, 0.5, "stops"), (0.5, 12, "stops")],
)
def test_memory_counts_the_cgroup(tmp_path: Path, limit: float | None, available: float, state: str) -> None:
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/cgroup").write_text("0::/\n", encoding="ascii")
    (tmp_path / "sys/fs/cgroup").mkdir(parents=True)
    written = "max" if limit is None else str(int(limit * GIB))
    (tmp_path / "sys/fs/cgroup/memory.max").write_text(written, encoding="ascii")
    finding = hardware.memory(tmp_path, installed=32 * GIB, available=int(available * GIB))
    assert finding.state == state
    assert ("cgroup" in finding.text) is (limit is not None)
    assert bool(finding.remedy) is (state != "ok")


def test_disk_that_cannot_be_written_stops(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    (tmp_path / "file").write_bytes(b"")
    of_runs, of_cache = hardware.disk(tmp_path / "file" / "runs")
    assert (of_runs.state, of_runs.remedy) == ("stops", "choose another folder with --runs DIR")
    assert "cannot be written" not in of_cache.text


@pytest.mark.parametrize(("free", "state"), [(50, "ok"), (2, "note"), (0.1, "stops")])
def test_disk_says_how_much_is_free(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: float, state: str) -> None:
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    usage = type("Usage", (), {"free": int(free * GIB)})
    monkeypatch.setattr("harness.jobs.doctor.hardware.shutil.disk_usage", lambda place: usage)
    assert [finding.state for finding in hardware.disk(tmp_path / "runs")] == [state, state]


@pytest.mark.parametrize(("name", "state"), [("linux", "ok"), ("darwin", "note"), ("win32", "stops")])
def test_systems(name: str, state: str) -> None:
    assert hardware.system(name).state == state


def states(changed: Mapping[str, str], patch: pytest.MonkeyPatch) -> list[Finding]:
    """The lines on versions where some packages have other ones."""
    patch.setattr(software, "installed", lambda name: (dict(TESTED) | changed).get(name, ""))
    return list(software.versions())


def test_versions_as_tested_are_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    assert [finding.state for finding in states({}, monkeypatch)] == ["ok"]


def test_a_patch_version_is_as_tested_and_a_minor_one_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    major, minor, _ = TESTED["torch"].split(".")
    assert [finding.state for finding in states({"torch": f"{major}.{minor}.9+cpu"}, monkeypatch)] == ["ok"]
    (finding,) = states({"torch": f"{major}.{int(minor) + 1}.0"}, monkeypatch)
    assert finding.state == "note"
    assert f"(tested: {TESTED['torch']})" in finding.text


def test_a_missing_package_and_an_old_one_stop(monkeypatch: pytest.MonkeyPatch) -> None:
    listed = ["torch>=2.11", "optuna>=5.0", "openpyxl>=3.1; extra == 'xlsx'"]
    monkeypatch.setattr(software, "requires", lambda name: listed)
    found = states({"optuna": "", "torch": "2.10.0"}, monkeypatch)
    assert [finding.state for finding in found if finding.state == "stops"] == ["stops", "stops"]
    assert {(finding.text, finding.remedy) for finding in found if finding.state == "stops"} == {
        ("optuna is not installed", "pip install 'optuna>=5.0'"),
        ("torch 2.10.0 does not meet >=2.11", f"pip install 'torch=={TESTED['torch']}'"),
    }


@pytest.fixture
def hub_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A Hub cache with one model."""
    for name in ("HTTPS_PROXY", "https_proxy", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    (tmp_path / "models--owner--name").mkdir()
    return tmp_path


CONNECT = "harness.jobs.doctor.software.socket.create_connection"


def test_hub_that_hangs_is_not_waited_for(hub_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    is_over = threading.Event()

    def hang(address: tuple[str, int], timeout: float) -> None:
        is_over.wait()
        raise TimeoutError

    monkeypatch.setattr(CONNECT, hang)
    finding = software.hub(timeout_s=0.05)  # waits for ever if it waits for the connection
    is_over.set()
    assert finding.state == "note"
    assert "does not answer in 0.05 s" in finding.text
    assert "in the Hub cache: owner/name" in finding.text


def test_hub_that_is_switched_off_is_not_asked(hub_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr(software, "_answers", lambda *arguments: pytest.fail("asked the Hub"))
    assert "HF_HUB_OFFLINE" in software.hub().text


@pytest.mark.parametrize("name", ["HF_HOME", "HF_HUB_CACHE"])
def test_hub_cache_in_a_home_that_is_not_there(hub_cache: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.delenv("HF_HUB_CACHE")
    monkeypatch.setenv(name, "~no-such-user/hub")
    assert "owner/name" not in software.hub().text


def test_hub_that_answers(hub_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Connection:
        def close(self) -> None:
            pass

    asked: list[tuple[str, int]] = []

    def connect(address: tuple[str, int], timeout: float) -> Connection:
        asked.append(address)
        return Connection()

    monkeypatch.setattr(CONNECT, connect)
    monkeypatch.setenv("HF_ENDPOINT", "http://mirror.example:8080")
    assert (software.hub().state, asked) == ("ok", [("mirror.example", 8080)])


def test_products_of_a_device_that_is_not_there_stop() -> None:
    finding = hardware.products((Device(kind="nothing", index=0, name="", memory_bytes=0),))
    assert finding.state == "stops"
    assert "nothing" in finding.text


def test_devices_that_cannot_be_asked_stop(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> tuple[Device, ...]:
        raise DeviceError("torch cannot look for devices (driver)")

    monkeypatch.setattr(hardware, "accelerators", fail)
    finding, devices = hardware.devices("2.13.0")
    assert (finding.state, devices) == ("stops", ())
    monkeypatch.setattr(hardware, "accelerators", lambda: ())
    monkeypatch.setattr(hardware, "signs_of_accelerator", lambda: True)
    assert hardware.devices("2.13.0+cpu")[0].state == "note"


def test_command_measures_and_imports_no_torch_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    script = (
        "import sys, json; from typer.testing import CliRunner; from harness.cli import app\n"
        "shown = CliRunner().invoke(app, ['doctor', '--json'])\n"
        "print(json.dumps([shown.exit_code, 'torch' in sys.modules, json.loads(shown.stdout)]))"
    )
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT)
    code, imported, shown = json.loads(done.stdout.splitlines()[-1])
    assert not imported
    assert code == (0 if shown["can_sweep"] else 1)
    checks = {check["what"]: check for check in shown["checks"]}
    assert set(checks) >= {"system", "cores", "memory", "disk of runs", "versions", "devices", "checkpoints", "ray"}
    speeds = re.findall(r"(\w+) ([\d,]+) GFLOP/s", checks["products"]["text"])
    assert speeds[0][0] == "fp32"
    assert all(int(speed.replace(",", "")) > 0 for _, speed in speeds)


def test_command_fails_when_something_stops_a_sweep(monkeypatch: pytest.MonkeyPatch) -> None:
    stopping = Finding(what="memory", state="stops", text="0.1 GiB free", remedy="end other programs")
    monkeypatch.setattr(hardware, "memory", lambda: stopping)
    monkeypatch.setattr(software, "_answers", lambda *arguments: False)
    shown = CliRunner().invoke(app, ["doctor", "--no-measure"])
    assert shown.exit_code == 1
    assert re.search(r"stops a sweep +memory +0.1 GiB free\n +-> end other programs", shown.stdout)
    assert "GFLOP/s" not in shown.stdout
