"""Reads a study file: YAML and `key=value` overrides in, a checked `StudySpec` or all mistakes at once out.

It opens the study file, and of the files that it names only the module of a user's own task.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from harness.errors import Problem, SpecError, nearest
from harness.spec.bundled import bundled_studies, find_study
from harness.spec.checks import Contradiction, contradictions
from harness.spec.foreign import is_foreign, trust
from harness.spec.mistakes import mistakes, related, show
from harness.spec.study import FILE_KEYS, StudySpec, split_checkpoint
from harness.spec.yamltree import KeyPath, Unreadable, dotted, read_yaml

__all__ = ["COMMAND_LINE", "load_study", "study_of"]

MAX_BYTES = 2**20
COMMAND_LINE = "command line"
#: Finds what is wrong with the files that a study names.
CheckFiles = Callable[[StudySpec], Iterable[Contradiction]]
SOURCES = ("path", "hub", "builtin")
STAND_INS: dict[KeyPath, Any] = {
    ("name",): "study",
    ("data",): {"builtin": "digits"},
    ("model",): {"checkpoint": "checkpoint"},
    ("model", "checkpoint"): "checkpoint",
}
NESTED_SECTIONS = (("data", "split"), ("data", "hub"), ("data", "columns"), ("search", "pruner"))


@dataclass(slots=True)
class _Draft:
    """A study that is being read: plain values, where each came from, and the problems so far.

    `overrider` says in messages who gave the overrides.
    """

    source: str
    raw: dict[str, Any]
    overrider: str = COMMAND_LINE
    lines: dict[KeyPath, int] = field(default_factory=dict)
    commanded: set[KeyPath] = field(default_factory=set)
    problems: dict[str, Problem] = field(default_factory=dict)

    def complain(self, path: KeyPath, message: str) -> None:
        """Records a problem; of several problems of one key, the first stays."""
        line, commanded = self.place(path)
        key, source = dotted(path), self.overrider if commanded else ""
        self.problems.setdefault(key, Problem(key=key, message=message, line=line, source=source))

    def place(self, path: KeyPath) -> tuple[int, bool]:
        """Returns the line of a key, or of the nearest section around it, and whether the command line set it."""
        for depth in range(len(path), -1, -1):
            if path[:depth] in self.commanded:
                return 0, True
            if path[:depth] in self.lines:
                return self.lines[path[:depth]], False
        return 0, False

    def raise_problems(self) -> None:
        if self.problems:
            raise SpecError(self.source, sorted(self.problems.values(), key=lambda problem: problem.line))


def load_study(
    path: Path, overrides: Sequence[str] = (), check_files: CheckFiles | None = None, overrider: str = COMMAND_LINE
) -> StudySpec:
    """Reads the study in a file and applies `key=value` overrides (`training.batch_size=[8, 16]`, `confirm=null`).

    `path` may also be the name of a bundled study: `quickstart`.
    Paths in the file are relative to it, those on the command line to the current folder; the result's are absolute.
    One of `data.path`, `data.hub` and `data.builtin` on the command line replaces the file's. If it is another kind of
    source, `data.text`, `data.label` and the keys of files go back to their defaults, unless they are overridden too.
    Where the study has mistakes, `check_files` adds those of the files that it names; it gets the study without wrong
    keys. Messages call the giver of the overrides `overrider`.

    Raises:
        SpecError: the file cannot be read, or has mistakes; all of them, one a key.
    """
    path = find_study(path)
    draft = _read(path)
    draft.overrider = overrider
    return _study(draft, path.absolute().parent, overrides, check_files)


def study_of(
    values: Mapping[str, Any], overrides: Sequence[str], check_files: CheckFiles | None, *, source: str, overrider: str
) -> StudySpec:
    """The study in plain values, as a file would hold them; messages call it `source`.

    All paths are relative to the current folder. Else see `load_study`.

    Raises:
        SpecError: the study has mistakes; all of them, one a key.
    """
    return _study(_Draft(source, deepcopy(dict(values)), overrider), Path.cwd(), overrides, check_files)


def _study(draft: _Draft, folder: Path, overrides: Sequence[str], check_files: CheckFiles | None) -> StudySpec:
    for override in overrides:
        _override(draft, override)
    if isinstance(task := draft.raw.get("task"), str) and is_foreign(task):
        trust(task)  # who names a study file wants its task to be run
    _replace_source(draft)
    _make_paths_absolute(draft, folder)
    spec = _validate(draft, check_files)
    draft.raise_problems()
    return spec


def _read(path: Path) -> _Draft:
    source = str(path) if str(path).isprintable() else repr(str(path))
    try:
        tree = read_yaml(_text(path, source))
    except Unreadable as error:
        raise SpecError(source, [error.problem]) from None
    if not isinstance(tree.value, dict):
        wrong = "is empty" if tree.value is None else f"must be a mapping of keys, not {show(tree.value)}"
        raise SpecError(source, [Problem(key="", message=f"the study {wrong}; start with name: ...", line=1)])
    problems = {problem.key: problem for problem in reversed(tree.problems)}
    return _Draft(source, tree.value, lines=tree.lines, problems=problems)


def _text(path: Path, source: str) -> str:
    try:
        if not path.is_file():
            what = "is not a file" if path.exists() else f"no such study file{_nearest_studies(path)}"
            raise SpecError(source, [Problem(key="", message=what)])
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "not a file name"
        raise SpecError(source, [Problem(key="", message=f"cannot be read: {reason}")]) from None
    if len(data) > MAX_BYTES:
        raise SpecError(source, [Problem(key="", message="is larger than 1 MiB; is this a study file?")])
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        problem = Problem(key="", message=f"is not UTF-8 (byte 0x{data[error.start]:02x})", line=line)
        raise SpecError(source, [problem]) from None


def _nearest_studies(path: Path) -> str:
    """Suggests names for a study file that is missing; bundled studies too where only a name was given."""
    near = [other.name for other in path.parent.iterdir()] if path.parent.is_dir() else []
    bundled = bundled_studies()
    if len(path.parts) == 1 and not path.suffix:
        names = ", ".join(bundled)
        return f"; give the path of one, or the name of a bundled study: {names}{nearest(path.name, [*near, *bundled])}"
    return nearest(path.name, near) or (f"; did you mean the bundled '{path.stem}'?" if path.stem in bundled else "")


def _override(draft: _Draft, text: str) -> None:
    key, equals, value = text.partition("=")
    path = tuple(key.strip().split("."))
    if not equals or not all(re.fullmatch(r"[\w-]+", part) for part in path):
        message = f"{show(text)} is not key=value; for example training.batch_size=[8,16] or data.path=reviews.csv"
        draft.problems.setdefault(text, Problem(key="", message=message, source=draft.overrider))
        return
    if path == ("search", "trials") and value.strip().startswith("+"):
        message = f"{show(value)} adds nothing: trials is the total, those done before included; give it without the +"
        draft.problems.setdefault(dotted(path), Problem(key=dotted(path), message=message, source=draft.overrider))
        return
    try:
        tree = read_yaml(value)
    except Unreadable as error:
        problem = Problem(key=dotted(path), message=f"{error.problem.message} in {show(value)}", source=draft.overrider)
        draft.problems.setdefault(problem.key, problem)
        return
    for problem in tree.problems:
        draft.problems.setdefault(
            dotted(path), Problem(key=dotted(path), message=problem.message, source=draft.overrider)
        )
    _set(draft, path, tree.value)


def _set(draft: _Draft, path: tuple[str, ...], value: Any) -> None:
    section = draft.raw
    for depth, part in enumerate(path[:-1], start=1):
        if section.get(part) is None:
            section[part] = {}
            draft.commanded.add(path[:depth])
        if not isinstance(section[part], dict):
            name, value_text = dotted(path[:depth]), show(section[part])
            message = f"{name} is {value_text}, which has no keys; give it as a whole: {name}={{{path[depth]}: ...}}"
            key = dotted(path)
            draft.problems.setdefault(key, Problem(key=key, message=message, source=draft.overrider))
            return
        section = section[part]
    section[path[-1]] = value
    draft.commanded.add(path)
    draft.lines = {key: line for key, line in draft.lines.items() if key[: len(path)] != path}


def _replace_source(draft: _Draft) -> None:
    """Removes the file's source of data where the command line names one."""
    data = draft.raw.get("data")
    if not isinstance(data, dict):
        return
    commanded = {path[1] for path in draft.commanded if len(path) > 1 and path[0] == "data"}
    chosen = [source for source in SOURCES if source in commanded and data.get(source) is not None]
    replaced = [source for source in SOURCES if source not in chosen and data.get(source) is not None]
    if not chosen or not replaced:
        return
    for key in [*replaced, *{"text", "label", *FILE_KEYS} - commanded]:
        data.pop(key, None)


