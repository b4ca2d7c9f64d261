from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from harness.errors import InputError
from harness.spec.checks import contradictions
from harness.spec.study import StudySpec
from harness.spec.study.json_schema import study_schema
from harness.spec.tasks import TASKS, TaskFacts, facts_of, find_metric, metric_named
from harness.stats.metric import COSTS

BASE = {"name": "x", "data": {"path": "a.csv"}, "model": {"checkpoint": "tiny"}}


@pytest.fixture
def regressing() -> TaskFacts:
    """A task with other metrics, and whose loss knows no classes."""
    return TASKS["text-regression"]


def study(**sections: Any) -> StudySpec:
    return StudySpec.model_validate(BASE | sections)


@pytest.mark.parametrize("facts", TASKS.values(), ids=list(TASKS))
def test_facts_fit_together(facts: TaskFacts) -> None:
    assert facts_of(facts.name) is facts
    assert not facts.metric(facts.loss).maximize
    assert any(field.target for field in facts.fields)
    assert len(set(facts.objectives)) == len(facts.metrics) + len(COSTS)
    assert not any(metric.is_cost for metric in facts.metrics)


@pytest.mark.parametrize("name", sorted({name for facts in TASKS.values() for name in facts.objectives}))
def test_metric_is_called_and_shown_the_same_in_every_task(name: str) -> None:
    formula = {"row_stats": None, "of_sums": None, "value": None, "needs": "", "is_written": False, "by_tokens": False}
    known = [metric for facts in TASKS.values() for metric in (*facts.metrics, *COSTS.values()) if metric.name == name]
    assert {replace(metric, **formula) for metric in known} == {replace(metric_named(name), **formula)}


def test_unknown_names_are_told_with_the_nearest() -> None:
    with pytest.raises(
        InputError,
        match=r"my_package\.my_module:MyTask, not 'text-clasification'; did",
    ):
        facts_of("text-clasification")
    with pytest.raises(InputError, match="did you mean 'macro_f1'"):
        metric_named("macro_f2")
    with pytest.raises(InputError, match="metric 'rmse' is unknown to text-classification"):
        facts_of("text-classification").metric("rmse")
    assert find_metric("macro_f2") is None


@pytest.mark.parametrize(
    ("objectives", "judge"),
    [(["accuracy"], "accuracy"), (["samples_per_second", "mcc"], "mcc"), (["peak_memory_mib"], "accuracy")],
)
def test_models_are_compared_by_the_first_objective_that_is_no_cost(objectives: list[str], judge: str) -> None:
    assert facts_of("text-classification").judged_by(objectives).name == judge


def test_equal_trials_are_ranked_by_the_loss_of_the_task() -> None:
    facts = facts_of("text-classification")
    poor, good = ({"accuracy": 0.5, "log_loss": loss} for loss in (0.7, 0.6))
    assert facts.rank_key(good, "accuracy") < facts.rank_key(poor, "accuracy")


def test_default_objective_is_the_first_metric_of_the_task(regressing: TaskFacts) -> None:
    assert study().search.objectives == ("accuracy",)
    assert study(task=regressing.name).search.objectives == ("rmse",)
    assert study(task=regressing.name, search={"objectives": ["mae"]}).search.objectives == ("mae",)
    assert study(task=regressing.name, search={"trials": 3}).search.objectives == ("rmse",)


def told(spec: StudySpec) -> dict[tuple[str | int, ...], str]:
    return {found.keys[0]: found.message for found in contradictions(spec) if ("task",) in found.keys}


def test_objective_of_another_task_is_told(regressing: TaskFacts) -> None:
    found = told(study(task=regressing.name, search={"objectives": ["rmse", "accuracy"]}))
    assert list(found) == [("search", "objectives", 1)]
    assert found["search", "objectives", 1].startswith("must be one of rmse, mae, r2, spearman, pearson, samples_per_s")
    assert told(study(task=regressing.name, search={"objectives": ["r2", "tokens_per_second"]})) == {}


@pytest.mark.parametrize("recipe", [{"label_smoothing": 0.1}, {"class_weights": ["none", "balanced"]}])
def test_recipe_that_the_loss_does_not_know_is_told(regressing: TaskFacts, recipe: dict[str, Any]) -> None:
    found = told(study(task=regressing.name, training=recipe))
    assert found == {("training", *recipe): "text-regression has no use for it; leave it out"}
    assert told(study(training=recipe)) == {}


def test_schema_lists_the_tasks_and_their_metrics() -> None:
    schema = study_schema()
    assert schema["properties"]["task"]["anyOf"][0]["enum"] == list(TASKS)
    objectives = schema["$defs"]["SearchSpec"]["properties"]["objectives"]
    assert objectives["items"]["examples"][:5] == ["accuracy", "macro_f1", "mcc", "roc_auc", "log_loss"]
    assert "default" not in objectives


def test_trial_is_judged_by_the_loss_before_its_end_where_the_objective_is_of_written_text() -> None:
    facts = facts_of("causal-lm")
    assert facts.judged_early(["exact_match", "loss"]).name == "loss"
    assert facts.judged_early(["bits_per_byte"]).name == "bits_per_byte"
