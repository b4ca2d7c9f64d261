"""The typed records of trials, which every engine writes and every report reads; they are stored as JSON."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from harness.errors import FailReason
from harness.spec.space import Frozen
from harness.spec.steps import warmup_steps
from harness.spec.tasks import facts_of
from harness.spec.trial import ParamValue, TrialConfig
from harness.stats.metric import COSTS

__all__ = [
    "BUDGET",
    "Period",
    "Place",
    "Progress",
    "PruneReason",
    "Reason",
    "Span",
    "Stored",
    "TrialRecord",
    "TrialState",
    "Usage",
    "as_begun",
    "best_progress",
    "metrics_of",
    "num_places",
    "record_of",
    "repeating",
    "with_earlier",
]

Float = Annotated[float, Field(allow_inf_nan=True)]
#: The message of a trial that was stopped for lack of time.
BUDGET = "budget"


class Stored(BaseModel):
    """Base of types that are stored in files: immutable, no NaN; unknown keys of newer versions are ignored."""

    model_config = ConfigDict(extra="ignore", frozen=True, allow_inf_nan=False)


class TrialState(StrEnum):
    """The state of a trial, named as in Optuna."""

    WAITING = "WAITING"
    RUNNING = "RUNNING"
    COMPLETE = "COMPLETE"
    PRUNED = "PRUNED"
    FAIL = "FAIL"

    @property
    def ended(self) -> bool:
        """True for COMPLETE, PRUNED and FAIL."""
        return self in (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)


class PruneReason(StrEnum):
    """Why a trial ended in state PRUNED; records of earlier versions, and trials without time, have none."""

    RUNG = "rung"


Reason = FailReason | PruneReason


class Usage(Frozen):
    """A trial's wall time so far by part, in seconds; the parts add up to `elapsed_s`.

    `steady_*` count only the training steps after warm-up; throughput is computed from them. Of a trial that borrowed
    threads of other slots they count only the steps with the fewest threads, so that trials can be compared.
    `tokens` are real tokens, `positions` are tokens and padding. `predict_*` count the validation rows that were
    predicted, likewise with the fewest threads, without what a model writes.
    """

    start_s: float = 0.0
    data_s: float = 0.0
    step_s: float = 0.0
    evaluation_s: float = 0.0
    saving_s: float = 0.0
    elapsed_s: float = 0.0
    samples: int = 0
    tokens: int = 0
    positions: int = 0
    steady_s: float = 0.0
    steady_samples: int = 0
    steady_tokens: int = 0
    steady_threads: int = 0
    predict_s: float = 0.0
    predict_samples: int = 0
    predict_threads: int = 0
    peak_memory_mib: float = 0.0

    @property
    def samples_per_second(self) -> float:
        """Rows a second of the steady step; 0 where none was timed."""
        return self.steady_samples / self.steady_s if self.steady_s else 0.0

    @property
    def tokens_per_second(self) -> float:
        """Real tokens a second of the steady step; 0 where none was timed."""
        return self.steady_tokens / self.steady_s if self.steady_s else 0.0

    @property
    def predicted_samples_per_second(self) -> float:
        """Validation rows a second in the trial's evaluations; 0 where none was timed."""
        return self.predict_samples / self.predict_s if self.predict_s else 0.0

    @property
    def padding_fraction(self) -> float:
        """The share of padding in all positions that were computed."""
        return 1 - self.tokens / self.positions if self.positions else 0.0

    def times(self) -> dict[str, float]:
        """The parts of the wall clock: start, data, step, evaluation, saving (seconds)."""
        return {name: getattr(self, f"{name}_s") for name in ("start", "data", "step", "evaluation", "saving")}


class Place(Stored):
    """Where a trial runs: `device` is cpu, cuda:1, ...; `slot` is numbered over all devices of the engine."""

    node: str
    device: str
    slot: int
    threads: int
    device_name: str = ""


class Span(Frozen):
    """A period of work of one trial on one slot; Unix times in seconds."""

    slot: int
    start: float
    end: float


class Period(Frozen):
    """A search or a confirmation of one sweep, from its begin to its end; Unix times in seconds.

    `end` is None while it runs, and for good where the sweep was killed.
    """

    phase: Literal["search", "confirm"]
    start: float
    end: float | None = None


