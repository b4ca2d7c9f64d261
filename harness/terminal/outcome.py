"""Prints the outcome of a study: leaderboard, winner with its evidence, warnings, and next steps."""

from __future__ import annotations

import shlex
import time
from collections.abc import Sequence
from math import isfinite
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from harness.records.final import FinalModel
from harness.records.provenance import behaviour_refusal
from harness.records.results import LeaderRow, Results
from harness.records.schema import TrialRecord, TrialState, num_places
from harness.report.kit.text import clip, duration, interval_text, metric, metric_title, number, plural
from harness.report.kit.view import View
from harness.report.study.answer import Answer, answer
from harness.report.study.example import example
from harness.report.study.verdict import judged_by, moved_text
from harness.runtime import program, shown_path
from harness.spec.configure import default_numbers
from harness.stats.metric import Metric
from harness.terminal.table import Line, TextColumn, fits, fitted
from harness.terminal.words import column_name, ending_of, param_text, params_line, plain, state_of, why_early

__all__ = ["print_going_on", "print_leaderboard", "print_outcome"]

_STYLES = {TrialState.COMPLETE: "", TrialState.PRUNED: "dim", TrialState.FAIL: "red"}
_NUM_SHOWN, _NUM_FAILURES, _NUM_REASONS = 40, 5, 3
#: The true value of the row that the last line predicts.
_TRUTH = "truth"
#: Sentences of the answer that are printed with the other paths.
_PRINTED_BELOW = ("Exported", "Try it")


def print_outcome(console: Console, results: Results, report: Path | None = None) -> None:
    """Prints everything: leaderboard, answer, warnings, and the paths of report and model."""
    print_leaderboard(console, results)
    _print_failures(console, results)
    console.print()
    verdict = answer(View(results))
    head, more = verdict.headline, verdict.more
    for line in (head, _with_params(results, more)) if more else (_with_params(results, head),):
        console.print(Text(plain(line), style="bold"))
    console.print(_facts(results, verdict))
    console.print()
    _print_steps(console, _next(results, report, verdict))


def print_going_on(console: Console, results: Results) -> None:
    """Prints when a study stopped that no process works on, and the command or the version that continues it."""
    _print_steps(console, _going_on(results))


def _print_steps(console: Console, steps: Sequence[tuple[str, str]]) -> None:
    for name, value in steps:
        # People copy paths and commands, so these are neither wrapped nor cut.
        console.print(Text(f"{name:<8}{value}"), soft_wrap=name != _TRUTH)


def _facts(results: Results, verdict: Answer) -> Table:
    """Returns the evidence of the answer as a table, without the sentences on the exported model's folder.

    The commands of its sentences stand below it, each on a line of its own.
    """
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(no_wrap=True, style="dim")
    grid.add_column()
    facts = [("Winner", text) for text in _winner(results)]
    facts += [(sentence.about, sentence.text) for sentence in verdict.sentences if sentence.about not in _PRINTED_BELOW]
    for about, text in facts:
        grid.add_row(Text(plain(about.replace("Against the", "Against"))), Text(plain(text)))
    for warning in verdict.warnings:
        grid.add_row(Text("Warning", style="yellow"), Text(plain(warning), style="yellow"))
    return grid


def print_leaderboard(console: Console, results: Results) -> None:
    """Prints one line a trial, best first, and the baselines."""
    ranked = list(enumerate(results.leaderboard(), start=1))
    params = list(dict.fromkeys(name for _, row in ranked for name in row.record.params))
    rows = [(place, row) for place, row in ranked if place <= _NUM_SHOWN or _is_default(results, row)]
    # The device is only worth a column when trials ran on several.
    places = num_places(results.trials) > 1
    columns = _columns(results, params, places=places)
    lines = _lines(results, rows, params, places=places)
    has_room = fits(columns, lines, console.width)
    if not has_room:  # reasons that would be cut stand below
        lines = _lines(results, rows, params, places=places, reasons=False)
    table, left_out = fitted(columns, lines, console.width)
    console.print(table)
    full = f"{program()} results {shown_path(results.folder)} --csv"
    notes = [f"and {len(ranked) - len(rows)} more trials: {full}"] if len(rows) < len(ranked) else []
    moved = moved_text(results.spec)
    notes += [
        f"* default recipe, in this study with {moved}" if moved else "* default recipe",
        *(f"{_baseline_word(results, at)}: {clip(model.name)}" for at, model in enumerate(results.baselines)),
    ]
    if any(row.confirmed for _, row in rows):
        notes.append("first those trained with several seeds (mean ± standard deviation), then those of one seed")
    if left_out:
        notes.append(f"no room for {', '.join(left_out)}: {full}")
    early = [] if has_room else [record for _, row in rows if why_early(record := row.record)]
    notes += [f"trial {record.number} {ending_of(record)}" for record in early[:_NUM_REASONS]]
    if len(early) > _NUM_REASONS:
        notes.append(f"and {plural(len(early) - _NUM_REASONS, 'more trial')} ended early, each with its reason: {full}")
    for note in notes:
        console.print(Text(note, style="dim"))


