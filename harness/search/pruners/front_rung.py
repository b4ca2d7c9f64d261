"""A rung of a study of several objectives, whose trials are ranked by dominance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from harness.search.pruners.ladder import IsAhead, Judged, Ranked, Rung, rung_key
from harness.spec.tasks import TaskFacts
from harness.stats.fronts import pareto_order

__all__ = ["FrontRung"]


@dataclass(slots=True, kw_only=True)
class FrontRung(Rung):
    """A rung that ranks by Pareto front, within a front by crowding distance, then by number.

    Trials that violate more constraints come behind all those that violate fewer.
    A further trial may change the ranks of all others, so trials are ranked when the last has come.
    """

    is_ranked_early: ClassVar[bool] = False
    objectives: Sequence[str]
    task: TaskFacts
    is_ranked: bool = False

    def reach(self, judged: Judged) -> None:
        self.reached.append(judged)
        self.is_ranked = False

    def place(self, judged: Judged) -> int:
        return self.reached.index(judged) if judged in self.reached else len(self.reached)

    def rank(self) -> None:
        if self.is_ranked:
            return
        self.is_ranked = True
        self.reached.sort(key=lambda judged: judged.number)
        columns = [self._column(name) for name in self.objectives]
        order = pareto_order(np.array(columns, dtype=float).reshape(len(columns), -1).T)
        self.reached = sorted((self.reached[index] for index in order), key=lambda judged: judged.key[0])

    def num_going_on(self, ranked: Sequence[Judged] | Ranked, quota: int, num_reached: int, is_ahead: IsAhead) -> int:
        """Returns `quota` where as many trials are better than the trivial baseline, else `num_reached`."""
        return quota if len(self.better) >= quota else num_reached

    def _column(self, objective: str) -> np.ndarray:
        """Returns what ranks each trial by one objective, the lower the better: its value, as far as it is known.

        For what is like a share it is the trial's place, where trials that the rows cannot tell apart go by their loss.
        """
        metric = self.task.metric(objective)
        if not metric.is_like_share:
            return np.array([metric.sort_key(judged.progress.metrics.get(objective)) for judged in self.reached])
        keys = [rung_key(judged.progress, objective, self.task) for judged in self.reached]
        place_of = {key: place for place, key in enumerate(sorted(set(keys)))}
        return np.array([place_of[key] for key in keys], dtype=float)
