"""The job of `harness export`: writes the model of the winner or of any trial as a folder of its own.

The study is only read, and the test split is not scored again.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from harness.data.answers import read_answers
from harness.data.prepared import PreparedData
from harness.errors import DataError, InputError, RunError, look_up
from harness.jobs.adapter.export import ADAPTER_FILES, keep_adapter
from harness.jobs.export import check_scores, stage_weights, write_card
from harness.jobs.finalists import search_number
from harness.jobs.refit.export import stage_refit
from harness.jobs.refit.rows import REFITS
from harness.jobs.rerun import prepared_data, train_again, trial_of
from harness.jobs.scorer import Request, SavedModel, Scorer
from harness.jobs.standing import of_trial
from harness.records.exported import EXPORT_FILES, MANIFEST, ExportManifest, read_export
from harness.records.files import replace_folder, sha256_of, staging_path
from harness.records.final import FinalModel
from harness.records.results import Results
from harness.records.rundir import RunFolder
from harness.records.schema import Place, TrialRecord, TrialState
from harness.search.watch import Monitor
from harness.stats.metric import score
from harness.tasks import task_of

__all__ = ["export_trial"]

#: The file of an export that its user may have edited.
CARD = "README.md"
WEIGHTS = "model.safetensors"


def export_trial(
    results: Results,
    number: int | None,
    to: Path,
    say: Callable[[str], object] = lambda line: None,
    monitors: Sequence[Monitor] = (),
    *,
    force: bool = False,
    refit: str | None = None,
    adapter: bool = False,
) -> Path:
    """Writes the export to `to` and returns it: the study's winner, or the search trial `number`.

    The winner's folder is copied from the run, with its test score: its hashes are checked, and it is scored again if
    the run's data is there. Another trial's weights are copied where they were kept, else the trial is trained again. A
    trial that was scored on test is exported with the seed that was scored, and its card has that score; the card of
    another has validation scores only. `say` gets a line before a training, one where the winner is not scored again,
    and one where other weights are replaced; the monitors are told of a training. An export of the same trial of that
    study is replaced; with `force` that of another one too.

    With `refit`, the name of `REFITS`, the recipe of the trial is trained once more on the rows of several splits.
    With `adapter` the folder has the adapter of the trial instead of the whole model.

    Raises:
        InputError: `to` is not a folder, or holds other files than an export, or without `force` another model.
        RunError: the run has no winner, or no such trial, or the trial did not complete.
        HarnessError: the reloaded model does not score what its trial scored.
    """
    if refit is not None:
        look_up(REFITS, refit, "refit")
    task_of(results.spec.task)  # a task of the user's own is only run where it is trusted
    to = to.absolute()
    _refuse_other_files(to)
    chosen = number if number is not None or results.final is None else results.final.winner
    before = _replaced(to, results.spec.name, chosen, force=force)
    to.parent.mkdir(parents=True, exist_ok=True)
    staging = staging_path(to)
    try:
        if refit is not None:
            _stage_refit(results, chosen, refit, staging, monitors)
        elif number is None or (results.final is not None and number == results.final.winner):
            _stage_winner(results, staging, say)
        else:
            _stage_trial(results, number, staging, say, monitors)
        sha256 = sha256_of(staging / WEIGHTS)
        if adapter and chosen is not None:
            keep_adapter(staging, trial_of(results, chosen).config)
        replace_folder(staging, to)
        if before is not None and before.files.get(WEIGHTS) != sha256:
            say(f"{to}: replaced the model of {_model_name(before)} that was there")
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return to


def _refuse_other_files(to: Path) -> None:
    if to.is_symlink() or (to.exists() and not to.is_dir()):
        raise InputError(f"--to {to} is not a folder; give one that is new, empty or an earlier export")
    if not to.is_dir():
        return
    present = {path.name for path in to.iterdir()}
    is_export = present >= set(EXPORT_FILES) or present >= set(ADAPTER_FILES)
    others = sorted(present - {*EXPORT_FILES, CARD, *read_export(to).files}) if is_export else []
    if others or (present and not is_export):
        named = f" ({', '.join(others[:3])}{' ...' if others[3:] else ''})" if others else ""
        raise InputError(f"--to {to} holds other files{named}; give a folder that is new, empty or an earlier export")


def _replaced(to: Path, study: str, number: int | None, *, force: bool) -> ExportManifest | None:
    """The manifest of the export that is in the folder; None without one.

    Raises:
        InputError: it is that of another trial or another study, and not to be replaced by `force`.
    """
    if not (to / MANIFEST).is_file():
        return None
    before = read_export(to)
    if not force and number is not None and (before.study, before.trial) != (study, number):
        raise InputError(
            f"--to {to} holds the model of {_model_name(before)}, and this is trial {number} of {study}; give another "
            "folder, or replace it with --force"
        )
    return before


def _model_name(manifest: ExportManifest) -> str:
    trial = "a trial" if manifest.trial is None else f"trial {manifest.trial}"
    return f"{trial} of {manifest.study or 'a study'}"


def _stage_winner(results: Results, staging: Path, say: Callable[[str], object]) -> None:
    best = results.export_path()
    if results.final is None or results.final.winner is None or best is None:
        raise RunError(f"{results.folder} has no winner{results.why_no_winner}, or name a trial: --trial N")
    source = Path(best)
    missing = [name for name in EXPORT_FILES if not (source / name).is_file()]
    if missing:
        raise RunError(
            f"{source} is not whole (no {', '.join(missing)}); train it again: --trial {results.final.winner}"
        )
    shutil.rmtree(staging, ignore_errors=True)
    shutil.copytree(source, staging)
    manifest = read_export(staging)
    digests = {name: digest for name, digest in manifest.files.items() if name != CARD}
    changed = [name for name, digest in digests.items() if sha256_of(staging / name) != digest]
    if changed:
        raise RunError(f"{source} has changed since it was exported ({', '.join(changed)}): its hashes differ")
    try:
        data = prepared_data(results)
    except (DataError, RunError) as error:
        say(f"copied by its hashes, not scored again: {error}")
        return
    record = _run_of(results, results.final.winner, manifest.seed)
    _check(results, data, record, manifest.validation, staging, processor=False)


def _stage_refit(results: Results, number: int | None, rows: str, staging: Path, monitors: Sequence[Monitor]) -> None:
    if number is None:
        raise RunError(f"{results.folder} has no winner{results.why_no_winner}, or name a trial: --trial N")
    record, model = trial_of(results, number), _scored(results, number)
    record = record if model is None else _run_of(results, number, model.seed)

    def check(data: PreparedData, trained: TrialRecord, expected: Mapping[str, float]) -> None:
        _check(results, data, trained, expected, staging, processor=True)

    stage_refit(results, record, model, rows, staging, monitors, check)


def _run_of(results: Results, number: int, seed: int | None) -> TrialRecord:
    """The record of the run of a search trial with that seed; that of the search where there is none."""
    runs = [record for record in results.trials if record.number == number]
    runs += [record for record in results.confirm if record.config.of == number]
    return next((record for record in runs if record.seed == seed), runs[0])


def _scored(results: Results, number: int) -> FinalModel | None:
    """The model of a search trial that this or an earlier decision scored on test; None where none did."""
    models = results.final.tested if results.final else ()
    return next((model for model in models if model.number == number), None)


def _stage_trial(
    results: Results, number: int, staging: Path, say: Callable[[str], object], monitors: Sequence[Monitor]
) -> None:
    record = trial_of(results, number)
    if record.state is TrialState.FAIL:
        raise RunError(f"trial {number} failed ({record.reason}: {record.message}): there is no model to export")
    data, model = prepared_data(results), _scored(results, number)
    record = record if model is None else _run_of(results, number, model.seed)
    finalists = results.final.finalists if results.final and model else ()
    with _weights(results, record, say, monitors) as (trained, weights):
        model = model if trained is record else None  # another training was not scored
        stage_weights(weights, staging)
        _check(results, data, trained, trained.metrics, staging, processor=True)
        write_card(
            staging,
            spec=results.spec,
            data=data,
            record=trained,
            test=model.test if model is not None else None,
            seeds=next((finalist.seeds for finalist in finalists if finalist.number == number), (trained.seed,)),
            standing=of_trial(results, data, model),
            precisions=results.manifest.precision,
        )


@contextmanager
def _weights(
    results: Results, record: TrialRecord, say: Callable[[str], object], monitors: Sequence[Monitor]
) -> Iterator[tuple[TrialRecord, Path]]:
    """Gives the record and the folder of a trial's weights: the kept ones, else those of a new training."""
    kept = RunFolder(results.folder).inside(record.weights) if record.weights else None
    if kept is not None and (kept / "model.safetensors").is_file():
        yield record, kept
        return
    pruned = ", to its end, which the search did not" if record.state is TrialState.PRUNED else ""
    say(f"trial {search_number(record)} has no kept weights: it is trained again{pruned}")
    with train_again(results, record, *monitors) as (repeated, folder):
        yield repeated, folder


