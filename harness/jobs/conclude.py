"""Ends a study: ranks the finalists on validation, scores them once on test, and exports the winner."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.data.answers import Answers, read_answers, write_answers
from harness.data.pictures.for_boxes import for_boxes
from harness.data.pictures.thumbnail import thumbnails
from harness.data.prepared import PreparedData
from harness.errors import RunError, StudyFailed
from harness.jobs.decision_warnings import decision_warnings
from harness.jobs.export import check_scores, stage_weights, tuned_text, write_card
from harness.jobs.finalists import models_to_score, rank_finalists, scored_runs, search_number
from harness.jobs.scorer import FEATURES, SPEEDS, Features, Request, SavedModel, Scorer, features_of
from harness.jobs.standing import of_winner
from harness.machine.resources import cores
from harness.records.decisions import BEST, finish_keys
from harness.records.exported import MANIFEST
from harness.records.files import sha256_of
from harness.records.final import (
    BOX_PICTURES,
    PICTURES,
    SHOWN,
    SHOWN_WIDTH,
    UNITS,
    WARNING,
    Comparison,
    Final,
    Finalist,
    FinalModel,
    PredictionSpeed,
    Role,
    SeedRace,
    numbered,
    warnings_among,
)
from harness.records.manifest import read_manifest
from harness.records.rundir import RunFolder
from harness.records.schema import TrialRecord
from harness.report.kit.text import clip, plural
from harness.report.lenses.class_scores import ClassScores, mistakes
from harness.report.study.seeds import race_text
from harness.spec.configure import arm_of
from harness.spec.constraints import constraints_of
from harness.spec.study import StudySpec
from harness.spec.tasks import facts_of
from harness.stats.metric import Metric, score, scores
from harness.stats.resampling import compare, interval
from harness.tasks import task_of
from harness.tasks.encode import baselines

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np

__all__ = ["conclude", "tidy"]

#: The answers on validation, beside the weights of a run.
_VALIDATION = "validation.npz"


def conclude(
    run: RunFolder,
    spec: StudySpec,
    data: PreparedData,
    trials: Sequence[TrialRecord],
    confirm: Sequence[TrialRecord],
    facts: Sequence[str],
    scorer: Scorer,
    name: str,
    race: SeedRace | None = None,
) -> Final:
    """Scores the models on the list and the baselines on test, and exports the winner; `settle` moves it to `best/`.

    All files are written into the decision's own folder `name` in the run folder. Where no finalist meets the
    constraints there is no winner, and the test split stays closed. `facts` are the facts of the data, a line each;
    those that warn are among the decision's warnings.

    Raises:
        RunError: the weights of the winner are gone.
        HarnessError: the exported model does not score what its trial scored.
    """
    metric = facts_of(spec.task).judged_by(spec.search.objectives)
    finalists = rank_finalists(spec, trials, confirm, race)
    if finalists and constraints_of(spec).unmet(finalists[0].metrics):
        told = tuple(warnings_among(facts))
        return Final(finalists=tuple(finalists), race=race, warnings=told, folder=name, of=finish_keys(spec))
    saved = [[record for record in records if _has_weights(run, record)] for records in (trials, confirm)]
    models = models_to_score(spec, finalists, trials, *saved)
    if "winner" not in models:
        raise RunError(_without_weights(run, finalists))
    best = models["winner"]
    folder = run.inside(name)
    staging = stage_weights(run.path / str(best.weights), folder / BEST)
    folders = {role: str(run.path / str(record.weights)) for role, record in models.items()} | {"winner": str(staging)}
    features = None if scorer.computes_features else features_of(folder, spec, data, best)
    with scorer.scoring(_request(folder, spec, data, models, folders, features)):
        simple = _baseline_answers(spec, data)
        run.write_json(f"{name}/{SHOWN}", _shown_rows(spec, data))
        if facts_of(spec.task).lens == "boxes":
            run.write_json(f"{name}/{BOX_PICTURES}", for_boxes(data.frame("test", ["image"])["image"].tolist()))
    units = {split: rows for split in ("validation", "test") if (rows := data.units(split)) is not None}
    run.write_json(f"{name}/{UNITS}", {split: rows.tolist() for split, rows in units.items()})
    simple |= _features_answers(folder, spec)
    names = _write_baselines(folder, metric, simple)
    answers = {role: _answers(run, folder, role, record) for role, record in models.items()}
    answers |= {role: simple[name] for role, name in names.items()}
    if pictures := _pictures(spec, data, answers["winner"]["test"]):
        run.write_json(f"{name}/{PICTURES}", pictures)
    validation, proof = answers["winner"]["validation"], facts_of(spec.task).checked_by(spec.search.objectives)
    exported_score = score(proof, validation.outputs, validation.targets)
    check_scores(proof, best.metrics[proof.name], exported_score, str(run.path / BEST))
    scored = _final_models(run, name, spec, models, names, answers, units.get("test"))
    others = [role for role in answers if role != "winner" and metric.is_known(answers[role]["test"].outputs)]
    comparisons = tuple(_compare(metric, role, answers, units.get("test")) for role in others)
    facts = [*facts, *_left_out(spec, scorer)]
    warnings = decision_warnings(spec, data, trials, finalists, scored, comparisons, answers["winner"]["test"], facts)
    winner = finalists[0]
    seeds = [f"Seeds: {race_text(spec.search.objectives[0], race)}."] if race else []
    write_card(
        staging,
        spec=spec,
        data=data,
        record=best,
        test=scored[0].test,
        seeds=winner.seeds,
        standing=of_winner(len(trials), (*seeds, *warnings), scored[0].speed),
        precisions=manifest.precision if (manifest := read_manifest(run)) else (),
    )
    return Final(
        winner=winner.number,
        finalists=tuple(finalists),
        race=race,
        models=scored,
        comparisons=comparisons,
        warnings=warnings,
        export=BEST,
        export_sha256=sha256_of(staging / MANIFEST),
        folder=name,
        told=tuned_text(staging, spec.task, data.names),
        of=finish_keys(spec),
    )


def _request(
    folder: Path,
    spec: StudySpec,
    data: PreparedData,
    models: Mapping[Role, TrialRecord],
    folders: Mapping[Role, str],
    features: Features | None,
) -> Request:
    best = models["winner"]
    if best.place is None:
        raise StudyFailed(f"trial {best.number} has no place in its record")
    return Request(
        data=str(data.folder),
        out=str(folder),
        place=best.place,
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
        speeds=True,
        features=features,
    )


def tidy(run: RunFolder, records: Sequence[TrialRecord], final: Final) -> None:
    """Removes the weights of all runs but those scored on test, which can be exported until the run is removed.

    It is called when the decision is stored, so that no weights are lost to a decision that never was. The answers on
    validation stay: the report computes from them how uncertain a configuration's score is.
    """
    kept = {record.weights for record in scored_runs(final, records)}
    for record in records:
        if record.weights and record.weights not in kept:
            for path in (run.path / record.weights).glob("*"):
                if path.name != _VALIDATION:
                    path.unlink()


def _without_weights(run: RunFolder, finalists: Sequence[Finalist]) -> str:
    if not finalists:
        return f"{run.path}: no trial completed, so there is no winner"
    number, num_seeds = finalists[0].number, len(finalists[0].seeds)
    return (
        f"{run.path}: trial {number} is the winner, and the weights of its {plural(num_seeds, 'seed')} are gone; "
        f"train one more with confirm.seeds={num_seeds + 1}, or begin again (--fresh)"
    )


def _has_weights(run: RunFolder, record: TrialRecord) -> bool:
    return bool(record.weights) and (run.path / str(record.weights) / "model.safetensors").is_file()


def _baseline_answers(spec: StudySpec, data: PreparedData) -> dict[str, dict[str, Answers]]:
    """The answers of the task's baselines on validation and test, by name and split."""
    outputs, targets = baselines(data, spec.task, spec.data.most_train_rows, ("validation", "test"))
    return {
        name: {split: Answers(splits[split], targets[split]) for split in targets} for name, splits in outputs.items()
    }


