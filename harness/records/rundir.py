"""The folder of a run: its layout, its lock and its JSON files. It checks every name that becomes a path."""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from difflib import get_close_matches
from pathlib import Path, PurePosixPath
from typing import Any, Self

from pydantic import ValidationError

from harness.errors import InputError, RunError
from harness.records.files import write_json
from harness.records.live import Live, is_alive
from harness.records.schema import Progress
from harness.runtime import shown_path
from harness.spec.study import NAME_PATTERN, StudySpec

__all__ = ["RunFolder", "nearest_run"]

DATABASE, MANIFEST, LOCK, LIVE = "study.db", "manifest.json", "lock", "live.json"
KINDS = {"search": "trials", "confirm": "confirm", "rerun": "rerun", "bench": "bench"}


def _check_name(name: str) -> None:
    if not re.fullmatch(NAME_PATTERN.strip("^$"), name) or set(name) == {"."}:
        raise InputError(f"study name {name!r} is not allowed: 1 to 64 of A-Z a-z 0-9 . _ - and not only dots")


class RunFolder:
    """`runs/<study>/`, readable by its owner only. The constructor does not touch the disk."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()

    @classmethod
    def of(cls, runs: Path, study: str) -> Self:
        """The folder of `study` under `runs`."""
        _check_name(study)
        return cls(runs / study)

    @property
    def database(self) -> Path:
        """The file of the Optuna study."""
        return self.path / DATABASE

    def storage(self, spec: StudySpec) -> str | Path:
        """The study's database: the URL in the study file, else an SQLite file in the folder."""
        return spec.search.storage or self.database

    @property
    def exists(self) -> bool:
        """True when a study was started here."""
        return (self.path / MANIFEST).is_file()

    def create(self) -> None:
        """Makes the folder, mode 0700.

        Raises:
            RunError: the path is a link, a file, or a folder with other files and no run.
        """
        self._refuse_link(self.path)
        with _explained(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.path.mkdir(mode=0o700, exist_ok=True)
        self._refuse_other_files()

    def _refuse_other_files(self) -> None:
        """Raises RunError for a folder of other files: a study called `src` must neither write there nor move it."""
        with _explained(self.path):
            names = {entry.name for entry in os.scandir(self.path)}
        if names and not names & {MANIFEST, LOCK, DATABASE}:
            raise RunError(f"{self.path} holds other files and no run; give another --runs folder or study name")

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Makes this process the run's only coordinator; the kernel frees the lock when the process dies.

        Raises:
            RunError: another coordinator holds the lock; the message names its process.
        """
        path = self.path / LOCK
        with _explained(path):
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        try:
            self._take_lock(descriptor)
            holder = {"pid": os.getpid(), "host": socket.gethostname(), "started_at": time.time()}
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, json.dumps(holder).encode(), 0)
            try:
                yield
            finally:
                with suppress(OSError):
                    os.ftruncate(descriptor, 0)
        finally:
            os.close(descriptor)

    def is_held(self) -> bool:
        """True while the process that wrote the lock is alive on this machine; the lock itself is not touched."""
        try:
            holder = json.loads((self.path / LOCK).read_text(encoding="utf-8"))
            return bool(holder["host"] == socket.gethostname()) and is_alive(holder["pid"], holder["started_at"])
        except (OSError, ValueError, KeyError, TypeError):
            return False

    def _take_lock(self, descriptor: int) -> None:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RunError(f"{self.path} is being run by {_holder(descriptor)}; wait for it or stop it") from None
        except OSError as error:
            raise RunError(f"{self.path}: the file system cannot lock ({error.strerror}); use another --runs") from None

    def trial_dir(self, kind: str, number: int) -> Path:
        """The folder `trials/<number>`, `confirm/<number>` ... of a trial; it is made if missing."""
        folder = self.path / KINDS[kind] / str(int(number))
        for part in (folder.parent, folder):
            self._refuse_link(part)
            with _explained(part):
                part.mkdir(mode=0o700, exist_ok=True)
        return folder

    def snapshot(self, kind: str, number: int) -> tuple[Path | None, list[Progress]]:
        """The folder and the history of a trial's snapshot; (None, []) where there is none that can be read.

        A snapshot is renamed into place when it is complete, so one of this name is valid.
        """
        folder = self.path / KINDS[kind] / str(int(number)) / "snapshot"
        try:
            rows = json.loads((folder / "history.json").read_text(encoding="utf-8"))
            history = [Progress.model_validate(row) for row in rows]
        except (OSError, ValueError, TypeError):
            return None, []
        return (folder, history) if history else (None, [])

    def relative(self, path: Path) -> str:
        """`path` relative to the run folder, as records store it."""
        return path.relative_to(self.path).as_posix()

    def inside(self, name: str) -> Path:
        """The path of a relative `name`.

        Raises:
            RunError: it leads out of the folder.
        """
        parts = PurePosixPath(name)
        if not name or parts.is_absolute() or ".." in parts.parts:
            raise RunError(f"{name!r} leaves the run folder {self.path}")
        return self.path / parts

    def write_json(self, name: str, value: Any) -> None:
        """Writes a JSON file of the run atomically."""
        path = self.inside(name)
        with _explained(path):
            write_json(path, value)

    def read_json(self, name: str) -> Any:
        """Reads a JSON file of the run; None when it does not exist.

        Raises:
            RunError: it cannot be read.
        """
        path = self.inside(name)
        try:
            return json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise RunError(f"{path} cannot be read: {error}") from None

    def write_live(self, live: Live) -> None:
        """Writes the live state. It is not synced to the disk: after a power cut no coordinator is alive."""
        path = self.path / LIVE
        with _explained(path):
            write_json(path, live.model_dump(mode="json"), durable=False)

    def read_live(self) -> Live:
        """The live state that a coordinator wrote last; `Live()` when there is none that can be read."""
        try:
            return Live.model_validate(self.read_json(LIVE) or {})
        except ValidationError:
            return Live()

    def move_aside(self) -> Path | None:
        """Renames the run to `<study>.1`, `.2` ... (the first free name); returns the path, None when there is no run.

        Raises:
            RunError: a coordinator is at work on it.
        """
        self._refuse_link(self.path)
        if not self.path.exists():
            return None
        self._refuse_other_files()
        with self.lock(), _explained(self.path):
            number = 1
            while (target := self.path.with_name(f"{self.path.name}.{number}")).exists() or target.is_symlink():
                number += 1
            self.path.rename(target)
        return target

    def clear(self) -> None:
        """Removes everything in the folder but the lock."""
        for path in self.path.iterdir():
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            elif path.name != LOCK:
                path.unlink()

    def _refuse_link(self, path: Path) -> None:
        if path.is_symlink():
            raise RunError(f"{path} is a symbolic link; a run folder must be a folder of its own")


def nearest_run(path: Path) -> str:
    """ "; did you mean runs/quickstart?" of the run beside a path, or under runs/, whose name is nearest; else ""."""
    found = {
        manifest.parent.name: manifest.parent
        for folder in (Path("runs"), path.parent)
        for manifest in sorted(folder.glob(f"*/{MANIFEST}"))
        if any((manifest.parent / name).exists() for name in (LOCK, DATABASE))
    }
    matches = get_close_matches(path.name, list(found), n=1, cutoff=0.6)
    return f"; did you mean {shown_path(found[matches[0]])}?" if matches else ""


def _holder(descriptor: int) -> str:
    try:
        holder = json.loads(os.pread(descriptor, 4096, 0))
        started = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(holder["started_at"]))
        return f"process {holder['pid']} on {holder['host']} since {started}"
    except (OSError, ValueError, KeyError, TypeError):
        return "another process"


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Turns an OSError into a RunError of one line."""
    try:
        yield
    except OSError as error:
        raise RunError(f"{path} cannot be used: {error.strerror or error}") from None
