"""The manifest of an exported model: what it predicts, of which input, and how it was made."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, ValidationError

from harness.errors import InputError
from harness.records import earlier
from harness.records.manifest import first_error
from harness.records.schema import Place, Stored
from harness.spec.trial import ParamValue
from harness.stats.intervals import Interval

__all__ = ["EXPORT_FILES", "MANIFEST", "DataSource", "ExportManifest", "Refit", "read_export", "write_export"]

MANIFEST = "manifest.json"
#: The files of every export.
EXPORT_FILES = ("config.json", "model.safetensors", MANIFEST)

Float = Annotated[float, Field(allow_inf_nan=True)]


class DataSource(Stored):
    """The file, folder or data set that the rows came from, and the hash of its bytes."""

    source: str = ""
    sha256: str = ""


class Refit(Stored):
    """The splits whose rows the weights were trained on after the study, and how many rows these are."""

    splits: tuple[str, ...]
    rows: int


class ExportManifest(Stored):
    """The facts of an exported model. A prediction needs `task`, `labels`, `columns`, `preprocess` and `max_length`."""

    study: str = ""
    trial: int | None = None
    task: str
    labels: tuple[str, ...] = Field(description="what the ids in the targets stand for, by id")
    checkpoint: str = Field(default="", description="the pretrained checkpoint that was trained further")
    settings: dict[str, Any] = Field(default={}, description="every setting of the trial, by its key in a study file")
    params: dict[str, ParamValue] = Field(default={}, description="the settings that were searched, by their last key")
    seed: int | None = None
    seeds: tuple[int, ...] = Field(default=(), description="all with which the configuration was trained")
    validation: dict[str, Float] = {}
    test: dict[str, Interval] | None = Field(default=None, description="null: not scored on the test split")
    rows: dict[str, int] = Field(default={}, description="by split; `trained`: of the training split, those trained on")
    refit: Refit | None = Field(default=None, description="trained again on more rows; the scores are from before")
    step: int | None = Field(default=None, description="the step after which the weights were saved")
    total_steps: int | None = None
    data: DataSource = DataSource()
    preprocess: tuple[Any, ...]
    max_length: int
    columns: dict[str, str] = Field(description="columns of the table by the task's names for them")
    form: dict[str, str | int | None] = Field(default={}, description="the keys of data that say how a text is cut")
    place: Place | None = None
    versions: dict[str, str] = Field(default={}, description="by package")
    files: dict[str, str] = Field(default={}, description="sha256 by name")


def read_export(folder: Path) -> ExportManifest:
    """The manifest of an exported folder, written by any version.

    Raises:
        InputError: it is missing, or not that of an exported model.
    """
    try:
        raw = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        return ExportManifest.model_validate(earlier.export(raw))
    except (OSError, ValueError) as error:
        reason = first_error(error) if isinstance(error, ValidationError) else str(error)
        raise InputError(f"{folder}: manifest.json is not one of an exported model ({reason})") from error


def write_export(folder: Path, manifest: ExportManifest) -> None:
    """Writes the manifest into the folder of an export."""
    text = json.dumps(manifest.model_dump(mode="json"), indent=1, ensure_ascii=False)
    (folder / MANIFEST).write_text(text, encoding="utf-8")