def _features_answers(folder: Path, spec: StudySpec) -> dict[str, dict[str, Answers]]:
    """The answers of the baseline on the checkpoint's frozen features; empty where there is none."""
    path = folder / f"{FEATURES}.npz"
    if not path.exists():
        return {}
    return {
        task_of(spec.task).features_baseline: {split: read_answers(path, split) for split in ("validation", "test")}
    }


def _left_out(spec: StudySpec, scorer: Scorer) -> list[str]:
    """Tells, as a fact of the data is told, of a baseline whose computation failed."""
    if not scorer.lost_features:
        return []
    name = task_of(spec.task).features_baseline
    return [f"{WARNING}the baseline {name} was left out: the process that computes it died twice ({scorer.log.name})"]


def _write_baselines(folder: Path, metric: Metric, simple: Mapping[str, Mapping[str, Answers]]) -> dict[Role, str]:
    """Writes the answers of each baseline; returns the names of the baselines by role, best first on validation."""

    def rank(name: str) -> float:
        validation = simple[name]["validation"]
        return metric.sort_key(score(metric, validation.outputs, validation.targets))

    names = {numbered("baseline", place): name for place, name in enumerate(sorted(simple, key=rank))}
    for role, name in names.items():
        write_answers(folder / f"{role}.npz", dict(simple[name]))
    return names


