"""The study on disk: an Optuna study in a relational database, which `optuna-dashboard` can open.

Only the coordinator writes; other processes may read at the same time.
"""

from __future__ import annotations

import math
import os
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, Self

from harness.errors import FailReason, MissingPackage, RunError
from harness.records import earlier
from harness.records.schema import Progress, TrialRecord, TrialState, record_of
from harness.spec.tasks import metric_named
from harness.spec.trial import TrialConfig

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.storages import RDBStorage
    from optuna.study import StudyDirection
    from optuna.trial import FrozenTrial

__all__ = ["CLOSED_AFTER", "StoredTrial", "StudyStore", "TrialStore", "directions", "sound"]

RECORD = "record"
#: The attribute of a study with the budget, in minutes, at whose end the search was closed.
CLOSED_AFTER = "closed_after_minutes"
#: File system types that several machines may mount: a write-ahead log needs memory that all its users share.
NETWORK_DISKS = ("nfs", "cifs", "smb", "gluster", "lustre", "ceph", "beegfs", "gpfs", "afs", "fuse.")
BUSY_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredTrial:
    """A trial as it is stored in the database; `values` are the first objective by step."""

    state: TrialState
    record: TrialRecord
    values: Mapping[int, float]
    system_attrs: Mapping[str, Any]

    @property
    def number(self) -> int:
        """The trial's number."""
        return self.record.number

    @property
    def config(self) -> TrialConfig:
        """The trial's configuration."""
        return self.record.config


class TrialStore(Protocol):
    """What a search asks of the store of its study; `StudyStore` is the one on disk."""

    def load(self) -> list[StoredTrial]:
        """All trials by number."""

    def create(
        self,
        config: TrialConfig,
        *,
        values: Mapping[str, Any] | None = None,
        distributions: Mapping[str, BaseDistribution] | None = None,
        system_attrs: Mapping[str, Any] | None = None,
    ) -> None:
        """Adds a running trial."""

    def report(self, number: int, progress: Progress) -> None:
        """Adds an evaluation of a running trial."""

    def rewrite(self, number: int, history: Sequence[Progress]) -> None:
        """Replaces the history of a running trial."""

    def end(self, record: TrialRecord) -> TrialRecord:
        """Writes the record of an ended trial and returns it as written."""

    def set(self, key: str, value: Any) -> None:
        """Sets an attribute of the study (JSON)."""

    def get(self, key: str, default: Any = None) -> Any:
        """An attribute of the study (JSON); `default` where it is not set."""


def directions(objectives: Sequence[str]) -> list[StudyDirection]:
    """The Optuna directions of objectives."""
    from optuna.study import StudyDirection

    metrics = map(metric_named, objectives)
    return [StudyDirection.MAXIMIZE if metric.maximize else StudyDirection.MINIMIZE for metric in metrics]


def sound(record: TrialRecord) -> TrialRecord:
    """The record, as FAIL where it is COMPLETE but has no finite value for an objective."""
    if record.state is not TrialState.COMPLETE:
        return record
    for name in record.config.objectives:
        value = record.metrics.get(name)
        if value is None or not math.isfinite(value):
            reason = FailReason.CRASH if value is None else FailReason.NAN
            message = f"no evaluation gave objective '{name}'" if value is None else f"objective '{name}' is {value}"
            return record.model_copy(update={"state": TrialState.FAIL, "reason": reason, "message": message})
    return record


