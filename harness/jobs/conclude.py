"""Ends a study: ranks the finalists on validation, scores them once on test, and exports the winner."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING

from harness.data.answers import Answers, read_answers, write_answers
from harness.data.prepared import PreparedData
from harness.errors import StudyFailed
from harness.jobs.export import check_scores, stage_weights, write_card
from harness.jobs.finalists import default_trial, num_pruned_at_chance, pick_weights, rank_finalists
from harness.jobs.score import Request, SavedModel, Scorer
from harness.machine.resources import cores
from harness.records.files import replace_folder, staging_path
from harness.records.final import SHOWN, SHOWN_WIDTH, Comparison, Final, Finalist, FinalModel, Role
from harness.records.manifest import read_manifest
from harness.records.rundir import RunFolder
from harness.records.schema import TrialRecord
from harness.report.kit.text import clip, plural, probability_text
from harness.spec.study import StudySpec
from harness.spec.tasks import TaskFacts, facts_of
from harness.stats.metric import Metric, score, scores
from harness.stats.resampling import compare, interval
from harness.tasks import task_of
from harness.tasks.encode import baselines

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["conclude", "pruning_warnings"]

#: The runner-up is recommended when it ties with the winner and trains faster by at least this factor.
_FASTER = 1.1


def conclude(
    run: RunFolder,
    spec: StudySpec,
    data: PreparedData,
    trials: Sequence[TrialRecord],
    confirm: Sequence[TrialRecord],
    baseline: str | None,
    scorer: Scorer,
) -> Final:
    """Scores winner, runner-up, default recipe and baseline on test, and exports the winner to `best/`.

    Raises:
        StudyFailed: no trial completed.
        HarnessError: the exported model does not score what its trial scored.
    """
    facts = facts_of(spec.task)
    metric = facts.judged_by(spec.search.objectives)
    finalists = rank_finalists(spec, trials, confirm)
    saved = [[record for record in records if _has_weights(run, record)] for records in (trials, confirm)]
    models = _models(spec, finalists, trials, *saved)
    if "winner" not in models:
        raise StudyFailed("no trial completed, so there is no winner: see the reasons in `harness results`")
    best = models["winner"]
    staging = stage_weights(run.path / str(best.weights), staging_path(run.path / "best"))
    folders = {role: str(run.path / str(record.weights)) for role, record in models.items()} | {"winner": str(staging)}
    place = best.place
    if place is None:
        raise StudyFailed(f"trial {best.number} has no place in its record")
    request = Request(
        data=str(data.folder),
        out=str(run.path / "final"),
        place=place,
        at_once=max(1, cores() // max(record.best_threads for record in models.values())),
        task=spec.task,
        models=tuple(
            SavedModel(
                name=role,
                folder=folders[role],
                config=record.trained_config,
                threads=record.best_threads,
                splits=("validation", "test") if role == "winner" else ("test",),
                processor=role == "winner",
                raw=role == "winner",
            )
            for role, record in models.items()
        ),
    )
    with scorer.scoring(request):
        if baseline is not None:
            _score_baseline(spec, data, baseline, run.path / "final" / "baseline.npz")
        run.write_json(SHOWN, _shown_rows(spec, data))
    roles: tuple[Role, ...] = (*models, *(("baseline",) if baseline is not None else ()))
    answers = {role: _answers(run, role, models.get(role)) for role in roles}
    validation = answers["winner"]["validation"]
    exported_score = score(metric, validation.outputs, validation.targets)
    check_scores(metric, best.metrics[metric.name], exported_score, str(run.path / "best"))
    scored = tuple(_final_model(role, models.get(role), baseline or "", answers[role], facts) for role in roles)
    comparisons = tuple(_compare(metric, a, b, answers) for a, b in combinations(roles, 2))
    recommended, warnings = _verdict(finalists, models, comparisons, scored, metric)
    warnings += pruning_warnings(spec, data, trials)
    winner = finalists[0]
    write_card(
        staging,
        spec=spec,
        data=data,
        record=best,
        test=scored[0].test,
        seeds=winner.seeds,
        num_trials=len(trials),
        notes=warnings,
        precisions=manifest.precision if (manifest := read_manifest(run)) else (),
    )
    replace_folder(staging, run.path / "best")
    _tidy(run, (*trials, *confirm), list(models.values()))
    return Final(
        winner=winner.number,
        finalists=tuple(finalists),
        models=scored,
        comparisons=comparisons,
        recommended=recommended,
        warnings=warnings,
        export="best",
    )


def _models(
    spec: StudySpec,
    finalists: Sequence[Finalist],
    all_trials: Sequence[TrialRecord],
    trials: Sequence[TrialRecord],
    confirm: Sequence[TrialRecord],
) -> dict[Role, TrialRecord]:
    """The runs to score on test by role, each the best of its seeds; `trials` and `confirm` are runs with weights."""
    models: dict[Role, TrialRecord] = {}
    roles: tuple[Role, ...] = ("winner", "runner-up")
    for role, finalist in zip(roles, finalists, strict=False):
        best = pick_weights(spec, finalist, trials, confirm)
        if best is not None:
            models[role] = best
    if "winner" in models:
        recipe = default_trial(all_trials, models["winner"], spec)
        full = [run for run in (*trials, *confirm) if recipe and _of(run) == recipe.number and run.seed == recipe.seed]
        if full:
            models["default"] = full[-1]
    return models


def _of(run: TrialRecord) -> int:
    """The number of the search trial that a run is, or repeats with another seed."""
    return run.number if run.config.of is None else run.config.of


def _tidy(run: RunFolder, records: Sequence[TrialRecord], scored: Sequence[TrialRecord]) -> None:
    """Removes the weights of all runs but the scored ones, which a continued study may need again."""
    kept = {record.weights for record in scored}
    for record in records:
        if record.weights and record.weights not in kept:
            shutil.rmtree(run.path / record.weights, ignore_errors=True)


def _has_weights(run: RunFolder, record: TrialRecord) -> bool:
    return bool(record.weights) and (run.path / str(record.weights) / "model.safetensors").is_file()


def _score_baseline(spec: StudySpec, data: PreparedData, name: str, to: Path) -> None:
    """Writes the answers of the baseline `name` on validation and test."""
    outputs, targets = baselines(data, spec.task, spec.data.most_train_rows, ("validation", "test"))
    write_answers(to, {split: Answers(outputs[name][split], targets[split]) for split in targets})


def _shown_rows(spec: StudySpec, data: PreparedData) -> list[str]:
    """Each test row as the page shows it, on one line."""
    task = task_of(spec.task)
    rows = data.frame("test").to_dict("records")
    return [clip(task.show({str(name): value for name, value in row.items()}), SHOWN_WIDTH) for row in rows]


def _answers(run: RunFolder, role: Role, record: TrialRecord | None) -> dict[str, Answers]:
    """A model's answers by split. On validation they lie beside the weights, except for winner and baseline."""
    scored = run.path / "final" / f"{role}.npz"
    saved = scored if record is None or role == "winner" else run.path / str(record.weights) / "validation.npz"
    return {"validation": read_answers(saved, "validation"), "test": read_answers(scored, "test")}