def _shown_rows(spec: StudySpec, data: PreparedData) -> list[str | list[str]]:
    """Each test row as the page shows it, on one line; a pair of texts as two, where a task shows no more of it."""
    task = task_of(spec.task)
    shown: list[str | list[str]] = []
    for record in data.frame("test").to_dict("records"):
        row = {str(name): value for name, value in record.items()}
        line = clip(task.show(row), SHOWN_WIDTH)
        texts = [clip(row[name], SHOWN_WIDTH) for name in task.facts.texts_in(row)]
        shown.append(texts if len(texts) > 1 and clip(" ".join(texts), SHOWN_WIDTH) == line else line)
    return shown


def _pictures(spec: StudySpec, data: PreparedData, answers: Answers) -> dict[int, str]:
    """The pictures of the test rows that the winner gets wrong with the most confidence, small, by row."""
    if facts_of(spec.task).lens != "classes" or not facts_of(spec.task).reads("image"):
        return {}
    surest = mistakes(ClassScores.of(answers), ())
    return thumbnails([mistake.row for mistake in surest], data.frame("test"))


def _answers(run: RunFolder, folder: Path, role: Role, record: TrialRecord) -> dict[str, Answers]:
    """A trained model's answers by split. On validation they lie beside the weights, except for the winner."""
    scored = folder / f"{role}.npz"
    saved = scored if role == "winner" else run.path / str(record.weights) / _VALIDATION
    return {"validation": read_answers(saved, "validation"), "test": read_answers(scored, "test")}


def _final_models(
    run: RunFolder,
    name: str,
    spec: StudySpec,
    models: Mapping[Role, TrialRecord],
    names: Mapping[Role, str],
    answers: Mapping[Role, Mapping[str, Answers]],
    units: np.ndarray | None,
) -> tuple[FinalModel, ...]:
    """The trained models, the winner first, then the baselines; intervals draw the `units` of the test rows."""
    metrics = facts_of(spec.task).metrics
    speeds = json.loads((run.inside(name) / SPEEDS).read_bytes())
    described: dict[Role, dict[str, Any]] = {role: {"name": name} for role, name in names.items()}
    for role, record in models.items():
        described[role] = {
            "name": f"trial {search_number(record)}",
            "number": search_number(record),
            "seed": record.seed,
            "speed": PredictionSpeed(**speeds[role]),
            "checkpoint": arm_of(spec, record.params),
        }
    return tuple(
        FinalModel(
            role=role,
            validation=scores(metrics, by_split["validation"].outputs, by_split["validation"].targets),
            test={
                metric.name: interval(metric, by_split["test"].outputs, by_split["test"].targets, units)
                for metric in metrics
                if metric.is_known(by_split["test"].outputs)
            },
            predictions=f"{name}/{role}.npz",
            **described[role],
        )
        for role, by_split in answers.items()
    )


def _compare(
    metric: Metric, role: Role, answers: Mapping[Role, Mapping[str, Answers]], units: np.ndarray | None
) -> Comparison:
    """The winner compared with the model of `role` on test, by draws of the rows' `units`."""
    winner, other = answers["winner"]["test"], answers[role]["test"]
    paired = compare(metric, winner.outputs, other.outputs, winner.targets, units)
    return Comparison(
        a="winner",
        b=role,
        metric=metric.name,
        probability=paired.probability,
        difference=paired.difference,
        mcnemar_p=paired.mcnemar_p,
        tie=paired.tie,
    )
