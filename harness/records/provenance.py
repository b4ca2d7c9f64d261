"""Builds and verifies the manifest of a run: study, versions, commit, machine, and hashes of data and weights.

Versions come from the metadata of installed packages: importing the packages would take seconds.
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

from harness.errors import RunError
from harness.records.manifest import BEHAVIOUR, Commit, Computer, DataFacts, EarlierRun, Manifest, Meta
from harness.records.precision import PrecisionChoice
from harness.records.schema import Place
from harness.records.task_copy import copy_of
from harness.spec.bundled import find_study
from harness.spec.configure import differences
from harness.spec.study import StudySpec

__all__ = ["behaviour_refusal", "new_manifest", "presentable", "reads_other_rows", "refuse_other_rows", "verify"]

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
GIT_TIMEOUT_S = 5


def new_manifest(
    spec: StudySpec,
    data: DataFacts,
    weights: Mapping[str, str | None],
    devices: Sequence[Place],
    command: Sequence[str],
    precision: Sequence[PrecisionChoice] = (),
    earlier_runs: Sequence[EarlierRun] = (),
) -> Manifest:
    """The manifest of a study that this process runs.

    Args:
        spec: the whole study.
        data: the facts of the prepared data, and its folder.
        weights: sha256 by the checkpoint's name in the study; None where there is nothing to hash.
        devices: the slots of this machine.
        command: the command line: harness, sweep, the study file, and so on.
        precision: what `precision: auto` was measured to mean when the study began.
        earlier_runs: what the runs of `search.from` gave when the study began.
    """
    return Manifest(
        created_at=time.time(),
        task=copy_of(spec.task),
        spec=spec,
        command=tuple(command),
        data=data,
        weights=dict(weights),
        devices=tuple(devices),
        precision=tuple(precision),
        earlier_runs=tuple(earlier_runs),
        machine=_machine(),
        versions=_versions(),
        git=_commit(command),
    )


def verify(recorded: Manifest, now: Manifest) -> list[str]:
    """The reasons why a run cannot be continued, a line each; empty when it can.

    The study may differ in trials, budget, confirm, engine and loggers. The prepared rows must be the same, wherever
    the table lies; where `now` has no data yet, neither the rows nor the path are compared. The weights must
    have the same hashes. The runs of `search.from` were read when the run began, so that only their names count. A
    user's own task must have the same facts, where both manifests have them. Versions and machines may differ: a run
    that moves to another machine is still one run.

    Raises:
        RunError: the same study gives other results in this version than in the one that began the run.
    """
    if refusal := behaviour_refusal(recorded):
        raise refusal
    names = [[Path(run).name for run in manifest.spec.search.from_runs] for manifest in (recorded, now)]
    free = ["search.from"] if names[0] == names[1] else []
    if not differences(recorded.spec, now.spec, free=("data.path", *free)):
        refuse_other_rows(recorded, now.data)
    changed = bool(now.data.sha256) and not recorded.data.same_rows(now.data)
    lines = differences(recorded.spec, now.spec, free=free if changed else ("data.path", *free))
    if recorded.task and now.task and recorded.task.name == now.task.name:
        lines += recorded.task.differences(now.task)
    if changed:
        lines.append(f"the data changed: {recorded.data.changed(now.data)}")
    for name, digest in recorded.weights.items():
        if name in now.weights and now.weights[name] != digest:
            lines.append(f"the weights of {name} changed: sha256 {_short(digest)} -> {_short(now.weights[name])}")
    return lines


def behaviour_refusal(recorded: Manifest) -> RunError | None:
    """The error that names the version which finishes a run; None where this version gives the same results."""
    if recorded.behaviour == BEHAVIOUR:
        return None
    why = f"the same study gives other results (behaviour {recorded.behaviour}, here {BEHAVIOUR})"
    return _begun_by_other_version(recorded, f"in which {why}")


def reads_other_rows(recorded: Manifest, data: Meta) -> bool:
    """True when `data` has the bytes that a run was begun with, but other rows: this version reads them otherwise."""
    return bool(data.sha256) and recorded.data.sha256 == data.sha256 and not recorded.data.same_rows(data)


def refuse_other_rows(recorded: Manifest, data: Meta) -> None:
    """Raises when the version that began a run has read other rows from the same bytes.

    Raises:
        RunError: it has; new trials would not be comparable.
    """
    if reads_other_rows(recorded, data):
        why = f"which read other rows from {data.source} ({recorded.data.changed(data)})"
        raise _begun_by_other_version(recorded, why)


def _begun_by_other_version(recorded: Manifest, why: str) -> RunError:
    version = recorded.version or "of another number"
    how = f"pip install finetune-harness=={version}" if recorded.version else "install that version"
    return RunError(
        f"'{recorded.spec.name}' was begun by finetune-harness {version}, {why}: harness results, report and compare "
        f"read it, and that version finishes it ({how}); or begin again (--fresh)"
    )


def presentable(spec: StudySpec) -> StudySpec:
    """The study with the password removed from its database URL, for display."""
    url = spec.search.storage
    if url is None:
        return spec
    masked = re.sub(r"(//[^:/@]*):.*@", r"\1:***@", url)
    return spec.model_copy(update={"search": spec.search.model_copy(update={"storage": masked})})


def _short(digest: object) -> str:
    return str(digest)[:12]


def _versions() -> dict[str, str]:
    versions = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    # Rounding depends on it as on versions: without a C compiler the package is installed without compiled steps.
    versions["compiled steps"] = "yes" if find_spec("harness.training.fast._one_pass") else "no"
    return versions


def _machine() -> Computer:
    affinity = getattr(os, "sched_getaffinity", None)
    return Computer(
        host=platform.node(),
        platform=platform.platform(),
        cpu=_cpu_model(),
        cpus=len(affinity(0)) if affinity else os.cpu_count(),
    )


def _cpu_model() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return platform.processor()
    match = re.search(r"^(?:model name|Model)\s*:\s*(.+)$", text, re.MULTILINE)
    return match.group(1).strip() if match else platform.processor()


def _commit(command: Sequence[str]) -> Commit | None:
    """The commit of the study file's folder, else of the working directory; None where neither is in a repository."""
    study = find_study(Path(command[2])).parent if len(command) > 2 else Path.cwd()
    return _git(study) or _git(Path.cwd())


def _git(folder: Path) -> Commit | None:
    """The commit of the folder and whether files differ from it (None: not checked); None outside a repository."""
    commit = _run_git(folder, "rev-parse", "HEAD")
    if commit is None:
        return None
    # `git status` would start the filter programs that the repository itself configures: foreign code.
    filters = _run_git(folder, "config", "--show-scope", "--get-regexp", r"^filter\.") or ""
    if any(line.split("\t")[0] in ("local", "worktree") for line in filters.splitlines()):
        return Commit(commit=commit.strip())
    changes = _run_git(folder, "status", "--porcelain", "--ignore-submodules=dirty")
    return Commit(commit=commit.strip(), dirty=bool((changes or "").strip()))


def _run_git(folder: Path, *arguments: str) -> str | None:
    try:
        # Hooks and file-system monitors of the repository are foreign code, and are switched off.
        process = subprocess.run(
            ["git", "--no-optional-locks", "-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null", *arguments],
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=GIT_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return process.stdout if process.returncode == 0 else None
