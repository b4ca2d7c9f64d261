"""A run that is asked for again: what it goes on with, and when it does not go on."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from harness.data.prepare import prepare
from harness.errors import InputError, RunError
from harness.jobs import going_on
from harness.jobs import sweep as module
from harness.jobs.going_on import changed_code, continued, with_begun_code
from harness.jobs.sweep import report_folder, sweep
from harness.records.decisions import finish_keys
from harness.records.final import WARNING, Final
from harness.records.manifest import BEHAVIOUR, Manifest, read_manifest, write_manifest
from harness.records.results import load
from harness.records.rundir import RunFolder
from harness.records.schema import Place, Progress, TrialRecord
from harness.records.store import StudyStore
from harness.records.task_copy import TaskCopy
from harness.spec.reader import load_study
from harness.spec.study import StudySpec
from harness.spec.trial import TrialConfig
from tests.cli.bad_inputs import make_bad_inputs, make_run


class Said:
    """A view that remembers what it was told in words."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.work: list[str] = []

    def say(self, line: str) -> None:
        self.lines.append(line)

    def begin(self, phase: str, total: int, slots: Sequence[Place]) -> None:
        self.lines.append(phase)

    def end(self, phase: str) -> None: ...

    def show_work(self, what: str) -> None:
        self.work.append(what)

    def update_work(self, what: str) -> None:
        self.work.append(what)

    def started(self, config: TrialConfig) -> None: ...

    def progressed(self, number: int, progress: Progress) -> None: ...

    def paused(self, number: int) -> None: ...

    def ended(self, record: TrialRecord) -> None: ...


class Began(Exception):
    """The study was about to be searched."""


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunFolder:
    """A run of study.yaml that was stopped; a sweep of it comes as far as its search."""

    def begin(*_: object) -> None:
        raise Began

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(module._Sweep, "_train", begin)
    make_bad_inputs(tmp_path)
    sha256 = prepare(load_study(tmp_path / "study.yaml"), tmp_path / "cache").meta.sha256
    make_run(tmp_path / "study.yaml", tmp_path / "runs", sha256=sha256)
    return RunFolder(tmp_path / "runs" / "reviews")


def manifest_of(run: RunFolder) -> Manifest:
    found = read_manifest(run)
    assert found is not None
    return found


def study(*overrides: str, file: str = "study.yaml") -> StudySpec:
    return load_study(Path(file), ["engine.name=inline", *overrides])


def go_on(spec: StudySpec, view: Said | None = None) -> None:
    sweep(spec, runs=Path("runs"), fresh=False, command=["harness", "sweep", "study.yaml"], view=view or Said())


def test_rows_hash_is_taken_at_the_first_continuation(run: RunFolder) -> None:
    recorded = manifest_of(run)
    assert recorded.data.rows_sha256 == ""
    with pytest.raises(Began):
        go_on(study())
    assert len(manifest_of(run).data.rows_sha256) == 64


def test_a_table_that_was_moved_and_saved_again_is_the_same(run: RunFolder) -> None:
    with pytest.raises(Began):
        go_on(study())
    table = Path("reviews.csv")
    text = table.read_text(encoding="utf-8")
    Path("again.csv").write_bytes(text.replace("\n", "\r\n").encode())
    table.unlink()
    with pytest.raises(Began):
        go_on(study("data.path=again.csv"))
    assert str(manifest_of(run).spec.data.path).endswith("again.csv")
    Path("again.csv").write_text(text.replace("number 3, good", "number 3, fine"), encoding="utf-8")
    with pytest.raises(RunError, match="the data changed: sha256 of the prepared rows"):
        go_on(study("data.path=again.csv"))


def test_keys_that_are_not_set_have_the_recorded_values(run: RunFolder) -> None:
    recorded = manifest_of(run)
    training = recorded.spec.training.model_copy(update={"weight_decay": 0.5})
    write_manifest(run, recorded.model_copy(update={"spec": recorded.spec.model_copy(update={"training": training})}))
    assert continued(study(), run).training.weight_decay == 0.5
    with pytest.raises(Began):
        go_on(study())
    assert manifest_of(run).spec.training.weight_decay == 0.5
    with pytest.raises(RunError, match=r"training\.weight_decay: 0\.5 -> 0\.01"):
        go_on(study("training.weight_decay=0.01"))


def test_a_run_of_another_behaviour_is_not_continued(run: RunFolder) -> None:
    recorded = manifest_of(run).model_copy(update={"behaviour": BEHAVIOUR + 1, "versions": {"finetune-harness": "7.5"}})
    write_manifest(run, recorded)
    with pytest.raises(InputError, match=r"pip install finetune-harness==7\.5"):
        go_on(study())
    assert manifest_of(run) == recorded
    assert [record.number for record in load(run.path).trials] == [0, 1]


def finish(run: RunFolder, spec: StudySpec) -> Said:
    """Ends the study on disk, with a report; returns a view for what follows."""
    store = StudyStore.open(run.database, "reviews", spec.search.objectives)
    store.set(module.FINAL, Final(winner=0).model_dump(mode="json"))
    store.set("final_of", finish_keys(spec))  # as earlier versions stored it
    store.close()
    report = Path("reports/reviews/index.html")
    report.parent.mkdir(parents=True)
    report.touch()
    return Said()


