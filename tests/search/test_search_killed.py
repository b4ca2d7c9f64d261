from __future__ import annotations

import random
import signal
import subprocess
import sys
import threading
from os import getpid, kill
from pathlib import Path

import pytest

from harness.records.rundir import RunFolder
from harness.records.schema import TrialState
from harness.records.store import StudyStore
from harness.search.search import Search
from tests.search.simulate import Log, Simulator, make_spec

ROOT = Path(__file__).parents[2]
SPEC = make_spec(trials=40, sampler="random")


def live(folder: Path, seconds: float | None) -> None:
    """One life of a coordinator; killed, wherever it may be, so many seconds after it opened the study."""
    run = RunFolder(folder)
    run.create()
    with run.lock():
        store = StudyStore.open(run.database, SPEC.name, ["accuracy"])
        if seconds is not None:
            threading.Timer(seconds, kill, (getpid(), signal.SIGKILL)).start()
        Simulator(Search(SPEC, store, run), run, Log(), slots=3).run()
        store.close()


@pytest.mark.kill
def test_search_killed_goes_on(tmp_path: Path) -> None:
    """SIGKILL in the middle of whatever: no number is lost or doubled, and no trial stays RUNNING."""
    rng = random.Random(7)
    code = "import sys; from pathlib import Path; from tests.search.test_search_killed import live; "
    for _ in range(2):
        arguments = f"live(Path(sys.argv[1]), {rng.uniform(0.05, 0.25)})"
        done = subprocess.run([sys.executable, "-c", code + arguments, str(tmp_path / "run")], cwd=ROOT, check=False)
        assert done.returncode == -signal.SIGKILL
    live(tmp_path / "run", None)
    store = StudyStore.open(tmp_path / "run" / "study.db", SPEC.name, ["accuracy"], create=False)
    trials = store.load()
    store.close()
    assert [trial.number for trial in trials] == list(range(40))
    states = [trial.state for trial in trials]
    assert states.count(TrialState.COMPLETE) == 7 and states.count(TrialState.PRUNED) == 33
    assert all(trial.state is trial.record.state for trial in trials)
    assert len({str(trial.record.params) for trial in trials}) == 40
