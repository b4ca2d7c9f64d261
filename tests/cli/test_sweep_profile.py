"""`harness sweep --profile` on the smoke study, in worker processes as real studies run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from harness.records.profile import PARTS, PHASES

pytestmark = pytest.mark.long

STUDIES = Path(__file__).parents[2] / "studies"


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, dict[str, Any]]:
    """What was printed, and the profile."""
    folder = tmp_path_factory.mktemp("profile")
    command = [sys.executable, "-m", "harness.cli", "sweep", str(STUDIES / "smoke.yaml"), "--profile"]
    command += ["--engine", "local", "engine.slots_per_device=2"]
    environment = os.environ | {"PYTHONPATH": str(STUDIES.parent)}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout, json.loads((folder / "runs" / "smoke" / "profile.json").read_text())


def test_sweep_profile_adds_up_to_the_wall_clock(swept: tuple[str, dict[str, Any]]) -> None:
    _, profile = swept
    assert list(profile["phases"]) == list(PHASES)
    assert sum(profile["phases"].values()) == pytest.approx(profile["wall_s"])
    outside = sum(profile["phases"][phase] for phase in ("preparing", "concluding", "report"))
    for slot in (0, 1):
        inside = [sum(each["parts"].values()) for each in profile["slots"] if each["slot"] == slot]
        assert len(inside) == 2
        assert outside + sum(inside) == pytest.approx(profile["wall_s"], rel=0.02)


def test_sweep_profile_knows_what_slots_did(swept: tuple[str, dict[str, Any]]) -> None:
    _, profile = swept
    search = [each["parts"] for each in profile["slots"] if each["phase"] == "search"]
    assert all(list(parts) == list(PARTS) for parts in search)
    for part in ("start", "step", "evaluation"):
        assert sum(parts[part] for parts in search) > 0


def test_sweep_profile_is_printed(swept: tuple[str, dict[str, Any]]) -> None:
    printed, profile = swept
    lines = printed[printed.index("where the time went") :].splitlines()
    names = [" ".join(line.split()[:1]) for line in lines]
    for name in ("preparing", "search", "confirming", "concluding", "report", "step", "idle"):
        assert name in names
    assert f"{profile['wall_s']:.2f}" in lines[-1]
