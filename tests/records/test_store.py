from __future__ import annotations

import os
import sqlite3
import sys
from collections.abc import Iterator
from math import inf, isnan, nan
from pathlib import Path
from types import SimpleNamespace

import optuna
import psutil
import pytest
from sqlalchemy import event, text

from harness.errors import FailReason, MissingPackage, RunError
from harness.records import store as store_module
from harness.records.schema import Progress, PruneReason, TrialState, record_of
from harness.records.store import StudyStore, sound
from harness.spec.configure import resolve
from harness.spec.study import StudySpec
from harness.spec.trial import TrialConfig

COMPLETE, PRUNED, FAIL, RUNNING = TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL, TrialState.RUNNING
SPEC = StudySpec.model_validate(
    {
        "name": "study",
        "data": {"path": "reviews.csv"},
        "model": {"checkpoint": "minilm"},
        "training": {"learning_rate": {"low": 1e-5, "high": 1e-3, "log": True}, "batch_size": {"choices": [8, 16]}},
    }
)
DISTRIBUTIONS = {
    "learning_rate": optuna.distributions.FloatDistribution(1e-5, 1e-3, log=True),
    "batch_size": optuna.distributions.CategoricalDistribution([8, 16]),
}


def config(number: int, **changes: object) -> TrialConfig:
    made = resolve(SPEC, number=number, params={"learning_rate": 1e-4, "batch_size": 8})
    return made.model_copy(update=changes)


def progress(number: int, step: int, accuracy: float = 0.5, **metrics: float) -> Progress:
    metrics = {"accuracy": accuracy, "log_loss": nan} | metrics
    return Progress(number=number, step=step, total_steps=8, epoch=1, num_rows=9, metrics=metrics, train_loss=inf)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[StudyStore]:
    opened = StudyStore.open(tmp_path / "study.db", "study", ["accuracy"])
    yield opened
    opened.close()


def reopened(store: StudyStore) -> StudyStore:
    """The study as another process opens it."""
    other = store.sibling(store.name)
    assert other is not None
    return other


def create(store: StudyStore, number: int) -> TrialConfig:
    made = config(number)
    store.create(made, values=made.params, distributions=DISTRIBUTIONS, system_attrs={"harness:arm": 0})
    return made


def test_store_round_trip(store: StudyStore) -> None:
    """All that is written comes back, NaN and infinity included, also to another process."""
    made = create(store, 0)
    rows = [progress(0, 2), progress(0, 4, 0.75), progress(0, 8, 0.625)]
    for row in rows:
        store.report(0, row)
    written = store.end(record_of(made, COMPLETE, rows, log="trials/0/log.txt", extra={"a": [1]}))
    (trial,) = reopened(store).load()
    assert trial.state is COMPLETE
    assert repr(trial.record) == repr(written)
    assert trial.values == {2: 0.5, 4: 0.75, 8: 0.625}
    assert trial.system_attrs == {"harness:arm": 0}
    assert (trial.number, trial.config) == (0, made)


def test_store_running_trial_is_readable(store: StudyStore) -> None:
    made = create(store, 0)
    assert [record.state for record in reopened(store).records()] == [RUNNING]
    store.report(0, progress(0, 2))
    (record,) = reopened(store).records()
    assert (record.state, record.config, len(record.history)) == (RUNNING, made, 1)
    assert record.metrics["accuracy"] == 0.5


def test_store_taken_up_again(store: StudyStore) -> None:
    create(store, 0)
    store.report(0, progress(0, 2))
    again = reopened(store)
    again.load()
    again.report(0, progress(0, 4, 0.75))
    (trial,) = reopened(store).load()
    assert [row.step for row in trial.record.history] == [2, 4]


def test_store_rewritten_history_replaces_the_values(store: StudyStore) -> None:
    """Optuna cannot forget a value: one that no longer counts is NaN there."""
    create(store, 0)
    for row in (progress(0, 2), progress(0, 4, 0.75)):
        store.report(0, row)
    store.rewrite(0, [progress(0, 4, 0.875), progress(0, 6, 0.625)])
    store.report(0, progress(0, 8, 0.5))
    (trial,) = reopened(store).load()
    assert [row.step for row in trial.record.history] == [4, 6, 8]
    assert isnan(trial.values[2])
    assert {step: value for step, value in trial.values.items() if step > 2} == {4: 0.875, 6: 0.625, 8: 0.5}


def test_store_refuses_a_second_writer(store: StudyStore) -> None:
    other = reopened(store)
    create(store, 0)
    with pytest.raises(RunError, match="trial 0 is not the next; another process writes here"):
        create(other, 0)