def _lines(
    results: Results,
    rows: Sequence[tuple[int, LeaderRow]],
    params: Sequence[str],
    *,
    places: bool,
    reasons: bool = True,
) -> list[Line | None]:
    """Returns a line for each trial, then those of the baselines; pruned trials have their `reasons`."""
    lines: list[Line | None] = [
        _line(results, row, params, place, places=places, reasons=reasons) for place, row in rows
    ]
    if results.baselines:
        lines.append(None)
        lines += [_baseline_line(results, index, len(params), places=places) for index in range(len(results.baselines))]
    return lines


def _columns(results: Results, params: Sequence[str], *, places: bool) -> list[TextColumn]:
    score = metric_title(results.objective.name)
    return [
        TextColumn(title="rank", rank=9),
        TextColumn(title="trial"),
        *(TextColumn(title=column_name(name), rank=3 + 2 * (at > 1)) for at, name in enumerate(params)),
        TextColumn(title=f"val. {score}"),
        *(TextColumn(title=loss.title, rank=4) for loss in _loss(results)),
        TextColumn(title="samples/s", rank=1),
        TextColumn(title="time", rank=2),
        *([TextColumn(title="ran on", right=False, rank=8)] if places else []),
        TextColumn(title="state", right=False),
    ]


def _loss(results: Results) -> list[Metric]:
    """Returns the task's loss, which has a column of its own; none when it is the objective."""
    loss = results.task.metric(results.task.loss)
    return [] if loss is results.objective else [loss]


def _line(results: Results, row: LeaderRow, params: Sequence[str], place: int, *, places: bool, reasons: bool) -> Line:
    record, objective = row.record, results.objective.name
    speed = row.metrics.get("samples_per_second", 0.0)
    winner = results.final is not None and results.final.winner == record.number
    return Line(
        (
            str(place),
            f"{record.number}{'*' if _is_default(results, row) else ''}",
            *(param_text(name, record.params[name]) if name in record.params else "–" for name in params),
            _mean(row, objective),
            *(_mean(row, loss.name) for loss in _loss(results)),
            number(speed) if speed else "–",
            duration(record.duration_s) if record.duration_s else "–",
            *([plain(record.where) or "–"] if places else []),
            ", ".join([_ending(results, record, reasons=reasons), *_marks(results, row)]),
        ),
        "bold green" if winner else _STYLES.get(record.state, "cyan"),
    )


def _ending(results: Results, record: TrialRecord, *, reasons: bool) -> str:
    """How a trial ended; "interrupted" of one that had not when its study was."""
    if results.interrupted and not record.state.ended:
        return "interrupted"
    return ending_of(record) if reasons else state_of(record)


def _mean(row: LeaderRow, name: str) -> str:
    """ "84.2 ± 0.4 %" over seeds, "84.2 %" of one."""
    value = row.metrics.get(name)
    if value is None or not isfinite(value):
        return "–"
    text = metric(name, value)
    if not row.confirmed:
        return text
    digits, unit = text.split("\u00a0") if "\u00a0" in text else (text, "")
    spread = f"{100 * row.std[name]:.1f}" if unit == "%" else metric(name, row.std[name])
    return f"{digits} ± {spread}" + (f"\u00a0{unit}" if unit else "")


