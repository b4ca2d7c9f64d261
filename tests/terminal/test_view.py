"""The views of a running sweep: lines for a pipe, a screen for a terminal."""

from __future__ import annotations

import io
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from harness.errors import RunError
from harness.records.manifest import Manifest
from harness.records.results import Results
from harness.records.schema import PruneReason, TrialState
from harness.records.shares import WRITTEN, write_share
from harness.terminal import heartbeat
from harness.terminal.training import Training
from harness.terminal.view import LiveView, PlainView, open_view
from tests.terminal.trials import SLOTS, config, ended, progress, study


def nothing_before() -> Results:
    raise RunError("there is no run yet")


def console(*, terminal: bool) -> Console:
    return Console(file=io.StringIO(), width=120, force_terminal=terminal, highlight=False)


def text_of(found: Console) -> str:
    assert isinstance(found.file, io.StringIO)
    return found.file.getvalue().replace("\u00a0", " ")


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.001)


def play(view: PlainView) -> None:
    """A search of two trials, one of which fails."""
    spec = study("search.trials=2")
    view.begin("search", 2, SLOTS)
    for number in (0, 1):
        view.started(config(spec, number))
    view.progressed(0, progress(0, 10, 0.5))
    view.paused(0)
    view.ended(ended(config(spec, 0), TrialState.COMPLETE, progress(0, 160, 0.8)))
    view.ended(ended(config(spec, 1), TrialState.FAIL))
    view.end("search")


@pytest.mark.parametrize("terminal", [False, True])
def test_training_shows_the_clock_and_the_steps(terminal: bool) -> None:
    out, spec = console(terminal=terminal), study("search.trials=2")
    with open_view(out, spec, nothing_before) as view:
        training = Training(view)
        assert view._state().startswith("preparing, ")
        training.started(config(spec, 1))
        assert view._state() == "training trial 1, 0 s"
        view._work_began_at -= 70
        training.progressed(1, progress(1, 40, 0.5))
        assert view._state() == "training trial 1, step 40 of 160, 70 s"
        training.ended(ended(config(spec, 1), TrialState.COMPLETE, progress(1, 160, 0.8)))
        assert view._state() == "training trial 1, trained, 70 s"
        again = config(spec, 7).model_copy(update={"of": 1})
        training.started(again)
        assert view._state() == "training trial 1, 0 s"
    lines = [line.strip() for line in text_of(out).splitlines() if line.strip() == "training trial 1"]
    assert len(lines) == (0 if terminal else 2), "a terminal has the clock instead"


def test_plain_view_tells_how_much_a_running_trial_has_written(tmp_path: Path) -> None:
    view = PlainView(console(terminal=False), study(), nothing_before)
    view.begin("search", 2, SLOTS)
    view.started(config(view.board.spec, 1))
    view.board.folder = tmp_path
    (tmp_path / "trials" / "1").mkdir(parents=True)
    write_share(tmp_path / "trials" / "1" / WRITTEN, 0.4)
    assert view._state().endswith("no trial was evaluated yet; trial 1 is writing answers, 40\u00a0%")


def test_plain_view_has_a_line_for_each_end() -> None:
    out = console(terminal=False)
    with PlainView(out, study("search.trials=2"), nothing_before) as view:
        view.say("train: 96 rows")
        play(view)
    lines = text_of(out).splitlines()
    assert lines[:2] == ["train: 96 rows", "search: 2 trials, on 2 slots (cpu, 1 thread each)"]
    assert lines[2].startswith("[1/2] trial 0 (default recipe) complete: lr 5e-5, batch 32")
    assert lines[2].endswith("80.0 % accuracy, 200 samples/s")
    assert lines[3].startswith("[2/2] trial 1 failed: nan: lr 5e-5")
    assert lines[3].endswith("the loss is not finite at step 40")
    assert lines[4].startswith("search: 1 complete, 1 failed, in ")
    assert "best so far: 80.0 % accuracy, trial 0 (lr 5e-5" in lines[4]
    assert len(lines) == 5  # nothing is wrapped where there is no terminal


def test_plain_view_says_why_a_trial_was_pruned() -> None:
    out, spec = console(terminal=False), study("search.trials=2")
    message = "rung 1 of 2: 2nd of 2, the best went on; 50.0 % against 80.0 %"
    with PlainView(out, spec, nothing_before) as view:
        view.begin("search", 2, SLOTS)
        last = progress(0, 10, 0.5)
        view.ended(ended(config(spec, 0), TrialState.PRUNED, last, reason=PruneReason.RUNG, message=message))
        view.ended(ended(config(spec, 1), TrialState.PRUNED, last, message="budget"))
    lines = text_of(out).splitlines()
    assert lines[1].startswith("[1/2] trial 0 (default recipe) pruned at 6 %: lr 5e-5")
    assert lines[1].endswith(f"50.0 % accuracy, 200 samples/s, {message}")
    assert lines[2].endswith("50.0 % accuracy, 200 samples/s, the budget ran out")