class StudyStore:
    """One study of a database. Make it with `open`; `load` before writing to trials of an earlier process."""

    def __init__(
        self,
        storage: RDBStorage,
        study_id: int,
        name: str,
        objectives: Sequence[str],
        label: str,
        rungs: Sequence[float] = (),
    ) -> None:
        self.name = name
        self.objectives = tuple(objectives)
        self._storage = storage
        self._study_id = study_id
        self._label = label
        self._rungs = rungs
        self._ids: dict[int, int] = {}
        self._active: dict[int, tuple[TrialConfig, list[Progress]]] = {}

    @classmethod
    def open(
        cls, url: str | Path, name: str, objectives: Sequence[str], *, rungs: Sequence[float] = (), create: bool = True
    ) -> Self:
        """Opens study `name`; a `Path` is an SQLite file. `rungs` are the study's, for trials of earlier versions.

        Raises:
            RunError: there is no such study (with `create` false), or the database cannot be used.
            MissingPackage: the database's driver is not installed.
        """
        import optuna

        # Optuna's own progress lines and sampler warnings are not shown.
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        label = _label(url)
        with _explained(label):
            try:
                storage = _connect(url, create)
            except RuntimeError as error:  # written by an Optuna with another schema; the text says what to do
                raise RunError(f"{label}: {error}") from None
        store = cls(storage, -1, name, objectives, label, rungs).sibling(name, create=create)
        if store is None:
            raise RunError(f"{label}: no study '{name}'")
        return store

    def sibling(self, name: str, *, create: bool = False) -> Self | None:
        """Another study of the database with the same objectives; None when it does not exist and `create` is false."""
        with _explained(self._label):
            try:
                study_id = self._storage.get_study_id_from_name(name)
            except KeyError:
                if not create:
                    return None
                study_id = self._storage.create_new_study(directions(self.objectives), name)
        return type(self)(self._storage, study_id, name, self.objectives, self._label, self._rungs)

    def close(self) -> None:
        """Closes the database's connections, which siblings share."""
        self._storage.remove_session()
        self._storage.engine.dispose()

    def load(self) -> list[StoredTrial]:
        """All trials by number.

        Where the record has ended and the state has not, a coordinator died between the two writes: call `end` again.
        """
        with _explained(self._label):
            frozen = self._storage.get_all_trials(self._study_id, deepcopy=False)
        trials = [self._stored(trial) for trial in frozen]
        for trial, optuna_trial in zip(trials, frozen, strict=True):
            self._ids[trial.number] = optuna_trial._trial_id
            if not trial.state.ended:
                self._active[trial.number] = (trial.config, list(trial.record.history))
        return trials

    def _stored(self, trial: FrozenTrial) -> StoredTrial:
        if RECORD not in trial.user_attrs:
            raise RunError(f"{self._label}: trial {trial.number} was not written by harness; use a study of its own")
        return StoredTrial(
            state=TrialState(trial.state.name),
            record=TrialRecord.model_validate(earlier.record(trial.user_attrs[RECORD], self._rungs)),
            values=trial.intermediate_values,
            system_attrs=trial.system_attrs,
        )

    def records(self) -> list[TrialRecord]:
        """The record of every trial; that of a trial that has not ended is in state RUNNING."""
        return [
            trial.record if trial.state.ended else trial.record.model_copy(update={"state": TrialState.RUNNING})
            for trial in self.load()
        ]

    def create(
        self,
        config: TrialConfig,
        *,
        values: Mapping[str, Any] | None = None,
        distributions: Mapping[str, BaseDistribution] | None = None,
        system_attrs: Mapping[str, Any] | None = None,
    ) -> None:
        """Adds a running trial in one transaction. `values` are its params as Optuna stores them.

        Raises:
            RunError: the next number is not the config's: another process writes to this study.
        """
        from optuna.trial import TrialState as OptunaState
        from optuna.trial import create_trial

        template = create_trial(
            state=OptunaState.RUNNING,
            params=dict(values or {}),
            distributions=dict(distributions or {}),
            user_attrs={RECORD: _json(record_of(config, TrialState.RUNNING))},
            system_attrs=dict(system_attrs or {}),
        )
        with _explained(self._label):
            # The public `create_new_trial` does not return the number; a look-up takes longer with every trial.
            created = self._storage._create_new_trial(self._study_id, template)
            if created.number != config.number:
                raise RunError(f"{self._label}: trial {config.number} is not the next; another process writes here")
        self._ids[config.number] = created._trial_id
        self._active[config.number] = (config, [])

    def report(self, number: int, progress: Progress) -> None:
        """Adds an evaluation: the first objective at its step, and the history so far in the record."""
        config, history = self._active[number]
        history.append(progress)
        value = progress.metrics.get(self.objectives[0], math.nan)
        with _explained(self._label):
            self._write_record(record_of(config, TrialState.RUNNING, history))
            self._storage.set_trial_intermediate_value(self._ids[number], progress.step, value)

    def rewrite(self, number: int, history: Sequence[Progress]) -> None:
        """Replaces the history of a running trial.

        Optuna cannot delete an intermediate value: those of steps that are not in `history` become NaN.
        """
        config, before = self._active[number]
        self._active[number] = (config, list(history))
        values = {progress.step: math.nan for progress in before}
        values |= {progress.step: progress.metrics.get(self.objectives[0], math.nan) for progress in history}
        with _explained(self._label):
            self._write_record(record_of(config, TrialState.RUNNING, list(history)))
            for step, value in values.items():
                self._storage.set_trial_intermediate_value(self._ids[number], step, value)

    def end(self, record: TrialRecord) -> TrialRecord:
        """Writes the record, then the state; returns the record as it was written (see `sound`)."""
        from optuna.trial import TrialState as OptunaState

        record = sound(record)
        with _explained(self._label):
            self._write_record(record)
            state = OptunaState[record.state.value]
            self._storage.set_trial_state_values(self._ids[record.number], state, self._values(record))
        self._active.pop(record.number, None)
        return record

    def _values(self, record: TrialRecord) -> list[float] | None:
        """The values for Optuna, None without finite ones; as in Optuna, a pruned trial of one objective has one."""
        if record.state is TrialState.FAIL or (record.state is TrialState.PRUNED and len(self.objectives) > 1):
            return None
        values = [record.metrics.get(name, math.nan) for name in self.objectives]
        return values if all(math.isfinite(value) for value in values) else None

    def set(self, key: str, value: Any) -> None:
        """Sets an attribute of the study (JSON)."""
        with _explained(self._label):
            self._storage.set_study_user_attr(self._study_id, key, value)

    def get(self, key: str, default: Any = None) -> Any:
        """An attribute of the study (JSON); `default` where it is not set."""
        with _explained(self._label):
            return self._storage.get_study_user_attrs(self._study_id).get(key, default)

    def _write_record(self, record: TrialRecord) -> None:
        self._storage.set_trial_user_attr(self._ids[record.number], RECORD, _json(record))


