"""Finds the tables of each split in a folder: one file a split, shards, or a saved Hugging Face data set."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from harness.data.boxes.voc import voc_files
from harness.data.formats import ENDINGS, is_table
from harness.data.layouts import (
    SPLIT_NAMES,
    SPLITS,
    files_of_splits,
    only_table,
    refuse_texts,
    snapshots,
    split_of,
    stem_of,
)
from harness.data.partitions import Partitions, is_partition, partition_values, tables_in_partitions
from harness.data.readers.file import table_name
from harness.errors import DataError

__all__ = ["FolderFiles", "files_of_folder"]

#: What hidden files, Spark's marks, and the locks of Office begin with.
_NOT_DATA = (".", "_", "~$")
_SHARD = re.compile(r"(?P<split>[a-z]+)([-_.](?P<number>\d+)(-of-(?P<count>\d+)(-[0-9a-f]{16})?)?)?")
_PART = re.compile(r"part[-_.]?\d+.*")


@dataclass(frozen=True, slots=True)
class FolderFiles:
    """The files of each split of a folder, in their order, notes, and the columns that folders' names give to files."""

    files: Mapping[str, tuple[Path, ...]]
    notes: tuple[str, ...] = ()
    partitions: Partitions = field(default_factory=dict)


def files_of_folder(folder: Path) -> FolderFiles:
    """Returns the tables of a folder by split.

    Raises:
        DataError: there is no table of train, or two for one split, or a shard is missing.
    """
    entries = sorted(path for path in folder.iterdir() if not path.name.startswith(_NOT_DATA))
    below: list[Path] = []
    files: dict[str, tuple[Path, ...]] = {}
    is_named = True
    for find in (_saved, voc_files, _split_files, _parts, _split_folders, _partitions, files_of_splits):
        if "train" in (found := find(folder, entries)):
            files, is_named = found, find is not files_of_splits
            break
        files = files or found
    if not files:
        refuse_texts(folder)
        below = [path for path in entries if path.is_dir() and _holds_tables(path)]
        chosen = [path for path in below if path.name == "data"] or below or snapshots(folder)
        if len(chosen) == 1:
            return files_of_folder(chosen[0])
        files, is_named = {} if below else only_table(folder, entries), False
    if "train" not in files:
        listed = ", ".join(path.name for path in entries[:10]) or "nothing"
        several = f"give one of its folders: data.path={below[0]}; " if not files and len(below) > 1 else ""
        raise DataError(
            f"data.path: folder '{folder}' has no train table (it holds: {listed}); {several}allowed: "
            f"train{{{','.join(ENDINGS)}}}, optional validation and test, or give one file: data.path={folder}/FILE"
        )
    used = {path for paths in files.values() for path in paths}
    ignored = [path.name for path in entries if path not in used and not any(path in other.parents for other in used)]
    notes = [f"ignored in {folder.name}: {_shortened(ignored)}"] if ignored else []
    if not is_named:
        shown = (paths[0].name + f" and {len(paths) - 1} more" * (len(paths) > 1) for paths in files.values())
        of_splits = ", ".join(f"{split} is {name}" for split, name in zip(files, shown, strict=True))
        notes.insert(0, f"in {folder.name}: {of_splits}")
    values = {path: partition_values(folder, path) for path in used}
    if columns := list(dict.fromkeys(f"'{column}'" for path in sorted(used) for column in values[path])):
        notes.append(f"in {folder.name}: the names of the folders hold {', '.join(columns)}")
    return FolderFiles(files, tuple(notes), values if columns else {})


def _holds_tables(folder: Path) -> bool:
    """True for a folder that holds tables, or folders of the splits that do."""
    return any(
        is_table(path) or is_partition(path) or (split_of(path) is not None and path.is_dir() and bool(_below(path)))
        for path in folder.iterdir()
    )


def _below(folder: Path) -> list[Path]:
    """Returns the tables in a folder, and in the folders in it that a column's value names."""
    return [*sorted(filter(is_table, folder.iterdir())), *tables_in_partitions(folder)]


def _saved(folder: Path, entries: Sequence[Path]) -> dict[str, tuple[Path, ...]]:
    """Returns the files of a data set that `save_to_disk` of the package datasets wrote: Arrow files and state.json."""
    if (folder / "state.json").is_file():
        return {"train": _saved_split(folder)}
    if not (folder / "dataset_dict.json").is_file():
        return {}
    folders = {path.name.lower(): path for path in entries if (path / "state.json").is_file()}
    return {
        split: _saved_split(folders[name]) for split, names in SPLIT_NAMES.items() for name in names if name in folders
    }


