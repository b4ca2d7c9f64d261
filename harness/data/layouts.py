"""What the names of files and folders say of splits: names with a split's among other words, and those with none."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import chain, islice
from pathlib import Path

from harness.data.formats import FORMATS, is_table
from harness.data.readers.file import DOCUMENT, table_name
from harness.errors import DataError

__all__ = ["SPLITS", "SPLIT_NAMES", "files_of_splits", "only_table", "refuse_texts", "snapshots", "split_of", "stem_of"]

SPLIT_NAMES = {
    "train": ("train", "training"),
    "validation": ("validation", "valid", "val", "dev"),
    "test": ("test", "testing"),
}
SPLITS = {name: split for split, names in SPLIT_NAMES.items() for name in names}
#: Shards of a table that is not split: `0000.parquet`, `data-00000-of-00002.parquet`.
_NUMBERED = re.compile(r"(?P<number>\d{4,})|(?P<name>.*?)[-_.]?(?P<at>\d+)-of-(?P<count>\d+)(-[0-9a-f]{16})?")
#: So many texts in folders are rows, one a file.
_MANY_TEXTS = 20


def split_of(path: Path) -> str | None:
    """Returns the split that a folder is named by: `test`, and `test.parquet` as Spark writes it."""
    return SPLITS.get(stem_of(path) if path.suffix.lower() in FORMATS else path.name.lower())


def stem_of(path: Path) -> str:
    """Returns a name without its endings: `train` for `train.csv.gz` and `train.csv.zip`."""
    stem = Path(table_name(path)).stem.lower()
    is_packed = path.suffix.lower() == ".zip" and Path(stem).suffix in FORMATS
    return Path(stem).stem if is_packed else stem


def snapshots(folder: Path) -> list[Path]:
    """Returns the folder of the last revision in a repository of the Hub's cache."""
    newest = folder / "refs" / "main"
    chosen = folder / "snapshots" / (newest.read_text(encoding="utf-8").strip() if newest.is_file() else "")
    if newest.is_file() and chosen.is_dir():
        return [chosen]
    return [path for path in folder.glob("snapshots/*") if path.is_dir()]


def refuse_texts(folder: Path) -> None:
    """Raises DataError for folders of texts, one a file, as those of aclImdb and 20 Newsgroups."""
    texts = [*islice(chain(folder.glob("*/*.txt"), folder.glob("*/*/*.txt")), _MANY_TEXTS)]
    if len(texts) == _MANY_TEXTS and not any(split_of(path) for path in texts):
        raise DataError(
            f"data.path: folder '{folder}' holds texts, one a file (such as {min(texts).relative_to(folder)}), and no "
            "table; write them to one table with the columns text and label"
        )


def files_of_splits(folder: Path, entries: Sequence[Path]) -> dict[str, tuple[Path, ...]]:
    """Returns the tables whose names have the name of a split among other words: `reviews_train.csv`.

    Raises:
        DataError: there are two for one split.
    """
    files: dict[str, tuple[Path, ...]] = {}
    for split in SPLIT_NAMES:
        paths = [path for path in entries if is_table(path) and _splits_in(path) == {split}]
        if len(paths) > 1:
            listed = ", ".join(path.name for path in paths)
            raise DataError(f"data.path: '{folder}' holds more than one {split} split ({listed}); keep one of them")
        if paths:
            files[split] = (paths[0],)
    return files if "train" in files else {}


def _splits_in(path: Path) -> set[str]:
    return {SPLITS[word] for word in re.split(r"[-_. ]+", stem_of(path)) if word in SPLITS}


def only_table(folder: Path, entries: Sequence[Path]) -> dict[str, tuple[Path, ...]]:
    """Returns the only table of a folder, or the shards that are one, where no name has that of a split."""
    tables = [path for path in entries if is_table(path) and not DOCUMENT.fullmatch(path.name)]
    if any(map(_splits_in, tables)) or any(path.is_dir() and split_of(path) for path in entries):
        return {}
    if len(tables) == 1:
        return {"train": (tables[0],)}
    matches = [_NUMBERED.fullmatch(stem_of(path)) for path in tables]
    shards = [(path, match) for path, match in zip(tables, matches, strict=True) if match]
    numbers = {int(match["number"] or match["at"]): path for path, match in shards}
    kinds = {(match["name"], match["count"], Path(table_name(path)).suffix) for path, match in shards}
    if not shards or len(numbers) < len(tables) or len(kinds) > 1:
        return {}
    count = int(shards[0][1]["count"] or len(tables))
    if count > len(tables):
        raise DataError(
            f"data.path: '{folder}' lacks {count - len(tables)} of {count} shards; copy or download all of them"
        )
    return {"train": tuple(numbers[number] for number in sorted(numbers))}
