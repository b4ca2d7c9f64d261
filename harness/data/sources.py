"""Finds the files of a study's data and hashes their bytes."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.data.formats import FORMATS
from harness.errors import DataError, nearest
from harness.spec.study import DataSpec

__all__ = ["Source", "find_source"]

_SPLIT_NAMES = {"train": ("train",), "validation": ("validation", "valid", "val", "dev"), "test": ("test",)}
_NO_FILE_REMEDY = f"allowed: a file ({', '.join(FORMATS)}) or a folder with train, optional validation, and test"


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """The source of rows: `files` by split, and `sha256` of their bytes.

    Hub and built-in data have no files: the hash is that of their name and revision.
    """

    name: str
    files: Mapping[str, Path]
    sha256: str
    notes: tuple[str, ...] = ()


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
    try:
        return _in_files(Path(str(spec.path)).expanduser())
    except (OSError, ValueError) as error:  # ValueError: a NUL byte in the path
        raise DataError(f"data.path: {str(spec.path)!r} cannot be read ({error})") from error


def _in_files(path: Path) -> Source:
    if path.is_dir():
        files, notes = _files_of_folder(path)
    elif not path.exists():
        beside = [other.name for other in path.parent.iterdir()] if path.parent.is_dir() else []
        raise DataError(f"data.path: '{path}' does not exist{nearest(path.name, beside)}; {_NO_FILE_REMEDY}")
    elif not path.is_file() or path.suffix.lower() not in FORMATS:
        raise DataError(f"data.path: '{path}' is not a table that can be read; {_NO_FILE_REMEDY}")
    else:
        files, notes = {"train": path}, ()
    return Source(name=path.name, files=files, sha256=_sha256(files), notes=notes)


def _files_of_folder(folder: Path) -> tuple[dict[str, Path], tuple[str, ...]]:
    entries = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    tables = [path for path in entries if path.suffix.lower() in FORMATS and path.is_file()]
    files: dict[str, Path] = {}
    for split, names in _SPLIT_NAMES.items():
        matches = [path for path in tables if path.stem.lower() in names]
        if len(matches) > 1:
            listed = ", ".join(path.name for path in matches)
            raise DataError(f"data.path: '{folder}' holds more than one {split} split ({listed}); keep one of them")
        if matches:
            files[split] = matches[0]
    if "train" not in files:
        listed = ", ".join(path.name for path in entries[:10]) or "nothing"
        raise DataError(
            f"data.path: folder '{folder}' has no train table (it holds: {listed}); allowed: "
            f"train{{{','.join(FORMATS)}}}, optional validation and test, or give one file: data.path={folder}/FILE"
        )
    ignored = [path.name for path in entries if path not in files.values()]
    notes = (f"ignored in {folder.name}: {_shortened(ignored)}",) if ignored else ()
    return files, notes


def _shortened(names: list[str], limit: int = 6) -> str:
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(names[:limit]) + more


def _sha256(files: Mapping[str, Path]) -> str:
    """Hashes each file with its split, and these hashes together; a single file has its own hash."""
    digests = {}
    for split, path in files.items():
        with path.open("rb") as stream:
            digests[split] = hashlib.file_digest(stream, "sha256").hexdigest()
    if len(digests) == 1:
        return next(iter(digests.values()))
    return hashlib.sha256("".join(f"{split}:{digest}\n" for split, digest in digests.items()).encode()).hexdigest()