def _saved_split(folder: Path) -> tuple[Path, ...]:
    try:
        state = json.loads((folder / "state.json").read_text(encoding="utf-8"))
        files = tuple(folder / Path(entry["filename"]).name for entry in state["_data_files"])
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"{folder / 'state.json'}: is not the state of a saved data set ({error})") from error
    missing = next((path for path in files if not path.is_file()), None)
    if missing is not None or not files:
        raise DataError(f"{folder}: {missing.name if missing else 'its data'} is missing; save the data set again")
    if state.get("_indices_data_files"):
        raise DataError(f"{folder}: holds rows by an index; call flatten_indices() before save_to_disk()")
    return files


def _split_files(folder: Path, entries: Sequence[Path]) -> dict[str, tuple[Path, ...]]:
    shards: dict[str, list[tuple[Path, re.Match[str]]]] = {}
    for path in filter(is_table, entries):
        match = _SHARD.fullmatch(stem_of(path))
        if match and (split := SPLITS.get(match["split"])):
            shards.setdefault(split, []).append((path, match))
    return {split: _whole(folder, split, shards[split]) for split in SPLIT_NAMES if split in shards}


def _whole(folder: Path, split: str, shards: Sequence[tuple[Path, re.Match[str]]]) -> tuple[Path, ...]:
    """Returns the shards of a split in their order.

    Raises:
        DataError: one is missing, or they are not shards of one table.
    """
    numbers = {int(match["number"]): path for path, match in shards if match["number"]}
    counts = {int(match["count"]) for _, match in shards if match["count"]}
    kinds = {(match["split"], table_name(path)[match.end() :]) for path, match in shards}
    if len(shards) > 1 and (len(numbers) < len(shards) or len(kinds) > 1 or len(counts) > 1):
        listed = ", ".join(path.name for path, _ in shards)
        raise DataError(f"data.path: '{folder}' holds more than one {split} split ({listed}); keep one of them")
    absent = set(range(max(counts, default=0))) - set(numbers)
    if absent and numbers.keys() != {*range(1, max(counts) + 1)}:
        raise DataError(
            f"data.path: '{folder}' lacks shard {min(absent)} of {max(counts)} of {split} (the first is 0); copy or "
            "download all of them"
        )
    return tuple(numbers[number] for number in sorted(numbers)) or (shards[0][0],)


def _parts(folder: Path, entries: Sequence[Path]) -> dict[str, tuple[Path, ...]]:
    """Returns the files of one table in parts, as Spark writes it."""
    parts = [path for path in entries if is_table(path) and _PART.fullmatch(stem_of(path))]
    return _of_one_ending(folder, "train", parts)


def _split_folders(folder: Path, entries: Sequence[Path]) -> dict[str, tuple[Path, ...]]:
    """Returns the tables in folders named train, validation and test."""
    files: dict[str, tuple[Path, ...]] = {}
    for wanted in SPLIT_NAMES:
        for path in entries:
            if path.is_dir() and split_of(path) == wanted:
                files |= _of_one_ending(path, wanted, _below(path))
    return files


def _partitions(folder: Path, entries: Sequence[Path]) -> dict[str, tuple[Path, ...]]:
    """Returns the tables in folders named by a column and its value; a column `split` tells the splits."""
    paths = tables_in_partitions(folder)
    by_split: dict[str, list[Path]] = {}
    for path in paths:
        by_split.setdefault(SPLITS.get((partition_values(folder, path).get("split") or "").lower(), ""), []).append(
            path
        )
    if "" in by_split:
        return _of_one_ending(folder, "train", paths)
    files = [_of_one_ending(folder, split, by_split[split]) for split in SPLIT_NAMES if split in by_split]
    return {split: of_split for found in files for split, of_split in found.items()}


def _of_one_ending(folder: Path, split: str, paths: Sequence[Path]) -> dict[str, tuple[Path, ...]]:
    """Returns the tables of a split, without the parts of no bytes that Spark writes."""
    if len({Path(table_name(path)).suffix.lower() for path in paths}) > 1:
        listed = ", ".join(path.name for path in paths)
        raise DataError(f"data.path: '{folder}' holds tables of several formats ({listed}); keep one of them")
    filled = [path for path in paths if path.stat().st_size or not _PART.fullmatch(stem_of(path))]
    return {split: tuple(filled or paths)} if paths else {}


def _shortened(names: Iterable[str], limit: int = 6) -> str:
    listed = list(names)
    more = f" and {len(listed) - limit} more" if len(listed) > limit else ""
    return ", ".join(listed[:limit]) + more
