"""The outcome of a study: baselines, the four models scored on test, and the recommendation.

It is stored as JSON in the attributes `baselines` and `final` of the study.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from harness.spec.space import Frozen
from harness.spec.trial import ParamValue
from harness.stats.intervals import Interval

__all__ = ["SHOWN", "SHOWN_WIDTH", "Baseline", "Comparison", "Final", "FinalModel", "Finalist", "Interval"]

#: File in the run folder with the test rows as text (a JSON list), and the most characters of a row.
SHOWN, SHOWN_WIDTH = "final/shown.json", 600

Float = Annotated[float, Field(allow_inf_nan=True)]
Role = Literal["winner", "runner-up", "default", "baseline"]


class Baseline(Frozen):
    """A classical model trained on the same data; `metrics` are on validation."""

    name: str
    metrics: dict[str, Float]


class Finalist(Frozen):
    """A confirmed configuration: its search trial, and the mean of its metrics over seeds."""

    number: int
    params: dict[str, ParamValue]
    seeds: tuple[int, ...]
    metrics: dict[str, Float] = Field(description="mean over seeds, validation")
    std: dict[str, Float] = Field(description="sample standard deviation over seeds; 0 with one seed")


class FinalModel(Frozen):
    """A model that was scored on the test split. `predictions` is the file of its answers, relative to the run folder.

    The file holds the answers on test, and on validation too where none lie beside the weights (winner, baseline).
    """

    role: Role
    name: str
    number: int | None = None
    seed: int | None = None
    validation: dict[str, Float]
    test: dict[str, Interval]
    predictions: str


class Comparison(Frozen):
    """Paired bootstrap over the test rows: how probable it is that `a` is better than `b` by `metric`."""

    a: Role
    b: Role
    metric: str
    probability: float
    difference: Interval = Field(description="the metric of a less that of b, in the metric's unit")
    mcnemar_p: float | None = Field(default=None, description="only for metrics that are a share of the rows")
    tie: bool


class Final(Frozen):
    """The decision of a study. `winner` was chosen on validation, before any model was scored on test."""

    winner: int
    finalists: tuple[Finalist, ...] = ()
    models: tuple[FinalModel, ...] = ()
    comparisons: tuple[Comparison, ...] = ()
    recommended: int
    warnings: tuple[str, ...] = ()
    export: str | None = Field(default=None, description="the exported model's folder, in the run folder")