def test_a_finished_run_of_another_behaviour_gives_its_results(run: RunFolder) -> None:
    recorded = manifest_of(run).model_copy(update={"behaviour": BEHAVIOUR + 1})
    write_manifest(run, recorded)
    view = finish(run, recorded.spec)
    go_on(study(), view)
    assert view.lines == ["reviews is finished: these are its results"]
    assert manifest_of(run) == recorded
    with pytest.raises(RunError, match="and that version finishes it"):
        go_on(study("search.trials=9"))


def test_a_run_whose_version_read_other_rows_is_shown_and_not_continued(run: RunFolder) -> None:
    recorded = manifest_of(run)
    data = recorded.data.model_copy(update={"rows_sha256": "f" * 64})
    recorded = recorded.model_copy(update={"data": data, "versions": {"finetune-harness": "7.5"}})
    write_manifest(run, recorded)
    with pytest.raises(RunError, match=r"which read other rows from reviews\.csv .*pip install finetune-harness==7\.5"):
        go_on(study())
    assert [record.number for record in load(run.path).trials] == [0, 1]
    view = finish(run, recorded.spec)
    go_on(study(), view)
    assert view.lines == ["reviews is finished: these are its results"]
    assert manifest_of(run) == recorded


def test_data_that_cannot_be_described_ends_the_study_before_its_first_trial(
    run: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise InputError("max_length leaves no room for text")

    monkeypatch.undo()
    monkeypatch.chdir(run.path.parents[1])
    monkeypatch.setenv("HARNESS_CACHE", str(run.path.parents[1] / "cache"))
    monkeypatch.setattr(module, "facts", refuse)
    monkeypatch.setattr(module._Sweep, "_phase", lambda *_: pytest.fail("a trial began"))
    with pytest.raises(InputError, match="max_length leaves no room"):
        go_on(study("name=new"))
    assert {path.name for path in Path("runs/new").iterdir()} <= {"lock"}


def test_report_is_in_the_run_where_the_current_folder_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "runs" / "reviews"
    assert report_folder(run) == Path("reports/reviews")
    monkeypatch.setattr(module, "can_write", lambda folder: folder == run)
    assert report_folder(run) == run / "report"
    monkeypatch.setattr(module, "can_write", lambda folder: False)
    assert report_folder(run) == Path("reports/reviews")


def test_a_fresh_run_takes_nothing_from_the_earlier_one(run: RunFolder) -> None:
    recorded = manifest_of(run).model_copy(update={"behaviour": BEHAVIOUR + 1})
    write_manifest(run, recorded)
    with pytest.raises(Began):
        sweep(study(), runs=Path("runs"), fresh=True, command=["harness"], view=Said())
    assert manifest_of(run).behaviour == BEHAVIOUR


def test_each_part_after_the_trials_is_shown(run: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    scorer = SimpleNamespace()

    def train(
        self: module._Sweep, store: StudyStore, *_: object
    ) -> tuple[list[TrialRecord], list[object], None, SimpleNamespace]:
        store.set(module.BASELINES, [])
        return [record.model_copy(update={"state": "COMPLETE"}) for record in store.records()], [], None, scorer

    def conclude(*_: object) -> Final:
        scorer.told("writing answers, 34 %")
        scorer.told("")
        return Final(winner=0)

    def write_report(*_: object) -> None:
        assert view.work[-1] == "writing the report"

    view = Said()
    monkeypatch.setattr(module._Sweep, "_train", train)
    monkeypatch.setitem(sys.modules, "harness.jobs.conclude", SimpleNamespace(conclude=conclude, tidy=lambda *_: None))
    monkeypatch.setitem(sys.modules, "harness.report.study.page", SimpleNamespace(write_report=write_report))
    go_on(study("confirm=null"), view)
    testing = "testing the finalists, exporting the winner"
    assert view.work == [testing, f"{testing}: writing answers, 34 %", testing, "writing the report"]


@pytest.mark.parametrize(("then", "now", "is_warned"), [("a", "b", True), ("a", "a", False), ("", "b", False)])
def test_changed_code_of_an_own_task_is_warned_of(
    then: str, now: str, is_warned: bool, run: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its facts are the same, or the study would not go on; its formulas may not be."""
    facts: dict[str, Any] = {"name": "days:Days", "inputs": "texts", "fields": (), "metrics": (), "loss": "gap"}
    before, after = (Manifest(spec=study(), task=TaskCopy(**facts, code_sha256=code)) for code in (then, now))
    monkeypatch.setattr(going_on, "copy_of", lambda name: after.task)
    begins = f"{WARNING}the code of days:Days has changed"
    assert [line.startswith(begins) for line in changed_code(before, "days:Days")] == [True] * is_warned
    kept = with_begun_code(after, before)
    assert [line.startswith(begins) for line in changed_code(kept, "days:Days")] == [True] * is_warned, "the next time"
