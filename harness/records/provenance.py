"""Where a run's numbers come from: the study, versions, commit, machine, and hashes of data and weights.

Knows nothing of results. Versions are read from installed metadata, so nothing is imported to ask for them.
"""

from __future__ import annotations

import os
import platform
import re
import subprocess
import time
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from harness.errors import RunError
from harness.records.precision import PrecisionChoice
from harness.spec.bundled import find_study
from harness.spec.configure import differences
from harness.spec.study import StudySpec

__all__ = ["manifest", "presentable", "recorded_study", "verify"]

PACKAGES = (
    "finetune-harness",
    "torch",
    "transformers",
    "tokenizers",
    "safetensors",
    "optuna",
    "ray",
    "numpy",
    "pandas",
    "scikit-learn",
    "datasets",
)
FORMAT = 1
GIT_TIMEOUT_S = 5


def manifest(
    spec: StudySpec,
    data_meta: Mapping[str, Any],
    weights: Mapping[str, str | None],
    devices: Sequence[Mapping[str, Any]],
    command: Sequence[str],
    precision: Sequence[PrecisionChoice] = (),
) -> dict[str, Any]:
    """What `manifest.json` holds.

    Args:
        spec: the whole study.
        data_meta: meta.json of the prepared data (`sha256` of its source among it), and its `folder`.
        weights: sha256 by the checkpoint's name in the study; None where there is nothing to hash.
        devices: the slots or devices of this machine, as JSON.
        command: the command line: harness, sweep, the study file, and so on.
        precision: what `precision: auto` was measured to mean when the study began.
    """
    return {
        "format": FORMAT,
        "created_at": time.time(),
        "spec": spec.model_dump(mode="json"),
        "command": list(command),
        "data": dict(data_meta),
        "weights": dict(weights),
        "devices": [dict(device) for device in devices],
        "precision": [choice.model_dump(mode="json") for choice in precision],
        "machine": _machine(),
        "versions": _versions(),
        "git": _commit(command),
    }


def recorded_study(recorded: Mapping[str, Any], source: object) -> StudySpec:
    """The study of a manifest; `source` is its file, for messages.

    Raises:
        RunError: the manifest holds no study that this version can read.
    """
    try:
        return StudySpec.model_validate(recorded["spec"])
    except (KeyError, TypeError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise RunError(f"{source}: not a run that this version of harness can read ({reason})") from None


def verify(recorded: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """What keeps a run from being continued, a line each; empty when nothing does.

    The study may differ in trials, budget, confirm, engine and loggers; data and weights must have the same hashes.
    Versions and machines may differ: they are recorded, and a run that moves to another machine is still one run.
    """
    lines = differences(recorded_study(recorded, "the recorded run"), recorded_study(now, "the study"))
    before, after = recorded.get("data", {}).get("sha256"), now.get("data", {}).get("sha256")
    if before != after:
        lines.append(f"the data changed: sha256 {_short(before)} -> {_short(after)}")
    weights = now.get("weights", {})
    for name, digest in recorded.get("weights", {}).items():
        if name in weights and weights[name] != digest:
            lines.append(f"the weights of {name} changed: sha256 {_short(digest)} -> {_short(weights[name])}")
    return lines


def presentable(spec: StudySpec) -> StudySpec:
    """The study as it may be shown: a database URL without its password."""
    url = spec.search.storage
    if url is None:
        return spec
    masked = re.sub(r"(//[^:/@]*):.*@", r"\1:***@", url)
    return spec.model_copy(update={"search": spec.search.model_copy(update={"storage": masked})})


def _short(digest: object) -> str:
    return str(digest)[:12]


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    # What rounding depends on, as it does on versions: without a C compiler the package has no such half.
    found["compiled steps"] = "yes" if find_spec("harness.training.fast._one_pass") else "no"
    return found


def _machine() -> dict[str, Any]:
    affinity = getattr(os, "sched_getaffinity", None)
    return {
        "host": platform.node(),
        "platform": platform.platform(),
        "cpu": _cpu_model(),
        "cpus": len(affinity(0)) if affinity else os.cpu_count(),
    }


def _cpu_model() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return platform.processor()
    found = re.search(r"^(?:model name|Model)\s*:\s*(.+)$", text, re.MULTILINE)
    return found.group(1).strip() if found else platform.processor()


def _commit(command: Sequence[str]) -> dict[str, Any] | None:
    """Commit of the study file's folder, else of the working directory; None where neither is in a repository."""
    study = find_study(Path(command[2])).parent if len(command) > 2 else Path.cwd()
    return _git(study) or _git(Path.cwd())


def _git(folder: Path) -> dict[str, Any] | None:
    """Commit of the folder and whether files differ from it (None: not looked at); None outside a repository."""
    commit = _run_git(folder, "rev-parse", "HEAD")
    if commit is None:
        return None
    # A filter that the repository itself configures is a program that looking for changes would start.
    filters = _run_git(folder, "config", "--show-scope", "--get-regexp", r"^filter\.") or ""
    if any(line.split("\t")[0] in ("local", "worktree") for line in filters.splitlines()):
        return {"commit": commit.strip(), "dirty": None}
    changes = _run_git(folder, "status", "--porcelain", "--ignore-submodules=dirty")
    return {"commit": commit.strip(), "dirty": bool((changes or "").strip())}


def _run_git(folder: Path, *arguments: str) -> str | None:
    try:
        # No hook and no file-system monitor of a repository that happens to lie here is started.
        done = subprocess.run(
            ["git", "--no-optional-locks", "-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null", *arguments],
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=GIT_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout if done.returncode == 0 else None
