"""The sentences at the top of the report: recommendation, evidence, speed, cost and warnings."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from statistics import fmean

from harness.records.final import FinalModel, warnings_among
from harness.records.schema import TrialRecord, TrialState
from harness.report.kit.sections import Sentence
from harness.report.kit.text import (
    capitalised,
    clip,
    duration,
    interval_text,
    join,
    metric,
    metric_title,
    named_metric,
    number,
    param,
    param_name,
    percent,
    plural,
)
from harness.report.kit.view import View
from harness.report.study.equal_length import judged_early
from harness.report.study.example import example
from harness.report.study.next_steps import next_steps
from harness.report.study.objectives import kept_constraints, no_winner, tradeoff
from harness.report.study.out_of_time import out_of_time
from harness.report.study.seeds import mean_interval, race_text
from harness.report.study.serving import speed_text
from harness.report.study.tables import phase_times, slot_use, spans_frame, wall_s
from harness.report.study.verdict import evidence, judged_by
from harness.runtime import program
from harness.spec.constraints import Ranking

__all__ = ["Answer", "answer"]

#: What the times of searches and confirmations leave out.
_NOT_COUNTED = "; preparation, baselines, test and export come on top"
#: What a name has in brackets, left out of a headline.
_BRACKETS = re.compile(r" \([^)]*\)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The top of the report. `score` is the main number ("" where there is none), `score_of` describes it.

    `more` continues the headline in smaller letters.
    """

    headline: str
    params: tuple[tuple[str, str], ...]
    score: str
    score_of: str
    sentences: tuple[Sentence, ...]
    warnings: tuple[str, ...]
    more: str = ""


def answer(view: View) -> Answer:
    """Returns the recommendation with its evidence; before the decision, the progress of the study."""
    pick, model = view.winner, view.chosen
    steps = next_steps(view)
    sentences = [
        *evidence(view, model),
        *kept_constraints(view),
        *tradeoff(view),
        *_speed(view, pick),
        *_prediction(model),
        _cost(view),
    ]
    sentences += [*_race(view), *judged_early(view), *_export(view), *(step.sentence for step in steps)]
    score, score_of = _score(view, pick, model)
    headline, more = _headline(view, pick)
    return Answer(
        headline=headline,
        more=more,
        params=tuple((param_name(name), param(value)) for name, value in pick.params.items()) if pick else (),
        score=score,
        score_of=score_of,
        sentences=tuple(sentences),
        warnings=_warnings(view),
    )


def _headline(view: View, pick: TrialRecord | None) -> tuple[str, str]:
    """The headline, and what stands under it."""
    results = view.results
    if results.outdated:
        headline, more = _decided(view, pick)
        before = f"The answer below is of before the study went on: {headline[:1].lower()}{headline[1:]}"
        begin = "Interrupted: " if results.interrupted else ""
        ended = all(record.state.ended for record in view.trials)
        open_ = ", not decided yet" if ended else ""
        return f"{begin}{_progress(view)}{open_}", f"{before}; {more}" if more else before
    if results.final is None and not all(record.state.ended for record in view.trials):
        return _progress(view), _best_so_far(view, pick)
    return _decided(view, pick)


def _decided(view: View, pick: TrialRecord | None) -> tuple[str, str]:
    """The recommendation of the decision; of a study without one, the best trial."""
    if pick is None:
        if view.completed:
            return no_winner(view), ""
        return ("No trial was completed" if view.trials else "No trial has ended yet"), ""
    if view.results.final is None:
        return f"Best so far: trial {pick.number}", ""
    trial = f"trial {pick.number}{' (the default recipe)' if pick.number in view.default_numbers else ''}"
    rivals = [clip(model.name, 60) for model in _not_beaten(view)]
    if not rivals:
        return f"Use the model of {trial}", ""
    others = f"nor than {join(rivals[1:])}; " if rivals[1:] else ""
    return f"Not shown to be better than {_BRACKETS.sub('', rivals[0])}", f"{others}the best of the trials is {trial}"


def _not_beaten(view: View) -> list[FinalModel]:
    """The baselines that the winner is not better than beyond chance on test."""
    baselines = [model for model in view.models.values() if model.kind == "baseline"]
    pairs = [(model, view.comparison(model.role)) for model in baselines]
    return [model for model, pair in pairs if pair is not None and not view.models["winner"].wins(pair)]