def _final_model(
    role: Role, record: TrialRecord | None, baseline: str, answers: Mapping[str, Answers], facts: TaskFacts
) -> FinalModel:
    number = None if record is None else _of(record)
    validation, test = answers["validation"], answers["test"]
    return FinalModel(
        role=role,
        name=baseline if record is None else f"trial {number}",
        number=number,
        seed=record.seed if record else None,
        validation=scores(facts.metrics, validation.outputs, validation.targets),
        test={metric.name: interval(metric, test.outputs, test.targets) for metric in facts.metrics},
        predictions=f"final/{role}.npz",
    )


def _compare(metric: Metric, a: Role, b: Role, answers: Mapping[Role, Mapping[str, Answers]]) -> Comparison:
    first, second = answers[a]["test"], answers[b]["test"]
    paired = compare(metric, first.outputs, second.outputs, first.targets)
    return Comparison(
        a=a,
        b=b,
        metric=metric.name,
        probability=paired.probability,
        difference=paired.difference,
        mcnemar_p=paired.mcnemar_p,
        tie=paired.tie,
    )


def _verdict(
    finalists: Sequence[Finalist],
    models: Mapping[Role, TrialRecord],
    comparisons: Sequence[Comparison],
    scored: Sequence[FinalModel],
    metric: Metric,
) -> tuple[int, tuple[str, ...]]:
    """The number of the recommended trial, and the warnings, a sentence each."""
    against = {comparison.b: comparison for comparison in comparisons if comparison.a == "winner"}
    recommended = finalists[0].number
    warnings = []
    baseline = against.get("baseline")
    if baseline is not None and (baseline.tie or baseline.probability < 0.5):
        probability = f"probability {probability_text(baseline.probability)}"
        warnings.append(f"The winner is not better than the baseline on test ({probability}).")
    if "default" in against and models["default"].number != models["winner"].number and against["default"].tie:
        warnings.append("The winner and the default recipe tie on test: the search found no sure gain.")
    if "runner-up" in against and against["runner-up"].tie:
        speed = [models[role].usage.samples_per_second for role in ("winner", "runner-up")]
        if speed[1] > speed[0] * _FASTER:
            recommended = finalists[1].number
        warnings.append(
            f"Winner and runner-up tie on test; the faster of the two is trial {recommended}."
            if speed[1] > speed[0] * _FASTER
            else "Winner and runner-up tie on test."
        )
    bounds = next(model.test[metric.name] for model in scored if model.role == "winner")
    if metric.percent and bounds.high - bounds.low > 0.1:
        width = 100 * (bounds.high - bounds.low)
        warnings.append(f"The test split is small: the interval is {width:.0f} points wide.")
    return recommended, tuple(warnings)


def pruning_warnings(spec: StudySpec, data: PreparedData, trials: Sequence[TrialRecord]) -> tuple[str, ...]:
    """A warning where no completed trial is better than chance and pruning may be the cause; else empty."""
    count = num_pruned_at_chance(spec, trials, task_of(spec.task).chance(data), data.meta.rows["validation"])
    if not count:
        return ()
    return (
        f"No completed trial is better than a guess on validation, and {plural(count, 'trial')} "
        f"{'was' if count == 1 else 'were'} pruned: pruning may be the cause; search.pruner.name=none switches it off.",
    )
