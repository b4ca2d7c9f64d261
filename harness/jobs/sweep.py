"""The job of `harness sweep`: prepare, search, confirm, conclude, report; a run that was stopped is continued.

Output goes through a `SweepView`, so that the job does not depend on a terminal.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import astuple
from functools import cached_property
from math import nan
from pathlib import Path
from typing import Any, Literal, Protocol

from harness.data.answers import Answers
from harness.data.checkpoints import resolve as resolve_checkpoint
from harness.data.prepare import prepare
from harness.engines.open import open_engine
from harness.engines.precisions import Precisions
from harness.errors import DataError, InputError, RunError, StudyFailed
from harness.jobs.detectable import detectable_lines
from harness.jobs.earlier_runs import earlier_lines, read_earlier_runs
from harness.jobs.finalists import confirm_configs, finalists_of
from harness.jobs.going_on import (
    budget_changes_nothing,
    changed_code,
    continued,
    continued_trials,
    is_finished,
    is_finished_by_other_version,
    with_begun_code,
    with_trials,
)
from harness.jobs.monitors import AfterStarts, Tidy
from harness.jobs.plan.kept import kept_s
from harness.jobs.refusals import refuse_several_tokenizers, refuse_undefined, with_mistakes_of_checkpoints
from harness.jobs.scorer import Features, Scorer, features_of
from harness.jobs.seed_race import noise_of_rows, race_of
from harness.loggers.open import open_loggers
from harness.machine.slots import plan_slots
from harness.records.decisions import BEST, finish_keys, new_folder, settle
from harness.records.files import can_write
from harness.records.final import WARNING, Baseline, SeedRace
from harness.records.manifest import DataFacts, EarlierRun, Manifest, read_manifest, write_manifest
from harness.records.precision import PrecisionChoice
from harness.records.profile import Phases
from harness.records.provenance import new_manifest, reads_other_rows, verify
from harness.records.results import CONFIRM, FINAL, FORECAST, PERIODS, Results, decision, load
from harness.records.rundir import RunFolder
from harness.records.schema import Period, Place, PruneReason, TrialRecord, TrialState
from harness.records.store import StudyStore
from harness.records.task_copy import copy_of
from harness.report.study.seeds import dropped_text
from harness.runtime import quick_imports, stand_back
from harness.search.fixed import FixedList
from harness.search.samplers import import_libraries
from harness.search.search import Search
from harness.search.source import TrialSource
from harness.search.watch import LiveFile, Monitor, Watched
from harness.spec.configure import default_config, may_choose_precision, models_of
from harness.spec.lengths import unpruned_line
from harness.spec.rungs import rung_fractions
from harness.spec.space import is_searched
from harness.spec.study import StudySpec
from harness.tasks import task_of
from harness.tasks.encode import baselines, facts, warnings_of_others

__all__ = ["TRIAL", "SweepView", "report_folder", "sweep"]

#: The trial function, by the name under which workers import it.
TRIAL = "harness.trial:run_trial"
#: Study attributes.
BASELINES, FACTS = "baselines", "facts"
#: Told of a study that went on after its decision.
SECOND_LOOK = f"{WARNING}The study went on after its first decision, so the test rows were looked at more than once."


class SweepView(Monitor, Protocol):
    """The display of a sweep; as a `Monitor` it gets every event of a trial."""

    def say(self, line: str) -> None:
        """Shows one line; may be called from another thread."""

    def begin(self, phase: str, total: int, slots: Sequence[Place]) -> None:
        """Begins a phase, "search" or "confirm", with `total` trials on `slots` (empty on a cluster)."""

    def end(self, phase: str) -> None:
        """Ends the phase."""

    def show_work(self, what: str) -> None:
        """Shows what happens until the next phase begins, and for how long."""

    def update_work(self, what: str) -> None:
        """Changes the words for what happens; the clock goes on."""


def report_folder(run: Path) -> Path:
    """The default folder of a run's report: reports/NAME, or in the run where the current folder cannot be written."""
    folder = Path("reports") / run.resolve().name
    return folder if can_write(folder) or not can_write(run) else run / "report"


def sweep(
    spec: StudySpec, *, runs: Path, fresh: bool, command: Sequence[str], view: SweepView, phases: Phases | None = None
) -> Results:
    """Runs the study, or the rest of it, and returns its results; `phases` measures the time of each phase.

    Raises:
        InputError: data, checkpoint, device, run folder or a run of `search.from` cannot be used.
        StudyFailed: no trial completed.
    """
    run = RunFolder.of(runs, spec.name)
    begins = fresh or not run.exists
    found = read_earlier_runs(spec) if begins else ()
    if fresh and (moved := run.move_aside()):
        view.say(f"the earlier run is now {moved}")
    run.create()
    phases = phases or Phases()
    with run.lock(), ExitStack() as stack:
        spec = continued(spec, run)
        if trials := continued_trials(spec, run, command):
            view.say(
                f"this study was continued to {trials} trials, which count (search.trials={trials}), and not the "
                f"{spec.search.trials} of this command"
            )
            spec = spec.model_copy(update={"search": spec.search.model_copy(update={"trials": trials})})
            command = with_trials(command, trials)
        if is_finished_by_other_version(spec, run):
            return _finished(run, view, phases)
        return _Sweep(spec, run, found, command, view, phases, stack).run()