def _progress(view: View) -> str:
    """How many trials of a search have ended, and how many have not."""
    states, words = Counter(record.state for record in view.trials), _state_words(view)
    num_trials = max(view.results.spec.search.trials, len(view.trials))
    ended = sum(count for state, count in states.items() if state.ended)
    counts = [(ended, f"of {plural(num_trials, 'trial')} {'has' if ended == 1 else 'have'} ended")]
    counts += [
        (states[state], f"{'is' if states[state] == 1 else 'are'} {words[state]}")
        for state in (TrialState.RUNNING, TrialState.WAITING)
        if states[state]
    ]
    return ", ".join(f"{count:,} {what}" for count, what in counts)


def _best_so_far(view: View, pick: TrialRecord | None) -> str:
    """The best completed trial, else the best of the trials that have trained most; "" before the first score."""
    scored = [row.record for row in view.rows.values() if isfinite(view.score(row.record)) and not row.violates]
    ranking = Ranking.of(view.results.spec)
    best = pick or min(
        scored,
        key=lambda record: (-view.results.trained(record), ranking.early_key(record.metrics), record.number),
        default=None,
    )
    if best is None:
        return ""
    at = "" if best is pick else f" at {percent(best.reached, 0)} of its training"
    return f"Best so far: trial {best.number} ({named_metric(view.objective, view.score(best))}{at})"


def _score(view: View, pick: TrialRecord | None, model: FinalModel | None) -> tuple[str, str]:
    if model is not None and model.test:
        name = judged_by(view, model)
        bounds = model.test[name]
        of_seed = f" (of seed {model.seed}, the exported one)" if pick is not None and len(view.seeds(pick)) > 1 else ""
        return metric(name, bounds.value), f"test {metric_title(name)}, {interval_text(name, bounds)}{of_seed}"
    if pick is None:
        return "", ""
    mean = mean_interval(view, pick)
    of_mean = f", {interval_text(view.objective, mean)}" if isfinite(mean.low) else ""
    seeds = len(view.seeds(pick))
    of_seeds = f"mean over {seeds} seeds" if seeds > 1 else f"seed {pick.seed}"
    return view.score_text(mean.value), f"validation {view.score_name} ({of_seeds}){of_mean}; test not opened yet"


def _race(view: View) -> list[Sentence]:
    race = view.results.final.race if view.results.final else None
    return [Sentence("Seeds", f"{capitalised(race_text(view.objective, race))}.")] if race else []


def _speed(view: View, pick: TrialRecord | None) -> list[Sentence]:
    if pick is None:
        return []
    speed, tokens, memory = (
        view.cost(pick, name) for name in ("samples_per_second", "tokens_per_second", "peak_memory_mib")
    )
    if not speed:
        return []
    runs = view.seeds(pick)
    notes = [f"{number(tokens)} tokens/s without padding"] if view.task.texts else []
    notes += [f"means over {len(runs)} seeds"] if len(runs) > 1 else []
    more = f" ({'; '.join(notes)})" if notes else ""
    # Not the time on slots: a trial that was interrupted may have done a part of its work twice.
    took_s = fmean(run.usage.elapsed_s for run in runs)
    peak = f", with {metric('peak_memory_mib', memory)} of memory at its peak" if memory else ""
    device = f" on {pick.place.device_name or pick.place.device}" if pick.place else ""
    text = f"{number(speed)} samples/s{more} in steady training{device}{peak}; one training takes {duration(took_s)}."
    return [Sentence("Speed", text)]


def _prediction(model: FinalModel | None) -> list[Sentence]:
    """How fast the exported model predicts, where it was scored."""
    speed = model.speed if model is not None else None
    return [Sentence("Predicts", f"{speed_text(speed)}.")] if speed is not None else []


def _cost(view: View) -> Sentence:
    counts = [
        f"{sum(record.state is state for record in view.trials):,} {word}"
        for state, word in _state_words(view).items()
        if any(record.state is state for record in view.trials)
    ]
    confirmed = len(view.results.confirm)
    total, spans = wall_s(view), spans_frame(view)
    extra = f" and {plural(confirmed, 'confirmation run')}" if confirmed else ""
    states = f" ({join(counts)})" if counts else ""
    busy = slot_use(spans, total)
    slots = f", {plural(spans['slot'].nunique(), 'slot')} {percent(busy, 0)} busy" if isfinite(busy) else ""
    trials = plural(len(view.trials), "trial")
    return Sentence(
        "Cost", f"{trials}{states}{extra} in {duration(total)}{_by_phase(view)}{slots}{_NOT_COUNTED}.{_planned(view)}"
    )


