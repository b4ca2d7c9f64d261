"""Finds the files of a study's data and hashes their bytes."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from harness.data.folders import files_of_folder
from harness.data.formats import ENDINGS, is_table, rename_hint
from harness.data.partitions import Partitions
from harness.data.pictures.folders import class_folders
from harness.errors import DataError, nearest
from harness.runtime import expanded
from harness.spec.study import DataSpec

__all__ = ["Source", "find_source"]

_NO_FILE_REMEDY = f"allowed: a file ({', '.join(ENDINGS)}) or a folder with train, optional validation, and test"
_HUB_ID = re.compile(r"[\w-][\w.-]*/[\w.-]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """The source of rows: `files` by split, each split one file or shards of one, and `sha256` of their bytes.

    Hub and built-in data have no files: the hash is that of their name and revision. `partitions` are the columns that
    the names of folders give to files; the hash has them too. A folder of pictures has no tables: `pictures` are the
    paths of its pictures, relative to it, and their classes, by split. Pictures that rows name lie in `root`.
    """

    name: str
    files: Mapping[str, tuple[Path, ...]]
    sha256: str
    notes: tuple[str, ...] = ()
    partitions: Partitions = field(default_factory=dict)
    pictures: Mapping[str, tuple[tuple[str, str], ...]] = field(default_factory=dict)
    root: Path | None = None


def find_source(spec: DataSpec) -> Source:
    """Finds and hashes the data of a study without parsing it.

    Raises:
        DataError: there is no such file or folder, or it cannot be read.
    """
    if spec.hub is not None:
        name = f"{spec.hub.id}@{spec.hub.revision}" + (f" ({spec.hub.config})" if spec.hub.config else "")
        return Source(name=name, files={}, sha256=hashlib.sha256(name.encode()).hexdigest())
    if spec.builtin is not None:
        name = f"sklearn.datasets.load_{spec.builtin}"
        return Source(name=name, files={}, sha256=hashlib.sha256(name.encode()).hexdigest())
    if "://" in str(spec.path):
        raise DataError(
            f"data.path: '{spec.path}' is an address; download the file (curl -LO ...) and give its path, or name a "
            "data set of the Hugging Face Hub with data.hub={id: ..., revision: ...}"
        )
    try:
        return _in_files(expanded(str(spec.path)))
    except (OSError, ValueError) as error:  # ValueError: a NUL byte in the path
        raise DataError(f"data.path: {str(spec.path)!r} cannot be read ({error})") from error


def _in_files(path: Path) -> Source:
    if path.is_dir():
        try:
            found = files_of_folder(path)
        except DataError:
            if pictures := class_folders(path):
                return Source(
                    name=path.name,
                    files={},
                    sha256=pictures.sha256,
                    notes=pictures.notes,
                    pictures=pictures.splits,
                    root=path,
                )
            raise
        sha256, partitions = _sha256(found.files), found.partitions
        if partitions:
            values = [sorted(partitions[file].items()) for paths in found.files.values() for file in paths]
            sha256 = hashlib.sha256(f"{sha256}\n{values}".encode()).hexdigest()
        return Source(
            name=path.name, files=found.files, sha256=sha256, notes=found.notes, partitions=partitions, root=path
        )
    if not path.exists():
        beside = [other.name for other in path.parent.iterdir()] if path.parent.is_dir() else []
        is_id = _HUB_ID.fullmatch(str(path)) and path.suffix.lower() not in ENDINGS
        hub = "; a data set of the Hugging Face Hub is data.hub={id: ..., revision: ...}" if is_id else ""
        raise DataError(f"data.path: '{path}' does not exist{nearest(path.name, beside)}; {_NO_FILE_REMEDY}{hub}")
    if not is_table(path):
        raise DataError(f"data.path: '{path}' is not a table that can be read{rename_hint(path)}; {_NO_FILE_REMEDY}")
    return Source(name=path.name, files={"train": (path,)}, sha256=_digest([path]), root=path.parent)


def _sha256(files: Mapping[str, Sequence[Path]]) -> str:
    """Hashes each split's file, or the hashes of its shards, and these hashes together; one file has its own hash."""
    digests = {split: _digest(paths) for split, paths in files.items()}
    if len(digests) == 1:
        return next(iter(digests.values()))
    return hashlib.sha256("".join(f"{split}:{digest}\n" for split, digest in digests.items()).encode()).hexdigest()


def _digest(paths: Sequence[Path]) -> str:
    digests = []
    for path in paths:
        with path.open("rb") as stream:
            digests.append(hashlib.file_digest(stream, "sha256").hexdigest())
    return digests[0] if len(digests) == 1 else hashlib.sha256("\n".join(digests).encode()).hexdigest()
