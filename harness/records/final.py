"""What came of a study: baselines, the four models scored on test, and the recommendation.

Knows nothing of how they were trained. Stored as JSON attributes of the study ("baselines", "final").
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from harness.spec.space import Frozen
from harness.spec.trial import ParamValue
from harness.stats.intervals import Interval

__all__ = ["SHOWN", "SHOWN_WIDTH", "Baseline", "Comparison", "Final", "FinalModel", "Finalist", "Interval"]

#: In the run folder: the test rows as a person reads them, a JSON list of texts of at most so many characters.
SHOWN, SHOWN_WIDTH = "final/shown.json", 600

Float = Annotated[float, Field(allow_inf_nan=True)]
Role = Literal["winner", "runner-up", "default", "baseline"]


class Baseline(Frozen):
    """A classical model on the same split; `metrics` are of validation."""

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
    """One of the models that saw the test split. `predictions` is the file of its answers in the run folder.

    The file holds those for test; for validation too where they are not beside the weights (winner, baseline).
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
    mcnemar_p: float | None = Field(default=None, description="of a share of the rows alone")
    tie: bool


class Final(Frozen):
    """The decision. `winner` was picked on validation before test was opened."""

    winner: int
    finalists: tuple[Finalist, ...] = ()
    models: tuple[FinalModel, ...] = ()
    comparisons: tuple[Comparison, ...] = ()
    recommended: int
    warnings: tuple[str, ...] = ()
    export: str | None = Field(default=None, description="the exported model's folder, in the run folder")
