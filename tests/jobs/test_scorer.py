"""The process that scores models: how often it is started again, and that it does not outlive who started it."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from harness.data.prepared import PreparedData
from harness.errors import HarnessError, InputError
from harness.jobs import scorer as module
from harness.jobs.scorer import Features, Request, SavedModel, Scorer
from harness.records.schema import Place
from harness.spec.trial import TrialConfig
from harness.testing.processes import until

ROOT = Path(__file__).parents[2]
HERE = Place(node="here", device="cpu", slot=0, threads=1)


@pytest.fixture
def out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The output folder of processes that die by plan."""
    monkeypatch.setattr(module, "PROGRAM", "tests.jobs.mortal_score")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    (tmp_path / "out").mkdir()
    return tmp_path / "out"


def features_in(out: Path, config: TrialConfig) -> Features:
    return Features(data="data", out=str(out), place=HERE, config=config, train_rows=None)


def scored(out: Path, plan: str, features: Features | None = None, *, early: bool = False) -> tuple[bool, list[str]]:
    """Asks for a score while the processes live and die by `plan`: were the features lost, and what was asked."""
    (out / "plan").write_text(plan)
    with Scorer(out.parent / "final.log") as scorer:
        if early:
            scorer.start(features)
        later = None if early else features
        request = Request(
            data="data", out=str(out), place=HERE, at_once=2, models=(), task="text-classification", features=later
        )
        with scorer.scoring(request):
            pass
        return scorer.lost_features, (out / "diary").read_text().splitlines()


@pytest.mark.parametrize("early", [True, False])
@pytest.mark.parametrize(
    ("plan", "lost", "diary"),
    [
        ("lives", False, ["features 2"]),
        ("dies lives", False, ["features 2", "features 1"]),
        ("dies dies lives", True, ["features 2", "features 1", "none 1"]),
        ("fails lives", False, ["features 2", "none 1"]),
        ("dies fails lives", False, ["features 2", "features 1", "none 1"]),
    ],
)
def test_a_dead_process_is_started_again_and_then_without_the_features(
    out: Path, smoke_config: TrialConfig, plan: str, lost: bool, diary: list[str], early: bool
) -> None:
    assert scored(out, plan, features_in(out, smoke_config), early=early) == (lost, diary)


@pytest.mark.parametrize(("plan", "starts"), [("refuses", 1), ("dies refuses", 2)])
def test_bad_input_is_told_at_once_and_as_it_is(out: Path, smoke_config: TrialConfig, plan: str, starts: int) -> None:
    with pytest.raises(InputError, match=r"^scoring the saved models: model\.checkpoint: no folder 'moved'$"):
        scored(out, plan, None)
    assert len((out / "diary").read_text().splitlines()) == starts


@pytest.mark.parametrize(
    ("plan", "with_features", "said"),
    [
        ("dies dies", False, r"the process died \(SIGKILL\)"),
        ("fails fails", False, "a model cannot be loaded"),
        ("dies dies dies", True, r"the process died \(SIGKILL\)"),
        ("fails fails", True, "a model cannot be loaded"),
    ],
)
def test_a_process_that_dies_again_is_an_error(
    out: Path, smoke_config: TrialConfig, plan: str, with_features: bool, said: str
) -> None:
    features = features_in(out, smoke_config) if with_features else None
    with pytest.raises(
        HarnessError, match=rf"failed again: {said} \(log: .*final\.log\); .* run the same command again"
    ):
        scored(out, plan, features)
    assert (out / "plan").read_text() == ""


def test_the_share_of_written_answers_is_told(out: Path) -> None:
    told: list[str] = []

    def hear(line: str) -> None:
        told.append(line)
        (out / "heard").touch()

    (out / "plan").write_text("tells")
    with Scorer(out.parent / "final.log") as scorer:
        scorer.told = hear
        with scorer.scoring(Request(data="data", out=str(out), place=HERE, models=(), task="causal-lm")):
            pass
    assert set(told) == {"writing answers, 34\u00a0%"}
    assert not (out / "progress.json").exists()


def test_a_process_that_died_before_it_was_asked_is_started_again(out: Path) -> None:
    (out / "plan").write_text("lives")
    with Scorer(out.parent / "final.log") as scorer:
        scorer.start()
        assert scorer._process is not None
        scorer._process.kill()
        scorer._process.wait()
        with scorer.scoring(Request(data="data", out=str(out), place=HERE, models=(), task="text-classification")):
            pass
    assert (out / "diary").read_text().splitlines() == ["none 1"]


BUSY = """
import os
from pathlib import Path

Path(__file__).with_name("pid").write_text(str(os.getpid()))
sum(range(10**13))  # for hours, and the interpreter's lock is never given up
"""
COORDINATOR = """
import sys
from contextlib import suppress
from pathlib import Path
from harness.jobs.scorer import Features, Request, Scorer

features, request = sys.argv[2:]
with Scorer(Path(sys.argv[1])) as scorer:
    scorer.start(Features.model_validate_json(features) if features else None)
    with scorer.scoring(Request.model_validate_json(request)):
        pass
"""


@pytest.mark.kill
@pytest.mark.parametrize("work", ["features", pytest.param("models", marks=pytest.mark.long)])
def test_a_busy_process_does_not_outlive_its_killed_coordinator(
    tmp_path: Path, smoke_data: PreparedData, smoke_config: TrialConfig, work: str
) -> None:
    """The busy work is the import of the module that holds the task."""
    (tmp_path / "busy.py").write_text(BUSY)
    place, folder = HERE, str(smoke_data.folder)
    config = smoke_config.model_copy(update={"task": "busy:Task"})
    model = SavedModel(name="winner", folder=str(tmp_path), config=smoke_config, threads=1)
    request = Request(data=folder, out=str(tmp_path / "out"), place=place, models=(model,), task="busy:Task")
    if work == "features":
        features = Features(data=folder, out=request.out, place=place, config=config, train_rows=None).model_dump_json()
        request = request.model_copy(update={"models": ()})
    else:
        features = ""
    command = [sys.executable, "-c", COORDINATOR, str(tmp_path / "log"), features, request.model_dump_json()]
    path = os.pathsep.join([str(ROOT), str(tmp_path)])
    coordinator = subprocess.Popen(command, env=os.environ | {"PYTHONPATH": path})
    try:
        until(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text(), 300)
        process = psutil.Process(int((tmp_path / "pid").read_text()))
    finally:
        coordinator.kill()
        coordinator.wait()
    try:
        until(lambda: not process.is_running() or process.status() == psutil.STATUS_ZOMBIE)
    finally:
        with suppress(psutil.NoSuchProcess):
            process.kill()


def test_speed_does_not_depend_on_the_threads_of_the_training(smoke_config: TrialConfig, tmp_path: Path) -> None:
    """The last trial of a search may have had a second thread, which makes no model faster to serve."""
    one, two = (SavedModel(name="m", folder=str(tmp_path), config=smoke_config, threads=threads) for threads in (1, 2))
    assert one.speed_key == two.speed_key