def _make_paths_absolute(draft: _Draft, folder: Path) -> None:
    data, model, search, engine = (draft.raw.get(name) for name in ("data", "model", "search", "engine"))
    if isinstance(data, dict) and isinstance(path := data.get("path"), str) and path and "://" not in path:
        data["path"] = _absolute(draft, ("data", "path"), path, folder)
    if isinstance(engine, dict) and isinstance(path := engine.get("storage_path"), str) and "://" not in path:
        engine["storage_path"] = _absolute(draft, ("engine", "storage_path"), path, folder)
    if isinstance(model, dict) and "checkpoint" in model:
        model["checkpoint"] = _checkpoint(draft, ("model", "checkpoint"), model["checkpoint"], folder)
    if isinstance(search, dict):
        _make_search_paths_absolute(draft, search, folder)


def _make_search_paths_absolute(draft: _Draft, search: dict[str, Any], folder: Path) -> None:
    """Makes absolute the earlier runs, and the checkpoints among the params to try first."""
    runs, first = (search[key] if isinstance(search.get(key), list) else [] for key in ("from", "first"))
    for place, run in enumerate(runs):
        if isinstance(run, str) and run:
            runs[place] = _absolute(draft, ("search", "from", place), run, folder)
    for place, params in enumerate(first):
        for key in {"checkpoint", "model.checkpoint"} & set(params if isinstance(params, dict) else ()):
            params[key] = _checkpoint(draft, ("search", "first", place, key), params[key], folder)


