"""The contract test as people use it: in a test module of their own, outside of this tree."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CONFTEST = "import pytest\n\npytest.register_assert_rewrite('harness.testing')\n"
RECORDS_TWICE = """
from harness.engines.inline import InlineEngine
from harness.testing.engines import EngineContract, make_slots


class MyEngine(InlineEngine):
    def run(self, source, data, trial_fn):
        super().run(source, data, trial_fn)
        source.end(source.records[0])


class TestMyEngine(EngineContract):
    many = 1

    def make_engine(self, run, slots=1, **options):
        return MyEngine(run, make_slots(1)[0], **options)
"""


def test_contract_judges_an_engine_of_ones_own(tmp_path: Path) -> None:
    """An engine that ends a trial twice fails where records are counted, with the counts, and passes elsewhere."""
    (tmp_path / "conftest.py").write_text(CONFTEST)
    (tmp_path / "test_my_engine.py").write_text(RECORDS_TWICE)
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-k", "all_recorded or stop_keeps_history"]
    environ = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=tmp_path, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "assert 6 == 5" in done.stdout
    assert "1 failed, 1 passed" in done.stdout
