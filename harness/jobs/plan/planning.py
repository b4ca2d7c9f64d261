"""The job of `harness plan`: what a study will take, from a few steps of each kind of its trials."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from harness.data.prepare import prepare
from harness.errors import InputError
from harness.jobs.detectable import detectable_lines
from harness.jobs.plan.draws import drawn, kind_of_step, measured_kinds, nearest
from harness.jobs.plan.forecast import Forecast, forecast
from harness.jobs.plan.kept import keep
from harness.jobs.plan.measure import Cost, measure
from harness.jobs.refusals import refuse_several_tokenizers, refuse_undefined
from harness.machine.slots import plan_slots
from harness.records.schema import Place
from harness.spec.study import StudySpec
from harness.spec.tasks import facts_of
from harness.spec.trial import TrialConfig
from harness.tasks import task_of

__all__ = ["Plan", "plan"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The forecast of a study, the steps that were measured for it, and what the test rows can show."""

    study: str
    places: Sequence[Place]
    forecast: Forecast
    kinds: Sequence[tuple[TrialConfig, Cost, int]]
    """A trial of each measured kind of steps, its cost, and how many trials count as of it."""
    test: Sequence[str]
    price_per_hour: float | None

    @property
    def price(self) -> float | None:
        """What the expected time costs, in the unit of the price."""
        return None if self.price_per_hour is None else self.price_per_hour * self.forecast.total_s.value / 3600

    def to_json(self) -> dict[str, Any]:
        """The plan as `harness plan --json` prints it."""
        measured = [
            {"params": dict(config.params), "batch_size": config.training.batch_size, "trials": trials}
            | {"samples_per_second": 1 / cost.example_s, "peak_memory_mib": cost.memory_mib}
            for config, cost, trials in self.kinds
        ]
        return {
            "study": self.study,
            "slots": len(self.places),
            "device": self.places[0].device_name or self.places[0].device,
            **asdict(self.forecast),
            "total_s": asdict(self.forecast.total_s),
            "price": self.price,
            "smallest_difference": list(self.test),
            "measured": measured,
        }


def plan(spec: StudySpec, say: Callable[[str], None], price_per_hour: float | None = None) -> Plan:
    """Returns what the study will take; trains a few steps of each kind of its trials, and nothing else.

    `say` shows a line on what is measured. The forecast is kept for the sweep of the same study.

    Raises:
        InputError: the study, its data or a checkpoint cannot be used, or it is to run on a cluster.
        StudyFailed: a trial cannot be run.
    """
    if spec.engine.joins:
        raise InputError("engine: harness plan measures the machine that it runs on; it cannot measure a cluster")
    data = prepare(spec)
    refuse_undefined(spec, data)
    refuse_several_tokenizers(spec)
    rows = data.meta.rows
    configs = drawn(spec, rows["train"])
    kinds = measured_kinds(configs)
    slots = plan_slots(spec.engine, num_trials=spec.search.trials)
    places = [slot.place for slot in slots]
    say(f"measuring {len(kinds)} of {len({kind_of_step(config) for config in configs})} kinds of steps")
    task = task_of(spec.task)
    costs = measure(spec, data, kinds, slots, writes=task.writes)
    cost_of = {kind_of_step(kind): cost for kind, cost in zip(kinds, costs, strict=True)}
    of = [kind_of_step(nearest(config, kinds)) for config in configs]
    found = forecast(
        spec,
        configs,
        [cost_of[kind] for kind in of],
        rows=(rows["validation"], rows["test"]),
        num_slots=len(slots),
        own_memory_mib=_own_memory_mib(),
        written_rows=_written_rows(configs[0]) if task.writes else 0,
    )
    keep(spec, found)
    shares = all(metric.is_share for metric in facts_of(spec.task).scored_by(spec.search.objectives))
    return Plan(
        study=spec.name,
        places=places,
        forecast=found,
        kinds=[(kind, cost, of.count(kind_of_step(kind))) for kind, cost in zip(kinds, costs, strict=True)],
        # Of other metrics the difference follows from a baseline's answers, which a sweep measures.
        test=detectable_lines(spec, data, dict) if shares else [],
        price_per_hour=price_per_hour,
    )


def _written_rows(config: TrialConfig) -> int:
    most = config.task_options.get("generate_rows")
    return most if isinstance(most, int) else 0


def _own_memory_mib() -> float:
    import psutil

    return float(psutil.Process().memory_info().rss) / 2**20
