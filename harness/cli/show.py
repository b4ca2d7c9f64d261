"""The commands that read a run: `results`, `status`, `rerun`."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import typer
from rich.console import Console, RenderableType
from rich.live import Live
from rich.text import Text

from harness.cli.guard import Terminated
from harness.errors import InputError
from harness.jobs.require import check_requirements
from harness.records.results import Results, load
from harness.records.schema import TrialState
from harness.report.kit.text import metric_title
from harness.report.kit.view import View
from harness.report.study.answer import answer
from harness.report.study.next_steps import next_steps
from harness.report.study.objectives import on_front
from harness.spec.requirement import parse_requirements
from harness.terminal.board import Board
from harness.terminal.console import make_console
from harness.terminal.outcome import print_going_on, print_outcome
from harness.terminal.screen import screen
from harness.terminal.table import Line, TextColumn, fitted
from harness.terminal.training import Training
from harness.terminal.view import PlainView, open_view

__all__ = ["show_export", "show_rerun", "show_results", "show_status"]

EVERY_S = 2.0


def show_results(run: Path, *, as_json: bool, as_csv: bool, required: Sequence[str] = ()) -> None:
    """Prints a run for people, or as JSON or CSV and nothing else; then checks what is `required` of its winner."""
    if as_json and as_csv:
        raise InputError("give either --json or --csv, not both")
    results = load(run)
    requirements = parse_requirements(required, results.task)
    if as_json:
        view = View(results)
        said: dict[str, Any] = {
            "warnings": answer(view).warnings,
            "next_steps": [step.to_json() for step in next_steps(view)],
        }
        if len(view.objectives) > 1:
            said["pareto"] = [record.number for record in on_front(view)]
        sys.stdout.write(json.dumps(results.to_json() | said, indent=1, ensure_ascii=False) + "\n")
    elif as_csv:
        sys.stdout.write(results.frame().to_csv(index=False))
    else:
        print_outcome(make_console(), results)
    check_requirements(results, requirements, partial(typer.echo, err=as_json or as_csv))


def show_status(run: Path) -> None:
    """Shows the state of a run; on a terminal it is updated while a process works on the run."""
    console = make_console()
    results = load(run)
    if not console.is_terminal or not results.worked_on:
        _print_status(console, results)
        return
    try:
        results = _watch(console, run, results)
    except Terminated:
        raise
    except KeyboardInterrupt:  # ends the command, not the sweep
        return
    _print_status(console, results)


def _watch(console: Console, run: Path, results: Results) -> Results:
    """Updates the screen until no process works on the run."""
    with Live(_screen(console, results), console=console, auto_refresh=False, transient=True) as live:
        while results.worked_on:
            time.sleep(EVERY_S)
            results = load(run)
            live.update(_screen(console, results), refresh=True)
    return results


def _print_status(console: Console, results: Results) -> None:
    if results.final is not None and not results.worked_on and not results.outdated:
        print_outcome(console, results)
        return
    console.print(_screen(console, results))
    if not results.worked_on:
        print_going_on(console, results)


def _screen(console: Console, results: Results) -> RenderableType:
    return screen(_board(results), console.width, console.height - 1 if console.is_terminal else 10**6)


def _board(results: Results) -> Board:
    """Returns the board of the current phase, from its records and the coordinator's live.json."""
    live, phase = results.live, "confirm" if results.live.phase == "confirm" else "search"
    records = results.trials if phase == "search" else results.confirm
    board = Board(results.spec, folder=results.folder)
    slots = [record.place for record in records if record.place is not None]
    board.begin(phase, live.total or results.spec.search.trials, slots, records)
    board.num_slots = max(1, len({(place.node, place.slot) for place in slots}))
    board.began_at = live.started_at or board.began_at
    if not live.is_alive():
        stopped_at = live.updated_at or board.began_at
        board.clock = lambda: stopped_at
    board.spent_before_s = results.spent_s - (board.clock() - board.began_at)
    states = {record.number: record.state for record in records}
    for row in board.rows.values():
        row.waiting = row.record is None and not (results.worked_on and states[row.number] is TrialState.RUNNING)
    return board


@contextmanager
def _view(results: Results) -> Iterator[PlainView]:
    """Gives a view of the work of a command, on standard error: what it prints goes to standard output."""
    with open_view(make_console(stderr=True), results.spec, lambda: results) as view:
        yield view


def show_export(
    run: Path, number: int | None, to: Path, *, force: bool = False, refit: str | None = None, adapter: bool = False
) -> Path:
    """Exports the winner or the search trial `number`, and returns the folder; shows a training that it takes."""
    from harness.jobs.export_trial import export_trial

    results = load(run)
    with _view(results) as view:
        monitors = (Training(view),)
        return export_trial(results, number, to, view.say, monitors, force=force, refit=refit, adapter=adapter)


def show_rerun(run: Path, number: int) -> bool:
    """Runs a trial again, prints every loss and metric of both runs, and returns whether they are the same."""
    from harness.jobs.rerun import rerun

    console, results = make_console(), load(run)
    with _view(results) as view:
        repeated = rerun(results, number, Training(view))
    columns = [
        TextColumn(title="step"),
        TextColumn(title="number", right=False),
        TextColumn(title="recorded"),
        TextColumn(title="now"),
        TextColumn(title="", right=False),
    ]
    lines = [
        Line(
            (str(value.step), metric_title(value.name).replace("_", " "), repr(value.recorded),
             repr(value.now), "same" if value.same else "DIFFERENT"),
            "" if value.same else "bold red",
        )
        for value in repeated.comparisons
    ]  # fmt: skip
    console.print(fitted(columns, lines, console.width)[0])
    if not repeated.same_end:
        reasons = [
            f"{record.state.value.lower()} {record.message}".strip() for record in (repeated.recorded, repeated.now)
        ]
        console.print(Text(f"recorded: {reasons[0]}; now: {reasons[1]}", style="bold red"))
    console.print(Text(f"trial {number} came out {'the same' if repeated.same else 'differently'}", style="bold"))
    return repeated.same
