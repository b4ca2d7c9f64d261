"""`harness status`: whose run it is, and where it stands."""

from __future__ import annotations

import io
import json
import os
import re
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest
from rich.console import Console

from harness.cli import show
from harness.cli.guard import Terminated
from harness.records.live import Live, LiveTrial
from harness.records.results import Results, load
from harness.records.rundir import RunFolder
from harness.report.kit.view import View
from harness.report.study.objectives import on_front
from tests.cli.bad_inputs import make_bad_inputs, make_run
from tests.report.factory import make_results


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run that was stopped: trial 0 is complete, trial 1 was running."""
    make_bad_inputs(tmp_path)
    make_run(tmp_path / "study.yaml", tmp_path / "runs")
    return tmp_path / "runs" / "reviews"


@pytest.fixture
def console(monkeypatch: pytest.MonkeyPatch) -> Console:
    """A terminal that remembers what was printed."""
    made = Console(file=io.StringIO(), width=80, height=24, force_terminal=True)
    monkeypatch.setattr(show, "make_console", lambda: made)
    monkeypatch.setattr(show, "EVERY_S", 0.0)
    return made


def text_of(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().replace("\u00a0", " ")


def live_of(**fields: Any) -> Live:
    """What a coordinator that is this process says."""
    now = time.time()
    said = Live(pid=os.getpid(), total=4, started_at=now, updated_at=now, active=(LiveTrial(number=1),))
    return said.model_copy(update=fields)


def worked_on(results: Results, **fields: Any) -> bool:
    return replace(results, live=live_of(**fields)).live.is_alive()


def test_worked_on_means_that_very_process(run: Path) -> None:
    results = load(run)
    born = psutil.Process().create_time()
    assert worked_on(results)
    assert not worked_on(results, started_at=born - 100)  # an earlier process had our number
    assert not worked_on(results, pid=2**22 + 1)
    assert not worked_on(results, pid=-1)
    assert not results.live.is_alive()


def test_status_of_a_stopped_run_says_so(run: Path, console: Console) -> None:
    show.show_status(run)
    text = text_of(console)
    assert "reviews: search" in text
    assert "1 of 4 done, 1 waiting" in text
    assert "go on   harness sweep study.yaml" in text
    assert "interrupted" not in text, "no process has said that it works on it"


def test_status_of_an_interrupted_run_says_when_and_what_waits(run: Path, console: Console) -> None:
    gone = live_of(pid=2**22 + 1, updated_at=time.mktime((2026, 1, 31, 12, 0, 0, 0, 0, -1)))
    RunFolder(run).write_live(gone)
    show.show_status(run)
    text = text_of(console)
    assert "1 of 4 done, 1 waiting" in text
    assert "stopped 2026-01-31 12:00:00" in text
    assert "go on   harness sweep study.yaml" in text


@pytest.mark.parametrize(
    ("active", "counts", "headline"),
    [
        ((LiveTrial(number=1),), "1 of 4 done, 1 running", "1 of 4 trials has ended, 1 is running"),
        ((LiveTrial(number=1, state="paused"),), "1 of 4 done, 1 waiting", "1 of 4 trials has ended, 1 is waiting"),
    ],
)
def test_status_and_results_say_the_same_of_a_run_that_goes_on(
    run: Path, console: Console, active: tuple[LiveTrial, ...], counts: str, headline: str
) -> None:
    RunFolder(run).write_live(live_of(active=active))
    show._print_status(console, load(run))
    assert counts in text_of(console)
    show.show_results(run, as_json=False, as_csv=False)
    assert headline in text_of(console)
    assert "go on" not in text_of(console)


def test_run_that_a_sweep_prepares_is_not_called_interrupted(run: Path, console: Console) -> None:
    RunFolder(run).write_live(live_of(pid=2**22 + 1))
    assert load(run).interrupted
    with RunFolder(run).lock():
        results = load(run)
        assert not results.interrupted
        assert [record.state.value for record in results.trials if not record.state.ended] == ["WAITING"]
        show._print_status(console, results)
    assert "1 waiting" in text_of(console) and "go on" not in text_of(console)


def test_status_watches_until_nobody_works_on_it(run: Path, console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    RunFolder(run).write_live(live_of())
    answers = iter([True] * 8)
    monkeypatch.setattr(Live, "is_alive", lambda live: next(answers, False))
    show.show_status(run)
    assert re.search(r"stopped +\d{4}-", text_of(console))


@pytest.mark.parametrize("stop", [KeyboardInterrupt, Terminated])
def test_status_is_left_by_ctrl_c(
    run: Path, console: Console, monkeypatch: pytest.MonkeyPatch, stop: type[BaseException]
) -> None:
    def interrupted(seconds: float) -> None:
        raise stop

    RunFolder(run).write_live(live_of())
    monkeypatch.setattr(show.time, "sleep", interrupted)
    if stop is Terminated:
        with pytest.raises(Terminated):
            show.show_status(run)
    else:
        show.show_status(run)
    assert "1 running" in text_of(console)
    assert text_of(console).rfind("\x1b[?25h") > text_of(console).rfind("\x1b[?25l")


@pytest.mark.parametrize("objectives", [("accuracy",), ("accuracy", "peak_memory_mib")])
def test_json_has_the_pareto_front_of_several_objectives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], objectives: tuple[str, ...]
) -> None:
    results = make_results(tmp_path, trials=12, objectives=objectives, prune=False)
    monkeypatch.setattr(show, "load", lambda run: results)
    show.show_results(tmp_path, as_json=True, as_csv=False)
    found = json.loads(capsys.readouterr().out)
    assert ("pareto" in found) is (len(objectives) > 1)
    if len(objectives) > 1:
        assert found["pareto"] == [record.number for record in on_front(View(results))]
        assert found["best"]["number"] in found["pareto"]
