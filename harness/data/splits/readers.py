"""A function for each given split that reads columns by name: from files, the Hub, or an installed package."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from harness.data.formats import Content, Form, require_columns
from harness.data.partitions import read_partitioned
from harness.data.readers.id_names import named, names_of
from harness.data.readers.nested import value_at
from harness.data.readers.same_names import read_same_names
from harness.data.sources import Source
from harness.errors import DataError, MissingPackage, look_up
from harness.spec.study import DataSpec, HubSpec

__all__ = ["OF_FOLDERS", "Columns", "SplitReader", "names_in", "of_files", "split_readers"]

Columns = dict[str, list[Any]]
#: The columns of a folder with a folder for each class.
OF_FOLDERS = ("image", "label")
SplitReader = Callable[[list[str]], Content]


def split_readers(spec: DataSpec, source: Source, form: Form) -> tuple[dict[str, SplitReader], dict[str, str]]:
    """Returns a function for each given split, which reads columns by name, and the splits' names for messages."""
    if spec.builtin is not None:
        place, columns = f"data.builtin: {spec.builtin}", look_up(BUILTIN, spec.builtin, "data.builtin")()

        def read(names: list[str]) -> Content:
            require_columns(place, names, list(columns))
            return Content(columns)

        return {"train": read}, {"train": place}
    if spec.hub is not None:
        tables = _from_hub(spec.hub)
        places = {split: f"{spec.hub.id}: {split}" for split in tables}
        by_split = {"train": _hub_columns}
        return {
            split: partial(by_split.get(split, _hub_columns_by_same_names), places[split], table)
            for split, table in tables.items()
        }, places
    if source.pictures:
        return (
            {split: partial(_of_pictures, source.name, rows) for split, rows in source.pictures.items()},
            dict.fromkeys(source.pictures, source.name),
        )
    places = {split: paths[0].name for split, paths in source.files.items()}
    return of_files(source, form), places


def names_in(read: SplitReader) -> list[str]:
    """Returns the names of the columns of a Hub data set; none of a built-in one."""
    tables = [given for given in getattr(read, "args", ()) if hasattr(given, "column_names")]
    return [name for table in tables for name in table.column_names]


def of_files(source: Source, form: Form) -> dict[str, SplitReader]:
    """Returns a function for each given split of files, which reads columns by name.

    The names of others than train may differ from these in case, spaces and hidden signs.
    """
    return {
        split: partial(read_partitioned, paths, source.partitions, form=form, first=None if split == "train" else ())
        for split, paths in source.files.items()
    }


def _of_pictures(place: str, rows: Sequence[tuple[str, str]], names: list[str]) -> Content:
    """Returns the columns of a folder of pictures: their paths, and as labels the names of their folders."""
    paths, labels = (list(column) for column in zip(*rows, strict=True))
    columns = dict(zip(OF_FOLDERS, (paths, labels), strict=True))
    require_columns(place, names, list(columns))
    return Content({name: columns[name] for name in names}, present=tuple(columns))


def _digits() -> Columns:
    """scikit-learn's 1,797 handwritten digits, 8 x 8; its 17 grey levels are stretched to 0..255."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    images = (digits.images * 255 / 16).round().astype("uint8")
    return {"image": [image.tolist() for image in images], "label": [str(label) for label in digits.target]}


BUILTIN: Mapping[str, Callable[[], Columns]] = {"digits": _digits}


def _from_hub(hub: HubSpec) -> dict[str, Any]:
    """Returns the tables of a data set by split."""
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
    return splits


def _hub_columns(place: str, table: Any, columns: list[str]) -> Content:
    """Returns columns as lists, also those within others (`review.text`); ids that have names become these."""
    table, present = _undecoded(table), table.column_names
    absent = [column for column in columns if column not in present and column.partition(".")[0] not in present]
    require_columns(place, absent, present)
    features, values_by_column = table.features.to_dict(), dict[str, list[Any]]()
    for column in columns:
        if column not in present:
            first, *parts = column.split(".")
            values_by_column[column] = [value_at(value, parts) for value in table[first]]
            continue
        names, values = names_of(features[column]), list(table[column])
        values_by_column[column] = (
            [named(f"{place}: '{column}'", value, names) for value in values] if names else values
        )
    return Content(values_by_column)


def _undecoded(table: Any) -> Any:
    """Returns a table whose pictures stay bytes, as in its files."""
    kinds = table.features.to_dict()
    pictures = [name for name, kind in kinds.items() if isinstance(kind, Mapping) and kind.get("_type") == "Image"]
    if pictures:
        from datasets import Image

        for name in pictures:
            table = table.cast_column(name, Image(decode=False))
    return table


def _hub_columns_by_same_names(place: str, table: Any, columns: list[str]) -> Content:
    """Returns columns as lists, also those that differ in case, spaces and hidden signs from the names in `columns`."""

    def read(names: Sequence[str] | None) -> Content:
        return _hub_columns(place, table, list(names or ()))

    return read_same_names(read, place, columns)
