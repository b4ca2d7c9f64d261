"""Reads the rows of a study's data, in the given splits: from files, from the Hub, or from an installed package."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.data.formats import Form, read_files, require_columns
from harness.data.sources import Source, find_source
from harness.data.table import check_targets, clean_frame
from harness.errors import DataError, MissingPackage, look_up
from harness.spec.study import DataSpec, HubSpec
from harness.spec.tasks import TaskFacts, facts_of

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Tables", "column_names", "read_table"]

Columns = Mapping[str, Sequence[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tables:
    """The given splits: a column for each field of the task, and `row` (the row in its source, from 1)."""

    train: pd.DataFrame
    validation: pd.DataFrame | None
    test: pd.DataFrame | None
    source: Source
    notes: tuple[str, ...]


def column_names(spec: DataSpec, facts: TaskFacts) -> dict[str, str]:
    """Returns the column in the source of each field that is read, by the field's name.

    An optional field is read where the study names its column.
    """
    names: dict[str, str] = {}
    for field in facts.fields:
        column = spec.columns.get(field.name) or (getattr(spec, field.short) if field.short else None)
        if column is None and field.required:
            column = field.name
        if column is not None:
            names[field.name] = column
    return names


def read_table(spec: DataSpec, task: str = "text-classification", source: Source | None = None) -> Tables:
    """Reads, converts and checks every split that is given.

    Raises:
        DataError: one line: the file, the row, the value, and what to do.
        MissingPackage: a Hub data set without the package that reads it.
        InputError: there is no such task, or no such built-in data set.
    """
    source, facts = source or find_source(spec), facts_of(task)
    names, notes = column_names(spec, facts), list(source.notes)
    target = facts.target
    if len(set(names.values())) < len(names):
        raise DataError(f"data: one column is named twice ({', '.join(f'{k}: {v}' for k, v in names.items())})")
    if spec.builtin is not None:
        columns = {"train": look_up(BUILTIN, spec.builtin, "data.builtin")()}
        places = {"train": f"data.builtin: {spec.builtin}"}
        require_columns(places["train"], names.values(), list(columns["train"]))
    elif spec.hub is not None:
        columns = _from_hub(spec.hub, list(names.values()))
        places = {split: f"{spec.hub.id}: {split}" for split in columns}
    else:
        contents = {
            split: read_files(paths, list(names.values()), Form.of(spec)) for split, paths in source.files.items()
        }
        columns = {split: content.columns for split, content in contents.items()}
        places = {split: paths[0].name for split, paths in source.files.items()}
        notes += [note for content in contents.values() for note in content.notes]
    frames: dict[str, pd.DataFrame] = {}
    for split, values in columns.items():
        # The test splits of public benchmarks often have no labels; such a split counts as missing.
        if split != "train" and target and not any(value not in (None, "") for value in values[names[target.name]]):
            notes.append(f"{places[split]}: no row has a {target.name}; the split is made from train instead")
            continue
        frames[split], dropped = clean_frame(places[split], values, names, facts)
        notes.extend(dropped)
    check_targets(places["train"], frames["train"], names, facts)
    return Tables(
        train=frames["train"],
        validation=frames.get("validation"),
        test=frames.get("test"),
        source=source,
        notes=tuple(notes),
    )


def _digits() -> Columns:
    """scikit-learn's 1,797 handwritten digits, 8 x 8; its 17 grey levels are stretched to 0..255."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    images = (digits.images * 255 / 16).round().astype("uint8")
    return {"image": [image.tolist() for image in images], "label": [str(label) for label in digits.target]}


BUILTIN: Mapping[str, Callable[[], Columns]] = {"digits": _digits}


def _from_hub(hub: HubSpec, columns: list[str]) -> dict[str, Columns]:
    try:
        import datasets
    except ImportError as error:
        raise MissingPackage(
            "data.hub needs the package datasets: pip install 'finetune-harness[hub]'; "
            "or give a folder of tables: data.path=FOLDER"
        ) from error
    datasets.disable_progress_bars()
    try:
        loaded = datasets.load_dataset(hub.id, hub.config, revision=hub.revision)
    except Exception as error:  # the library raises anything from OSError to its own and its parsers' errors
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise DataError(
            f"data.hub: {hub.id} at {hub.revision[:12]} could not be loaded ({reason[:200]}); "
            "without a network, give a folder of tables: data.path=FOLDER"
        ) from error
    names = {"train": "train", "validation": "validation", "valid": "validation", "dev": "validation", "test": "test"}
    splits = {names[name]: table for name, table in loaded.items() if name in names}
    if "train" not in splits:
        raise DataError(f"data.hub: {hub.id} has no train split (it has: {', '.join(loaded)}); choose another config")
    return {split: _hub_columns(f"{hub.id}: {split}", table, columns) for split, table in splits.items()}


def _hub_columns(place: str, table: Any, columns: list[str]) -> Columns:
    """Returns columns as lists; class ids become class names, and -1 (no label) becomes None."""
    require_columns(place, columns, table.column_names)
    values_by_name: dict[str, Sequence[Any]] = {}
    for name in columns:
        classes = getattr(table.features[name], "names", None)
        values = list(table[name])
        if classes:
            values = [classes[value] if value is not None and value >= 0 else None for value in values]
        values_by_name[name] = values
    return values_by_name
