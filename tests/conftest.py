"""Fixtures for everything that trains: the smoke study's data, prepared once, and a host of one CPU thread."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import settings

from harness.data.prepared import PreparedData
from harness.records.schema import Place
from harness.spec.configure import default_params, resolve
from harness.spec.reader import load_study
from harness.spec.trial import TrialConfig
from harness.training.host import Host

pytest.register_assert_rewrite("harness.testing")

# Found once, failing forever: on CI the examples are the same in every run; elsewhere they differ.
ON_CI = bool(os.environ.get("CI"))
settings.register_profile("short", derandomize=ON_CI, deadline=None, max_examples=25)
settings.register_profile("long", derandomize=ON_CI, deadline=None, max_examples=100)  # --hypothesis-profile long
settings.load_profile("short")


def num_examples(full: int) -> int:
    """For a test that tries `full` examples in the profile "long": how many it tries in the one that is loaded."""
    return full * settings.default.max_examples // 100


# A shell that starts a command in the background has it ignore Ctrl-C, and so would every process that tests start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Tables are as wide as where the output goes to a file, whatever the terminal.
os.environ.pop("COLUMNS", None)

# As in an environment that was activated: commands are shown as `harness`.
os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"

STUDIES = Path(__file__).parents[1] / "studies"


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Bytes name no test: a packed file holds the time of its packing, and all workers must collect the same names."""
    return argname if isinstance(val, bytes) else None


@pytest.fixture(scope="session")
def smoke_data(tmp_path_factory: pytest.TempPathFactory) -> PreparedData:
    from harness.data.prepare import prepare

    return prepare(load_study(STUDIES / "smoke.yaml"), tmp_path_factory.mktemp("cache"))


@pytest.fixture
def smoke_config() -> TrialConfig:
    spec = load_study(STUDIES / "smoke.yaml", ["training.precision=fp32"])
    return resolve(spec, number=0, params=default_params(spec))


@pytest.fixture
def host() -> Host:
    return Host(place=Place(node="here", device="cpu", slot=0, threads=1))


@pytest.fixture(scope="session")
def smoke_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run folder of the smoke study, swept once, as a user would, in two worker processes; nobody may change it.

    What the sweep printed lies beside `runs/`, in said.txt.
    """
    folder = tmp_path_factory.mktemp("smoke")
    environ = os.environ | {"PYTHONPATH": str(STUDIES.parent), "HARNESS_CACHE": str(folder / "cache")}
    command = [sys.executable, "-m", "harness.cli", "sweep", str(STUDIES / "smoke.yaml"), "--engine", "local"]
    command += ["engine.slots_per_device=2", "engine.threads_per_slot=1"]
    done = subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (folder / "said.txt").write_text(done.stdout + done.stderr, encoding="utf-8")
    return folder / "runs" / "smoke"
