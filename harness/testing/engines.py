"""What every engine must do, as tests: subclass `EngineContract` in a test module and give it an engine.

class TestMyEngine(EngineContract):
    def make_engine(self, run, slots=1, **options):
        return MyEngine(run, slots, **options)
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

import psutil
import pytest

from harness.engines.inline import InlineEngine
from harness.engines.precisions import Precisions
from harness.engines.protocol import Engine
from harness.errors import EngineError, FailReason, InputError
from harness.machine.slots import Slot
from harness.records.precision import PrecisionChoice
from harness.records.rundir import RunFolder
from harness.records.schema import Place, Progress, TrialState
from harness.search.source import Decision
from harness.testing.fakes import TRIAL, config, diary
from harness.testing.processes import children
from harness.testing.source import FakeSource

__all__ = ["COMPLETE", "FAIL", "FAILURES", "PRUNED", "EngineContract", "make_data", "make_run", "make_slots"]

COMPLETE, PRUNED, FAIL = TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL


def make_slots(count: int) -> list[Slot]:
    """Returns `count` slots of one CPU thread and 1 GB each."""
    return [Slot(Place(node="here", device="cpu", slot=i, threads=1), {}, memory_bytes=10**9) for i in range(count)]


def make_run(folder: Path) -> RunFolder:
    """Creates a run folder `folder`/run without trials."""
    run = RunFolder(folder / "run")
    run.create()
    (run.path / "trials").mkdir(exist_ok=True)
    return run


def make_data(folder: Path) -> str:
    """Creates a folder `folder`/data, in which fake trials write their diary."""
    (folder / "data").mkdir()
    return str(folder / "data")


#: How a fake trial fails, and the reason that its record must give.
FAILURES = {
    "nan": FailReason.NAN,
    "oom": FailReason.OOM,
    "data": FailReason.DATA,
    "disk": FailReason.DISK,
    "crash": FailReason.CRASH,
    "exit": FailReason.CRASH,
    "device": FailReason.CRASH,
}


class EngineContract(ABC):
    """Tests the behaviour of an engine with one slot and with `many` slots."""

    many = 2

    @abstractmethod
    def make_engine(self, run: RunFolder, slots: int = 1, **options: Any) -> Engine:
        """Returns an engine with `slots` slots of one CPU thread.

        Options: `trial_timeout_s`, `memory_budget_bytes`, `precisions` (a `Precisions`).
        """

    @pytest.fixture
    def run(self, tmp_path: Path) -> RunFolder:
        """The run folder of a test."""
        return make_run(tmp_path)

    @pytest.fixture
    def data(self, tmp_path: Path) -> str:
        """The folder of prepared data, which fake trials use for their diary."""
        return make_data(tmp_path)

    def left(self) -> list[psutil.Process]:
        """Returns processes that should be gone when `run` has returned."""
        return children()

    def test_engine_all_recorded(self, run: RunFolder, data: str) -> None:
        """Every trial ends with a record that has its config, its place and each of its evaluations."""
        source = FakeSource([config(number) for number in range(5)])
        self.make_engine(run, self.many).run(source, data, TRIAL)
        assert sorted(source.by_number) == list(range(5))
        for record in source.records:
            assert record.state is COMPLETE
            assert [progress.step for progress in record.history] == [2, 4, 8]
            assert record.config == config(record.number)
            assert record.place is not None and record.place.device == "cpu"
            assert record.duration_s > 0
            assert record.spans[0].slot == record.place.slot
            for progress in record.history:
                assert progress.place == record.place and progress.span is not None
                assert progress.span.slot == record.place.slot
            assert record.metrics["accuracy"] == max(row.metrics["accuracy"] for row in record.history)
            assert record.metrics["log_loss"] != record.metrics["log_loss"]
            assert record.log == ""
        assert len(source.records) == 5
        assert list((run.path / "trials").iterdir()) == [], "trials that print nothing leave no files"
        assert not self.left()

    def test_engine_measures_precision_once(self, run: RunFolder, data: str) -> None:
        """`precision: auto` is measured once for all trials and runs; a named precision is kept."""
        choices: list[tuple[PrecisionChoice, PrecisionChoice]] = []
        precisions = Precisions(on_choice=lambda choice, measured: choices.append((choice, measured)))
        engine = self.make_engine(run, self.many, precisions=precisions)
        source = FakeSource([config(number).in_precision("auto") for number in range(4)])
        engine.run(source, data, TRIAL)
        assert [record.precision for record in source.records] == ["bf16"] * 4
        assert [choice.precision for choice, _ in choices] == ["bf16"]
        assert len(diary(data, "measured")) == 1
        again = FakeSource([config(4).in_precision("auto"), config(5).in_precision("fp16")])
        engine.run(again, data, TRIAL)
        assert {number: record.precision for number, record in again.by_number.items()} == {4: "bf16", 5: "fp16"}
        assert len(diary(data, "measured")) == 1, "a second run of trials knows what the first one measured"

    def test_engine_keeps_recorded_precision(self, run: RunFolder, data: str) -> None:
        """A recorded precision of an earlier run is kept, and what is measured now is reported with it."""
        choices: list[tuple[PrecisionChoice, PrecisionChoice]] = []
        recorded = PrecisionChoice(device="cpu", device_name="another processor", precision="fp32")
        precisions = Precisions([recorded], on_choice=lambda choice, measured: choices.append((choice, measured)))
        source = FakeSource([config(0).in_precision("auto")])
        self.make_engine(run, precisions=precisions).run(source, data, TRIAL)
        assert source.records[0].precision == "fp32"
        assert [(choice.precision, measured.precision) for choice, measured in choices] == [("fp32", "bf16")]

    def test_engine_that_cannot_measure_trains_in_fp32(self, run: RunFolder, data: str) -> None:
        """Trials go on in fp32 where measuring fails, and the reason is reported."""
        reasons: list[str] = []
        precisions = Precisions(on_choice=lambda choice, measured: reasons.append(choice.reason))
        source = FakeSource([config(0, "cannot be measured").in_precision("auto")])
        self.make_engine(run, precisions=precisions).run(source, data, TRIAL)
        assert source.records[0].precision == "fp32"
        assert reasons == ["the products could not be measured (no such model)"]

    def test_engine_cannot_train(self, run: RunFolder, data: str) -> None:
        """An error that concerns every trial of the study ends the run instead of each trial."""
        source = FakeSource([config(number, "refused") for number in range(4)])
        with pytest.raises(InputError, match="13 layers cannot be frozen"):
            self.make_engine(run, self.many).run(source, data, TRIAL)
        assert source.records == []
        assert not self.left()

    def test_engine_nothing_to_do(self, run: RunFolder, data: str) -> None:
        """A source without trials is asked once."""
        source = FakeSource([])
        self.make_engine(run).run(source, data, TRIAL)
        assert source.calls == ["next None"]

    def test_engine_same_calls_everywhere(self, run: RunFolder, data: str, tmp_path: Path) -> None:
        """With one slot: the same trials in the same order, and the same losses, as the inline engine."""
        other = RunFolder(tmp_path / "other")
        other.create()
        (tmp_path / "inline").mkdir()

        def sweep() -> FakeSource:
            behaviours = ["fine", "fine", "crash", "fine", "nan", "fine"]
            configs = [config(number, behave) for number, behave in enumerate(behaviours)]
            return FakeSource(configs, pause_at=2, top=3, stop=lambda number, progress: number == 3)

        ours, inline = sweep(), sweep()
        self.make_engine(run).run(ours, data, TRIAL)
        InlineEngine(other, make_slots(1)[0]).run(inline, str(tmp_path / "inline"), TRIAL)
        assert ours.calls == inline.calls
        assert "next 5" in ours.calls

    def test_engine_failing_trials(self, run: RunFolder, data: str) -> None:
        """A failed trial does not end the sweep, even when its process dies."""
        failing = [config(number, behave) for number, behave in enumerate(FAILURES)]
        sound = [config(len(FAILURES)), config(len(FAILURES) + 1)]
        source = FakeSource([*failing, *sound])
        self.make_engine(run).run(source, data, TRIAL)
        for number, (behave, reason) in enumerate(FAILURES.items()):
            failed = source.by_number[number]
            assert (failed.state, failed.reason) == (FAIL, reason), behave
            assert [progress.step for progress in failed.history] == [2], behave
            assert "\n" not in failed.message and failed.message, behave
            assert [str(number)] in diary(data, "closed"), behave
        assert [source.by_number[trial.number].state for trial in sound] == [COMPLETE, COMPLETE]

    def test_engine_crash_names_log(self, run: RunFolder, data: str) -> None:
        """The record of a crash is one line and names the log, which has the traceback."""
        source = FakeSource([config(0, "crash")])
        self.make_engine(run).run(source, data, TRIAL)
        (record,) = source.records
        assert record.message == "ValueError: broken <here> (log: trials/0/log.txt)"
        assert record.log == "trials/0/log.txt"
        text = (run.path / record.log).read_text()
        assert "Traceback" in text and "misbehave" in text

    def test_engine_stop_keeps_history(self, run: RunFolder, data: str) -> None:
        """A trial that is stopped ends as PRUNED with its evaluations, and frees its slot."""
        source = FakeSource([config(0), config(1)], stop=lambda number, progress: number == 0 and progress.step == 4)
        self.make_engine(run).run(source, data, TRIAL)
        stopped = source.by_number[0]
        assert (stopped.state, stopped.reason) == (PRUNED, None)
        assert [progress.step for progress in stopped.history] == [2, 4]
        assert diary(data, "closed").index(["0"]) < [words[0] for words in diary(data, "start")].index("1") + 2

    @pytest.mark.parametrize("alone", [True, False])
    def test_engine_pause_go_on_drop(self, run: RunFolder, data: str, alone: bool) -> None:
        """Paused trials go on without repeating a step, or end as PRUNED when the source drops them."""
        source = FakeSource([config(number) for number in range(8)], pause_at=2, top=3)
        self.make_engine(run, 1 if alone else self.many).run(source, data, TRIAL)
        states = {number: record.state for number, record in source.by_number.items()}
        assert len(source.records) == 8
        # Learning rates 0.1 of trials 0 and 5 and 0.01 of trial 1 or 6 go down fastest.
        assert {0, 5} < {number for number, state in states.items() if state is COMPLETE}
        assert sorted(states.values()) == [COMPLETE] * 3 + [PRUNED] * 5
        assert all(len(record.history) == (3 if record.state is COMPLETE else 1) for record in source.records)
        steps = [tuple(words) for words in diary(data, "step")]
        assert len(steps) == len(set(steps)) == 8 * 2 + 3 * 6, "no step is done twice"
        assert sorted({words[0] for words in diary(data, "closed")}) == [str(number) for number in range(8)]
        assert not list(run.path.rglob("snapshot*"))

    def test_engine_keeps_weights(self, run: RunFolder, data: str) -> None:
        """Weights that the source wants to keep lie in the folder that the record names."""
        source = FakeSource([config(0)], keep=True)
        self.make_engine(run).run(source, data, TRIAL)
        (record,) = source.records
        assert record.weights == "trials/0/weights"
        assert [path.name for path in (run.path / record.weights).iterdir()] == ["model.json"]

    def test_engine_ends_trials_out_of_patience(self, run: RunFolder, data: str) -> None:
        """A trial whose last evaluation is known only when it is there is complete at its best step, and saved."""
        points = (0.25, 0.5, 0.75, 1.0)
        configs = [config(number, "no better" if number else "fine", evaluate_at=points) for number in range(3)]
        patient = [each.training.model_copy(update={"patience": 1 + (each.number == 2)}) for each in configs]
        configs = [
            each.model_copy(update={"training": training}) for each, training in zip(configs, patient, strict=True)
        ]
        source = FakeSource(configs, keep=True)
        self.make_engine(run).run(source, data, TRIAL)
        assert {number: [each.step for each in record.history] for number, record in source.by_number.items()} == {
            0: [2, 4, 6, 8],
            1: [2, 4],
            2: [2, 4, 6],
        }
        assert {record.state for record in source.records} == {COMPLETE}
        assert {number: record.best_step for number, record in source.by_number.items()} == {0: 8, 1: 2, 2: 2}
        assert [source.by_number[number].message for number in range(3)] == [
            "",
            "ended after 1 evaluation without a better accuracy at step 4 of 8",
            "ended after 2 evaluations without a better accuracy at step 6 of 8",
        ]
        assert all(record.weights == f"trials/{record.number}/weights" for record in source.records)

    def test_engine_disk_full_at_saving(self, run: RunFolder, data: str) -> None:
        """A trial whose weights cannot be saved fails with the reason `disk` and leaves no half of them."""
        source = FakeSource([config(0, "full"), config(1)], keep=True)
        self.make_engine(run).run(source, data, TRIAL)
        assert (source.by_number[0].state, source.by_number[0].reason) == (FAIL, FailReason.DISK)
        assert source.by_number[0].weights is None
        assert not list(run.trial_dir("search", 0).glob("weights*"))
        assert source.by_number[1].state is COMPLETE

    def test_engine_spilled_trials_go_on(self, run: RunFolder, data: str) -> None:
        """Paused trials above the memory budget are spilled to disk, and no step is repeated."""
        source = FakeSource([config(number) for number in range(6)], pause_at=2, top=3)
        self.make_engine(run, memory_budget_bytes=2000).run(source, data, TRIAL)
        assert sorted(record.state for record in source.records) == [COMPLETE] * 3 + [PRUNED] * 3
        assert diary(data, "resume")
        steps = [tuple(words) for words in diary(data, "step")]
        assert len(steps) == len(set(steps))
        assert not list(run.path.rglob("snapshot*"))

    def test_engine_resume_repeats_nothing(self, run: RunFolder, data: str) -> None:
        """A trial that an earlier coordinator left goes on from its snapshot, and ends as if nothing had happened."""

        class Interrupted(FakeSource):
            def decide(self, number: int, progress: Progress) -> Decision:
                decision = super().decide(number, progress)
                if progress.step == 4:
                    raise KeyboardInterrupt
                return decision

        configs = [config(0)]
        with pytest.raises(KeyboardInterrupt):
            self.make_engine(run).run(Interrupted(configs, pause_at=2), data, TRIAL)
        assert run.snapshot("search", 0)[0] is not None, "a paused trial that goes on has a snapshot"
        again, fresh = FakeSource(configs, folder=run), FakeSource([config(0)])
        self.make_engine(run).run(again, data, TRIAL)
        assert diary(data, "resume")[-1] == ["0", "2"], "and once before, where paused trials are always on disk"
        assert [progress.step for progress in again.records[0].history] == [2, 4, 8]
        self.make_engine(run).run(fresh, data, TRIAL)
        losses = [[progress.train_loss for progress in source.records[0].history] for source in (again, fresh)]
        assert losses[0] == losses[1]

    def test_engine_timeout(self, run: RunFolder, data: str) -> None:
        """A trial that exceeds `trial_timeout_s` fails with the reason `timeout`; the next one runs."""
        source = FakeSource([config(0, "slow"), config(1)])
        self.make_engine(run, trial_timeout_s=0.3).run(source, data, TRIAL)
        late = source.by_number[0]
        assert (late.state, late.reason) == (FAIL, FailReason.TIMEOUT)
        assert late.message.startswith("not done after 0.3 s")
        assert source.by_number[1].state is COMPLETE

    def test_engine_interrupted_leaves_nobody(self, run: RunFolder, data: str) -> None:
        """After KeyboardInterrupt no process is left and no trial has ended."""

        class Interrupted(FakeSource):
            def decide(self, number: int, progress: Progress) -> Decision:
                if number == 2:
                    raise KeyboardInterrupt
                return super().decide(number, progress)

        source = Interrupted([config(number) for number in range(4)], pause_at=2)
        with pytest.raises(KeyboardInterrupt):
            self.make_engine(run, self.many).run(source, data, TRIAL)
        assert source.records == []
        assert not self.left()
        assert os.getpid() == psutil.Process().pid

    def test_engine_stalled_source(self, run: RunFolder, data: str) -> None:
        """A source that neither lets its paused trials go on nor drops them is an error that names them."""

        class Stalled(FakeSource):
            def _settle(self) -> None:
                pass

        with pytest.raises(EngineError, match="paused trials 0, 1 neither go on nor end"):
            self.make_engine(run).run(Stalled([config(0), config(1)], pause_at=2), data, TRIAL)
