"""Reads the runs that `search.from` names: the params of their best trials, which a new study tries first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from harness.errors import InputError, RunError
from harness.records.manifest import EarlierRun, EarlierTrial
from harness.records.results import Results, load
from harness.records.schema import TrialRecord, TrialState
from harness.report.kit.text import join
from harness.spec.configure import arm_of, arms, is_compared, search_space
from harness.spec.constraints import Ranking
from harness.spec.first import completed, first_trials, misfits
from harness.spec.params import keys_of, value_at
from harness.spec.space import is_searched
from harness.spec.study import StudySpec
from harness.spec.trial import ParamValue

__all__ = ["earlier_lines", "read_earlier_runs"]

#: How many trials of each run are tried. Where some of the best are outside the space, as many others are looked at.
NUM_BEST = 3


def read_earlier_runs(spec: StudySpec) -> tuple[EarlierRun, ...]:
    """Returns the best trials of each run that the study names, with their params in its space.

    Raises:
        InputError: a run cannot be read, has not come to its end, or is of another task or other params.
    """
    return tuple(_read(spec, Path(run)) for run in spec.search.from_runs)


def earlier_lines(runs: Sequence[EarlierRun], spec: StudySpec) -> Iterator[str]:
    """Yields a line on each run with what it gives, one on each trial that is left out, and one on too few trials."""
    for run in runs:
        numbers = [str(trial.number) for trial in run.taken]
        what = f"trial{'' if len(numbers) == 1 else 's'} {join(numbers)}" if numbers else "nothing"
        yield f"search.from: {run.run} gives {what} to try first"
        for number, why in run.left_out.items():
            yield f"search.from: {run.run}: trial {number} is left out: {why}"
    if len(arms(spec)) > 1:
        return
    before = first_trials(spec, arms(spec)[0])
    given = [dict(trial.params) for run in runs for trial in run.taken]
    new = [params for at, params in enumerate(given) if params not in (*before, *given[:at])]
    if (room := max(0, spec.search.trials - len(before))) < len(new):
        which = f"these {len(new)} trials" if len(new) == len(given) else f"the {len(new)} of these trials that differ"
        yield f"search.from: search.trials={spec.search.trials} has room for {room or 'none'} of {which}"


def _read(spec: StudySpec, folder: Path) -> EarlierRun:
    try:
        results = load(folder)
    except RunError as error:
        raise InputError(f"search.from: {error}") from None
    if reason := _foreign(spec, results):
        raise InputError(f"search.from: {folder} {reason}")
    ranked = [row.record for row in results.leaderboard() if row.record.state is TrialState.COMPLETE]
    if any(getattr(spec.search, name) != getattr(results.spec.search, name) for name in ("objectives", "constraints")):
        ranking = Ranking.of(spec)  # what was best there need not be it here
        ranked.sort(key=lambda record: ranking.key(record.metrics))
    taken: list[EarlierTrial] = []
    left_out: dict[int, str] = {}
    for record in ranked[: 2 * NUM_BEST]:
        if len(taken) == NUM_BEST:
            break
        params = _params(spec, results, record)
        if isinstance(params, str):
            left_out[record.number] = params
        else:
            taken.append(EarlierTrial(number=record.number, params=params))
    return EarlierRun(run=str(folder), taken=tuple(taken), left_out=left_out)


def _foreign(spec: StudySpec, results: Results) -> str:
    """Returns why the best trials of a run say nothing here; "" where they do."""
    if results.spec.task != spec.task:
        return f"is of the task {results.spec.task}, and this study of {spec.task}"
    if results.final is None:
        return "has not come to its end; continue it, or leave it out"
    names = [{param.name for param in search_space(study)} for study in (results.spec, spec)]
    if not names[0] & names[1]:
        searched = [", ".join(sorted(own)) or "nothing" for own in names]
        return f"searched {searched[0]}, and this study searches {searched[1]}: they have no param in common"
    return ""


def _params(spec: StudySpec, results: Results, record: TrialRecord) -> dict[str, ParamValue] | str:
    """Returns the params of a trial in the study's space, or why it is outside.

    A param that is searched here and was fixed there has that value where the space holds it.
    """
    given, literals = dict(record.params), _literals(results.spec)
    if is_compared(spec):
        given.setdefault("checkpoint", results.spec.model.checkpoints[0])
    if wrong := misfits(spec, given):
        return "; ".join(f"{key}: {message}" for key, message in wrong.items())
    params = completed(spec, given, arm_of(spec, given) or arms(spec)[0], rest=literals)
    return "its params are not all active here" if params is None else params


def _literals(spec: StudySpec) -> dict[str, Any]:
    """Returns the value of every key that a study fixes, by the key's last part."""
    values = {name: value_at(spec, key) for name, key in keys_of(spec).items()}
    return {name: value for name, value in values.items() if not is_searched(value)}
