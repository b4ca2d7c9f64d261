"""How two trials compare at a rung: which ranks first, and whether the rows can tell them apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite, nan

from harness.records.schema import Progress
from harness.search.pruners.ladder import Judged, rung_key
from harness.spec.constraints import UNCONSTRAINED, Constraints, constraints_of
from harness.spec.params import searched
from harness.spec.study import StudySpec
from harness.spec.tasks import RECIPE, TaskFacts, facts_of
from harness.stats.chance import is_ahead
from harness.stats.metric import Metric

__all__ = ["Comparison"]

#: Losses nearer to each other than this share of the trivial baseline's are equal, however many rows tell them apart:
#: before anything is learned they differ by where the training began.
EQUAL_LOSSES = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Compares trials by a study's first objective, after the number of constraints that each violates.

    At an early rung trials are ranked by their loss where `by_loss`: early values of an objective are those of a guess
    while the loss shows who learns. `num_trials` is how many are compared at most: of so many without merit, as few as
    of one are ahead of another by chance. `chance` is the trivial baseline's validation score, by metric.
    """

    task: TaskFacts
    objectives: Sequence[str]
    num_trials: int = 1
    constraints: Constraints = UNCONSTRAINED
    by_loss: bool = True
    chance: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def of(cls, spec: StudySpec, chance: Mapping[str, float] | None = None) -> Comparison:
        """Returns the comparison of a study; not by loss where it searches what changes the loss, as smoothing does."""
        changes_loss = any(key.rpartition(".")[2] in RECIPE for key in searched(spec))
        return cls(
            task=facts_of(spec.task),
            objectives=spec.search.objectives,
            num_trials=spec.search.trials,
            constraints=constraints_of(spec),
            by_loss=not changes_loss,
            chance=chance or {},
        )

    def ranks_by_loss(self, is_early: bool) -> bool:
        """True where the loss ranks trials, and not the objective: also where that is not known before the end."""
        first = self.task.metric(self.objectives[0])
        return first.is_written or (is_early and self.by_loss and not first.is_cost)

    def key(self, progress: Progress, is_early: bool) -> tuple[float, float, float]:
        """Returns a key that sorts the better trial first."""
        num_violated = float(len(self.constraints.violated(progress.metrics)))
        by_loss = self.ranks_by_loss(is_early)
        return num_violated, *rung_key(progress, self.objectives[0], self.task, by_loss=by_loss)

    def is_ahead(self, better: Judged, worse: Judged, is_early: bool) -> bool:
        """True when the first of two ranked trials is better than the second by more than the noise of the rows."""
        if better.key[0] != worse.key[0]:
            return better.key[0] < worse.key[0]
        return self.ahead_by(better, worse, is_early) is not None

    def ahead_by(self, better: Judged, worse: Judged, is_early: bool) -> Metric | None:
        """Returns the metric by which the first of two ranked trials is better by more than noise; None without one.

        Both violate as many constraints.
        """
        loss, objective = self.task.metric(self.task.loss), self.task.metric(self.objectives[0])
        if self.ranks_by_loss(is_early) and isfinite(better.progress.metrics.get(loss.name, nan)):
            return loss if self._is_ahead(loss, better, worse) else None
        if self._is_ahead(objective, better, worse):
            return objective
        near = not objective.is_cost and better.key[1] <= worse.key[1]
        return loss if near and self._is_ahead(loss, better, worse) else None

    def _is_ahead(self, metric: Metric, better: Judged, worse: Judged) -> bool:
        value, other = (judged.progress.metrics.get(metric.name) for judged in (better, worse))
        least = EQUAL_LOSSES * self.chance.get(metric.name, 0.0) if metric.name == self.task.loss else 0.0
        return is_ahead(metric, value, other, worse.progress.num_rows, self.num_trials, least)