def _marks(results: Results, row: LeaderRow) -> list[str]:
    is_winner = results.final is not None and results.final.winner == row.record.number
    winner = "winner before" if results.outdated else "winner"
    return [*([winner] if is_winner else []), *(f"violates {each.text}" for each in row.violates)]


def _is_default(results: Results, row: LeaderRow) -> bool:
    return row.record.number in default_numbers(results.spec)


def _baseline_line(results: Results, index: int, num_params: int, *, places: bool) -> Line:
    baseline, objective = results.baselines[index], results.objective.name
    cells = ["–", "–", *["–"] * num_params, metric(objective, baseline.metrics.get(objective))]
    cells += [metric(loss.name, baseline.metrics.get(loss.name)) for loss in _loss(results)]
    cells += ["–"] if places else []
    return Line((*cells, "–", "–", _baseline_word(results, index)), "magenta")


def _baseline_word(results: Results, index: int) -> str:
    """Returns "baseline", with its number where there are several."""
    return "baseline" if len(results.baselines) == 1 else f"baseline {index + 1}"


def _print_failures(console: Console, results: Results) -> None:
    failed = [record for record in (*results.trials, *results.confirm) if record.state is TrialState.FAIL]
    for record in failed[:_NUM_FAILURES]:
        what = "trial" if record.kind == "search" else "confirmation"
        console.print(Text(plain(f"{what} {record.number} failed: {record.reason}: {record.message}"), style="red"))
    if len(failed) > _NUM_FAILURES:
        console.print(Text(f"and {len(failed) - _NUM_FAILURES} more failures", style="red"))


def _with_params(results: Results, line: str) -> str:
    """Returns the line with the pick's params behind it in brackets, in those of its end where it has such."""
    pick = View(results).winner
    if pick is None:
        return line
    params = params_line(pick.params)
    return f"{line[:-1]}; {params})" if line.endswith(")") else f"{line} ({params})"


def _winner(results: Results) -> list[str]:
    """Returns a line on the winner's test score, which is the exported model's."""
    model = _winning(results)
    if model is None:
        return []
    name = judged_by(View(results), model)
    bounds = model.test[name]
    seeds = next((len(row.seeds) for row in results.final.finalists if row.number == model.number), 1)  # type: ignore[union-attr]
    confirmed = f", confirmed with {seeds} seeds" if seeds > 1 else ""
    of_seed = f", of seed {model.seed}, the exported one" if seeds > 1 else ""
    score = f"test {metric_title(name)} {metric(name, bounds.value)}, {interval_text(name, bounds)}{of_seed}"
    before = ", of before the study went on" if results.outdated else ""
    return [f"trial {model.number}{confirmed}{before}: {score}."]


def _winning(results: Results) -> FinalModel | None:
    return results.final.winning_model if results.final else None


def _next(results: Results, report: Path | None, verdict: Answer) -> list[tuple[str, str]]:
    steps = [("report", shown_path(report / "index.html"))] if report is not None else []
    export = results.export_path()
    if export is not None:
        steps.append(("model", shown_path(Path(export))))
    steps += [
        ("instead" if sentence.about == "Alternative" else "next", sentence.command)
        for sentence in verdict.sentences
        if sentence.command and sentence.about not in _PRINTED_BELOW
    ]
    if (tried := example(View(results), program())) is not None:
        steps += [(_TRUTH, f"{plain(tried.truth)} (of the test row in the next line)")] if tried.truth else []
        steps.append(("try", tried.command))
    if not results.worked_on and (results.interrupted or results.outdated or not results.final):
        steps += _going_on(results)
    return [(name, value) for name, value in steps if value]


def _going_on(results: Results) -> list[tuple[str, str]]:
    """When the study was interrupted, where that is known, and the command or the version that continues it."""
    stopped = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(results.live.updated_at))
    return [
        *([("stopped", stopped)] if results.interrupted else []),
        ("go on", _how_to_go_on(results)),
    ]


def _how_to_go_on(results: Results) -> str:
    if refusal := behaviour_refusal(results.manifest):
        return plain(str(refusal))
    command = results.manifest.command
    return f"{program()} {shlex.join(command[1:])}" if command[:1] == ("harness",) else shlex.join(command)


def _run(results: Results) -> str:
    return shown_path(results.folder)
