"""Where tests of Ray keep what Ray keeps outside of run folders; import the fixture where it is used.

Every wait in these tests has a limit of its own; `pytest_runtest_protocol` in conftest.py ends what exceeds them all.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.engines.ray.environment import changed_environment
from harness.engines.ray.reaper import processes
from harness.testing.processes import until

__all__ = ["ray_home_fixture"]


@pytest.fixture(scope="module", name="ray_home", autouse=True)
def ray_home_fixture(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A temporary folder for these tests alone: when they are over it is empty, and no process has a file in it."""
    tmp_path_factory.getbasetemp()  # which lies elsewhere
    home = Path(tempfile.mkdtemp(prefix="ht-"))
    before, tempfile.tempdir = tempfile.tempdir, str(home)
    try:
        # torch makes a folder for itself where trials are real ones.
        inductor = str(tmp_path_factory.mktemp("inductor"))
        with changed_environment({"TMPDIR": str(home), "TORCHINDUCTOR_CACHE_DIR": inductor}):
            yield home
    finally:
        tempfile.tempdir = before
    until(lambda: not list(processes(home)), within_s=20)
    assert not list(home.iterdir())
    home.rmdir()
