"""What every test of an engine starts from."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.records.rundir import RunFolder
from harness.testing.engines import make_data, make_run


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    return make_run(tmp_path)


@pytest.fixture
def data(tmp_path: Path) -> str:
    return make_data(tmp_path)
