"""Params whose best value seems to lie beyond the range that was searched, and a range to search next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import log2

import numpy as np

from harness.records.schema import TrialRecord
from harness.report.kit.view import View
from harness.report.study.equal_length import equal_length
from harness.report.study.scale import Scale
from harness.spec.configure import Domain, Param, search_space
from harness.stats.optimum import Beyond, Scored, beyond

__all__ = ["Edge", "edges"]

#: How probable it must be that the optimum lies beyond an end: of the only param, a learning rate, without pruning and
#: with it; of a learning rate among other params; of another param. `benchmarks/edge_alarms.py` counts false and missed
#: alarms.
ALONE, ALONE_PRUNED, OF_RATES, OF_OTHERS = 0.5, 0.7, 0.6, 0.7
#: The winner must be in the outer part of the range, on the side of the end.
OUTER = 0.4
#: The fewest trials that are judged, and the fewest of a rung.
FEWEST, AT_RUNG = 6, 8
#: In training tables the best learning rate fell by up to so many decades with each doubling of the training.
_DRIFT = 0.35
#: Trials of another checkpoint or optimiser have another optimum.
_OWN_OPTIMUM = ("checkpoint", "optimizer")


@dataclass(frozen=True, slots=True, kw_only=True)
class Edge:
    """A param whose optimum is probably beyond `end` of its range; `domain` is what to search next."""

    param: Param
    end: float
    is_upper: bool
    probability: float
    domain: Domain


def edges(view: View) -> list[Edge]:
    """Returns the params whose optimum is probably beyond their range, the most probable first.

    Trials are compared that were trained equally far: those completed, and those at the last rung that enough reached.
    """
    best = view.winner
    if best is None or view.metric.is_cost:
        return []
    found = [edge for param in search_space(view.results.spec) if (edge := _edge(view, param, best)) is not None]
    return sorted(found, key=lambda edge: -edge.probability)


def _edge(view: View, param: Param, best: TrialRecord) -> Edge | None:
    scale = Scale.of(param)
    if scale is None or not scale.goes_on or param.name not in best.params:
        return None
    place = scale.place(best.params[param.name])
    if OUTER < place < 1 - OUTER:
        return None
    probable, is_upper = _beyond(view, param, scale, best), place > 0.5
    probability = probable.above if is_upper else probable.below
    domain = scale.beyond(is_upper) if probability > _needed(view, param) else None
    if domain is None:
        return None
    end = scale.high if is_upper else scale.low
    return Edge(param=param, end=end, is_upper=is_upper, probability=probability, domain=domain)


def _needed(view: View, param: Param) -> float:
    if param.name != "learning_rate":
        return OF_OTHERS
    if len(search_space(view.results.spec)) > 1:
        return OF_RATES
    return ALONE if len(view.completed) == len(view.scored) else ALONE_PRUNED


def _beyond(view: View, param: Param, scale: Scale, best: TrialRecord) -> Beyond:
    completed = {record.number: record.metrics for record in view.completed}
    groups = [_scored(view, param, scale, best, completed)]
    early = equal_length(view, AT_RUNG)
    if early is not None and early.share < 1 and param.name == "learning_rate":
        drift = _DRIFT * log2(1 / early.share) / scale.decades if scale.is_log else 1.0
        groups.append(_scored(view, param, scale, best, early.metrics, (0.0, min(1.0, drift))))
    kept = [group for group in groups if group is not None]
    if max((len(group.scores) for group in kept), default=0) < FEWEST:
        return Beyond(below=0.0, above=0.0)
    return beyond(kept)


def _scored(
    view: View,
    param: Param,
    scale: Scale,
    best: TrialRecord,
    metrics: Mapping[int, Mapping[str, float]],
    drift: tuple[float, float] = (0.0, 0.0),
) -> Scored | None:
    sign = 1 if view.metric.maximize else -1
    alike = [
        record
        for record in map(view.by_number.__getitem__, metrics)
        if param.name in record.params
        and not record.num_changes
        and all(record.params.get(name) == best.params.get(name) for name in _OWN_OPTIMUM)
    ]
    if len(alike) < 2:
        return None
    return Scored(
        places=np.array([scale.place(record.params[param.name]) for record in alike]),
        scores=np.array([sign * metrics[record.number][view.objective] for record in alike]),
        others=_others(view, param, alike),
        drift=drift,
    )


def _others(view: View, param: Param, records: Sequence[TrialRecord]) -> np.ndarray:
    """Returns the other searched params [trials, k]: numbers and their squares, and a column for each choice."""
    columns = []
    for other in search_space(view.results.spec):
        values = [record.params.get(other.name) for record in records]
        scale = Scale.of(other)
        if other.name == param.name or len({repr(value) for value in values}) < 2:
            continue
        if scale is not None and None not in values:
            places = 2 * np.array([scale.place(value) for value in values]) - 1
            columns += [places, places**2]
        else:
            columns += [
                np.array([value == choice for value in values], dtype=float) for choice in dict.fromkeys(values)
            ]
    return np.stack(columns, axis=1) if columns else np.zeros((len(records), 0))