def _finished(run: RunFolder, view: SweepView, phases: Phases) -> Results:
    results = load(run.path)
    view.say(f"{results.spec.name} is finished: these are its results")
    _report(results, view, phases, again=False)
    return results


def _report(results: Results, view: SweepView, phases: Phases, *, again: bool) -> None:
    """Writes the report; where `again` is false, only if it is not there."""
    phases.go("report")
    folder = report_folder(results.folder)
    if again or not (folder / "index.html").exists():
        view.show_work("writing the report")
        from harness.report.study.page import write_report  # plotly and pandas are slow to import

        write_report(results, folder)


class _Sweep:
    """One sweep while the run folder is locked."""

    def __init__(
        self,
        spec: StudySpec,
        run: RunFolder,
        found: Sequence[EarlierRun],
        command: Sequence[str],
        view: SweepView,
        phases: Phases,
        stack: ExitStack,
    ) -> None:
        self.spec, self.folder, self.view, self.command, self.phases = spec, run, view, command, phases
        self.stack = stack
        self.earlier = read_manifest(run)
        self.manifest = self.earlier or Manifest(spec=spec, earlier_runs=tuple(found))
        # Before the data is read there are only the study and its task to compare.
        self._refuse_changes(Manifest(spec=spec, task=copy_of(spec.task)))
        self.slots = plan_slots(spec.engine, num_trials=spec.search.trials)
        self.places = [] if spec.engine.joins else [slot.place for slot in self.slots]
        # Workers need as long to start as the data needs to be prepared; a finished study needs none.
        warm = None if (run.path / BEST).exists() else TRIAL
        self.precisions = Precisions(
            self.manifest.precision, each_kind=spec.engine.joins, on_choice=self._record_precision
        )
        precisions = self.precisions if may_choose_precision(spec) else None
        self.engine = stack.enter_context(open_engine(spec, run, self.slots, warm=warm, precisions=precisions))
        self.loggers = open_loggers(spec.loggers, run, view.say)
        try:
            self.data = prepare(spec)
        except DataError as error:
            raise with_mistakes_of_checkpoints(error, spec) from None

    def _refuse_changes(self, now: Manifest) -> None:
        """Raises RunError when the study, data or weights differ from those that the run was begun with."""
        changed = verify(self.earlier, now) if self.earlier else []
        if changed:
            lines = "\n".join(f"  {line}" for line in changed)
            raise RunError(
                f"{self.folder.path} was started with something else:\n{lines}\n"
                "give this study a name of its own (name=...) or begin again (--fresh)"
            )

    def run(self) -> Results:
        """Does the parts of the study that are not done yet, and returns its results."""
        spec = self.spec
        weights = {name: resolve_checkpoint(name).sha256 for name in spec.model.checkpoints}
        data = DataFacts(**self.data.meta.model_dump(), folder=str(self.data.folder))
        begun = self.manifest
        now = new_manifest(spec, data, weights, self.places, self.command, begun.precision, begun.earlier_runs)
        if self.earlier and reads_other_rows(self.earlier, data) and is_finished(spec, self.earlier.spec, self.folder):
            return _finished(self.folder, self.view, self.phases)
        self._refuse_changes(now)
        if self.earlier is None:
            refuse_undefined(spec, self.data)
            refuse_several_tokenizers(spec)
        store = self._open()
        self.manifest = now = with_begun_code(now, self.earlier)
        write_manifest(self.folder, now)
        if self.earlier is None and (planned := kept_s(spec)) is not None:
            store.set(FORECAST, astuple(planned))
        rows = self.data.meta.rows["train"]
        chance, decided = task_of(spec.task).chance(self.data), decision(store)
        tested = {model.number for model in decided.tested if model.number is not None} if decided else set()
        found_before = [trial.params for earlier in now.earlier_runs for trial in earlier.taken]
        search = Search(
            spec,
            store,
            self.folder,
            num_train_rows=rows,
            chance=chance,
            tested=tested,
            found_before=found_before,
        )
        finished = decided is not None and decided.of == finish_keys(spec) and not search.has_time_again
        if decided is not None:
            settle(self.folder, decided)  # where a kill came before that
        if finished:
            self.view.say(f"{spec.name} is finished: these are its results")
            if line := budget_changes_nothing(store, spec.budget.minutes):
                self.view.say(line)
        else:
            for given in earlier_lines(now.earlier_runs, now.spec) if self.earlier is None else ():
                self.view.say(given)
            if line := unpruned_line(spec, rows):
                self.view.say(line)
            folder = new_folder(self.folder, decided)
            try:
                trials, confirmed, race, scorer = self._train(store, search, folder)
            except InputError:
                if not any(record.history for record in store.records()):
                    self.folder.clear()  # no evaluation is lost, and the corrected study can use the folder
                raise
            self.phases.go("concluding")
            self._conclude(store, trials, confirmed, race, scorer, folder)
            self.stack.close()
        results = load(self.folder.path)
        _report(results, self.view, self.phases, again=not finished)
        if results.final is None:
            raise StudyFailed(_why_failed(results.trials))
        return results

    def _train(
        self, store: StudyStore, search: Search, folder: str
    ) -> tuple[list[TrialRecord], list[TrialRecord], SeedRace | None, Scorer]:
        """Searches and confirms; baselines and imports run in a background thread once all trials have been started.

        The data is described before the first trial, so that what cannot be encoded ends the study there.
        """
        import_libraries(self.spec.search.sampler)
        self.stack.enter_context(self.loggers)
        scorer = self.stack.enter_context(Scorer(self.folder.path / "final.log"))
        described = self._said(
            [*changed_code(self.earlier, self.spec.task), *facts(self.data, default_config(self.spec))]
        )
        with ThreadPoolExecutor(1, thread_name_prefix="beside", initializer=stand_back) as background:
            others = background.submit(self._found_beside, described)
            measured: list[Future[tuple[list[dict[str, Any]], list[str]]]] = []
            later = AfterStarts(
                search,
                lambda: scorer.start(self._early_features(store, folder)),
                lambda: measured.append(background.submit(self._baselines, store.get(BASELINES))),
                lambda: background.submit(_import_conclusion),
            )
            self._phase(store, "search", search, self.spec.search.trials, Tidy(self.folder, search), later)
            self.view.show_work("measuring the baselines")
            later.now()
            simple, failed = measured[0].result()
            store.set(BASELINES, simple)
            store.set(FACTS, [*described, *others.result(), *failed])
        trials = store.records()
        return trials, *self._confirm(store, trials), scorer

    def _early_features(self, store: StudyStore, folder: str) -> Features | None:
        """The baseline that is computed beside the last trials; None on an accelerator, whose memory they need.

        Where checkpoints differ between trials, it is that of the winner's, which is not known yet.
        """
        if len(self.spec.model.checkpoints) > 1 or is_searched(self.spec.model.layers):
            return None
        record = next((record for record in store.records() if record.number == 0 and record.history), None)
        place = record.history[-1].place if record is not None else None
        if record is None or place is None or place.device != "cpu":
            return None
        return features_of(self.folder.inside(folder), self.spec, self.data, record)

    def _open(self) -> StudyStore:
        spec, rungs = self.spec, rung_fractions(self.spec)
        store = StudyStore.open(self.folder.storage(spec), spec.name, spec.search.objectives, rungs=rungs)
        self.stack.callback(store.close)
        return store

    def _phase(
        self, store: StudyStore, name: Literal["search", "confirm"], source: TrialSource, total: int, *more: Monitor
    ) -> None:
        self.phases.go(name)
        live = LiveFile(self.folder, name, total)
        earlier, period = store.get(PERIODS, []), Period(phase=name, start=time.time())
        store.set(PERIODS, [*earlier, period.model_dump()])
        self.view.begin(name, total, self.places)
        try:
            self.engine.run(Watched(source, live, self.view, self.loggers, *more), str(self.data.folder), TRIAL)
        finally:
            live.close()
            store.set(PERIODS, [*earlier, period.model_copy(update={"end": time.time()}).model_dump()])
            self.view.end(name)

    def _record_precision(self, choice: PrecisionChoice, measured: PrecisionChoice) -> None:
        """Shows which precision `auto` means on a kind of device, and records it in the manifest."""
        line = f"precision: auto is {choice.precision}"
        if choice is measured:
            self.view.say(f"{line}, {measured.reason}")
        else:
            today = "the same" if measured.precision == choice.precision else measured.precision
            self.view.say(f"{line} as this study recorded; measured now it would be {today}, {measured.reason}")
        others = (other for other in self.manifest.precision if other.kind != choice.kind)
        self.manifest = self.manifest.model_copy(update={"precision": (*others, choice)})
        write_manifest(self.folder, self.manifest)

    def _said(self, lines: list[str]) -> list[str]:
        """Shows the lines, and returns them."""
        for line in lines:
            self.view.say(line)
        return lines

    @cached_property
    def _simple(self) -> tuple[dict[str, Answers], list[str]]:
        """The validation answers of the task's baselines by name, and a sentence when one failed."""
        rows, failed = self.spec.data.most_train_rows, list[str]()
        outputs, targets = baselines(self.data, self.spec.task, rows, ["validation"], failed.append)
        answers = {name: Answers(of_split["validation"], targets["validation"]) for name, of_split in outputs.items()}
        return answers, failed

    def _found_beside(self, described: Sequence[str]) -> list[str]:
        """Shows and returns what is found out beside trials: warnings of other checkpoints, what test can show."""
        warnings = self._said(warnings_of_others(self.data, models_of(self.spec)[1:], described))
        return warnings + self._said(detectable_lines(self.spec, self.data, lambda: self._simple[0]))

    def _baselines(self, stored: list[dict[str, Any]] | None) -> tuple[list[dict[str, Any]], list[str]]:
        """The task's baselines on validation, those stored or measured here, and warnings of those that failed."""
        if stored:
            return stored, []
        answers, failed = self._simple
        task = task_of(self.spec.task)
        measured = {name: task.metrics(own.outputs, own.targets) for name, own in answers.items()}
        simple = [Baseline(name=name, metrics=metrics).model_dump(mode="json") for name, metrics in measured.items()]
        return simple, self._said([f"{WARNING}{warning}" for warning in failed])

    def _confirm(self, study: StudyStore, trials: Sequence[TrialRecord]) -> tuple[list[TrialRecord], SeedRace | None]:
        """Trains what is to be confirmed and was not yet; returns all confirmation runs and the race.

        A race of seeds comes in rounds, each decided by the records of those before it.
        """
        finalists, name = finalists_of(self.spec, trials), self.spec.name + CONFIRM
        races = self.spec.confirm is not None and self.spec.confirm.seeds == "auto"
        row_sd = noise_of_rows(self.folder, self.spec, finalists, self.data.units("validation")) if races else nan
        told: list[str] = []
        while True:
            earlier = study.sibling(name)
            records = earlier.records() if earlier else []
            race = race_of(self.spec, finalists, records, row_sd) if races else None
            lines = [dropped_text(self.spec.search.objectives[0], dropped) for dropped in race.dropped] if race else []
            told += self._said(lines[len(told) :])
            configs = confirm_configs(self.spec, trials, race)
            store = study.sibling(name, create=bool(configs))
            if store is None:
                return [], race
            source = FixedList(configs, store, self.folder)
            if source.is_done:
                return store.records(), race
            self._phase(study, "confirm", source, source.num_trials)

    def _conclude(
        self,
        store: StudyStore,
        trials: Sequence[TrialRecord],
        confirmed: Sequence[TrialRecord],
        race: SeedRace | None,
        scorer: Scorer,
        folder: str,
    ) -> None:
        """Scores the finalists on the test split, unless no trial completed, and stores the decision."""
        from harness.jobs.conclude import conclude, tidy

        if not any(trial.state == "COMPLETE" for trial in trials):
            return
        what = "testing the finalists, exporting the winner"
        self.view.show_work(what)
        scorer.told = lambda line: self.view.update_work(f"{what}: {line}" if line else what)
        before = decision(store)
        facts = [*store.get(FACTS, []), *([SECOND_LOOK] if before and before.tested else [])]
        final = conclude(self.folder, self.spec, self.data, trials, confirmed, facts, scorer, folder, race).after(
            before
        )
        store.set(FINAL, final.model_dump(mode="json"))
        simple = [
            Baseline(name=model.name, metrics=model.validation) for model in final.models if model.kind == "baseline"
        ]
        if simple:
            store.set(BASELINES, [baseline.model_dump(mode="json") for baseline in simple])
        settle(self.folder, final)
        if final.winner is not None:  # without one the weights stay, for the case that the study goes on
            tidy(self.folder, (*trials, *confirmed), final)


def _import_conclusion() -> None:
    """Imports the conclusion ahead of its use: it takes a second."""
    with quick_imports():
        import harness.jobs.conclude  # noqa: F401


def _why_failed(trials: Sequence[TrialRecord]) -> str:
    failed = (trial for trial in trials if trial.state is TrialState.FAIL and trial.reason)
    reasons = sorted({f"{trial.reason}: {trial.message}" for trial in failed})
    pruned = sum(trial.reason is PruneReason.RUNG for trial in trials)
    parts = [f"the first reason: {reasons[0]}"] if reasons else []
    parts += [f"{pruned} pruned: search.pruner.name=none lets every trial run to its end"] if pruned else []
    return "; ".join(["no trial completed", *parts])