def _json(record: TrialRecord) -> dict[str, Any]:
    return record.model_dump(mode="json")


def _connect(url: str | Path, create: bool) -> RDBStorage:
    from optuna.storages import RDBStorage

    path = _sqlite_path(url)
    if path is None:
        return RDBStorage(str(url).replace("{", "{{").replace("}", "}}"))  # Optuna formats the URL as a template
    if not create and not path.is_file():
        raise RunError(f"{path}: there is no study database")
    if not create and not (os.access(path, os.W_OK) and os.access(path.parent, os.W_OK)):
        return RDBStorage("sqlite:///study.db", engine_kwargs={"creator": partial(_connect_to_read, path)})

    def connect() -> sqlite3.Connection:
        connection = sqlite3.connect(path, timeout=BUSY_S, check_same_thread=False)
        if create and not _on_network_disk(path):
            # Where the file system cannot do it, SQLite keeps its rollback journal: slower, but as safe.
            with suppress(sqlite3.OperationalError):
                connection.execute("PRAGMA journal_mode=WAL")
                # A power cut may then cost the last commits, never the file.
                connection.execute("PRAGMA synchronous=NORMAL")
        return connection

    # The URL is only a name, and `creator` has the path: in a URL, `?`, `%` or `{` of a path would be parsed.
    return RDBStorage("sqlite:///study.db", engine_kwargs={"creator": connect})


def _connect_to_read(path: Path) -> sqlite3.Connection:
    """Opens a database that this process may not write.

    SQLite then reads a write-ahead log where its two files are there: a coordinator is at work. Where they are not, the
    database does not change, and SQLite must be told so, because it cannot make them.
    """
    is_written = path.with_name(f"{path.name}-wal").exists()
    mode = "mode=ro" if is_written else "mode=ro&immutable=1"
    return sqlite3.connect(f"{path.absolute().as_uri()}?{mode}", uri=True, timeout=BUSY_S, check_same_thread=False)


def _sqlite_path(url: str | Path) -> Path | None:
    if isinstance(url, Path):
        return url
    from sqlalchemy import make_url

    parsed = make_url(url)
    if parsed.get_backend_name() != "sqlite" or parsed.database in (None, "", ":memory:"):
        return None
    return Path(str(parsed.database))


def _on_network_disk(path: Path) -> bool:
    import psutil

    real = os.path.realpath(path)
    mounts = [part for part in psutil.disk_partitions(all=True) if _under(real, part.mountpoint)]
    holder = max(mounts, key=lambda part: len(part.mountpoint), default=None)
    return holder is not None and holder.fstype.lower().startswith(NETWORK_DISKS)


def _under(path: str, mountpoint: str) -> bool:
    return path.startswith(mountpoint.rstrip("/") + "/")


def _label(url: str | Path) -> str:
    """The database's name for messages: a path, or a URL without its password."""
    if isinstance(url, Path):
        return str(url)
    from sqlalchemy import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        return make_url(url).render_as_string(hide_password=True)
    except ArgumentError:
        raise RunError("search.storage is not a database URL; for example postgresql://user@host/name") from None


@contextmanager
def _explained(label: str) -> Iterator[None]:
    """Turns the errors of a database into a RunError or MissingPackage of one line."""
    from optuna.exceptions import StorageInternalError
    from sqlalchemy.exc import NoSuchModuleError, SQLAlchemyError

    try:
        yield
    except (ImportError, NoSuchModuleError) as error:
        drivers = "pip install psycopg2-binary (postgresql://) or pymysql (mysql+pymysql://)"
        raise MissingPackage(f"{label}: the database's driver is not installed: {drivers}") from error
    except (StorageInternalError, SQLAlchemyError, sqlite3.Error) as error:
        cause = error.__cause__ if isinstance(error, StorageInternalError) and error.__cause__ else error
        reason = str(getattr(cause, "orig", None) or cause).splitlines()[0]
        raise RunError(f"{label}: the study database cannot be used: {reason}") from error
