"""What every test of an engine starts from; import both names where they are used."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.records.rundir import RunFolder


@pytest.fixture(name="run")
def run_fixture(tmp_path: Path) -> RunFolder:
    folder = RunFolder(tmp_path / "run")
    folder.create()
    (folder.path / "trials").mkdir(exist_ok=True)
    return folder


@pytest.fixture(name="data")
def data_fixture(tmp_path: Path) -> str:
    (tmp_path / "data").mkdir()
    return str(tmp_path / "data")
