"""The folder of a run: its layout, its lock, and its JSON files.

Names that become paths are checked here.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any, Self

from pydantic import ValidationError

from harness.errors import InputError, RunError
from harness.records.files import write_json
from harness.records.live import Live
from harness.records.schema import Progress
from harness.spec.study import NAME_PATTERN, StudySpec

__all__ = ["RunFolder"]

DATABASE, MANIFEST, LOCK, LIVE = "study.db", "manifest.json", "lock", "live.json"
KINDS = {"search": "trials", "confirm": "confirm", "rerun": "rerun", "bench": "bench"}


def _check_name(name: str) -> None:
    if not re.fullmatch(NAME_PATTERN.strip("^$"), name) or set(name) == {"."}:
        raise InputError(f"study name {name!r} is not allowed: 1 to 64 of A-Z a-z 0-9 . _ - and not only dots")


class RunFolder:
    """`runs/<study>/`, readable by its owner only. Making the object touches nothing on disk."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()

    @classmethod
    def of(cls, runs: Path, study: str) -> Self:
        """The folder of `study` under `runs`."""
        _check_name(study)
        return cls(runs / study)

    @property
    def database(self) -> Path:
        return self.path / DATABASE

    def storage(self, spec: StudySpec) -> str | Path:
        """Where the study's database is: the URL that the study names, else an SQLite file in the folder."""
        return spec.search.storage or self.database

    @property
    def exists(self) -> bool:
        """True when a study was started here."""
        return (self.path / MANIFEST).is_file()

    def create(self) -> None:
        """Makes the folder, mode 0700.

        Raises:
            RunError: the path is a link, a file, or a folder that holds something else.
        """
        self._refuse_link(self.path)
        with _explained(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.path.mkdir(mode=0o700, exist_ok=True)
        self._refuse_stranger()

    def _refuse_stranger(self) -> None:
        """A study called `src` must not settle in a folder of source files, nor move it aside."""
        with _explained(self.path):
            names = {entry.name for entry in os.scandir(self.path)}
        if names and not names & {MANIFEST, LOCK, DATABASE}:
            raise RunError(f"{self.path} holds other files and no run; give another --runs folder or study name")

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Inside, this process is the run's only coordinator; the kernel frees the lock when it dies.

        Raises:
            RunError: another coordinator holds the run; the message says who.
        """
        path = self.path / LOCK
        with _explained(path):
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        try:
            self._take(descriptor)
            holder = {"pid": os.getpid(), "host": socket.gethostname(), "started_at": time.time()}
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, json.dumps(holder).encode(), 0)
            yield
        finally:
            os.close(descriptor)

    def _take(self, descriptor: int) -> None:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RunError(f"{self.path} is being run by {_holder(descriptor)}; wait for it or stop it") from None
        except OSError as error:
            raise RunError(f"{self.path}: the file system cannot lock ({error.strerror}); use another --runs") from None

    def trial_dir(self, kind: str, number: int) -> Path:
        """`trials/<number>`, `confirm/<number>` ..., made if missing."""
        folder = self.path / KINDS[kind] / str(int(number))
        for part in (folder.parent, folder):
            self._refuse_link(part)
            with _explained(part):
                part.mkdir(mode=0o700, exist_ok=True)
        return folder

    def snapshot(self, kind: str, number: int) -> tuple[Path | None, list[Progress]]:
        """A trial's snapshot and its history; (None, []) where there is none that can be read.

        A snapshot is renamed into place when complete, so its name is the mark of its validity.
        """
        folder = self.path / KINDS[kind] / str(int(number)) / "snapshot"
        try:
            rows = json.loads((folder / "history.json").read_text(encoding="utf-8"))
            history = [Progress.model_validate(row) for row in rows]
        except (OSError, ValueError, TypeError):
            return None, []
        return (folder, history) if history else (None, [])

    def relative(self, path: Path) -> str:
        """`path` as records name it."""
        return path.relative_to(self.path).as_posix()

    def inside(self, name: str) -> Path:
        """The path of a relative `name`, which may not leave the folder."""
        parts = PurePosixPath(name)
        if not name or parts.is_absolute() or ".." in parts.parts:
            raise RunError(f"{name!r} leaves the run folder {self.path}")
        return self.path / parts

    def write_json(self, name: str, value: Any) -> None:
        """Writes a JSON file of the run so that a reader sees all of it or none."""
        path = self.inside(name)
        with _explained(path):
            write_json(path, value)

    def read_json(self, name: str) -> Any:
        """Reads a JSON file of the run; None when there is none."""
        path = self.inside(name)
        try:
            return json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise RunError(f"{path} cannot be read: {error}") from None

    def write_live(self, live: Live) -> None:
        """Writes what `harness status` shows; not worth waiting for the disk."""
        path = self.path / LIVE
        with _explained(path):
            write_json(path, live.model_dump(mode="json"), durable=False)

    def read_live(self) -> Live:
        """What a coordinator last said of itself; `Live()` when nothing was written, or nothing that can be read."""
        try:
            return Live.model_validate(self.read_json(LIVE) or {})
        except ValidationError:
            return Live()

    def move_aside(self) -> Path | None:
        """Renames the run to `<study>.1`, `.2` ... (the first that is free); None when there is nothing to move.

        Raises:
            RunError: a coordinator is at work on it.
        """
        self._refuse_link(self.path)
        if not self.path.exists():
            return None
        self._refuse_stranger()
        with self.lock(), _explained(self.path):
            number = 1
            while (target := self.path.with_name(f"{self.path.name}.{number}")).exists() or target.is_symlink():
                number += 1
            self.path.rename(target)
        return target

    def clear(self) -> None:
        """Removes what is in the folder but the lock: a study that never began leaves nothing."""
        for path in self.path.iterdir():
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            elif path.name != LOCK:
                path.unlink()

    def _refuse_link(self, path: Path) -> None:
        if path.is_symlink():
            raise RunError(f"{path} is a symbolic link; a run folder must be a folder of its own")


def _holder(descriptor: int) -> str:
    try:
        holder = json.loads(os.pread(descriptor, 4096, 0))
        started = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(holder["started_at"]))
        return f"process {holder['pid']} on {holder['host']} since {started}"
    except (OSError, ValueError, KeyError, TypeError):
        return "another process"


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Turns the system's refusal into one line for the user."""
    try:
        yield
    except OSError as error:
        raise RunError(f"{path} cannot be used: {error.strerror or error}") from None
