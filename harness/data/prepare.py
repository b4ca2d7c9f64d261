"""Prepares a study's data: reads, checks and splits it, once for the same bytes and keys."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.data.cache import built_once, default_cache
from harness.data.formats import Form
from harness.data.kinds import kind_of, kind_of_target
from harness.data.pictures.find import Picture
from harness.data.pictures.folders import state_of
from harness.data.pictures.kept import keep, median_size
from harness.data.prepared import Meta, PreparedData
from harness.data.read import Tables, read_table
from harness.data.sources import Source, find_source
from harness.data.splits.extra import extra_columns
from harness.data.splits.split import split_tables
from harness.data.usual_columns import column_names
from harness.records.manifest import Spread
from harness.spec.study import StudySpec
from harness.spec.tasks import TaskFacts, facts_of

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["prepare"]

#: Raised when the same bytes and keys would be prepared differently, so that older folders are not used.
VERSION = 7
#: Keys of a form that do not change the name of a folder where they are not set, so that older folders are found.
_LATER = {"label_separator", "by_word"}
#: Rows whose values are hashed at once.
HASHED_ROWS = 4096


def prepare(spec: StudySpec, cache: Path | None = None) -> PreparedData:
    """Returns the study's data, ready to encode; an earlier folder for the same bytes and keys is used again.

    Args:
        spec: the study.
        cache: where prepared data is kept; None is `default_cache()`.

    Raises:
        DataError: the data cannot be used as the study says.
    """
    source = find_source(spec.data)
    folder = (cache or default_cache()) / "data" / _key(spec, source)
    built_once(folder, lambda staging: _build(spec, source, staging))
    return PreparedData(folder)


def _key(spec: StudySpec, source: Source) -> str:
    parts = {
        "version": VERSION,
        "task": spec.task,
        "name": source.name,
        "sha256": source.sha256,
        "columns": column_names(spec.data, facts_of(spec.task)),
        "form": {key: value for key, value in asdict(Form.of(spec.data)).items() if key not in _LATER or value},
        "extra": extra_columns(spec.data),
        "split": spec.data.split.model_dump(mode="json"),
    }
    if facts_of(spec.task).reads("image") and source.root is not None and not source.pictures:
        parts |= {"pictures": state} if (state := state_of(source.root)) else {}
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:32]


def _build(spec: StudySpec, source: Source, folder: Path) -> None:
    facts = facts_of(spec.task)
    tables = read_table(spec.data, spec.task, source)
    frames, moved = split_tables(tables, spec.data.split, facts)
    target, kind = facts.target, kind_of_target(facts)
    targets = {split: frame[target.name].tolist() for split, frame in frames.items()} if target else {}
    names = kind.names(value for values in targets.values() for value in values)
    folder.mkdir(mode=0o700)
    pictures = _keep_pictures(folder, frames, facts)
    for split, frame in frames.items():
        stored = {target.name: kind.stored(targets[split], names)} if target else {}
        stored |= pictures.get(split, {})
        _in_types(frame.assign(**stored), facts).to_parquet(folder / f"{split}.parquet", index=False)
    meta = Meta(
        task=spec.task,
        source=source.name,
        sha256=source.sha256,
        rows_sha256=_rows_sha256(frames),
        columns=dict(tables.columns),
        labels=names,
        rows={split: len(frame) for split, frame in frames.items()},
        counts={split: kind.counts(values, names) for split, values in targets.items()} if names else {},
        numbers={split: _spreads(frame, facts) for split, frame in frames.items()},
        image=_image_shape(tables),
        seed=spec.data.split.seed,
        notes=(*tables.notes, *moved, *kind.split_notes(targets)),
    )
    (folder / "meta.json").write_text(meta.model_dump_json(indent=1), encoding="utf-8")


def _keep_pictures(folder: Path, frames: Mapping[str, pd.DataFrame], facts: TaskFacts) -> dict[str, dict[str, Any]]:
    """Writes the pictures of all splits; returns what their rows keep of them, by split and column."""
    names = [field.name for field in facts.fields if field.kind == "image" and field.name in frames["train"]]
    if not names or not isinstance(frames["train"][names[0]].iloc[0], Picture):
        return {}
    kept = keep(folder, {split: frame[names[0]] for split, frame in frames.items()})
    return {split: {names[0]: values} for split, values in kept.items()}


def _in_types(frame: pd.DataFrame, facts: TaskFacts) -> pd.DataFrame:
    """Returns the rows with each column in the type of its kind."""
    types: dict[str, Any] = {field.name: kind_of(field).dtype for field in facts.fields if field.name in frame}
    return frame.astype({name: dtype for name, dtype in types.items() if dtype != "object"})


def _rows_sha256(frames: Mapping[str, pd.DataFrame]) -> str:
    """Hashes the values of all splits in their order, except `row`, the position of a row in its source.

    The values are hashed as JSON, so that neither the source's format nor a version of pandas or Parquet matters; a
    picture by its bytes.
    """
    digest = hashlib.sha256()
    for split, frame in frames.items():
        for name in (name for name in frame if name != "row"):
            digest.update(json.dumps([split, name, len(frame)]).encode())
            for start in range(0, len(frame), HASHED_ROWS):
                values = frame[name].iloc[start : start + HASHED_ROWS].tolist()
                digest.update(json.dumps(values, default=Picture.sha256).encode())
    return digest.hexdigest()


def _spreads(frame: pd.DataFrame, facts: TaskFacts) -> dict[str, Spread]:
    names = [field.name for field in facts.fields if field.kind == "number" and field.name in frame]
    return {name: _spread(frame[name].astype("float64")) for name in names}


def _spread(column: pd.Series) -> Spread:
    return Spread(mean=column.mean(), std=column.std(ddof=0), low=column.min(), high=column.max())


def _image_shape(tables: Tables) -> tuple[int, int, int] | None:
    """Returns height, width and channels, of pictures the medians of their sizes; None for texts."""
    if "image" not in tables.train:
        return None
    image = tables.train["image"].iloc[0]
    if isinstance(image, Picture):
        return (*median_size(tables.train["image"]), 3)
    return len(image), len(image[0]), len(image[0][0]) if isinstance(image[0][0], list) else 1
