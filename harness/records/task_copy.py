"""The copy of a user's own task in the manifest of a run: results and reports do not import the user's code."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from math import inf, isfinite
from pathlib import Path
from typing import Any

from pydantic import create_model

from harness.records.files import sha256_of
from harness.records.schema import Stored
from harness.spec.foreign import is_foreign
from harness.spec.space import Frozen, Scalar
from harness.spec.tasks import Field, TaskFacts, facts_of, remember
from harness.stats.metric import Metric

__all__ = ["StoredMetric", "TaskCopy", "copy_of", "remember_task"]


class StoredMetric(Stored):
    """A metric without its formula; `low` and `high` are null where the metric has no bound."""

    name: str
    title: str
    maximize: bool
    low: float | None = None
    high: float | None = None
    unit: str = ""
    percent: bool = False
    is_share: bool = False

    def metric(self) -> Metric:
        """The metric without a formula: it can be shown and ranked, not computed."""
        bounds = {"low": -inf if self.low is None else self.low, "high": inf if self.high is None else self.high}
        return Metric(**self.model_dump() | bounds)


class TaskCopy(Stored):
    """The facts of a user's task; `options` are the default values of its own keys in the study file.

    `code_sha256` is the hash of its module's file, empty in records of earlier versions.
    """

    name: str
    inputs: str
    fields: tuple[Field, ...]
    metrics: tuple[StoredMetric, ...]
    loss: str
    recipe: frozenset[str] = frozenset()
    options: dict[str, Scalar] = {}
    lens: str | None = None
    pipeline: str | None = None
    code_sha256: str = ""

    def facts(self) -> TaskFacts:
        """The facts of the task; its metrics have no formula and cannot be computed."""
        options: dict[str, Any] = {name: (Any, default) for name, default in self.options.items()}
        return TaskFacts(
            name=self.name,
            inputs=self.inputs,
            fields=self.fields,
            metrics=tuple(metric.metric() for metric in self.metrics),
            loss=self.loss,
            recipe=self.recipe,
            options=create_model("Options", __base__=Frozen, **options),
            lens=self.lens,
            pipeline=self.pipeline,
        )

    def differences(self, other: TaskCopy) -> list[str]:
        """Returns a line for each fact that differs in `other` (`task.metrics.gap.maximize: false -> true`)."""
        old, new = dict(_flat("task", self._by_name())), dict(_flat("task", other._by_name()))
        return [
            f"{key}: {_as_text(old, key)} -> {_as_text(new, key)}" for key in old | new if old.get(key) != new.get(key)
        ]

    def _by_name(self) -> dict[str, Any]:
        """The facts as JSON, fields and metrics by their names; the loader's name for the task is left out."""
        facts = self.model_dump(mode="json", exclude={"name", "code_sha256"})
        facts["recipe"] = sorted(facts["recipe"])
        for part in ("fields", "metrics"):
            facts[part] = {entry["name"]: entry for entry in facts[part]}
        return facts


def _flat(key: str, value: Any) -> Iterator[tuple[str, Any]]:
    """Yields each leaf of nested mappings with its dotted key."""
    if not isinstance(value, dict):
        yield key, value
        return
    for name, part in value.items():
        yield from _flat(f"{key}.{name}", part)


def _as_text(facts: Mapping[str, Any], key: str) -> str:
    return json.dumps(facts[key], ensure_ascii=False) if key in facts else "not there"


def copy_of(name: str) -> TaskCopy | None:
    """The copy of a user's task for the manifest; None for a task that is built in."""
    if not is_foreign(name):
        return None
    facts = facts_of(name)
    metrics = [asdict(metric) for metric in facts.metrics]
    for metric in metrics:
        metric |= {end: metric[end] if isfinite(metric[end]) else None for end in ("low", "high")}
    return TaskCopy(
        name=name,
        inputs=facts.inputs,
        fields=facts.fields,
        metrics=tuple(StoredMetric.model_validate(metric) for metric in metrics),
        loss=facts.loss,
        recipe=facts.recipe,
        options={key: field.default for key, field in facts.options.model_fields.items()},
        lens=facts.lens,
        pipeline=facts.pipeline,
        code_sha256=_code_sha256(name),
    )


def _code_sha256(name: str) -> str:
    """The hash of the file of a task's module; empty where the module is not imported, or has no file."""
    module = sys.modules.get(name.partition(":")[0])
    path = getattr(module, "__file__", None)
    return sha256_of(Path(path)) if path else ""


def remember_task(raw: Any) -> None:
    """Registers the task of a manifest (parsed JSON) for `facts_of`, unless the task itself may be imported.

    Raises:
        pydantic.ValidationError: `raw` is not a `TaskCopy`.
        ValueError: its parts contradict each other.
    """
    if raw is not None:
        remember(TaskCopy.model_validate(raw).facts())
