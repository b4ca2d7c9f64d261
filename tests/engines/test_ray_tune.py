"""The Ray engine in a session of its own, on this machine. Clusters are in test_ray_cluster.py."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psutil
import pytest

from harness.engines.protocol import Engine
from harness.engines.ray_session import Session, open_session
from harness.engines.ray_tune import RayEngine
from harness.records.rundir import RunFolder
from harness.spec.study import StudySpec
from tests.engines.contract import EngineContract, children, make_slots
from tests.engines.fixtures import data_fixture, run_fixture  # noqa: F401

pytestmark = pytest.mark.ray


def study(**engine: Any) -> StudySpec:
    return StudySpec.model_validate(
        {
            "name": "fake",
            "data": {"path": "nowhere.csv"},
            "model": {"checkpoint": "none"},
            "engine": {"name": "ray", "device": "cpu", **engine},
        }
    )


def actors() -> list[psutil.Process]:
    """Processes that run trials."""
    return [child for child in children() if "TrialActor" in " ".join(child.cmdline())]


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    """A session that is there already: starting one for each test would cost minutes."""
    with open_session(None, make_slots(2), 2, tmp_path_factory.mktemp("logs")) as session:
        yield session


@pytest.mark.usefixtures("session")
class TestRayEngine(EngineContract):
    def make_engine(self, run: RunFolder, slots: int = 1, **options: Any) -> Engine:
        options.pop("memory_budget_bytes", None)  # standing trials always lie on disk
        return RayEngine(run, study(max_concurrent=slots), make_slots(slots), **options)

    def left(self) -> list[psutil.Process]:
        psutil.wait_procs(actors(), timeout=10)
        return actors()