def _check(
    results: Results,
    data: PreparedData,
    record: TrialRecord,
    expected: Mapping[str, float],
    staging: Path,
    *,
    processor: bool,
) -> None:
    """Scores the staged folder on validation, in a new process with its own tokenizer.

    Raises:
        HarnessError: the score is not the one of `expected`.
    """
    log = staging.with_name(f"{staging.name}.log")
    model = SavedModel(
        name="export",
        folder=str(staging),
        config=record.trained_config,
        threads=record.best_threads,
        splits=("validation",),
        processor=processor,
        raw=True,
    )
    with TemporaryDirectory(prefix="harness-export-") as folder, Scorer(log) as scorer:
        request = Request(
            data=str(data.folder),
            out=folder,
            place=_place(record),
            task=results.spec.task,
            models=(model,),
        )
        with scorer.scoring(request):  # an error names the log, so the log is removed only after success
            pass
        metric = results.task.checked_by(results.spec.search.objectives)
        answers = read_answers(Path(folder) / f"{model.name}.npz", "validation")
        reloaded = score(metric, answers.outputs, answers.targets)
    log.unlink(missing_ok=True)
    check_scores(metric, expected[metric.name], reloaded, str(staging))


def _place(record: TrialRecord) -> Place:
    if record.place is None:
        raise RunError(f"trial {record.number} has no place in its record")
    return record.place
