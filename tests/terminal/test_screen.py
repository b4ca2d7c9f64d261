"""The live screen: it fits, and it shows what matters."""

from __future__ import annotations

from pathlib import Path

import pytest
from rich.console import Console

from harness.records.schema import TrialState
from harness.records.shares import WRITTEN, write_share
from harness.spec.reader import load_study
from harness.terminal.board import Board
from harness.terminal.screen import best_line, screen
from tests.terminal.trials import STUDIES, board, config, ended, progress, study


def drawn(found: Board, width: int, height: int) -> list[str]:
    console = Console(width=width, height=height, force_terminal=False)
    with console.capture() as capture:
        console.print(screen(found, width, height))
    return [line.rstrip().replace("\u00a0", " ") for line in capture.get().splitlines()]


def busy(num_trials: int) -> Board:
    """Two trials run, one in eight waits, the others were pruned; trial 5 is the best."""
    spec = study(f"search.trials={num_trials}")
    found = board(spec)
    for number in range(num_trials):
        found.started(made := config(spec, number, learning_rate=1.5e-4))
        last = progress(number, 40 if number == 5 else 10, 0.9 if number == 5 else 0.4)
        found.progressed(number, last)
        if number % 8 == 5:
            found.paused(number)
        elif number < num_trials - 2:
            found.ended(ended(made, TrialState.PRUNED, last))
    return found


@pytest.mark.parametrize(("width", "height"), [(80, 24), (160, 48), (40, 10), (20, 5)])
@pytest.mark.parametrize("num_trials", [1, 16, 300])
def test_screen_fits(width: int, height: int, num_trials: int) -> None:
    lines = drawn(busy(num_trials), width, height)
    assert len(lines) <= max(height, 7)
    assert max(map(len, lines)) <= width


def test_screen_shows_a_line_a_trial() -> None:
    lines = drawn(busy(16), 120, 40)
    assert any(line.split()[:4] == ["trial", "lr", "batch", "decay"] for line in lines)
    assert any(line.split()[:2] == ["5", "1.5e-4"] and "waiting at 25 %, best" in line for line in lines)
    assert sum("pruned at 6 %" in line for line in lines) == 12
    assert "12 of 16 done, 2 running, 2 waiting" in lines[1]
    assert "best so far: 90.0 % accuracy after 25 %, trial 5 (lr 1.5e-4" in lines[2]


def test_a_confirmation_that_has_not_begun_does_not_deny_the_search() -> None:
    found = busy(16)
    found.begin("confirm", 4, [])
    assert best_line(found) == "no further seed was evaluated yet"


@pytest.mark.parametrize(("limit", "end"), [("90%", "; it violates accuracy < 90%, as all do so far"), ("95%", "")])
def test_best_so_far_says_when_no_trial_meets_the_constraints(limit: str, end: str) -> None:
    spec = study("search.trials=2", f"search.constraints=['accuracy < {limit}']")
    found = board(spec)
    found.started(config(spec, 0, learning_rate=1.5e-4))
    found.progressed(0, progress(0, 40, 0.9))
    assert best_line(found).endswith(f"warmup 0.06){end}")


def test_screen_says_when_an_objective_of_written_text_is_known() -> None:
    spec = load_study(STUDIES / "smoke_causal_lm.yaml", ["search.objectives=[exact_match]"])
    found = board(spec)
    found.started(config(spec, 0))
    assert "no trial was evaluated yet" in drawn(found, 120, 20)[2]
    row = progress(0, 40, 0.0).model_copy(update={"metrics": {"loss": 0.5}})
    found.progressed(0, row)
    assert "exact match is known at the end of a training" in drawn(found, 120, 20)[2]


def test_screen_says_how_much_a_running_trial_has_written(tmp_path: Path) -> None:
    spec = load_study(STUDIES / "smoke_causal_lm.yaml")
    found = board(spec)
    found.folder = tmp_path
    for number in range(2):
        found.started(config(spec, number))
        (tmp_path / "trials" / str(number)).mkdir(parents=True)
    write_share(tmp_path / "trials" / "1" / WRITTEN, 0.4)
    states = drawn(found, 120, 20)[-2:]
    assert states[0].endswith("training") and states[1].endswith("writing answers, 40 %")
    found.paused(1)
    assert not found.writing, "one that waits writes nothing"


def test_screen_of_many_trials_shows_running_and_best() -> None:
    lines = drawn(busy(300), 100, 24)
    numbers = [line.split()[0] for line in lines if line.split()[0].isdigit() and "of 300" not in line]
    assert {"5", "298", "299"} <= set(numbers)
    assert lines[-1].startswith("and ")
    assert "pruned" in lines[-1]


def test_screen_narrow_leaves_params_out_before_the_score() -> None:
    lines = drawn(busy(4), 60, 20)
    assert any("accuracy" in line and "state" in line for line in lines)
    assert "narrow: without" in lines[-1]


def test_screen_shows_data_as_it_is_and_no_commands() -> None:
    spec = study("model.checkpoint=['a[red]b', 'c\\x1b[31md']".replace("\\x1b", "x"), "search.trials=4")
    found = board(spec)
    found.started(made := config(spec, 0))
    found.started(made.model_copy(update={"number": 1, "params": made.params | {"checkpoint": "c\x1b[31m[bold]d"}}))
    text = "\n".join(drawn(found, 120, 20))
    assert "a[red]b" in text
    assert "\x1b" not in text
    assert "[bold]d" in text


def test_screen_of_confirmation_names_trial_and_seed() -> None:
    spec = study()
    found = board(spec)
    found.begin("confirm", 1, ())
    again = config(spec, 0).model_copy(update={"kind": "confirm", "of": 7})
    training = again.training.model_copy(update={"seed": 3})
    found.started(again.model_copy(update={"training": training}))
    found.progressed(0, progress(0, 160, 0.8))
    lines = drawn(found, 120, 20)
    assert any(line.split()[:3] == ["trial", "seed", "lr"] for line in lines)
    assert any(line.split()[:2] == ["7", "3"] for line in lines)
    assert "trial 7 with seed 3" in lines[2]
