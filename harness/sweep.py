"""The main job: prepare, search, confirm, conclude, report; and going on where an earlier one stopped.

Knows nothing of the terminal: what a person sees goes through a `View`.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Protocol

from harness.conclude import conclude
from harness.data.checkpoints import resolve as resolve_checkpoint
from harness.data.prepare import prepare
from harness.engines.fixed import FixedList
from harness.engines.open import open_engine
from harness.engines.protocol import Engine, TrialSource
from harness.engines.search import Search
from harness.engines.slots import plan_slots
from harness.engines.watch import LiveFile, Monitor, Watched
from harness.errors import RunError, StudyFailed
from harness.finalists import confirm_configs
from harness.records.final import Baseline
from harness.records.provenance import manifest, verify
from harness.records.results import Results, load
from harness.records.rundir import RunFolder
from harness.records.schema import Place, Progress, TrialRecord
from harness.records.store import StudyStore
from harness.report.page import write_report
from harness.spec.configure import arms, default_params, resolve
from harness.spec.study import StudySpec
from harness.spec.trial import TrialConfig
from harness.tasks import task_of
from harness.tasks.encode import facts
from harness.tasks.metrics import classification_metrics

__all__ = ["TRIAL", "View", "report_folder", "sweep"]

#: The trial function, by the name under which workers import it.
TRIAL = "harness.trial:run_trial"
#: Study attributes.
BASELINES, FINAL, FINAL_OF = "baselines", "final", "final_of"


class View(Monitor, Protocol):
    """What a person sees of a sweep; also told of every trial (`Monitor`)."""

    def say(self, line: str) -> None:
        """One fact, one line; may come from another thread."""

    def begin(self, phase: str, total: int, slots: Sequence[Place]) -> None:
        """A phase begins: "search" or "confirm", with so many trials in all on these slots."""

    def end(self, phase: str) -> None:
        """The phase is over."""


def report_folder(spec: StudySpec) -> Path:
    """Where a study's report is written when nothing else is asked for."""
    return Path("reports") / spec.name


def sweep(spec: StudySpec, *, runs: Path, fresh: bool, command: Sequence[str], view: View) -> Results:
    """Runs the study, or what is left of it, and returns its results.

    Raises:
        InputError: data, checkpoint, device or run folder cannot be used.
        StudyFailed: no trial completed.
    """
    run = RunFolder.of(runs, spec.name)
    if fresh and (moved := run.move_aside()):
        view.say(f"the earlier run is now {moved}")
    run.create()
    with run.lock():
        return _Sweep(spec, run, command, view).run()