class Progress(Frozen):
    """A trial after one evaluation. `metrics` hold every metric, throughput and memory included."""

    number: int
    step: int
    total_steps: int
    epoch: float
    num_rows: int = Field(description="validation rows scored")
    metrics: dict[str, Float]
    train_loss: Float
    usage: Usage = Usage()
    micro_batch_size: int = 0
    num_parameters: int = Field(default=0, description="of the model as it is saved; 0: not counted")
    threads: int = Field(default=0, description="of the training since the evaluation before")
    precision: str = Field(default="", description="of the training; empty in records of earlier versions")
    plain: bool | None = Field(
        default=None, description="whether speed-ups were off (HARNESS_PLAIN=1); null in records of earlier versions"
    )
    out_of_patience: bool = Field(
        default=False,
        description="the trial ends here, before its end: training.patience, or a recipe repeated on more rows",
    )
    place: Place | None = Field(default=None, description="where it was computed; set by the engine")
    span: Span | None = Field(default=None, description="when it was computed; set by the engine")

    @property
    def done(self) -> bool:
        """True at the last evaluation: at the end of the full training, or where patience ends the trial."""
        return self.out_of_patience or self.step >= self.total_steps

    @property
    def fraction(self) -> float:
        """The share of the full training that is done."""
        return self.step / self.total_steps

    @property
    def whole_s(self) -> float:
        """The expected seconds of the whole training, at the speed so far."""
        return self.usage.elapsed_s / self.fraction

    def row(self) -> dict[str, Any]:
        """One flat row of a trial's history."""
        return {
            "step": self.step,
            "epoch": self.epoch,
            "fraction": self.fraction,
            "num_rows": self.num_rows,
            "train_loss": self.train_loss,
            "elapsed_s": self.usage.elapsed_s,
            **self.metrics,
        }


class TrialRecord(Frozen):
    """The record of a trial, written by the coordinator alone."""

    number: int
    kind: str = "search"
    state: TrialState
    reason: Reason | None = None
    message: str = Field(
        default="",
        description="one line: why it failed, at which rung it was stopped and why, or where patience ended it",
    )
    params: dict[str, ParamValue] = {}
    seed: int
    config: TrialConfig
    metrics: dict[str, Float] = Field(
        default={}, description="of the best evaluation (see best_progress); costs are those of the whole training"
    )
    best_step: int | None = None
    history: tuple[Progress, ...] = ()
    place: Place | None = None
    spans: tuple[Span, ...] = ()
    started_at: float = 0.0
    ended_at: float = 0.0
    log: str = Field(default="", description="log file, relative to the run folder")
    weights: str | None = Field(default=None, description="folder of the saved model, relative to the run folder")
    extra: dict[str, Any] = {}

    @property
    def usage(self) -> Usage:
        """Time, rows and memory up to the last evaluation."""
        return self.history[-1].usage if self.history else Usage()

    @property
    def reached(self) -> float:
        """The share of its steps up to the last evaluation, as shown: 5 of 19 steps are 26 % at a rung of 25 %."""
        return self.history[-1].fraction if self.history else 0.0

    @property
    def best_threads(self) -> int:
        """The number of threads of the best evaluation: on a CPU the same number gives the same scores."""
        best = next((progress.threads for progress in self.history if progress.step == self.best_step), 0)
        return best or (self.place.threads if self.place else 1)

    @property
    def precision(self) -> str | None:
        """The precision of the training; None where an earlier version chose it and did not record it."""
        configured = self.config.training.precision
        return _precision(self.history) or (None if configured == "auto" else configured)

    @property
    def plain(self) -> bool | None:
        """Whether the training had no speed-ups; None where that is not known."""
        return self.history[0].plain if self.history else None

    @property
    def trained_config(self) -> TrialConfig:
        """The config, with `auto` replaced by the precision of the training."""
        return as_begun(self.config, self.history)

    @property
    def where(self) -> str:
        """Node and device; "" where the trial never began."""
        return f"{self.place.node} {self.place.device}" if self.place else ""

    @property
    def duration_s(self) -> float:
        """Seconds of work on slots; the time between spans does not count."""
        return sum(span.end - span.start for span in self.spans)

    @property
    def out_of_patience(self) -> bool:
        """True when the trial was ended before the end of its training, for lack of a better objective."""
        return bool(self.history) and self.history[-1].out_of_patience

    @property
    def mutations(self) -> list[dict[str, Any]]:
        """The params over time in population-based training: the first values, then each change; else empty."""
        return list(self.extra.get("mutations", ()))

    @property
    def num_changes(self) -> int:
        """How often params changed during training; above 0, `params` does not describe the whole training."""
        return max(0, len(self.mutations) - 1)

    def to_json(self) -> dict[str, Any]:
        """The trial as `harness results --json` prints it."""
        usage = self.usage
        return {
            "number": self.number,
            "state": self.state.value,
            "reason": self.reason.value if self.reason else None,
            "message": self.message,
            "params": dict(self.params),
            "seed": self.seed,
            "metrics": dict(self.metrics),
            "history": [progress.row() for progress in self.history],
            "samples_per_second": usage.samples_per_second,
            "tokens_per_second": usage.tokens_per_second,
            "predicted_samples_per_second": usage.predicted_samples_per_second,
            "padding_fraction": usage.padding_fraction,
            "peak_memory_mib": usage.peak_memory_mib,
            "duration_s": self.duration_s,
            "times_s": usage.times(),
            "device": self.place.device if self.place else None,
            "slot": self.place.slot if self.place else None,
            "node": self.place.node if self.place else None,
            "threads": self.place.threads if self.place else None,
            "precision": self.precision,
            "plain": self.plain,
            **({"mutations": self.mutations} if self.mutations else {}),
        }


