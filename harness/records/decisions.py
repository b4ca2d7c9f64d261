"""The files of a study's decisions: a folder for each, with the answers on test and, until it is moved, the export.

A decision is stored when its files are written, and only then those that it replaces are removed. So a kill leaves the
whole old decision or the whole new one.
"""

from __future__ import annotations

import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any

from harness.records.exported import MANIFEST
from harness.records.files import replace_folder, sha256_of
from harness.records.final import DECISIONS, Final
from harness.records.rundir import RunFolder
from harness.spec.study import StudySpec

__all__ = ["BEST", "export_of", "finish_keys", "new_folder", "settle"]

#: The folder of the exported model, in the run folder.
BEST = "best"


def finish_keys(spec: StudySpec) -> dict[str, Any]:
    """The keys by which a study goes on after its decision: the decision is of the study as it has them."""
    return {"trials": spec.search.trials, "confirm": spec.confirm.model_dump() if spec.confirm else None}


def new_folder(run: RunFolder, before: Final | None) -> str:
    """Makes the empty folder of the decision after `before`; returns its name in the run folder."""
    last = before.folder.removeprefix(DECISIONS).strip("/") if before is not None else ""
    name = f"{DECISIONS}/{int(last) + 1 if last.isdigit() else 1}"
    shutil.rmtree(run.inside(name), ignore_errors=True)  # of a decision that was never stored
    run.inside(name).mkdir(parents=True)
    return name


def export_of(run: Path, final: Final) -> Path | None:
    """The folder of a decision's exported model: its own, or the decision's where a kill left it there; else None."""
    if final.export is None:
        return None
    staged = run / final.folder / final.export
    is_there = bool(final.export_sha256) and sha256_of(staged / MANIFEST) == final.export_sha256
    return staged if is_there else run / final.export


def settle(run: RunFolder, final: Final) -> None:
    """Moves the export of a stored decision to its own folder, and removes the files that the decision replaces.

    A decision without a winner replaces the export of the one before it too: the weights of a tested model stay with
    its trial, from which it can be exported again. The answers of models that an earlier decision scored, and this one
    did not, stay.
    """
    if final.export is not None and export_of(run.path, final) != (to := run.path / final.export):
        replace_folder(run.path / final.folder / final.export, to)
    if final.export is None:
        shutil.rmtree(run.inside(BEST), ignore_errors=True)
    kept = {run.inside(model.predictions) for model in (*final.models, *final.earlier) if model.predictions}
    own = run.inside(final.folder)
    for path in sorted((run.path / DECISIONS).rglob("*"), reverse=True):  # what a folder holds comes before it
        if path.is_dir() and not path.is_symlink():
            with suppress(OSError):  # it is not empty
                path.rmdir()
        elif path not in kept and not path.is_relative_to(own):
            path.unlink()
