"""What a study says to try next, and that a study takes it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import log10
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from harness.data.answers import Answers, read_answers, write_answers
from harness.errors import FailReason
from harness.records.results import Results
from harness.records.schema import TrialRecord, TrialState
from harness.report.kit.view import View
from harness.report.study.answer import answer
from harness.report.study.edges import edges
from harness.report.study.next_steps import NextStep, next_steps
from harness.report.study.scale import Scale
from harness.spec.configure import search_space
from harness.spec.reader import load_study
from harness.spec.study import StudySpec
from tests.report import factory
from tests.report.factory import make_results


def steps(results: Results) -> dict[str, NextStep]:
    return {step.about: step for step in next_steps(View(results))}


def taken(spec: StudySpec, step: NextStep, folder: Path) -> StudySpec:
    """The study with the overrides of a step, as the command line gives them."""
    path = folder / "study.yaml"
    path.write_text(yaml.safe_dump(spec.model_dump(mode="json", by_alias=True)), encoding="utf-8")
    return load_study(path, step.overrides)


def with_spec(results: Results, **sections: dict[str, Any]) -> Results:
    raw = results.spec.model_dump(mode="json", by_alias=True)
    for section, keys in sections.items():
        raw[section] |= keys
    return replace(results, spec=StudySpec.model_validate(raw))


def with_answers_told_apart(results: Results) -> Results:
    """The runner-up is all wrong on validation, so that nothing is to be said of validation."""
    if results.task.lens != "classes":
        return results
    path = results.folder / "final" / "runner-up.npz"
    answers = {split: read_answers(path, split) for split in ("validation", "test")}
    labels = np.asarray(answers["validation"].targets["labels"])
    answers["validation"] = Answers({"probabilities": np.eye(3)[(labels + 1) % 3]}, {"labels": labels})
    write_answers(path, answers)
    return results


@pytest.fixture
def plain(tmp_path: Path) -> Results:
    """A study whose best learning rate lies within its range, and of which there is nothing to say."""
    return with_answers_told_apart(make_results(tmp_path, trials=24, prune=False, fail_every=0))


@pytest.fixture
def searched_to(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Results]:
    """Makes studies whose best learning rate is that given: the range ends at 1e-5 and 5e-4."""

    def make(best: float, **fields: Any) -> Results:
        monkeypatch.setattr(
            factory, "_quality", lambda params: 0.87 - 0.1 * (log10(params["learning_rate"]) - log10(best)) ** 2
        )
        fields = {"trials": 24, "prune": False, "fail_every": 0} | fields
        return with_answers_told_apart(make_results(tmp_path, **fields))

    return make


def test_nothing_is_said_where_there_is_nothing_to_say(plain: Results) -> None:
    assert next_steps(View(plain)) == []
    assert not any(sentence.about.startswith("Try next") for sentence in answer(View(plain)).sentences)


@pytest.mark.parametrize("task", ["text-classification", "text-regression"])
@pytest.mark.parametrize(
    ("best", "side", "low", "high"), [(2e-3, "above", 1.6e-4, 5e-3), (2e-6, "below", 1e-6, 3.2e-5)]
)
def test_best_learning_rate_beyond_an_end(
    searched_to: Callable[..., Results], tmp_path: Path, task: str, best: float, side: str, low: float, high: float
) -> None:
    """Regression has an objective that is better when it is lower."""
    results = searched_to(best, task=task)
    step = steps(results)["learning rate"]
    assert f"seems to lie {side} {'5e-4' if side == 'above' else '1e-5'}, where the search ends" in step.why
    domain = taken(results.spec, step, tmp_path).training.learning_rate
    assert (domain.low, domain.high, domain.log) == (low, high, True)  # type: ignore[union-attr]


def test_pruned_study_says_it_too(searched_to: Callable[..., Results]) -> None:
    results = searched_to(2e-6, prune=True, trials=40)
    assert "learning rate" in steps(results)


def test_few_trials_say_nothing(searched_to: Callable[..., Results]) -> None:
    assert edges(View(searched_to(2e-3, trials=5))) == []


def test_study_that_is_not_decided_says_nothing(searched_to: Callable[..., Results]) -> None:
    assert next_steps(View(replace(searched_to(2e-3), final=None))) == []


def test_a_cost_as_first_objective_has_no_edge(searched_to: Callable[..., Results]) -> None:
    results = with_spec(searched_to(2e-3), search={"objectives": ["samples_per_second", "accuracy"]})
    assert edges(View(results)) == []


def test_fixed_param_has_no_edge(searched_to: Callable[..., Results]) -> None:
    assert edges(View(with_spec(searched_to(2e-3), training={"learning_rate": 1e-4}))) == []


LOG = {"low": 8, "high": 64, "log": True}
DOMAINS: list[tuple[str, Any, Any, Any]] = [
    ("batch_size", [8, 16, 32], [2, 4, 8], [32, 64, 128]),
    ("batch_size", [1, 2], None, [2, 4, 8]),
    ("batch_size", {"low": 8, "high": 64, "step": 8}, None, {"low": 40, "high": 120, "step": 8}),
    ("batch_size", LOG, {"low": 2, "high": 16, "log": True}, {"low": 32, "high": 256, "log": True}),
    ("weight_decay", {"low": 0.0, "high": 0.1}, None, {"low": 0.05, "high": 0.2}),
    ("warmup_fraction", [0.0, 0.5, 1.0], None, None),
    ("learning_rate", [1e-5, 3e-5], [1.1e-6, 3.3e-6, 1e-5], [3e-5, 9e-5, 2.7e-4]),
    ("epochs", [1, 2], None, None),
    ("max_grad_norm", [None, 1.0], None, None),
]  # fmt: skip


@pytest.mark.parametrize(("name", "domain", "below", "above"), DOMAINS)
def test_what_is_searched_beyond_an_end(plain: Results, name: str, domain: Any, below: Any, above: Any) -> None:
    spec = with_spec(plain, training={name: domain}).spec
    param = next(param for param in search_space(spec) if param.name == name)
    scale = Scale.of(param)
    for is_upper, expected in ((False, below), (True, above)):
        found = scale.beyond(is_upper) if scale is not None and scale.goes_on else None
        shown = None if found is None else found.model_dump(mode="json", exclude_defaults=True)
        assert shown == ({"choices": expected} if isinstance(expected, list) else expected)


def curve(record: TrialRecord, before: float, last: float) -> TrialRecord:
    """The trial with two evaluations an epoch apart; the last one is the best."""
    end = record.history[-1]
    scores = ((before, end.step * 2 // 3, 2.0), (last, end.step, 3.0))
    history = tuple(
        end.model_copy(update={"metrics": end.metrics | {"accuracy": score}, "step": step, "epoch": epoch})
        for score, step, epoch in scores
    )
    return record.model_copy(update={"history": history, "metrics": history[-1].metrics, "best_step": end.step})


@pytest.mark.parametrize(("gain", "is_said"), [(0.08, True), (0.01, False)])
def test_curves_that_still_rise(plain: Results, tmp_path: Path, gain: float, is_said: bool) -> None:
    winner = View(plain).winner
    assert winner is not None
    trials = tuple(curve(record, 0.8 - gain, 0.8) if record is winner else record for record in plain.trials)
    results = replace(plain, trials=trials, confirm=())
    assert ("epochs" in steps(results)) is is_said
    if is_said:
        step = steps(results)["epochs"]
        assert "gained 8.0 points of accuracy in its last epoch, more than the noise of the 500" in step.why
        assert taken(results.spec, step, tmp_path).training.epochs == 6
        longer = with_spec(results, training={"epochs": [1, 3, 5]})
        assert "epochs" not in steps(longer), "the search has tried more epochs"


@pytest.mark.parametrize(("other", "said"), [(0.84, "3.8 points"), (0.87, None)])
def test_seeds_that_fell_count_in_the_mean_gain(plain: Results, other: float, said: str | None) -> None:
    """Two seeds rose by 9.7 points; the third fell, by 8 points or by more."""
    winner = View(plain).winner
    assert winner is not None
    runs = [winner, *View(plain).confirmations[winner.number]]
    risen = [curve(run, 0.72, 0.817) for run in runs[:2]]
    before = other if said else 0.99
    fallen = curve(runs[0], before, before - 0.08 if said else 0.79)
    fallen = fallen.model_copy(update={"best_step": fallen.history[0].step, "config": runs[1].config})
    trials = tuple(risen[0] if record is winner else record for record in plain.trials)
    found = steps(replace(plain, trials=trials, confirm=(risen[1], fallen)))
    if said is None:
        assert "epochs" not in found
    else:
        assert f"gained {said} of accuracy in its last epoch (mean of 3 seeds)" in found["epochs"].why


def limited(results: Results, rows: int) -> Results:
    """The study with `data.train_rows`, in all of its trials."""
    trials = tuple(
        record.model_copy(
            update={
                "config": record.config.model_copy(
                    update={"data": record.config.data.model_copy(update={"train_rows": rows})}
                )
            }
        )
        for record in results.trials
    )
    return with_spec(replace(results, trials=trials), data={"train_rows": rows})


def test_rows_that_were_left_out(plain: Results, tmp_path: Path) -> None:
    step = steps(limited(plain, 300))["rows"]
    assert step.why == "200 of 500 training rows were left out"
    assert taken(limited(plain, 300).spec, step, tmp_path).data.train_rows is None
    assert "rows" not in steps(limited(plain, 500))


def test_validation_that_cannot_tell_the_first_two_apart(tmp_path: Path) -> None:
    results = make_results(tmp_path, trials=24, prune=False, fail_every=0)
    step = steps(results)["validation"]
    assert "the 500 validation rows cannot tell winner and runner-up apart (they show " in step.why
    assert taken(results.spec, step, tmp_path).confirm.seeds == 4, "as many rows as train: the split was given"  # type: ignore[union-attr]
    raced = with_spec(results, confirm={"top": 3, "seeds": "auto"})
    assert taken(raced.spec, steps(raced)["validation"], tmp_path).confirm.seeds == 6, "twice those of a race"  # type: ignore[union-attr]
    data = results.manifest.data.model_copy(update={"rows": {"train": 4000, "validation": 500, "test": 500}})
    cut = replace(results, manifest=results.manifest.model_copy(update={"data": data}))
    split = taken(cut.spec, steps(cut)["validation"], tmp_path).data.split
    assert (split.train, split.validation, split.test) == (0.7, 0.2, 0.1)
    fewer = steps(limited(cut, 3000))
    assert fewer["rows"].overrides == ("data.train_rows=null",)
    assert fewer["validation"].overrides == ("confirm={top: 2, seeds: 4}",), "rows for validation would leave train"
    assert "validation" not in steps(with_answers_told_apart(results))


def test_one_class_with_most_of_the_rows(plain: Results, tmp_path: Path) -> None:
    def counted(positive: int, results: Results = plain) -> Results:
        counts = {"train": {"positive": positive, "neutral": 100 - positive}}
        data = results.manifest.data.model_copy(update={"counts": counts})
        return replace(results, manifest=results.manifest.model_copy(update={"data": data}))

    step = steps(counted(70))["rare classes"]
    assert step.why == "70 % of the training rows are 'positive'"
    spec = taken(plain.spec, step, tmp_path)
    assert spec.search.objectives == ("macro_f1",)
    assert spec.training.class_weights == "balanced"
    assert "rare classes" not in steps(counted(60))
    warned = replace(counted(70), final=plain.final.model_copy(update={"warnings": (f"{step.why}: use x",)}))  # type: ignore[union-attr]
    assert answer(View(warned)).warnings == (f"{step.why}: use x",), "the line does not stand for the warning"
    weighted = with_spec(plain, search={"objectives": ["macro_f1"]}, training={"class_weights": "balanced"})
    assert "rare classes" not in steps(counted(70, weighted))


@pytest.mark.parametrize(
    ("reason", "about", "key"),
    [
        (FailReason.OOM, "memory", "training.accumulation_steps=2"),
        (FailReason.NAN, "learning rate", "training.learning_rate={low: 1e-5, high: "),
        (FailReason.CRASH, None, ""),
    ],
)
def test_many_failed_trials(plain: Results, tmp_path: Path, reason: FailReason, about: str | None, key: str) -> None:
    by_rate = sorted(plain.trials, key=lambda record: -record.config.training.learning_rate)
    failed = {record.number for record in by_rate[:4]} - {View(plain).winner_number}
    changes = {"state": TrialState.FAIL, "reason": reason}
    trials = tuple(record.model_copy(update=changes) if record.number in failed else record for record in plain.trials)
    found = next_steps(View(replace(plain, trials=trials)))
    assert [step.about for step in found] == ([about] if about else [])
    for step in found:
        assert step.overrides[0].startswith(key)
        assert taken(plain.spec, step, tmp_path) != plain.spec


def test_at_most_four_lines(plain: Results, monkeypatch: pytest.MonkeyPatch) -> None:
    many = [NextStep(about=str(place), why="w", overrides=("a=1",)) for place in range(6)]
    monkeypatch.setattr("harness.report.study.next_steps._steps", lambda view, best: iter(many))
    assert [step.about for step in next_steps(View(plain))] == ["0", "1", "2", "3"]


def test_overrides_as_a_shell_takes_them(searched_to: Callable[..., Results]) -> None:
    results = searched_to(2e-3)
    told = [one for one in answer(View(results)).sentences if one.about.startswith("Try next")]
    assert [one.about for one in told] == ["Try next: learning rate"]
    assert told[0].command == "'training.learning_rate={low: 1.6e-4, high: 5e-3, log: true}'"


def test_a_budget_that_ended_the_search_is_doubled(tmp_path: Path) -> None:
    results = replace(make_results(tmp_path, trials=12), closed_after_minutes=4.0)
    trials = (*results.trials[:-1], results.trials[-1].model_copy(update={"message": "budget"}))
    step = steps(replace(results, trials=trials))["time"]
    assert step.overrides == ("budget.minutes=8",)
    assert step.why == "1 trial of 12 had no time"
    assert taken(results.spec, step, tmp_path).budget.minutes == 8


def test_a_budget_that_was_raised_in_time_is_no_step(tmp_path: Path) -> None:
    """The study went on with a larger one, and all its trials were trained."""
    assert "time" not in steps(replace(make_results(tmp_path, trials=12), closed_after_minutes=4.0))
