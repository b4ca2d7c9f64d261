from __future__ import annotations

import json
import multiprocessing
import os
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import HarnessError, InputError, RunError
from harness.records.live import Live, LiveTrial
from harness.records.rundir import RunFolder, nearest_run
from harness.records.schema import Progress


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    folder = RunFolder.of(tmp_path / "runs", "study")
    folder.create()
    return folder


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_rundir_is_private(run: RunFolder) -> None:
    assert mode(run.path) == 0o700
    assert mode(run.trial_dir("search", 3)) == 0o700
    run.write_json("manifest.json", {"a": 1})
    assert mode(run.path / "manifest.json") == 0o600
    with run.lock():
        assert mode(run.path / "lock") == 0o600


def test_rundir_is_held_while_the_process_of_its_lock_lives(run: RunFolder) -> None:
    assert not run.is_held()
    with run.lock():
        assert run.is_held()
        lock = (run.path / "lock").read_text(encoding="utf-8")
    assert not run.is_held()
    with pytest.raises(KeyError), run.lock():
        raise KeyError
    assert not run.is_held()
    left = json.loads(lock)
    for other in ({"pid": 2**22 + 1}, {"started_at": 1.0}, {"host": "another"}, {"pid": "x"}):
        (run.path / "lock").write_text(json.dumps(left | other), encoding="utf-8")
        assert not run.is_held(), other
    (run.path / "lock").write_text(lock, encoding="utf-8")
    assert run.is_held()


