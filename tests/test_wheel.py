"""The package as people install it: a wheel from a source archive, in a folder of its own, run from an empty folder."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
NOT_SHIPPED = ("*.so", "__pycache__", "*.egg-info")
#: Python that builds and installs without a network.
BUILD_SOURCE = "import sys; from setuptools import build_meta; build_meta.build_sdist(sys.argv[1])"
PIP = ("-m", "pip", "--disable-pip-version-check", "--no-cache-dir", "--quiet")
OFFLINE = ("--no-index", "--no-deps")
#: The quickstart on its own data, small enough for a test: one trial of a tiny model from random weights.
TINY = (
    "model={checkpoint: scratch, architecture: {model_type: bert, hidden_size: 32, num_hidden_layers: 1, "
    "num_attention_heads: 2, intermediate_size: 64, vocab_size: 500}}",
    *("data.train_rows=64", "data.max_length=16", "training.epochs=1"),
    *("search.trials=1", "confirm=null", "engine.name=inline"),
)


@dataclass(frozen=True, kw_only=True)
class Built:
    """The archives, and the folder into which the wheel is installed."""

    source: Path
    wheel: Path
    installed: Path

    def run(self, *command: str | Path, cwd: Path) -> str:
        """Standard output of a program that sees the installed package before all others."""
        return run(*command, cwd=cwd, PYTHONPATH=str(self.installed), HARNESS_CACHE=str(self.installed / "cache"))


def run(*command: str | Path, cwd: Path, **environment: str) -> str:
    done = subprocess.run(command, cwd=cwd, env=os.environ | environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    folder = tmp_path_factory.mktemp("wheel")
    tree, out, installed = folder / "tree", folder / "out", folder / "installed"
    for name in ("harness", "studies"):
        shutil.copytree(ROOT / name, tree / name, ignore=shutil.ignore_patterns(*NOT_SHIPPED))
    for path in (path for path in ROOT.iterdir() if path.is_file() and path.name[0] != "."):
        shutil.copyfile(path, tree / path.name)
    run(sys.executable, "-c", BUILD_SOURCE, out, cwd=tree)
    (source,) = out.glob("*.tar.gz")
    run(sys.executable, *PIP, "wheel", *OFFLINE, "--no-build-isolation", "-w", out, source, cwd=out)
    (wheel,) = out.glob("*.whl")
    run(sys.executable, *PIP, "install", *OFFLINE, "--target", installed, wheel, cwd=out)
    return Built(source=source, wheel=wheel, installed=installed)


def shipped_files() -> set[str]:
    """Every file of the package and of the studies, where the wheel should have it."""
    files = [path for name in ("harness", "studies") for path in (ROOT / name).rglob("*") if path.is_file()]
    names = [path.relative_to(ROOT).as_posix() for path in files if not {".pyc", ".so"} & {path.suffix}]
    return {f"harness/{name}" if name.startswith("studies/") else name for name in names}


def test_wheel_holds_every_file_of_package_and_studies(built: Built) -> None:
    with zipfile.ZipFile(built.wheel) as archive:
        names = set(archive.namelist())
    assert {"harness/py.typed", "harness/jobs/card.md.j2", "harness/studies/data/reviews_en.csv"} <= names
    assert "harness/testing/engines.py" in names
    assert shipped_files() - names == set()


def test_wheel_holds_nothing_else(built: Built) -> None:
    """Neither a second copy of the studies nor the tests."""
    with zipfile.ZipFile(built.wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name and not name.endswith(".so")}
    assert names - shipped_files() == set()


def test_source_archive_holds_what_is_compiled(built: Built) -> None:
    with tarfile.open(built.source) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"harness/training/fast/_one_pass.c", "setup.py", "studies/quickstart.yaml", "LICENSE"} <= names


def test_installed_program_tells_its_version(built: Built, tmp_path: Path) -> None:
    with (ROOT / "pyproject.toml").open("rb") as file:
        version = tomllib.load(file)["project"]["version"]
    assert built.run(built.installed / "bin" / "harness", "--version", cwd=tmp_path) == f"harness {version}\n"
    for module in ("harness", "harness.cli"):
        assert built.run(sys.executable, "-m", module, "--version", cwd=tmp_path) == f"harness {version}\n"


def test_installed_package_sweeps_a_bundled_study_from_an_empty_folder(built: Built, tmp_path: Path) -> None:
    found = built.run(sys.executable, "-c", "import harness; print(harness.__file__)", cwd=tmp_path)
    assert Path(found.strip()).is_relative_to(built.installed)
    shown = built.run(sys.executable, "-m", "harness", "sweep", "quickstart", *TINY, cwd=tmp_path)
    assert "train: 2306 rows" in shown
    run_folder = tmp_path / "runs" / "quickstart"
    assert "quickstart, trial 0" in (run_folder / "best" / "README.md").read_text("utf-8")
    assert (run_folder / "best" / "model.safetensors").is_file()
    assert (tmp_path / "reports" / "quickstart" / "index.html").is_file()
    manifest = json.loads((run_folder / "manifest.json").read_text("utf-8"))
    assert manifest["command"] == ["harness", "sweep", "quickstart", *TINY]
    assert Path(manifest["spec"]["data"]["path"]).is_relative_to(built.installed.resolve())


def test_extra_all_brings_every_extra_that_a_study_can_need() -> None:
    with (ROOT / "pyproject.toml").open("rb") as file:
        extras = tomllib.load(file)["project"]["optional-dependencies"]
    (everything,) = extras.pop("all")
    names = everything.removeprefix("finetune-harness[").removesuffix("]").split(",")
    assert set(names) == set(extras) - {"dev", "peers"}
