"""A study for Python: from a file, a bundled study's name or plain values, checked when it is made."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

from harness.api.frames import frame_file, is_frame
from harness.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

    from harness.spec.checks import Contradiction
    from harness.spec.study import StudySpec

__all__ = ["Study"]

#: What messages call a study of plain values, and the values that replace some of it.
VALUES, CHANGES = "study", "changes"
#: Where a study may hold a data frame.
OF_DATA = ("data", "data.path", f"{VALUES}.data", f"{VALUES}.data.path")
#: The folder of the cache with the studies that were given as plain values.
STUDIES = "studies"


class Study:
    """A checked study: `Study("mine.yaml")`, `Study("quickstart")` or `Study({"name": "mine", "data": ...})`.

    Args:
        study: a study file, the name of a bundled study, plain values as a file has them, or another `Study`. Values
            may be numbers, texts, paths, lists, mappings, and in `data.path` a data frame.
        data: a table's path or a data frame, which takes the place of the study's own data.
        changes: values that replace the study's, by dotted keys: `{"search.trials": 8}`.

    Paths in a file are relative to it, all others to the current folder.

    Raises:
        SpecError: the study has mistakes; all of them, one a line.
        DataError: the data frame cannot be written as a table.
        InputError: a value is of a type that no study file has.
    """

    def __init__(
        self,
        study: str | Path | Mapping[str, Any] | Study,
        data: str | Path | pd.DataFrame | None = None,
        changes: Mapping[str, Any] | None = None,
    ) -> None:
        before = study if isinstance(study, Study) else None
        given = before.source if before else study
        self.source: Path | dict[str, Any] = _plain(given, VALUES) if isinstance(given, Mapping) else _path(given)
        replaced = {} if data is None else {"data.path": data}
        overrides = [_override(key, _plain(value, key)) for key, value in {**replaced, **(changes or {})}.items()]
        self.overrides: tuple[str, ...] = (*(before.overrides if before else ()), *overrides)
        self.spec: StudySpec = _read(self.source, self.overrides)

    @property
    def name(self) -> str:
        """The study's name, which is that of its run folder."""
        return self.spec.name

    def command(self) -> list[str]:
        """The command that runs this study on a terminal; a study of plain values is written into the cache for it."""
        path = self.source if isinstance(self.source, Path) else _written(self.spec)
        overrides = self.overrides if isinstance(self.source, Path) else ()
        return ["harness", "sweep", str(path), *overrides]

    def save(self, path: str | Path) -> Path:
        """Writes the study as a study file of absolute paths (JSON, which is YAML), and returns its path."""
        from harness.records.files import write_text

        return write_text(Path(path), _text(self.spec))

    def __repr__(self) -> str:
        return f"Study({self.name!r}, {self.spec.search.trials} trials)"


def _path(given: Any) -> Path:
    if not isinstance(given, (str, Path)):
        raise InputError(f"a study is the path of a file, a bundled study's name or a dict, not {type(given).__name__}")
    return Path(given)


def _plain(value: Any, key: str) -> Any:
    """Returns a value as a study file can hold it.

    Raises:
        InputError: it is of a type that a file cannot hold.
    """
    if is_frame(value) and key in OF_DATA:
        file = str(frame_file(value))
        return file if key.endswith("path") else {"path": file}
    if isinstance(value, Mapping):
        return {str(name): _plain(part, f"{key}.{name}") for name, part in value.items()}
    if isinstance(value, (list, tuple, range)):
        return [_plain(part, f"{key}[{place}]") for place, part in enumerate(value)]
    if isinstance(value, PurePath):
        return str(value)
    if value is None or isinstance(value, (str, int, float)):
        return value
    if callable(item := getattr(value, "item", None)):  # a number of NumPy
        return _plain(item(), key)
    raise InputError(
        f"{key}: a study holds numbers, texts, paths, lists and dicts, and as data a data frame, not "
        f"{type(value).__name__}"
    )


def _override(key: str, value: Any) -> str:
    """Returns `key=value` as on the command line; a text that would be read as something else is quoted."""
    from harness.spec.yamltree import Unreadable, read_yaml

    if isinstance(value, str):
        try:
            tree = read_yaml(value)
            if tree.value == value and not tree.problems:
                return f"{key}={value}"
        except Unreadable:
            pass
    return f"{key}={json.dumps(value, ensure_ascii=False)}"


def _read(source: Path | dict[str, Any], overrides: tuple[str, ...]) -> StudySpec:
    from harness.spec.reader import load_study, study_of

    if isinstance(source, Path):
        return load_study(source, overrides, _mistakes_of_files, overrider=CHANGES)
    return study_of(source, overrides, _mistakes_of_files, source=VALUES, overrider=CHANGES)


def _mistakes_of_files(spec: StudySpec) -> Iterable[Contradiction]:
    from harness.jobs.refusals import mistakes_of_files  # imports all that reads tables

    return mistakes_of_files(spec)


def _text(spec: StudySpec) -> str:
    values = spec.model_dump(mode="json", by_alias=True, exclude_unset=True)
    return json.dumps(values, indent=2, ensure_ascii=False) + "\n"


def _written(spec: StudySpec) -> Path:
    from harness.data.cache import default_cache, private_folder
    from harness.records.files import write_text

    text = _text(spec)
    name = f"{spec.name}-{hashlib.sha256(text.encode()).hexdigest()[:16]}.yaml"
    path = private_folder(default_cache() / STUDIES) / name
    return path if path.is_file() else write_text(path, text, private=True)
