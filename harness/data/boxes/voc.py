"""Reads Pascal VOC's XML, one picture with its boxes a file, and finds the files of each split.

A document with a type declaration is refused, so that no entity is ever expanded and no other file is read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any
from xml.parsers import expat

from harness.data.readers.file import TableFile
from harness.data.readers.form import Content, Form, require_columns
from harness.errors import DataError

__all__ = ["read_voc", "voc_files"]

#: The most bytes of one file.
MAX_BYTES = 16 * 2**20
_SIDES = ("xmin", "ymin", "xmax", "ymax")
#: Where the pictures of a folder of annotations may be, seen from it.
_FOLDERS = (".", "../JPEGImages", "../images", "../Images")
_SETS = {"train": "train", "val": "validation", "validation": "validation", "valid": "validation", "test": "test"}


class _Node(dict[str, list[Any]]):
    """An element: its children by name, each a list of nodes, and its own text."""

    def __init__(self) -> None:
        super().__init__()
        self.text = ""

    def at(self, *path: str) -> str:
        """Returns the text of the first element below by its path; empty where there is none."""
        node: _Node = self
        for name in path:
            below = node.get(name)
            if not below:
                return ""
            node = below[0]
        return node.text.strip()


def read_voc(file: TableFile, names: Sequence[str] | None, form: Form) -> Content:
    """Returns one row: `image`, a path relative to the file, and `boxes`; see `Reader`."""
    with file.open() as stream:
        content = stream.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise DataError(f"{file.place}: has more than {MAX_BYTES // 2**20} MiB, which no annotation of a picture has")
    root = _parsed(file.place, content).get("annotation")
    if not root:
        raise DataError(f"{file.place}: has no <annotation>: it is no file of Pascal VOC; leave it out of the folder")
    boxes = [_box(f"{file.place}: object {at}", node) for at, node in enumerate(root[0].get("object", ()), start=1)]
    columns: dict[str, list[Any]] = {"image": [_picture(file, root[0].at("filename"))], "boxes": [boxes]}
    require_columns(file.place, names or (), list(columns))
    return Content({name: columns[name] for name in names or columns}, present=tuple(columns))


def _parsed(place: str, content: bytes) -> _Node:
    """Returns the document as a node.

    Raises:
        DataError: it is broken, or declares a type.
    """
    top = _Node()
    path = [top]

    def begin(name: str, attributes: Mapping[str, str]) -> None:
        node = _Node()
        path[-1].setdefault(name, []).append(node)
        path.append(node)

    def text(part: str) -> None:
        path[-1].text += part

    def refuse(*declared: Any) -> None:
        raise DataError(f"{place}: declares a document type, which may hold entities; remove the line <!DOCTYPE ...>")

    parser = expat.ParserCreate()
    parser.StartElementHandler, parser.CharacterDataHandler = begin, text
    parser.EndElementHandler = lambda name: path.pop()
    parser.StartDoctypeDeclHandler = refuse
    try:
        parser.Parse(content, True)
    except expat.ExpatError as error:
        raise DataError(f"{place}: is broken or cut off ({error}); copy the file again") from error
    return top


def _box(where: str, node: _Node) -> dict[str, Any]:
    label, sides = node.at("name"), [node.at("bndbox", side) for side in _SIDES]
    if not label:
        raise DataError(f"{where}: has no <name>; write the class of the object there")
    try:
        return {"label": label, "box": [float(side) for side in sides]}
    except ValueError:
        found = ", ".join(f"{side} {value!r}" for side, value in zip(_SIDES, sides, strict=True))
        raise DataError(f"{where} ('{label[:40]}'): <bndbox> has {found}; four numbers are needed") from None


def _picture(file: TableFile, name: str) -> str:
    """Returns the path of a picture, seen from the folder of its annotation."""
    name = PurePosixPath(name.replace("\\", "/")).name
    if not name:
        raise DataError(f"{file.place}: has no <filename>; write the name of the picture's file there")
    here = Path(file.place).parent
    return next((f"{folder}/{name}" for folder in _FOLDERS if (here / folder / name).is_file()), name)


def voc_files(folder: Path, entries: Sequence[Path]) -> dict[str, tuple[Path, ...]]:
    """Returns the annotations of a folder by split: as ImageSets/Main lists them, else all as train.

    Raises:
        DataError: a list names a picture without an annotation.
    """
    below = folder / "Annotations"
    files = {path.stem: path for path in sorted(below.glob("*.xml"))} if below.is_dir() else {}
    if not files:
        flat = tuple(path for path in entries if path.suffix.lower() == ".xml")
        return {"train": flat} if len(flat) > 1 else {}
    lists = {name: folder / "ImageSets" / "Main" / f"{name}.txt" for name in _SETS}
    found: dict[str, tuple[Path, ...]] = {}
    for name, path in lists.items():
        if not path.is_file():
            continue
        stems = [line.split()[0] for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
        if absent := [stem for stem in stems if stem not in files]:
            raise DataError(f"{path}: '{absent[0][:80]}' has no file in {below}; copy it, or leave its line out")
        if stems:
            found.setdefault(_SETS[name], tuple(files[stem] for stem in stems))
    return found if "train" in found else {"train": tuple(files.values())}