def test_store_optuna_reads_it(store: StudyStore, tmp_path: Path) -> None:
    """As `optuna-dashboard sqlite:///study.db` does."""
    for number, accuracy in enumerate([0.5, 0.75]):
        made = create(store, number)
        store.report(number, progress(number, 2, accuracy))
        store.end(record_of(made, COMPLETE, [progress(number, 2, accuracy)]))
    pruned = create(store, 2)
    store.report(2, progress(2, 2, 0.25))
    store.end(record_of(pruned, PRUNED, [progress(2, 2, 0.25)]))
    study = optuna.load_study(study_name="study", storage=f"sqlite:///{tmp_path / 'study.db'}")
    assert study.direction is optuna.study.StudyDirection.MAXIMIZE
    assert (study.best_trial.number, study.best_value) == (1, 0.75)
    assert study.best_params == {"learning_rate": 1e-4, "batch_size": 8}
    assert [trial.state.name for trial in study.trials] == ["COMPLETE", "COMPLETE", "PRUNED"]
    assert study.trials[2].value == 0.25 and study.trials[2].intermediate_values == {2: 0.25}
    study._storage.remove_session()
    study._storage._backend.engine.dispose()  # type: ignore[attr-defined]


def test_store_several_objectives(tmp_path: Path) -> None:
    store = StudyStore.open(tmp_path / "study.db", "study", ["accuracy", "log_loss"])
    made = config(0, objectives=("accuracy", "log_loss"))
    store.create(made)
    store.report(0, progress(0, 2, 0.5, log_loss=0.1))
    store.end(record_of(made, COMPLETE, [progress(0, 2, 0.5, log_loss=0.1)]))
    stopped = config(1, objectives=("accuracy", "log_loss"))
    store.create(stopped)
    store.end(record_of(stopped, PRUNED, [progress(1, 2, 0.5, log_loss=0.1)]))
    frozen = store._storage.get_all_trials(store._study_id)
    assert [trial.values for trial in frozen] == [[0.5, 0.1], None]
    store.close()


@pytest.mark.parametrize(
    ("metrics", "reason", "message"),
    [
        ({"log_loss": 1.0}, FailReason.CRASH, "no evaluation gave objective 'accuracy'"),
        ({"accuracy": nan}, FailReason.NAN, "objective 'accuracy' is nan"),
        ({"accuracy": inf}, FailReason.NAN, "objective 'accuracy' is inf"),
    ],
)
def test_store_complete_needs_its_objective(
    store: StudyStore, metrics: dict[str, float], reason: FailReason, message: str
) -> None:
    made = create(store, 0)
    row = progress(0, 8).model_copy(update={"metrics": metrics})
    written = store.end(record_of(made, COMPLETE, [row]))
    assert (written.state, written.reason, written.message) == (FAIL, reason, message)
    (trial,) = reopened(store).load()
    assert (trial.state, trial.record.reason) == (FAIL, reason)


def test_store_keeps_why_a_trial_was_pruned(store: StudyStore) -> None:
    message = "rung 1 of 3: 9th of 16, the best 4 went on; 71.2 % against 78.0 %"
    made = create(store, 0)
    store.end(record_of(made, PRUNED, [progress(0, 2)], reason=PruneReason.RUNG, message=message))
    (record,) = reopened(store).records()
    assert (record.state, record.reason, record.message) == (PRUNED, PruneReason.RUNG, message)


def test_store_reads_pruned_trials_of_before_without_a_reason(store: StudyStore) -> None:
    made = create(store, 0)
    store.end(record_of(made, PRUNED, [progress(0, 2)]))
    raw = store._storage.get_trial(store._ids[0]).user_attrs[store_module.RECORD]
    assert (raw["state"], raw["reason"], raw["message"]) == ("PRUNED", None, "")
    (record,) = reopened(store).records()
    assert (record.reason, record.message) == (None, "")


def test_sound_leaves_others_alone() -> None:
    record = record_of(config(0), PRUNED, [])
    assert sound(record) is record


def test_store_attributes(store: StudyStore) -> None:
    assert store.get("final") is None
    assert store.get("spent_s", 0.0) == 0.0
    value = {"text": "é" * 100_000, "list": [1, None, True]}
    store.set("final", value)
    store.set("final", value | {"more": 1})
    assert reopened(store).get("final") == value | {"more": 1}


def test_store_long_record(store: StudyStore) -> None:
    """A record of a thousand evaluations is one attribute like any other."""
    made = create(store, 0)
    rows = [progress(0, step) for step in range(1, 1001)]
    store.end(record_of(made, COMPLETE, rows))
    assert len(reopened(store).records()[0].history) == 1000


def test_store_siblings(store: StudyStore) -> None:
    assert store.sibling("study/confirm") is None
    confirm = store.sibling("study/confirm", create=True)
    assert confirm is not None
    confirm.create(config(0, kind="confirm"))
    assert [len(each.load()) for each in (confirm, store)] == [1, 0]


def test_store_sqlite_settings(store: StudyStore, tmp_path: Path) -> None:
    with store._storage.engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 1


def test_store_without_wal_on_a_network_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = str(tmp_path.resolve())
    parts = [("/", "ext4"), (here, "nfs4"), (f"{here}/stud", "ext4")]
    mounts = [SimpleNamespace(mountpoint=point, fstype=kind) for point, kind in parts]
    monkeypatch.setattr(psutil, "disk_partitions", lambda **options: mounts)
    store = StudyStore.open(tmp_path / "study.db", "study", ["accuracy"])
    with store._storage.engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "delete"
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2
    create(store, 0)
    store.close()