class _Sweep:
    """One sweep while the run folder is locked."""

    def __init__(self, spec: StudySpec, run: RunFolder, command: Sequence[str], view: View) -> None:
        self.spec, self.folder, self.view, self.command = spec, run, view, command
        self._refuse_changes({"spec": spec.model_dump(mode="json")})
        self.data = prepare(spec)
        self.slots = plan_slots(spec.engine, num_trials=spec.search.trials)
        self.places = [slot.place for slot in self.slots]

    def _refuse_changes(self, now: Mapping[str, Any]) -> None:
        """A run goes on with what it was started with, or not at all."""
        earlier = self.folder.read_json("manifest.json") if self.folder.exists else None
        # Before the data is read there is only the study to compare.
        changed = verify(earlier, {"data": earlier.get("data", {})} | dict(now)) if earlier else []
        if changed:
            lines = "\n".join(f"  {line}" for line in changed)
            raise RunError(
                f"{self.folder.path} was started with something else:\n{lines}\n"
                "give this study a name of its own (name=...) or begin again (--fresh)"
            )

    def run(self) -> Results:
        """Does whatever of the study is not done yet."""
        spec = self.spec
        weights = {name: resolve_checkpoint(name).sha256 for name in spec.model.checkpoints}
        places = [place.model_dump(mode="json") for place in self.places]
        data = self.data.meta | {"folder": str(self.data.folder)}
        now = manifest(spec, data, weights, places, self.command)
        self._refuse_changes(now)
        with ExitStack() as stack:
            store = self._open(stack, spec.name)
            self.folder.write_json("manifest.json", now)
            search = Search(spec, store, self.folder)
            if store.get(FINAL_OF) == self._asked():
                self.view.say(f"{spec.name} is finished: these are its results")
                return load(self.folder.path)
            side = stack.enter_context(_background(self._describe, store.get(BASELINES)))
            engine = stack.enter_context(open_engine(spec, self.folder, self.slots))
            self._phase("search", engine, search, spec.search.trials, _Tidy(self.folder, search))
            store.set(BASELINES, side.result())
            trials = store.records()
            confirmed = self._confirm(stack, engine, trials)
            self._conclude(store, trials, confirmed)
        results = load(self.folder.path)
        write_report(results, report_folder(spec))
        if results.final is None:
            raise StudyFailed(_why_failed(trials))
        return results

    def _open(self, stack: ExitStack, name: str) -> StudyStore:
        url = self.spec.search.storage or self.folder.database
        store = StudyStore.open(url, name, self.spec.search.objectives)
        stack.callback(store.close)
        return store

    def _asked(self) -> dict[str, Any]:
        """What the end of the study depends on: when it is as recorded, there is nothing left to do."""
        confirm = self.spec.confirm.model_dump() if self.spec.confirm else None
        return {"trials": self.spec.search.trials, "confirm": confirm}

    def _phase(self, name: str, engine: Engine, source: TrialSource, total: int, *more: Monitor) -> None:
        live = LiveFile(self.folder, name, total)
        self.view.begin(name, total, self.places)
        try:
            engine.run(Watched(source, live, self.view, *more), str(self.data.folder), TRIAL)
        finally:
            live.close()
            self.view.end(name)

    def _describe(self, baselines: list[dict[str, Any]] | None) -> list[dict[str, Any]]:
        """Says what the data is like, and measures the task's baseline unless that was done before."""
        first = resolve(self.spec, number=0, params=default_params(self.spec), arm=arms(self.spec)[0])
        for line in facts(self.data, first):
            self.view.say(line)
        if baselines:
            return baselines
        frame = self.data.frame("validation")
        name, found = task_of(self.spec.task).baseline(
            self.data.frame("train"), {"validation": frame}, len(self.data.labels)
        )
        metrics = classification_metrics(frame["label"].to_numpy(), found["validation"])
        return [Baseline(name=name, metrics=metrics).model_dump(mode="json")]

    def _confirm(self, stack: ExitStack, engine: Engine, trials: Sequence[TrialRecord]) -> list[TrialRecord]:
        configs = confirm_configs(self.spec, trials)
        if not configs:
            return []
        store = self._open(stack, f"{self.spec.name}/confirm")
        source = FixedList(configs, store, self.folder)
        self._phase("confirm", engine, source, len(configs))
        return store.records()

    def _conclude(self, store: StudyStore, trials: Sequence[TrialRecord], confirmed: Sequence[TrialRecord]) -> None:
        """Opens the test split for the finalists, unless nothing completed."""
        if not any(trial.state == "COMPLETE" for trial in trials):
            return
        baseline = store.get(BASELINES)[0]["name"]
        final = conclude(self.folder, self.spec, self.data, trials, confirmed, baseline)
        store.set(FINAL, final.model_dump(mode="json"))
        store.set(FINAL_OF, self._asked())


class _Tidy:
    """A `Monitor` that removes saved weights as soon as better trials make them useless."""

    def __init__(self, run: RunFolder, search: Search) -> None:
        self._run, self._search = run, search

    def started(self, config: TrialConfig) -> None:
        """Nothing to tidy."""

    def progressed(self, number: int, progress: Progress) -> None:
        """Nothing to tidy."""

    def paused(self, number: int) -> None:
        """Nothing to tidy."""

    def ended(self, record: TrialRecord) -> None:
        """Asks the search what nobody needs any more."""
        for number in self._search.unneeded():
            shutil.rmtree(self._run.trial_dir("search", number) / "weights", ignore_errors=True)


def _why_failed(trials: Sequence[TrialRecord]) -> str:
    reasons = sorted({f"{trial.reason}: {trial.message}" for trial in trials if trial.reason})
    return "no trial completed" + (f"; the first reason: {reasons[0]}" if reasons else "")


@contextmanager
def _background(work: Any, *arguments: Any) -> Iterator[Future[Any]]:
    """Runs `work` beside the body in a thread; the body reads its `result`."""
    with ThreadPoolExecutor(1, thread_name_prefix="describe") as pool:
        yield pool.submit(work, *arguments)
