"""What is printed at the end: leaderboard, answer, warnings, paths."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from harness.records.final import Baseline
from harness.records.live import Live
from harness.records.manifest import BEHAVIOUR
from harness.records.results import Results
from harness.records.schema import PruneReason, TrialState
from harness.report.kit.view import View
from harness.report.study.answer import answer
from harness.terminal.outcome import print_going_on, print_outcome
from tests.report.factory import make_results


def printed(results: Results, width: int = 160, report: Path | None = None) -> list[str]:
    console = Console(width=width, force_terminal=False)
    with console.capture() as capture:
        print_outcome(console, results, report)
    return [line.rstrip().replace("\u00a0", " ") for line in capture.get().splitlines()]


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    return make_results(tmp_path_factory.mktemp("run"), trials=20)


def test_outcome_lists_every_trial_once(results: Results) -> None:
    lines = printed(results)
    head = lines[0].split()
    assert head[:4] == ["rank", "trial", "lr", "batch"]
    rows = [line.split() for line in lines[1:21]]
    assert [int(row[0]) for row in rows] == list(range(1, 21))
    assert sorted(int(row[1].rstrip("*")) for row in rows) == list(range(20))


def test_outcome_says_where_trials_ran_when_they_ran_in_several_places(results: Results) -> None:
    assert " ran on" not in printed(results)[0]
    trials = tuple(
        record.model_copy(update={"place": record.place.model_copy(update={"node": f"w{record.number % 2}"})})
        for record in results.trials
        if record.place
    )
    lines = printed(replace(results, trials=trials))
    assert " ran on" in lines[0]
    for line in lines[1:21]:
        assert f" w{int(line.split()[1].rstrip('*')) % 2} cpu " in line


def test_outcome_of_many_trials_shows_the_best_and_the_default(tmp_path: Path) -> None:
    lines = printed(make_results(tmp_path, trials=60))
    rows = [line.split() for line in lines[1 : lines.index("* default recipe")] if line.split()[0].isdigit()]
    assert [int(row[0]) for row in rows[:40]] == list(range(1, 41))
    assert any(row[1] == "0*" for row in rows)
    assert any(line.startswith(f"and {60 - len(rows)} more trials: harness results ") for line in lines)


def test_outcome_marks_winner_default_and_baseline(results: Results) -> None:
    lines = printed(results)
    assert results.final is not None
    winner = next(line for line in lines if "winner" in line and "complete" in line)
    assert winner.split()[1].rstrip("*") == str(results.final.winner)
    assert any(line.split()[1:2] == ["0*"] for line in lines)
    assert "* default recipe" in lines
    assert any(line.endswith("baseline") and line.startswith("   –") for line in lines)
    assert "baseline: TF-IDF + logistic regression" in lines


def test_outcome_numbers_several_baselines(results: Results) -> None:
    majority = Baseline(name="majority class", metrics={"accuracy": 0.31})
    lines = printed(replace(results, baselines=(majority, *results.baselines)))
    assert any(line.endswith("baseline 1") and "31.0 %" in line for line in lines)
    assert any(line.endswith("baseline 2") and "78." in line for line in lines)
    assert lines.index("baseline 1: majority class") + 1 == lines.index("baseline 2: TF-IDF + logistic regression")


def test_outcome_gives_confirmed_scores_with_their_spread(results: Results) -> None:
    confirmed = [row for row in results.leaderboard() if row.confirmed]
    row = confirmed[0]
    shown = f"{100 * row.metrics['accuracy']:.1f} ± {100 * row.std['accuracy']:.1f} %"
    assert sum("±" in line for line in printed(results)[1:21]) == len(confirmed)
    assert any(shown in line for line in printed(results))


def test_outcome_gives_the_winners_test_score_with_interval(results: Results) -> None:
    assert results.final is not None
    bounds = results.final.models[0].test["accuracy"]
    said = next(line for line in printed(results) if line.startswith("Winner"))
    assert f"confirmed with {len(results.final.finalists[0].seeds)} seeds" in said
    assert f"{100 * bounds.value:.1f} %, 95 % interval {100 * bounds.low:.1f}–{100 * bounds.high:.1f} %" in said


def test_outcome_ends_with_paths_and_a_command(
    results: Results, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(results.folder.parent)
    lines = printed(results, report=tmp_path / "report")
    assert f"report  {tmp_path}/report/index.html" in lines
    assert "model   reviews/best" in lines
    told = answer(View(results)).sentences
    commands = [sentence.command for sentence in told if sentence.about.startswith("Try next")]
    assert [line for line in lines if line.startswith("next    ")] == [f"next    {command}" for command in commands]
    assert commands
    assert lines[-2] == "truth   label 'positive' (of the test row in the next line)"
    assert lines[-1] == "try     harness predict reviews/best 'This is review number 100, and it is quite good.'"


@pytest.mark.parametrize("width", [40, 80, 100])
def test_outcome_fits(results: Results, width: int) -> None:
    paths = ("report", "model", "next", "try")
    lines = [line for line in printed(results, width) if not line.startswith(paths)]
    assert max(map(len, lines)) <= width
    assert any("val. accuracy" in line for line in lines)


def test_outcome_says_why_trials_were_pruned(results: Results) -> None:
    message = "rung 1 of 3: 9th of 16, the best 4 went on; 71.2 % against 78.0 %"
    why = {"reason": PruneReason.RUNG, "message": message}
    pruned = [record.number for record in results.trials if record.state is TrialState.PRUNED]
    trials = (record.model_copy(update=why) if record.number in pruned else record for record in results.trials)
    told = replace(results, trials=tuple(trials))
    assert sum(line.endswith(f" %: {message}") for line in printed(told, 240)) == len(pruned) > 0
    narrow = printed(told, 80)
    assert not any(line.endswith("…") for line in narrow), "no reason is cut"
    below = " ".join(narrow[narrow.index("* default recipe") :])
    assert below.count(message) == min(3, len(pruned))
    assert (f"and {len(pruned) - 3} more trial" in below) == (len(pruned) > 3)
    assert not any(message in line for line in printed(results, 240))


def test_outcome_of_failures_names_reason_and_log(tmp_path: Path) -> None:
    results = make_results(tmp_path, trials=8, only_failed=True)
    lines = printed(results)
    assert results.trials[0].state is TrialState.FAIL
    assert sum(line.startswith("trial ") and "failed: nan: the loss is not finite" in line for line in lines) == 5
    assert "and 3 more failures" in lines
    assert any(line.startswith("No trial was completed") for line in lines)


def test_outcome_before_the_decision_says_how_to_go_on(tmp_path: Path) -> None:
    lines = printed(make_results(tmp_path, trials=6, final=False))
    assert lines[-1].startswith("go on   harness sweep")
    assert not any(line.startswith("model") for line in lines)


def test_outcome_of_an_interrupted_study_says_when_and_what_was_left(tmp_path: Path) -> None:
    made = make_results(tmp_path, trials=6, final=False)
    trials = (*made.trials[:-1], made.trials[-1].model_copy(update={"state": TrialState.RUNNING}))
    left = Live(pid=2**22 + 1, updated_at=time.mktime((2026, 1, 31, 12, 0, 0, 0, 0, -1)))
    running = printed(replace(made, trials=trials, live=left.model_copy(update={"pid": None})))
    assert any(line.endswith(" running") for line in running)
    lines = printed(replace(made, trials=trials, live=left))
    assert any(line.endswith(" interrupted") for line in lines)
    assert not any("running" in line for line in lines)
    assert any("1 is interrupted" in line for line in lines)
    assert lines[-2:] == ["stopped 2026-01-31 12:00:00", running[-1]]
    assert lines[-1].startswith("go on   harness sweep")


def test_outcome_while_a_process_works_on_the_study_gives_no_command_to_go_on(tmp_path: Path) -> None:
    made = make_results(tmp_path, trials=6, final=False)
    left = Live(pid=2**22 + 1)
    assert any(line.startswith("go on") for line in printed(replace(made, live=left)))
    alive = Live(pid=os.getpid(), started_at=time.time() + 60)
    for results in (replace(made, live=alive), replace(made, live=left, held=True)):
        assert not any(line.startswith(("go on", "stopped")) for line in printed(results))


@pytest.mark.parametrize("show", [print_outcome, print_going_on])
def test_outcome_of_another_behaviour_names_the_version_that_goes_on(
    tmp_path: Path, show: Callable[[Console, Results], None]
) -> None:
    made = make_results(tmp_path, trials=6, final=False)
    begun = {"behaviour": BEHAVIOUR + 1, "versions": {"finetune-harness": "7.5.0"}}
    console = Console(width=160, force_terminal=False)
    with console.capture() as capture:
        show(console, replace(made, manifest=made.manifest.model_copy(update=begun)))
    last = capture.get().splitlines()[-1]
    assert last.startswith("go on   'reviews' was begun by finetune-harness 7.5.0")
    assert "that version finishes it (pip install finetune-harness==7.5.0)" in last
    assert "harness sweep" not in capture.get()


def test_outcome_obeys_no_data(tmp_path: Path) -> None:
    evil = "[bold]x[/bold]\x1b[2J\x07"
    results = make_results(tmp_path, trials=8, only_failed=True, message=evil, extra_params={"checkpoint": evil})
    text = "\n".join(printed(results))
    assert "[bold]x[/bold]" in text
    assert not {"\x1b", "\x07"} & set(text)


def test_outcome_marks_the_trials_that_violate_a_constraint(results: Results) -> None:
    search = results.spec.search.model_copy(update={"constraints": ("samples_per_second >= 100",)})
    limited = replace(results, spec=results.spec.model_copy(update={"search": search}))
    rows = {int(line.split()[1].rstrip("*")): line for line in printed(limited, width=240)[1:21]}
    violating = {row.record.number for row in limited.leaderboard() if row.violates}
    assert 0 < len(violating) < 20
    assert {number for number, line in rows.items() if "violates samples_per_second >= 100" in line} == violating
