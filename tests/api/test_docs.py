"""docs/python.md and the notebook in studies/ run as they stand."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import harness

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "python.md").read_text(encoding="utf-8")
SNIPPETS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
NOTEBOOK = ROOT / "studies" / "python.ipynb"
#: Runs the cells of a notebook one after the other, shows the last line of each, and says what of Ray was imported.
RUNNER = """
import ast, json, sys
names = {"__name__": "__main__"}
for cell in json.load(open(sys.argv[1], encoding="utf-8"))["cells"]:
    if cell["cell_type"] == "code":
        tree = ast.parse("".join(cell["source"]))
        last = ast.Expression(tree.body.pop().value) if isinstance(tree.body[-1], ast.Expr) else None
        exec(compile(tree, "cell", "exec"), names)
        if last is not None:
            value = eval(compile(last, "cell", "eval"), names)
            print("SHOWN", type(value).__name__, repr(value)[:2000].replace("\\n", " "))
print("RAY", "ray" in sys.modules)
"""


@pytest.mark.long
def test_snippets_run_one_after_the_other(folder: Path) -> None:
    shutil.copyfile(ROOT / "studies" / "data" / "smoke.csv", "mine.csv")
    names: dict[str, Any] = {"__name__": "snippets"}
    assert len(SNIPPETS) == 7
    for number, snippet in enumerate(SNIPPETS):
        exec(compile(snippet, f"snippet {number}", "exec"), names)  # noqa: S102
    assert names["run"].model == folder / "runs" / "smoke" / "best"
    assert (folder / "mine.yaml").is_file()
    assert (folder / "model" / "model.safetensors").is_file()
    assert (folder / "trial-0" / "model.safetensors").is_file()
    assert "unknown key" in PAGE
    assert list(names["predict"]("model", names["table"].head(2)).columns)[-2:] == ["predicted_label", "probability"]


def test_page_has_every_function() -> None:
    table = PAGE.partition("| name |")[2].partition("\n\n")[0]
    assert set(re.findall(r"^\| `(\w+)\(", table, re.MULTILINE)) == set(harness.__all__) - {"Run"}


@pytest.mark.long
def test_notebook_runs_without_ray(tmp_path: Path) -> None:
    environ = os.environ | {"PYTHONPATH": str(ROOT), "HARNESS_CACHE": str(tmp_path / "cache")}
    done = subprocess.run(
        [sys.executable, "-c", RUNNER, str(NOTEBOOK)],
        cwd=tmp_path, env=environ, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    shown = re.findall(r"^SHOWN (\w+)", done.stdout, re.MULTILINE)
    expected = ["DataFrame", "Run", "Best", "Interval", "DataFrame", "list", "Figure", "list", "DataFrame", "dict"]
    assert shown == expected
    assert done.stdout.splitlines()[-1] == "RAY False"
    assert "\x1b" not in done.stdout


def test_notebook_is_one_and_has_no_outputs() -> None:
    notebook = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    assert (notebook["nbformat"], notebook["nbformat_minor"]) == (4, 5)
    assert len({cell["id"] for cell in notebook["cells"]}) == len(notebook["cells"])
    assert all(not cell["outputs"] for cell in notebook["cells"] if cell["cell_type"] == "code")


@pytest.mark.long
def test_benchmark_of_the_page(folder: Path) -> None:
    names: dict[str, Any] = {"__name__": "snippets"}
    exec(SNIPPETS[-1], names)  # noqa: S102
    assert names["measure"]()["samples_per_second"].gt(0).all()