def num_places(records: Iterable[TrialRecord]) -> int:
    """The number of devices, over all nodes, on which the trials ran."""
    return len({record.where for record in records if record.where})


def best_progress(history: Sequence[Progress], config: TrialConfig) -> Progress | None:
    """The best evaluation by the first objective, whose weights are kept; the first of equals.

    It is one of those on the most validation rows that come after the warm-up. The last one always counts.
    """
    if not history:
        return None
    last, objective = history[-1], config.objectives[0]
    warm = warmup_steps(last.total_steps, config.training.warmup_fraction)
    after = [progress for progress in history if progress.step >= warm or progress is last]
    most = max(progress.num_rows for progress in after)
    metric = facts_of(config.task).metric(objective)
    return min(
        (progress for progress in after if progress.num_rows == most),
        key=lambda progress: (metric.sort_key(progress.metrics.get(objective)), progress.step),
    )


def metrics_of(best: Progress, last: Progress) -> dict[str, float]:
    """The metrics of the best evaluation, with the costs (speed, memory) up to the last one, of the whole training."""
    return {**best.metrics, **{name: last.metrics[name] for name in COSTS if name in last.metrics}}


def as_begun(config: TrialConfig, history: Sequence[Progress]) -> TrialConfig:
    """The config in the precision that the trial began with."""
    precision = _precision(history)
    return config.in_precision(precision) if precision else config


def repeating(config: TrialConfig, history: Sequence[Progress]) -> TrialConfig:
    """The config for training the trial again up to the end of `history`, with the same threads and precision."""
    threads = tuple((progress.step, progress.threads) for progress in history if progress.threads)
    return as_begun(config, history).model_copy(update={"threads": threads})


def _precision(history: Sequence[Progress]) -> str:
    """The precision of the first evaluation; "" where there is none, or an earlier version did not record it."""
    return history[0].precision if history else ""


def with_earlier(record: TrialRecord, history: Sequence[Progress]) -> TrialRecord:
    """The record, with the spans of `history` that ended before the record's own start (from earlier sweeps) added."""
    earlier = [span for span in _spans(history) if span.end <= record.started_at]
    if not earlier:
        return record
    return record.model_copy(update={"spans": (*earlier, *record.spans), "started_at": earlier[0].start})


def _spans(history: Sequence[Progress]) -> tuple[Span, ...]:
    return tuple(progress.span for progress in history if progress.span is not None)


def record_of(
    config: TrialConfig,
    state: TrialState,
    history: tuple[Progress, ...] | list[Progress] = (),
    **fields: Any,
) -> TrialRecord:
    """Builds a trial's record: metrics by `metrics_of`; place and spans from `history` unless in `fields`."""
    best = best_progress(history, config)
    spans = _spans(history)
    fields = {
        "place": history[-1].place if history else None,
        "spans": spans,
        "started_at": spans[0].start if spans else 0.0,
    } | fields
    return TrialRecord(
        number=config.number,
        kind=config.kind,
        state=state,
        params=config.params,
        seed=config.training.seed,
        config=config,
        metrics=metrics_of(best, history[-1]) if best else {},
        best_step=best.step if best else None,
        history=tuple(history),
        **fields,
    )