def _absolute(draft: _Draft, path: KeyPath, value: str, folder: Path) -> str:
    """Resolves a path: relative to the current folder if the command line set it, else to the file's folder."""
    try:
        base = Path.cwd() if draft.place(path)[1] else folder
        return str((base / Path(value).expanduser()).resolve())
    except (OSError, RuntimeError, ValueError) as error:
        draft.complain(path, f"{show(value)} is no usable path: {error}")
        return value


def _checkpoint(draft: _Draft, path: KeyPath, value: Any, folder: Path) -> Any:
    """Makes folders absolute, in a list or choices too; names of checkpoints stay."""
    if isinstance(value, list):
        return [_checkpoint(draft, (*path, index), item, folder) for index, item in enumerate(value)]
    if isinstance(value, dict) and "choices" in value:
        return value | {"choices": _checkpoint(draft, (*path, "choices"), value["choices"], folder)}
    if not isinstance(value, str) or not value or value == "scratch":
        return value
    base, _ = split_checkpoint(value)
    if not base.startswith(("./", "../", "/", "~")) and not _is_folder(folder / base):
        return value
    return _absolute(draft, path, base, folder) + value[len(base) :]


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except (OSError, ValueError):
        return False


def _validate(draft: _Draft, check_files: CheckFiles | None = None) -> StudySpec:
    """Checks the draft until no new mistake appears, each time without the wrong keys: mistakes hide each other.

    A missing or wrong key gets its default (or a stand-in), and rules that concern it report nothing.
    """
    raw = deepcopy(draft.raw)
    wrong: set[KeyPath] = set()
    while True:
        try:
            spec = StudySpec.model_validate_json(json.dumps(raw), strict=True)
            break
        except ValidationError as error:
            messages = mistakes(error, raw)
        for path, message in messages.items():
            if not any(related(path, other) for other in wrong):
                draft.complain(path, message)
        wrong.update(messages)
        for path in {_whole(raw, path) for path in messages}:
            _leave_out(raw, path)
    _complain_of(contradictions(spec), draft, wrong)
    if draft.problems and check_files is not None:
        _complain_of(check_files(spec), draft, wrong)
    return spec


def _complain_of(found: Iterable[Contradiction], draft: _Draft, wrong: set[KeyPath]) -> None:
    """Records the contradictions between keys that have no mistake of their own."""
    for contradiction in found:
        if not any(related(key, path) for key in contradiction.keys for path in wrong):
            draft.complain(contradiction.keys[0], contradiction.message)


def _whole(raw: dict[str, Any], path: KeyPath) -> KeyPath:
    """Returns the key whose value holds the mistake at `path`; for a key that a section lacks, the section."""
    whole = path[: 3 if path[:2] in NESTED_SECTIONS else 2]
    section: Any = raw
    for part in whole[:-1]:
        section = section[part]
    return whole if whole in STAND_INS or whole[-1] in section else whole[:-1]


def _leave_out(raw: dict[str, Any], path: KeyPath) -> None:
    section: Any = raw
    for part in path[:-1]:
        section = section.get(part, {})
    section.pop(path[-1], None)
    if path in STAND_INS:
        section[path[-1]] = deepcopy(STAND_INS[path])