def test_store_where_wal_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Refusing(sqlite3.Connection):
        def execute(self, sql: str, *arguments: object) -> sqlite3.Cursor:
            if "journal_mode" in sql:
                raise sqlite3.OperationalError("locking protocol")
            return super().execute(sql, *arguments)  # type: ignore[arg-type]

    connect = sqlite3.connect
    monkeypatch.setattr(store_module.sqlite3, "connect", lambda *a, **k: connect(*a, **k, factory=Refusing))
    store = StudyStore.open(tmp_path / "study.db", "study", ["accuracy"])
    create(store, 0)
    assert len(store.load()) == 1
    store.close()


@pytest.mark.parametrize("name", ["with space", "percent%20", "question?mode=ro", "{SCHEMA_VERSION}", "#hash", "é"])
def test_store_odd_paths(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    StudyStore.open(tmp_path / name / "study.db", "study", ["accuracy"]).close()
    assert (tmp_path / name / "study.db").is_file()
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_store_sqlite_url(tmp_path: Path) -> None:
    StudyStore.open(f"sqlite:///{tmp_path}/team.db", "study", ["accuracy"]).close()
    assert (tmp_path / "team.db").is_file()


def test_store_missing_is_said(tmp_path: Path, store: StudyStore) -> None:
    with pytest.raises(RunError, match="there is no study database"):
        StudyStore.open(tmp_path / "none.db", "study", ["accuracy"], create=False)
    assert not (tmp_path / "none.db").exists()
    with pytest.raises(RunError, match=r"study.db: no study 'other'"):
        StudyStore.open(tmp_path / "study.db", "other", ["accuracy"], create=False)


def test_store_not_a_database(tmp_path: Path) -> None:
    (tmp_path / "study.db").write_text("no database at all, " * 100)
    with pytest.raises(RunError, match=r"study.db: the study database cannot be used: file is not a database"):
        StudyStore.open(tmp_path / "study.db", "study", ["accuracy"])


def test_store_folder_is_missing(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="unable to open database file"):
        StudyStore.open(tmp_path / "none" / "study.db", "study", ["accuracy"])


def test_store_full_disk_is_one_line(store: StudyStore) -> None:
    create(store, 0)
    event.listen(store._storage.engine, "checkout", lambda raw, *_: raw.execute("PRAGMA max_page_count=1"))
    rows = [progress(0, step) for step in range(1, 200)]
    with pytest.raises(RunError, match="database or disk is full") as caught:
        store.end(record_of(config(0), COMPLETE, rows))
    assert "\n" not in str(caught.value)


def test_store_of_another_optuna_schema(store: StudyStore, tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "study.db") as connection:
        connection.execute("UPDATE alembic_version SET version_num = 'v9.0.0.a'")
    connection.close()
    with pytest.raises(RunError, match="no longer compatible with the table schema"):
        StudyStore.open(tmp_path / "study.db", "study", ["accuracy"])


def test_store_with_foreign_trials(store: StudyStore) -> None:
    store._storage.create_new_trial(store._study_id)
    with pytest.raises(RunError, match="trial 0 was not written by harness"):
        store.load()


@pytest.mark.parametrize(
    "url", ["postgresql://me:secret@host/db", "mysql://me:secret@host/db", "strange://me:secret@h"]
)
def test_store_missing_driver(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("psycopg2", "MySQLdb"):
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingPackage, match="driver is not installed: pip install") as caught:
        StudyStore.open(url, "study", ["accuracy"])
    assert "secret" not in str(caught.value)


def test_store_bad_url() -> None:
    with pytest.raises(RunError, match=r"search.storage is not a database URL"):
        StudyStore.open("nonsense", "study", ["accuracy"])


def test_store_is_read_while_it_is_written(store: StudyStore, tmp_path: Path) -> None:
    """`harness status` has an engine of its own, and sees what was committed."""
    reader = StudyStore.open(tmp_path / "study.db", "study", ["accuracy"], create=False)
    create(store, 0)
    assert len(reader.records()) == 1
    with store._storage.scoped_session() as session:
        session.execute(text("UPDATE trials SET state = 'FAIL'"))
        assert reader.records()[0].state is RUNNING
        session.rollback()
    store.report(0, progress(0, 2))
    assert len(reader.records()[0].history) == 1
    reader.close()


@pytest.mark.parametrize("is_live", [False, True])
def test_a_study_that_may_not_be_written_can_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_live: bool
) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    writer = StudyStore.open(folder / "study.db", "study", ["accuracy"])
    writer.create(config(0))
    if not is_live:
        writer.close()
    names = {path.name for path in folder.iterdir()}
    assert (names == {"study.db"}) is not is_live
    monkeypatch.setattr(
        store_module.os, "access", lambda _, mode: mode != os.W_OK
    )  # root may write whatever the modes are
    folder.chmod(0o555)
    reader = StudyStore.open(folder / "study.db", "study", ["accuracy"], create=False)
    assert [record.number for record in reader.records()] == [0]
    with pytest.raises(RunError, match="readonly database"):
        reader.set("key", 1)
    reader.close()
    writer.close()
    folder.chmod(0o755)
