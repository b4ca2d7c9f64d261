"""The race of `confirm: {seeds: auto}`: which finalists get another seed, from the records and answers of a run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations
from math import nan, sqrt
from statistics import fmean

import numpy as np

from harness.data.answers import read_answers
from harness.errors import RunError
from harness.records.final import DroppedFinalist, SeedRace
from harness.records.rundir import RunFolder
from harness.records.schema import TrialRecord, TrialState
from harness.spec.configure import arm_of
from harness.spec.constraints import constraints_of
from harness.spec.study import StudySpec
from harness.spec.tasks import facts_of
from harness.stats.race import race
from harness.stats.resampling import compare

__all__ = ["noise_of_rows", "race_of"]


def race_of(
    spec: StudySpec, finalists: Sequence[TrialRecord], confirm: Sequence[TrialRecord], row_sd: float
) -> SeedRace:
    """Returns where the race of `finalists`, best first, stands after the confirmation runs that have ended.

    The finalists of each compared checkpoint race among themselves. `row_sd` is `noise_of_rows`.
    """
    most = spec.confirm.most_seeds if spec.confirm else 1
    arms = [arm_of(spec, trial.params) for trial in finalists]
    groups = [[at for at, own in enumerate(arms) if own == arm] for arm in dict.fromkeys(arms)]
    scores = [list(_scores(spec, trial, confirm, most)) for trial in finalists]
    stands = race(scores, row_sd, most, groups)
    return SeedRace(
        left=tuple(finalists[at].number for at in stands.left),
        num_seeds=stands.num_seeds,
        dropped=tuple(
            DroppedFinalist(number=finalists[one.index].number, num_seeds=one.num_seeds, behind=one.behind)
            for one in stands.dropped
        ),
    )


def _scores(spec: StudySpec, trial: TrialRecord, confirm: Sequence[TrialRecord], most: int) -> Iterator[float]:
    """The scores of a finalist by seed as far as they are known, the higher the better; NaN cannot win."""
    metric, constraints = facts_of(spec.task).metric(spec.search.objectives[0]), constraints_of(spec)
    ended = {run.seed: run for run in confirm if run.config.of == trial.number and run.state.ended}
    runs: list[TrialRecord] = []
    for seed in range(trial.seed, trial.seed + most):
        run = trial if seed == trial.seed else ended.get(seed)
        if run is None:
            return
        runs.append(run)
        names = set.intersection(*(set(each.metrics) for each in runs))
        means = {name: fmean(each.metrics[name] for each in runs) for name in names}
        may_win = run.state is TrialState.COMPLETE and not constraints.unmet(means)
        yield -metric.sort_key(run.metrics.get(metric.name)) if may_win else nan


def noise_of_rows(run: RunFolder, spec: StudySpec, finalists: Sequence[TrialRecord], units: np.ndarray | None) -> float:
    """Returns the standard error of a difference of two finalists on the same validation rows, or draws of `units`.

    NaN where the objective is not computed from rows, or where no two finalists have kept answers.
    """
    metric = facts_of(spec.task).metric(spec.search.objectives[0])
    if not metric.has_formula:
        return nan
    answers = []
    for trial in finalists:
        try:
            answers.append(read_answers(run.path / str(trial.weights) / "validation.npz", "validation"))
        except RunError:
            continue
    pairs = [compare(metric, a.outputs, b.outputs, a.targets, units) for a, b in combinations(answers, 2)]
    return sqrt(fmean(pair.difference.standard_error**2 for pair in pairs)) if pairs else nan