def test_nearest_run_is_one_beside_the_path_or_under_runs(
    run: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs" / "studies").mkdir()
    assert nearest_run(Path("runs/studi")) == "", "neither is a run"
    run.write_json("manifest.json", {})
    run.database.touch()
    assert nearest_run(Path("runs/studi")) == nearest_run(Path("sutdy")) == "; did you mean runs/study?"
    assert nearest_run(Path("runs/other")) == ""


def test_rundir_layout(run: RunFolder) -> None:
    assert run.database == run.path / "study.db"
    assert run.trial_dir("search", 3) == run.path / "trials/3"
    assert run.trial_dir("confirm", 0) == run.path / "confirm/0"
    assert run.relative(run.trial_dir("search", 3) / "log.txt") == "trials/3/log.txt"
    assert not run.exists
    run.write_json("manifest.json", {})
    assert run.exists


def test_rundir_making_the_object_touches_nothing(tmp_path: Path) -> None:
    RunFolder.of(tmp_path / "runs", "study")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", [".", "..", "...", "", "a/b", "../x", "/etc", "a" * 65, "a\n", "é", "a b", "a\x00b"])
def test_rundir_refuses_names(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="not allowed"):
        RunFolder.of(tmp_path, name)


@given(st.text(max_size=80))
def test_rundir_names_stay_inside(name: str) -> None:
    runs = Path("/somewhere/runs")
    try:
        path = RunFolder.of(runs, name).path
    except InputError:
        return
    assert path.parent == runs
    assert os.path.normpath(path) == str(path)


def test_rundir_refuses_link(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "study").symlink_to(tmp_path / "elsewhere")
    for action in (RunFolder.of(tmp_path, "study").create, RunFolder.of(tmp_path, "study").move_aside):
        with pytest.raises(RunError, match="symbolic link"):
            action()
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_rundir_refuses_linked_trials(run: RunFolder, tmp_path: Path) -> None:
    (run.path / "trials").symlink_to(tmp_path)
    with pytest.raises(RunError, match="symbolic link"):
        run.trial_dir("search", 0)


def test_rundir_refuses_linked_lock(run: RunFolder, tmp_path: Path) -> None:
    (run.path / "lock").symlink_to(tmp_path / "target")
    with pytest.raises(RunError, match="lock cannot be used"), run.lock():
        pass
    assert not (tmp_path / "target").exists()


def test_rundir_refuses_a_folder_of_something_else(tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "main.py").write_text("")
    folder = RunFolder.of(tmp_path, "src")
    for action in (folder.create, folder.move_aside):
        with pytest.raises(RunError, match="holds other files and no run"):
            action()
    assert [path.name for path in (tmp_path / "src").iterdir()] == ["main.py"]


def test_rundir_refuses_a_file(tmp_path: Path) -> None:
    (tmp_path / "study").write_text("")
    with pytest.raises(RunError, match="cannot be used"):
        RunFolder.of(tmp_path, "study").create()


def test_rundir_unwritable_parent(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="study cannot be used"):
        RunFolder.of(tmp_path / "file", "study").create()


def test_lock_second_coordinator_is_told_who(run: RunFolder) -> None:
    with run.lock(), pytest.raises(RunError, match=rf"is being run by process {os.getpid()} on .+ since 2"), run.lock():
        pass
    with run.lock():
        pass


def hold(path: Path, ready: object) -> None:
    with RunFolder(path).lock():
        ready.set()  # type: ignore[attr-defined]
        os._exit(1)


def test_lock_of_a_dead_process_is_free(run: RunFolder) -> None:
    context = multiprocessing.get_context("spawn")
    ready = context.Event()
    process = context.Process(target=hold, args=(run.path, ready))
    process.start()
    assert ready.wait(60)
    process.join(60)
    assert json.loads((run.path / "lock").read_text())["pid"] == process.pid
    with run.lock():
        assert json.loads((run.path / "lock").read_text())["pid"] == os.getpid()


def test_lock_garbled_holder(run: RunFolder) -> None:
    with run.lock():
        (run.path / "lock").write_text("[")
        with pytest.raises(RunError, match="another process"), run.lock():
            pass


@pytest.mark.parametrize("name", ["../x.json", "/etc/passwd", "a/../../x", ""])
def test_rundir_json_stays_inside(run: RunFolder, name: str) -> None:
    with pytest.raises(RunError, match="leaves the run folder"):
        run.write_json(name, {})


def test_rundir_reads_json(run: RunFolder) -> None:
    assert run.read_json("manifest.json") is None
    (run.path / "manifest.json").write_text("{")
    with pytest.raises(RunError, match=r"manifest.json cannot be read"):
        run.read_json("manifest.json")


def test_rundir_reads_what_a_coordinator_says(run: RunFolder) -> None:
    assert run.read_live() == Live()
    said = Live(pid=1, total=4, active=(LiveTrial(number=0, state="paused", metrics={"accuracy": 0.5}),))
    run.write_live(said)
    assert run.read_live() == said


@pytest.mark.parametrize("text", ["[]", '{"pid": "somebody"}', '{"active": [{"state": "asleep"}]}'])
def test_rundir_takes_nothing_from_a_live_file_of_something_else(run: RunFolder, text: str) -> None:
    (run.path / "live.json").write_text(text)
    assert run.read_live() == Live()


def test_rundir_moves_aside(run: RunFolder) -> None:
    run.write_json("manifest.json", {"first": True})
    assert run.move_aside() == run.path.with_name("study.1")
    assert not run.path.exists()
    assert run.move_aside() is None
    run.create()
    run.write_json("manifest.json", {})
    assert run.move_aside() == run.path.with_name("study.2")
    assert json.loads((run.path.with_name("study.1") / "manifest.json").read_text()) == {"first": True}


def test_rundir_that_is_run_is_not_moved(run: RunFolder) -> None:
    with run.lock(), pytest.raises(RunError, match="is being run by"):
        run.move_aside()
    assert run.path.exists()


def progress(step: int) -> Progress:
    return Progress(number=0, step=step, total_steps=8, epoch=1, num_rows=1, metrics={"accuracy": 0.5}, train_loss=1)


def test_snapshot_is_read_when_whole(run: RunFolder) -> None:
    assert run.snapshot("search", 0) == (None, [])
    folder = run.trial_dir("search", 0) / "snapshot"
    folder.mkdir()
    assert run.snapshot("search", 0) == (None, [])
    (folder / "history.json").write_text(json.dumps([progress(2).model_dump(mode="json")]))
    assert run.snapshot("search", 0) == (folder, [progress(2)])


@pytest.mark.parametrize("text", ["", "[", "{}", "[1]", '[{"step": 1}]', "null", "[]", "\ud800"])
def test_snapshot_garbled_is_none(run: RunFolder, text: str) -> None:
    folder = run.trial_dir("search", 0) / "snapshot"
    folder.mkdir()
    (folder / "history.json").write_bytes(text.encode("utf-8", "surrogatepass"))
    assert run.snapshot("search", 0) == (None, [])


def test_rundir_full_disk_is_one_line(run: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(HarnessError, match=r"manifest.json cannot be used: No space left on device") as caught:
        run.write_json("manifest.json", {})
    assert caught.value.exit_code == 2
    assert not list(run.path.iterdir())
