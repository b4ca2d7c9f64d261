"""What the answer says where the budget ended the search: the trials that it cost, and a better one among them."""

from __future__ import annotations

from collections.abc import Iterator

from harness.records.schema import BUDGET
from harness.report.kit.text import join, named_metric, percent, plural
from harness.report.kit.view import View
from harness.runtime import program

__all__ = ["num_lost", "out_of_time"]


def out_of_time(view: View) -> Iterator[str]:
    """Yields a warning with the trials that the budget gave up or did not begin, and one on a better one of these."""
    results, (given_up, not_begun) = view.results, num_lost(view)
    if not given_up and not not_begun:
        return
    minutes, num_trials = results.closed_after_minutes or results.spec.budget.minutes, results.spec.search.trials
    words = ((given_up, "given up"), (not_begun, "not begun"))
    lost = join(f"{count:,} {'was' if count == 1 else 'were'} {word}" for count, word in words if count)
    budget = f"The budget of {minutes:g} minutes" if minutes is not None else "The budget"
    yield f"{budget} ended the search early: of {plural(num_trials, 'trial')} {lost}."
    yield from _better(view)


def num_lost(view: View) -> tuple[int, int]:
    """Returns how many trials the budget gave up, and how many it did not let begin."""
    results = view.results
    minutes = results.spec.budget.minutes
    is_closed = results.closed_after_minutes is not None or (minutes is not None and results.spent_s >= 60 * minutes)
    not_begun = max(0, results.spec.search.trials - len(view.trials)) if is_closed else 0
    return sum(record.message == BUDGET for record in view.trials), not_begun


def _better(view: View) -> Iterator[str]:
    """Yields a warning where a trial that was given up had a better score than the winner has at its end."""
    known = [record for record in view.trials if record.message == BUDGET and record.history]
    best = min(known, key=lambda record: view.metric.sort_key(view.score(record)), default=None)
    winner = view.winner
    if best is None or winner is None or not view.metric.better(view.score(best), view.mean(winner)):
        return
    share = percent(best.reached, 0)
    yield (
        f"Trial {best.number} was given up for lack of time at {share} of its training, and was better there than the "
        f"winner is at its end: {named_metric(view.objective, view.score(best))} against "
        f"{view.score_text(view.mean(winner))} on validation. To train it to its end: "
        f"{program()} export RUN --trial {best.number} --to FOLDER."
    )
