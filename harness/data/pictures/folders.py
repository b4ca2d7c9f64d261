"""Finds the pictures of a folder that has a folder for each class, and of one that holds nothing but pictures."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.data.layouts import SPLIT_NAMES, SPLITS
from harness.data.pictures.find import find_picture

__all__ = ["ENDINGS", "ClassFolders", "class_folders", "files_below", "is_picture", "state_of"]

#: What the name of a picture may end in.
ENDINGS = frozenset(
    [".png", ".jpg", ".jpeg", ".jpe", ".gif", ".bmp", ".webp", ".tif", ".tiff", ".ppm", ".pgm", ".pbm", ".pnm"]
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassFolders:
    """The pictures of each split: paths relative to the folder, with their classes, which are names of folders."""

    splits: Mapping[str, tuple[tuple[str, str], ...]]
    sha256: str
    notes: tuple[str, ...] = ()


def is_picture(path: Path) -> bool:
    """True for a file whose name says that it is a picture."""
    return path.suffix.lower() in ENDINGS and path.is_file()


def class_folders(folder: Path) -> ClassFolders | None:
    """Returns the pictures in folders named by classes, which may lie in folders named train, validation and test.

    None where there are not at least two classes. The hash is that of the names and the bytes of all pictures.

    Raises:
        DataError: a link leads out of the folder.
    """
    by_split: dict[str, list[tuple[str, str]]] = {}
    for path in _folders(folder):
        if split := SPLITS.get(path.name.lower()):
            by_split.setdefault(split, []).extend(_classes(folder, _folders(path)))
    if "train" not in by_split:
        by_split = {"train": _classes(folder, _folders(folder))}
    if len({label for _, label in by_split["train"]}) < 2:
        return None
    splits = {split: tuple(by_split[split]) for split in SPLIT_NAMES if by_split.get(split)}
    used = {name for of_split in splits.values() for name, _ in of_split}
    for name in used:
        find_picture(folder.name, name, folder, folder)  # refuses links that lead out of the folder
    others = sum(1 for path in files_below(folder) if path.relative_to(folder).as_posix() not in used)
    classes = len({label for _, label in splits["train"]})
    notes = [f"in {folder.name}: {classes} folders are classes"]
    notes += [f"ignored in {folder.name}: {others} files that are not in the folder of a class"] if others else []
    return ClassFolders(splits=splits, sha256=_sha256(folder, sorted(used)), notes=tuple(notes))


def _folders(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith((".", "_")))


def _classes(root: Path, folders: Iterable[Path]) -> list[tuple[str, str]]:
    return [
        (path.relative_to(root).as_posix(), folder.name)
        for folder in folders
        for path in files_below(folder)
        if is_picture(path)
    ]


def files_below(folder: Path) -> Iterator[Path]:
    """Yields the files in a folder and in those below it, in the order of their names; hidden ones are left out."""
    for path in sorted(folder.iterdir()):
        if path.name.startswith("."):
            continue
        if path.is_dir():
            if not path.is_symlink():  # which may lead round in circles
                yield from files_below(path)
        else:
            yield path


def _sha256(folder: Path, names: Iterable[str]) -> str:
    digest = hashlib.sha256()
    for name in names:
        with (folder / name).open("rb") as stream:
            digest.update(f"{name}:{hashlib.file_digest(stream, 'sha256').hexdigest()}\n".encode())
    return digest.hexdigest()


def state_of(folder: Path) -> str:
    """Returns a hash of the names, sizes and times of all pictures below a folder; "" where there are none."""
    pictures = [path for path in files_below(folder) if is_picture(path)]
    lines = [f"{path.relative_to(folder)}:{found.st_size}:{found.st_mtime_ns}"
             for path in pictures for found in [path.stat()]]  # fmt: skip
    return hashlib.sha256("\n".join(lines).encode()).hexdigest() if lines else ""