def _planned(view: View) -> str:
    """ " harness plan had expected 4 min 02 s (3 min 30 s to 5 min 10 s)."; "" where the study was not planned."""
    if view.results.forecast_s is None:
        return ""
    low, value, high = map(duration, view.results.forecast_s)
    return f" harness plan had expected {value} ({low} to {high})."


def _by_phase(view: View) -> str:
    """ " (search 4 min 02 s, confirmation 58 s)"; "" where there was but one phase, and where it is not known."""
    seconds: dict[str, float] = {}
    for phase, start, end in phase_times(view):
        seconds[phase] = seconds.get(phase, 0.0) + end - start
    if len(seconds) < 2:
        return ""
    names = {"search": "search", "confirm": "confirmation"}
    return f" ({', '.join(f'{names[phase]} {duration(spent)}' for phase, spent in seconds.items())})"


def _export(view: View) -> list[Sentence]:
    final = view.results.final
    if final is None or final.export is None:
        return []
    winner = view.models.get("winner")
    seed = f", seed {winner.seed}" if winner is not None and winner.seed is not None else ""
    step = _kept_step(view, winner) if winner is not None else ""
    folder = f"{Path(final.export).name}/ in the run's folder"
    sentences = [Sentence("Exported", f"{folder} holds trial {final.winner}{seed}{step}.")]
    if (tried := example(view)) is not None:
        truth = f"A test row with {tried.truth}." if tried.truth else ""
        sentences.append(Sentence("Try it", truth, tried.command))
    return sentences


def _kept_step(view: View, model: FinalModel) -> str:
    """The step of the evaluation whose weights a model has; "" where the records do not tell it."""
    record = view.by_number.get(model.number) if model.number is not None else None
    runs = view.seeds(record) if record is not None else ()
    run = next((run for run in runs if model.seed in (run.seed, None) and run.history), None)
    if run is None or run.best_step is None:
        return ""
    ended = f" ({run.message})" if run.out_of_patience else ""
    return f", with the weights after step {run.best_step:,} of {run.history[-1].total_steps:,}{ended}"


def _state_words(view: View) -> dict[TrialState, str]:
    return {
        TrialState.COMPLETE: "completed",
        TrialState.PRUNED: "pruned",
        TrialState.FAIL: "failed",
        TrialState.RUNNING: "interrupted" if view.results.interrupted else "running",
        TrialState.WAITING: "waiting",
    }


def _warnings(view: View) -> tuple[str, ...]:
    """The warnings of the decision, then those from the records."""
    final = view.results.final
    sentences = [*_of_before(view), *(final.warnings if final else warnings_among(view.results.facts))]
    ended = [record for record in view.trials if record.state.ended]
    failed = [record for record in ended if record.state is TrialState.FAIL]
    if failed and len(failed) == len(ended):
        sentences.append(f"Every trial failed; the first said: {failed[0].message or failed[0].reason}.")
    elif len(failed) > 0.1 * len(ended):
        sentences.append(
            f"{plural(len(failed), 'trial')} of {len(ended):,} failed: see the reasons in the leaderboard."
        )
    sentences += [*_changed(view.winner), *out_of_time(view)]
    if final is None and view.winner is not None:
        sentences.append(
            "The test split has not been opened: every score is of validation, on which the best was picked."
        )
    return tuple(sentences)


def _of_before(view: View) -> Iterator[str]:
    """A warning where the study went on after its decision, and has not been decided again."""
    final = view.results.final
    if final is None or final.of is None or not view.results.outdated:
        return
    was, now = final.of["trials"], view.results.spec.search.trials
    more = f" with {plural(was, 'trial')} of now {now:,}" if was != now else ", with another confirmation"
    yield f"Winner, test scores and exported model were decided{more}: run the study to its end for the answer of all."


def _changed(pick: TrialRecord | None) -> Iterator[str]:
    """A warning where population-based training changed the pick: its params are only the last ones."""
    if pick is not None and pick.num_changes:
        times = plural(pick.num_changes, "time")
        yield (
            f"The values of trial {pick.number} changed during training ({times}), and those shown are the last ones: "
            f"see mutations in {program()} results RUN --json."
        )