def test_plain_view_says_what_was_done_before(tmp_path_factory: pytest.TempPathFactory) -> None:
    spec = study("search.trials=2")
    before = ended(config(spec, 0), TrialState.COMPLETE, progress(0, 160, 0.8))
    found = Results(
        folder=tmp_path_factory.mktemp("run"), spec=spec, trials=(before,), confirm=(), baselines=(), final=None,
        manifest=Manifest(spec=spec), spent_s=60.0,
    )  # fmt: skip
    out = console(terminal=False)
    view = PlainView(out, spec, lambda: found)
    view.begin("search", 2, SLOTS)
    assert "search: 2 trials, 1 of them done before, on 2 slots" in text_of(out)
    assert view.board.budget_left_s == pytest.approx(29 * 60, abs=5)


def test_plain_view_says_what_happens_in_a_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heartbeat, "INTERVAL_S", 0.001)
    out, spec = console(terminal=False), study("search.trials=16")
    view = PlainView(out, spec, nothing_before)
    start = view.board.clock()
    view.board.clock = lambda: start + 12.7
    with view:
        until(lambda: "preparing, 12 s\n" in text_of(out))
        view.begin("search", 16, SLOTS)
        view.started(config(spec, 3))
        view.progressed(3, progress(3, 10, 0.5))
        view.board.clock = lambda: start + 12.7 + 60
        until(lambda: "search: 0 of 16 done, 1 running, 60 s; best so far: 50.0 % accuracy" in text_of(out))
        view.end("search")
        view.show_work("testing the finalists, exporting the winner")
        view.board.clock = lambda: start + 12.7 + 180
        until(lambda: "testing the finalists, exporting the winner, 2 min 00 s\n" in text_of(out))
    text = text_of(out)
    work = "testing the finalists, exporting the winner"
    beginnings = ("preparing, ", "search: ", "search has ended, ", f"{work}, ")
    assert work in text.splitlines(), "at once, not after a minute"
    assert all(line.startswith(beginnings) or line == work for line in text.splitlines())


def test_plain_view_prints_no_commands() -> None:
    out = console(terminal=False)
    PlainView(out, study(), nothing_before).say("label '\x1b[2J[red]x'")
    assert text_of(out) == "label ' [2J[red]x'\n"


def test_live_view_keeps_facts_and_failures_only() -> None:
    out = console(terminal=True)
    with LiveView(out, study("search.trials=2"), nothing_before) as view:
        view.say("train: 96 rows")
        play(view)
    text = text_of(out)
    assert "train: 96 rows" in text
    assert "trial 1 failed: nan" in text
    assert "] trial 0" not in text
    assert text.rstrip().endswith("\x1b[2K") or "\x1b[?25h" in text  # the cursor is shown again


def test_live_view_says_what_happens_between_phases() -> None:
    out = console(terminal=False)
    view = LiveView(out, study("search.trials=2"), nothing_before)
    start = view.board.clock()
    view.board.clock = lambda: start + 12.7
    out.print(view)
    assert text_of(out).endswith(" preparing, 12 s\n")
    play(view)
    out.print(view)
    assert text_of(out).endswith(" search has ended, 0 s\n")
    view.show_work("testing the finalists, exporting the winner")
    for seconds, shown in ((12.7, "0 s"), (24.7, "12 s"), (108.8, "1 min 36 s")):
        view.board.clock = lambda seconds=seconds: start + seconds
        out.print(view)
        assert text_of(out).endswith(f" testing the finalists, exporting the winner, {shown}\n")
    view.begin("confirm", 2, SLOTS)
    out.print(view)
    assert "confirmation with other seeds" in text_of(out)


def test_live_view_gives_the_terminal_back_on_ctrl_c() -> None:
    out = console(terminal=True)
    with pytest.raises(KeyboardInterrupt), LiveView(out, study(), nothing_before) as view:
        view.begin("search", 16, SLOTS)
        raise KeyboardInterrupt
    assert text_of(out).rfind("\x1b[?25h") > text_of(out).rfind("\x1b[?25l")


@pytest.mark.parametrize(("terminal", "kind"), [(True, LiveView), (False, PlainView)])
def test_open_view_suits_the_output(terminal: bool, kind: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    assert type(open_view(console(terminal=terminal), study(), nothing_before)) is kind
