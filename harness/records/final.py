"""The outcome of a study: its baselines, the models scored on test, and the winner.

It is stored as JSON in the attributes `baselines` and `final` of the study.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import isfinite
from typing import Annotated, Any, Literal, cast

from pydantic import Field

from harness.spec.space import Frozen
from harness.spec.trial import ParamValue
from harness.stats.intervals import Interval

__all__ = [
    "BOX_PICTURES",
    "DECISIONS",
    "PICTURES",
    "SHOWN",
    "SHOWN_WIDTH",
    "UNITS",
    "WARNING",
    "Baseline",
    "Comparison",
    "DroppedFinalist",
    "Final",
    "FinalModel",
    "Finalist",
    "Interval",
    "PredictionSpeed",
    "SeedRace",
    "numbered",
    "warnings_among",
]

#: File of a decision with the test rows as text (a JSON list), and the most characters of a row.
SHOWN, SHOWN_WIDTH = "shown.json", 600
#: File of a decision with small pictures of some test rows, by row.
PICTURES = "pictures.json"
#: File of a decision with the number of each row's unit by split, where intervals draw units (data.resample_by).
UNITS = "units.json"
#: File of a decision with copies of some test pictures on which boxes are drawn (`harness.data.pictures.for_boxes`).
BOX_PICTURES = "box_pictures.json"
#: The folder in the run folder that holds a folder of files for each decision, by its number. Earlier versions wrote
#: the files of every decision into it, over those of the one before.
DECISIONS = "final"

Float = Annotated[float, Field(allow_inf_nan=True)]
Role = Annotated[str, Field(pattern=r"^(winner|runner-up|default|(checkpoint|baseline)(-[0-9]+)?)$")]
"""What a model is on the list that opens test; further checkpoints and baselines are numbered: "baseline-2"."""
Kind = Literal["winner", "runner-up", "default", "checkpoint", "baseline"]


#: How a fact of the data that warns begins.
WARNING = "warning: "


def warnings_among(facts: Iterable[str]) -> list[str]:
    """The facts of the data that warn, without the word."""
    return [fact.removeprefix(WARNING) for fact in facts if fact.startswith(WARNING)]


def numbered(kind: Literal["checkpoint", "baseline"], place: int) -> str:
    """The role of a kind's model at `place`, from 0: "baseline", "baseline-2", ..."""
    return kind if place == 0 else f"{kind}-{place + 1}"


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


class DroppedFinalist(Frozen):
    """A configuration that got no further seed after `num_seeds`; NaN is behind where it cannot win any more."""

    number: int
    num_seeds: int
    behind: Float = Field(description="its mean objective behind that of the best then; never negative")


class SeedRace(Frozen):
    """The race of `confirm: {seeds: auto}`: the configurations left in it, with equally many seeds, and the others."""

    left: tuple[int, ...]
    num_seeds: int
    dropped: tuple[DroppedFinalist, ...] = ()

    def seeds_of(self, number: int) -> int:
        """How many seeds the race asks for of a configuration; the search run is the first."""
        return next((each.num_seeds for each in self.dropped if each.number == number), self.num_seeds)


class PredictionSpeed(Frozen):
    """How fast a saved model predicts, on the device that scored it, and its size on disk.

    Models of one checkpoint, precision and length predict equally fast, and have one measurement.
    """

    rows_per_second: float = Field(
        description="in batches by length, with the threads of a slot: the median of `passes`; the fastest in records "
        "of earlier versions, which lack what is None or 0 here"
    )
    slowest_rows_per_second: float | None = None
    fastest_rows_per_second: float | None = None
    passes: int = 0
    row_ms: float = Field(description="milliseconds for a single row: the median of `single_rows`")
    fastest_row_ms: float | None = None
    slowest_row_ms: float | None = None
    single_rows: int = 0
    megabytes: float = Field(description="of the weights' file, in 10^6 bytes")


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
    speed: PredictionSpeed | None = Field(default=None, description="not measured for baselines")
    checkpoint: str | None = Field(default=None, description="as the study names it, where the study compares several")

    @property
    def kind(self) -> Kind:
        """The role without its number: "baseline-2" -> "baseline"."""
        return cast("Kind", self.role.rstrip("-0123456789"))

    def wins(self, comparison: Comparison) -> bool:
        """True when its score is not undefined, and it is better than the other model or that one has no score."""
        own = self.test.get(comparison.metric)
        return (own is None or isfinite(own.value)) and comparison.is_won


class Comparison(Frozen):
    """Paired bootstrap over the test rows: how probable it is that `a` is better than `b` by `metric`."""

    a: Role
    b: Role
    metric: str
    probability: float
    difference: Interval = Field(description="the metric of a less that of b, in the metric's unit")
    mcnemar_p: float | None = Field(default=None, description="only for metrics that are a share of the rows")
    tie: bool

    @property
    def is_won(self) -> bool:
        """True when `a` is better beyond chance, or `b` has no value of the metric."""
        return not isfinite(self.difference.value) or (not self.tie and self.probability > 0.5)


class Final(Frozen):
    """The decision of a study. `winner` was chosen on validation, before any model was scored on test.

    It is the recommended trial, and `export` holds its model. Where no finalist meets the constraints of the study
    there is no winner, no model was scored on test, and the first finalist is the nearest one. `comparisons` are of the
    winner with every other model.
    `earlier` are the trained models that earlier decisions of the study scored on test, and this one did not: their
    weights are kept, and the files of their answers.
    """

    winner: int | None = None
    finalists: tuple[Finalist, ...] = ()
    race: SeedRace | None = Field(default=None, description="null where all confirmed configurations had equal seeds")
    models: tuple[FinalModel, ...] = ()
    comparisons: tuple[Comparison, ...] = ()
    warnings: tuple[str, ...] = ()
    export: str | None = Field(default=None, description="the exported model's folder, in the run folder")
    export_sha256: str = Field(default="", description="of the export's manifest.json; empty in earlier versions")
    folder: str = Field(default=DECISIONS, description="of the decision's files, in the run folder")
    told: str = Field(default="", description="how the winner's outputs become decisions, where that was tuned")
    of: dict[str, Any] | None = Field(default=None, description="what of the study it is the decision of: finish_keys")
    earlier: tuple[FinalModel, ...] = ()

    @property
    def winning_model(self) -> FinalModel | None:
        """The winner among the models that were scored on test; None in records that hold none."""
        return next((model for model in self.models if model.role == "winner"), None)

    @property
    def tested(self) -> tuple[FinalModel, ...]:
        """Every trained model that was scored on test; those of earlier decisions come last."""
        return tuple(model for model in (*self.models, *self.earlier) if model.number is not None)

    def after(self, earlier: Final | None) -> Final:
        """The decision, with the trained models of the decision before it that it did not score again."""
        again = {(model.number, model.seed) for model in self.models}
        tested = earlier.tested if earlier is not None else ()
        others = tuple(model for model in tested if (model.number, model.seed) not in again)
        return self.model_copy(update={"earlier": others})
