"""The views of a running sweep: a live screen on a terminal, plain lines elsewhere.

Both are a `harness.jobs.sweep.SweepView`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self

from rich.console import Console, ConsoleOptions, RenderResult
from rich.live import Live
from rich.spinner import Spinner
from rich.text import Text

from harness.errors import HarnessError
from harness.records.results import Results
from harness.records.schema import Place, Progress, TrialRecord, TrialState
from harness.report.kit.text import duration, metric, metric_title, number, plural
from harness.spec.configure import default_numbers
from harness.spec.study import StudySpec
from harness.spec.trial import TrialConfig
from harness.terminal.board import Board, BoardRow
from harness.terminal.heartbeat import Heartbeat
from harness.terminal.screen import best_line, counts_line, label, screen
from harness.terminal.words import params_line, plain, state_of, why_early

__all__ = ["REFRESHES_PER_SECOND", "LiveView", "PlainView", "open_view"]

REFRESHES_PER_SECOND = 2


class PlainView:
    """Prints a line for each phase and each ended trial, and else one a minute: for pipes, files and build servers."""

    def __init__(self, console: Console, spec: StudySpec, read: Callable[[], Results]) -> None:
        """`read` returns the run's records, with the trials and the time of earlier sweeps."""
        self._console = console
        self._read = read
        self._lock = threading.RLock()
        self.board = Board(spec)
        self._work, self._work_began_at = "preparing", self.board.clock()
        self._heartbeat = Heartbeat(self._write, self._state)

    def __enter__(self) -> Self:
        self._heartbeat.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Ends the thread that prints a line a minute."""
        self._heartbeat.close()

    def say(self, line: str) -> None:
        """Prints one line."""
        self._heartbeat.print_line(line)

    def _write(self, line: str) -> None:
        self._console.print(Text(plain(line)), soft_wrap=not self._console.is_terminal)

    def show_work(self, what: str) -> None:
        """Prints what happens until the next phase begins; while it lasts, a line a minute has the time."""
        self._note_work(what)
        self.say(what)

    def update_work(self, what: str) -> None:
        """Changes the words for what happens now, and prints nothing; the clock goes on."""
        with self._lock:
            self._work = what

    def _note_work(self, what: str) -> None:
        with self._lock:
            self.board.phase = ""
            self._work, self._work_began_at = what, self.board.clock()

    def _state(self) -> str:
        """Returns a line on what happens now, and for how long."""
        board = self.board
        with self._lock:
            if not board.phase:
                return f"{self._work}, {_time(board.clock() - self._work_began_at)}"
            took = _time(board.clock() - board.began_at)
            writing = "".join(f"; {label(row)} is {state}" for row, state in board.writing)
            return f"{board.phase}: {counts_line(board)}, {took}; {best_line(board)}{writing}"

    def begin(self, phase: str, total: int, slots: Sequence[Place]) -> None:
        """Starts a phase: prints its number of trials, those done before, and the slots."""
        earlier = self._earlier(phase)
        with self._lock:
            self.board.begin(phase, total, slots, earlier)
        done = self.board.num_ended
        before = f", {done} of them done before" if done else ""
        self.say(f"{phase}: {plural(total, 'trial')}{before}, on {self._where(slots)}")

    def _where(self, slots: Sequence[Place]) -> str:
        if not slots:
            return f"the Ray cluster at '{self.board.spec.engine.address}'"
        threads = f", {plural(slots[0].threads, 'thread')} each" if slots[0].device == "cpu" else ""
        devices = ", ".join(dict.fromkeys(f"{slot.device} {slot.device_name}".strip() for slot in slots))
        return f"{plural(len(slots), 'slot')} ({devices}{threads})"

    def _earlier(self, phase: str) -> Sequence[TrialRecord]:
        """Returns the phase's trials of earlier sweeps; none when the run folder cannot be read."""
        try:
            results = self._read()
        except HarnessError:
            return ()
        self.board.spent_before_s, self.board.folder = results.spent_s, results.folder
        return results.trials if phase == "search" else results.confirm

    def started(self, config: TrialConfig) -> None:
        """Notes that a trial starts or goes on."""
        with self._lock:
            self.board.started(config)

    def progressed(self, number: int, progress: Progress) -> None:
        """Notes an evaluation."""
        with self._lock:
            self.board.progressed(number, progress)

    def paused(self, number: int) -> None:
        """Notes that a trial was paused."""
        with self._lock:
            self.board.paused(number)

    def ended(self, record: TrialRecord) -> None:
        """Prints the line of an ended trial."""
        with self._lock:
            self.board.ended(record)
        self.say(self._trial_line(self.board.rows[record.number], record))

    def _trial_line(self, row: BoardRow, record: TrialRecord) -> str:
        objective = self.board.objective
        default = record.kind == "search" and record.number in default_numbers(self.board.spec)
        parts = [f"{label(row)}{' (default recipe)' if default else ''} {state_of(record)}"]
        if objective in record.metrics:
            parts.append(f"{metric(objective, record.metrics[objective])} {metric_title(objective)}")
        if record.usage.samples_per_second:
            parts.append(f"{number(record.usage.samples_per_second)} samples/s")
        if why := record.message if record.state is TrialState.FAIL else why_early(record):
            parts.append(why)
        done = f"[{self.board.num_ended}/{self.board.total}]"
        return f"{done} {': '.join((parts[0], params_line(record.params)))}: {', '.join(parts[1:]) or 'no evaluation'}"

    def end(self, phase: str) -> None:
        """Prints the counts and the time of a phase that is over or was interrupted."""
        board = self.board
        counts = ", ".join(
            f"{count} {word}"
            for state, word in (("COMPLETE", "complete"), ("PRUNED", "pruned"), ("FAIL", "failed"))
            if (count := sum(row.record is not None and row.record.state == state for row in board.rows.values()))
        )
        took = duration(board.clock() - board.began_at)
        self.say(f"{phase}: {counts or 'no trial ended'}, in {took}; {best_line(board)}")
        self._note_work(f"{phase} has ended")


class LiveView(PlainView):
    """Shows a screen that is updated twice a second; printed lines scroll above it."""

    def __init__(self, console: Console, spec: StudySpec, read: Callable[[], Results]) -> None:
        super().__init__(console, spec, read)
        self._spinner = Spinner("dots")
        self._live = Live(self, console=console, refresh_per_second=REFRESHES_PER_SECOND, transient=True)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        with self._lock:
            if self.board.phase:
                yield screen(self.board, options.max_width, options.size.height - 1)
            else:
                self._spinner.update(text=Text(self._state()))
                yield self._spinner

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Removes the screen and shows the cursor again, also after an error."""
        self._live.stop()

    def show_work(self, what: str) -> None:
        """Shows what happens until the next phase begins, with a clock."""
        self._note_work(what)

    def ended(self, record: TrialRecord) -> None:
        """Updates the screen; prints a line for a failed trial only."""
        if record.state is TrialState.FAIL:
            super().ended(record)
            return
        with self._lock:
            self.board.ended(record)


def _time(seconds: float) -> str:
    """12.7 -> "12 s": a running clock in whole seconds."""
    return f"{int(seconds)} s" if seconds < 90 else duration(seconds)


def open_view(console: Console, spec: StudySpec, read: Callable[[], Results]) -> PlainView:
    """Returns a live view on a terminal, else a plain one."""
    kind = LiveView if console.is_terminal and not console.is_dumb_terminal else PlainView
    return kind(console, spec, read)
