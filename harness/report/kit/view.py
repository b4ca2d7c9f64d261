"""The results of a study as the report needs them: trials in their rankings, final models, params and metrics."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from math import isfinite, nan
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any

from harness.records.final import Comparison, FinalModel
from harness.records.schema import TrialRecord, TrialState
from harness.report.kit.text import metric, short_name
from harness.spec.configure import default_number, default_numbers
from harness.spec.space import Range, is_searched
from harness.spec.study import split_checkpoint
from harness.spec.tasks import TaskFacts
from harness.stats.metric import Metric

if TYPE_CHECKING:
    from harness.records.results import LeaderRow, Results

__all__ = ["View"]


@dataclass(frozen=True)
class View:
    """Results with derived values, each computed once."""

    results: Results

    @cached_property
    def objectives(self) -> tuple[str, ...]:
        """The names of the study's objectives."""
        names: tuple[str, ...] = self.results.spec.search.objectives
        return names

    @property
    def resampled_by(self) -> str | None:
        """The column whose values intervals draw: the study's, or that of the task's units; None: rows are drawn."""
        unit, columns = self.task.unit, self.results.manifest.data.columns
        return self.results.spec.data.resample_by or (columns.get(unit.name) if unit is not None else None)

    @property
    def objective(self) -> str:
        """The first objective, by which trials are pruned and ranked."""
        return self.objectives[0]

    @property
    def metric(self) -> Metric:
        """The metric of the first objective."""
        return self.results.objective

    @property
    def task(self) -> TaskFacts:
        """The facts of the study's task."""
        return self.results.task

    @property
    def is_constrained(self) -> bool:
        """True where the study has constraints."""
        return bool(self.results.spec.search.constraints)

    @property
    def judge(self) -> Metric:
        """The metric that models are compared by: the first objective that is not a cost."""
        return self.task.judged_by(self.objectives)

    @property
    def score_name(self) -> str:
        """The title of the first objective."""
        return self.metric.title

    @property
    def train_loss_name(self) -> str:
        """The training loss with its unit, which is that of the task's loss among its metrics."""
        unit = self.task.metric(self.task.loss).unit
        return f"training loss ({unit})" if unit else "training loss"

    @property
    def score_format(self) -> str:
        """How plotly writes the first objective (a d3 format)."""
        return ".1%" if self.metric.percent else ".3~g"

    def score_text(self, value: float) -> str:
        """A value of the first objective as text."""
        return metric(self.objective, value)

    @cached_property
    def trials(self) -> tuple[TrialRecord, ...]:
        """The search trials by number."""
        return tuple(sorted(self.results.trials, key=lambda record: record.number))

    @cached_property
    def by_number(self) -> Mapping[int, TrialRecord]:
        """The search trials by number."""
        return {record.number: record for record in self.trials}

    @cached_property
    def confirmations(self) -> Mapping[int, tuple[TrialRecord, ...]]:
        """The completed runs with other seeds, by search trial."""
        runs: dict[int, list[TrialRecord]] = {}
        for record in self.results.confirm:
            if record.config.of is not None and record.state is TrialState.COMPLETE:
                runs.setdefault(record.config.of, []).append(record)
        return {number: tuple(records) for number, records in runs.items()}

    def score(self, record: TrialRecord, name: str | None = None) -> float:
        """The trial's value of a metric (the first objective by default); NaN where there is none."""
        value = record.metrics.get(name or self.objective)
        return float(value) if value is not None else nan

    def seeds(self, record: TrialRecord) -> tuple[TrialRecord, ...]:
        """The completed runs of one configuration, the search run first; the record alone when none completed."""
        confirmed = self.confirmations.get(record.number, ())
        return (record, *confirmed) if record.state is TrialState.COMPLETE or not confirmed else confirmed

    @property
    def first_seeds_note(self) -> str:
        """A note for figures that draw each trial with its first seed, where some have several; "" where none has."""
        several = any(len(self.seeds(record)) > 1 for record in self.completed)
        return "Trials count with their first seed; the winner is chosen by the mean over seeds." if several else ""

    @property
    def constraints_note(self) -> str:
        """A note for figures of all trials in a study with constraints; "" in other studies."""
        return "Trials that violate a constraint count too." if self.is_constrained else ""

    def mean(self, record: TrialRecord, name: str | None = None) -> float:
        """The mean of a metric (the first objective by default) over the seeds of a configuration; NaN without any."""
        scores = [score for run in self.seeds(record) if isfinite(score := self.score(run, name))]
        return fmean(scores) if scores else nan

    def cost(self, record: TrialRecord, name: str) -> float:
        """Speed or memory of a configuration: the mean over its seeds, as of every metric; 0 if not measured."""
        value = self.mean(record, name)
        return value if value > 0 else 0.0

    @cached_property
    def rows(self) -> Mapping[int, LeaderRow]:
        """The rows of the leaderboard by trial number, best first."""
        return {row.record.number: row for row in self.results.leaderboard()}

    @cached_property
    def ranked(self) -> tuple[TrialRecord, ...]:
        """All trials, best first, in the order of `harness results`."""
        return tuple(row.record for row in self.rows.values())

    @cached_property
    def scored(self) -> tuple[TrialRecord, ...]:
        """The ended trials that have a score, by number."""
        return tuple(record for record in self.trials if record.state.ended and isfinite(self.score(record)))

    @cached_property
    def ranked_scored(self) -> tuple[TrialRecord, ...]:
        """The ended trials that have a score, best first."""
        numbers = {record.number for record in self.scored}
        return tuple(record for record in self.ranked if record.number in numbers)

    @cached_property
    def completed(self) -> tuple[TrialRecord, ...]:
        """The completed trials that have a score."""
        return tuple(record for record in self.scored if record.state is TrialState.COMPLETE)

    @cached_property
    def eligible(self) -> tuple[TrialRecord, ...]:
        """The completed trials that have a score and meet the constraints."""
        return tuple(record for record in self.completed if not self.rows[record.number].violates)

    @cached_property
    def winner(self) -> TrialRecord | None:
        """The winner of the decision; before it, the best completed trial that meets the constraints."""
        best = self.results.best()
        return best.record if best is not None else None

    @property
    def winner_number(self) -> int | None:
        """The winner's number; None without a winner."""
        return self.winner.number if self.winner is not None else None

    @cached_property
    def default_numbers(self) -> tuple[int, ...]:
        """The default recipes among the trials."""
        return tuple(number for number in default_numbers(self.results.spec) if number in self.by_number)

    def default_of(self, model: FinalModel) -> TrialRecord | None:
        """The default recipe of the checkpoint that a scored trial uses; None where there is none."""
        record = self.by_number.get(model.number) if model.number is not None else None
        return self.by_number.get(default_number(self.results.spec, record.params if record else {}))

    @cached_property
    def models(self) -> Mapping[str, FinalModel]:
        """The models that saw the test split, by role."""
        final = self.results.final
        return {model.role: model for model in final.models} if final else {}

    @property
    def chosen(self) -> FinalModel | None:
        """The winner's model among those that saw the test split."""
        return self.results.final.winning_model if self.results.final else None

    def comparison(self, role: str) -> Comparison | None:
        """The comparison of the winner with the model of `role`; None where there is none."""
        comparisons = self.results.final.comparisons if self.results.final else ()
        return next((pair for pair in comparisons if (pair.a, pair.b) == ("winner", role)), None)

    def roles(self, number: int) -> tuple[str, ...]:
        """The roles of a search trial: winner, runner-up, default, checkpoint."""
        before = {"winner": "winner before", "runner-up": "runner-up before"} if self.results.outdated else {}
        kinds = [model.kind for model in self.models.values() if model.number == number]
        names: list[str] = [before.get(kind, kind) for kind in kinds]
        if number in self.default_numbers and "default" not in names:
            names.append("default")
        return tuple(dict.fromkeys(names))

    @cached_property
    def search_space(self) -> Mapping[str, Any]:
        """The searched fields of the study by their last key, in the study's order."""
        spec = self.results.spec
        fields = {}
        for section in (spec.model, spec.training, spec.data):
            for name in type(section).model_fields:
                if is_searched(value := getattr(section, name)):
                    fields[name] = value
        return fields

    @cached_property
    def params(self) -> tuple[str, ...]:
        """The names of all params, those of the search space first."""
        seen = dict.fromkeys(name for record in self.trials for name in record.params)
        places = {name: place for place, name in enumerate(["checkpoint", *self.search_space])}
        return tuple(sorted(seen, key=lambda name: places.get(name, len(places))))

    @cached_property
    def varied(self) -> tuple[str, ...]:
        """The params with more than one value, or that only some trials have."""

        def values(name: str) -> set[str]:
            return {repr(record.params.get(name, "absent")) for record in self.trials}

        return tuple(name for name in self.params if len(values(name)) > 1)

    @property
    def main_params(self) -> tuple[str, ...]:
        """The params that figures and leaderboard show: the first twelve that vary."""
        return self.varied[:12]

    @cached_property
    def scored_params(self) -> tuple[str, ...]:
        """The main params that at least one scored trial has."""
        return tuple(name for name in self.main_params if any(name in record.params for record in self.scored))

    def is_log(self, name: str) -> bool:
        """True for a param that was searched on a logarithmic scale."""
        space = self.search_space.get(name)
        return isinstance(space, Range) and space.log

    def is_listed(self, name: str) -> bool:
        """True for a param with a few values that were listed, not drawn from a range."""
        space = self.search_space.get(name)
        return not isinstance(space, Range) and len({repr(record.params.get(name)) for record in self.trials}) <= 12

    def is_number(self, name: str) -> bool:
        """True for a param with numbers only."""
        values = [record.params[name] for record in self.trials if name in record.params]
        return all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in values)

    def number(self, record: TrialRecord, name: str) -> float:
        """The value of a param as a number; NaN where it is absent or not a number."""
        value = record.params.get(name)
        return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else nan

    @cached_property
    def checkpoints(self) -> tuple[str, ...]:
        """The pretrained checkpoints that trials used, in the study's order."""
        used = {self.checkpoint_of(record) for record in self.trials}
        return tuple(name for name in self.results.spec.model.checkpoints if name in used)

    def checkpoint_of(self, record: TrialRecord) -> str:
        """The checkpoint of a trial as the study names it, with the layers that are kept (`minilm#layers=3`)."""
        model, names = record.config.model, self.results.spec.model.checkpoints
        for layers in (model.layers, None):
            for name in names:
                if split_checkpoint(name) == (model.checkpoint, layers):
                    return name
        return model.checkpoint

    def checkpoint_name(self, checkpoint: str) -> str:
        """The last part of a checkpoint's name; the whole name where two checkpoints end in the same part."""
        short = short_name(checkpoint)
        alike = [other for other in self.results.spec.model.checkpoints if short_name(other) == short]
        return short if len(alike) < 2 else checkpoint

    @cached_property
    def baseline_score(self) -> float:
        """The best baseline's validation score; NaN where there is none."""
        scores = [baseline.metrics.get(self.objective, nan) for baseline in self.results.baselines]
        return min((score for score in scores if isfinite(score)), key=self.metric.sort_key, default=nan)

    def file(self, relative: str | None) -> Path | None:
        """A file of the run folder; None when it does not exist, or when the path leads out of the folder."""
        folder = self.results.folder.resolve()
        path = (folder / relative).resolve() if relative else folder
        return path if path != folder and path.is_relative_to(folder) and path.exists() else None
