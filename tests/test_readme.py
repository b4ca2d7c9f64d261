"""What the README and the Makefile tell people to type works; tried on the smoke study."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def commands() -> list[list[str]]:
    """Every `harness ...` line of the README's code blocks, without its remarks."""
    blocks = re.findall(r"```\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines() if line.startswith("harness ")]
    return [shlex.split(line, comments=True)[1:] for line in lines]


@pytest.mark.long
def test_readme_commands_run_on_the_smoke_study(tmp_path: Path) -> None:
    (tmp_path / "studies").symlink_to(ROOT / "studies")
    (tmp_path / "mine.csv").write_bytes((ROOT / "studies/data/smoke.csv").read_bytes())
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    ran = []
    for arguments in commands():
        words = [word.replace("quickstart.yaml", "smoke.yaml") for word in arguments]
        if words[0] == "sweep" and any("folder/" in word for word in words):
            continue  # a folder and a checkpoint of the reader's own
        done = subprocess.run(
            [sys.executable, "-m", "harness.cli", *words],
            cwd=tmp_path, env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"harness {shlex.join(words)}: {done.stderr}"
        ran.append(words[0])
    assert {"sweep", "results", "predict"} <= set(ran)


@pytest.mark.parametrize("target", ["sweep", "test", "test-long", "lint"])
def test_makefile_has_the_commands_of_the_readme(target: str) -> None:
    shown = subprocess.run(["make", "--dry-run", target], cwd=ROOT, capture_output=True, text=True, check=False)
    assert shown.returncode == 0
    expected = {
        "sweep": "harness sweep studies/quickstart.yaml",
        "test": "-m pytest --numprocesses 2",
        "test-long": '-m "long or not long"',
        "lint": "ruff check",
    }
    assert expected[target] in shown.stdout


def test_readme_names_files_that_exist() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    names = set(re.findall(r"`((?:harness|studies|benchmarks|docs|tests)/[\w./]*)`", text))
    assert names
    assert [name for name in sorted(names) if not (ROOT / name).exists()] == []
