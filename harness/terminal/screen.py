"""Renders a board as a screen: a summary of two lines and a line for each trial, fitted to the window."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from math import isfinite

from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from harness.records.schema import TrialState
from harness.report.kit.text import duration, metric, metric_title, number
from harness.spec.constraints import constraints_of
from harness.terminal.board import Board, BoardRow
from harness.terminal.table import Line, TextColumn, fitted
from harness.terminal.words import column_name, param_text, params_line, plain

__all__ = ["best_line", "counts_line", "screen"]

#: The number of lines above the trials, and below.
_HEAD, _FOOT = 5, 1
_NUM_BEST = 5
_PHASES = {"search": "search", "confirm": "confirmation with other seeds"}
_STYLES = {TrialState.COMPLETE: "green", TrialState.PRUNED: "dim", TrialState.FAIL: "red"}


def screen(board: Board, width: int, height: int) -> RenderableType:
    """Returns the board in at most `width` x `height` characters."""
    best, params = board.best(_NUM_BEST), _params(board)
    rows, hidden = _chosen(board, best, max(1, height - _HEAD - _FOOT))
    lines = [_line(board, row, params, is_best=row in best[:1]) for row in rows]
    table, left_out = fitted(_columns(board, params), lines, width)
    foot = "; ".join(part for part in (hidden, f"narrow: without {', '.join(left_out)}" if left_out else "") if part)
    bar = Table.grid(expand=True)  # a bar without a table does not end its line
    bar.add_row(ProgressBar(total=1.0, completed=board.done))
    parts: list[RenderableType] = [_summary(board), _cut(best_line(board)), bar, table]
    return Group(*parts, _cut(foot, "dim")) if foot else Group(*parts)


def _cut(line: str, style: str = "") -> Text:
    return Text(line, style=style, no_wrap=True, overflow="ellipsis")


def _summary(board: Board) -> Table:
    left_s, budget_s = board.left_s(), board.budget_left_s
    left = f"about {_rough(left_s)} left" if left_s is not None and board.done < 1 else duration(_elapsed(board))
    grid = Table.grid(expand=True, padding=(0, 1))
    grid.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
    grid.add_column(no_wrap=True, justify="right")
    grid.add_row(Text(f"{board.spec.name}: {_PHASES.get(board.phase, board.phase)}", style="bold"), Text(left))
    grid.add_row(Text(counts_line(board)), Text(f"budget {_rough(budget_s)} left" if budget_s is not None else ""))
    return grid


def _elapsed(board: Board) -> float:
    return board.clock() - board.began_at


def _rough(seconds: float) -> str:
    """Returns an estimated time, rounded."""
    if seconds >= 5400:
        return f"{seconds / 3600:.1f} h"
    return f"{round(seconds / 60)} min" if seconds >= 90 else f"{max(5, 5 * round(seconds / 5))} s"


def counts_line(board: Board) -> str:
    """Returns how many trials are done, running and waiting: "5 of 16 done, 2 running"."""
    counts = [f"{board.num_ended} of {board.total} done"]
    counts += [f"{len(rows)} {word}" for rows, word in ((board.running, "running"), (board.waiting, "waiting")) if rows]
    return ", ".join(counts)


def best_line(board: Board) -> str:
    """Returns a line on the best trial so far: its score, and how far it is trained."""
    best = next(iter(board.best()), None)
    if best is None:
        if any(row.progress for row in board.by_number):  # an objective of written text
            return f"{metric_title(board.objective)} is known at the end of a training"
        return "no further seed was evaluated yet" if board.phase == "confirm" else "no trial was evaluated yet"
    value = metric(board.objective, best.value(board.objective))
    far = "" if best.fraction >= 1 else f" after {100 * best.fraction:.0f}\u00a0%"
    name = metric_title(board.objective)
    violated = ", ".join(each.text for each in constraints_of(board.spec).violated(best.metrics))
    but = f"; it violates {violated}, as all do so far" if violated else ""
    return f"best so far: {value} {name}{far}, {label(best)} ({params_line(best.config.params)}){but}"


def label(row: BoardRow) -> str:
    """ "trial 4"; for a confirmation run the trial that it repeats, and its seed."""
    config = row.config
    return f"trial {config.number}" if config.of is None else f"trial {config.of} with seed {config.training.seed}"


def _chosen(board: Board, best: Sequence[BoardRow], room: int) -> tuple[list[BoardRow], str]:
    """Returns the rows that fit, and a line about the others."""
    rows = board.by_number
    if len(rows) <= room:
        return rows, ""
    chosen = board.running[: max(1, room - 1)]
    for row in best:
        if row not in chosen and len(chosen) < room - 1:
            chosen.append(row)
    for row in reversed(rows):
        if row not in chosen and len(chosen) < room - 1:
            chosen.append(row)
    hidden = Counter(_kind(row) for row in rows if row not in chosen)
    counts = ", ".join(f"{count} {kind}" for kind, count in hidden.most_common())
    return sorted(chosen, key=lambda row: row.number), f"and {sum(hidden.values())} more: {counts}"


def _kind(row: BoardRow) -> str:
    if row.record is not None:
        return {"FAIL": "failed"}.get(row.record.state.value, row.record.state.value.lower())
    return "waiting" if row.waiting else "running"


def _columns(board: Board, params: Sequence[str]) -> list[TextColumn]:
    score = metric_title(board.objective)
    return [
        TextColumn(title="trial"),
        *([TextColumn(title="seed")] if board.phase == "confirm" else []),
        *(TextColumn(title=column_name(name), rank=3 + at) for at, name in enumerate(params)),
        TextColumn(title="epoch"),
        TextColumn(title=score),
        TextColumn(title="samples/s", rank=1),
        TextColumn(title="state", right=False),
    ]


def _params(board: Board) -> Sequence[str]:
    return list(dict.fromkeys(name for row in board.by_number for name in row.config.params))


def _line(board: Board, row: BoardRow, params: Sequence[str], *, is_best: bool) -> Line:
    config, score = row.config, row.value(board.objective)
    speed = row.progress.usage.samples_per_second if row.progress else 0.0
    return Line(
        (
            str(config.number if config.of is None else config.of),
            *([str(config.training.seed)] if board.phase == "confirm" else []),
            *(param_text(name, config.params[name]) if name in config.params else "–" for name in params),
            f"{_epoch(row)}/{config.training.epochs:g}",
            metric(board.objective, score) if isfinite(score) else "",
            number(speed) if speed else "",
            plain(board.state_of(row)) + (", best" if is_best else ""),
        ),
        "bold green" if is_best else _style(row),
    )


def _epoch(row: BoardRow) -> str:
    return f"{row.progress.epoch:.2f}".rstrip("0").rstrip(".") if row.progress else "0"


def _style(row: BoardRow) -> str:
    if row.record is not None:
        return _STYLES[row.record.state]
    return "yellow" if row.waiting else "cyan"
