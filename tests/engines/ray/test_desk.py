from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from harness.engines.drive import SNAPSHOT
from harness.engines.messages import Evaluated, Failed, Finished
from harness.engines.ray import desk as ray_desk
from harness.engines.ray import queue
from harness.engines.ray.desk import Desk
from harness.engines.ray.entry import SlotNumbers, Verdict
from harness.errors import EngineError, FailReason
from harness.records.rundir import RunFolder
from harness.records.schema import Place, Progress, PruneReason, TrialState
from harness.testing.fakes import TOTAL_STEPS, config
from harness.testing.source import FakeSource

PLACE = Place(node="n1", device="cpu", slot=0, threads=1)


class Files:
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.forgotten: list[int] = []

    def append_log(self, trial: Any, text: str) -> None:
        raise AssertionError("nothing was logged")

    def fetch_weights(self, trial: Any) -> None:
        (trial.folder / "weights").mkdir()

    def forget(self, trial: Any) -> None:
        self.forgotten.append(trial.number)


class Attempt:
    status = "PENDING"


class Play:
    """A desk with the part of Tune played by the test."""

    def __init__(self, run: RunFolder, source: FakeSource, slots: int = 1, **options: Any) -> None:
        self.files, self.source = Files(), source
        self.desk = Desk(source, run, self.files, **options)
        self.desk.open(lambda: slots, lambda node: f"name of {node}", threads=3)
        self.attempts: dict[int, Attempt] = {}
        self.clock = 100.0

    def start(self) -> int | None:
        """What Tune does in a step: new trials first, then those that stand."""
        self.desk.queue.fill()
        entry = self.desk.queue.take_new()
        if entry is not None:
            attempt = self.attempts[entry.number] = Attempt()
            self.desk.queue.added(entry.number, attempt)
        else:
            entry = self.desk.queue.take_paused()
        if entry is None:
            return None
        entry.attempt.status = "RUNNING"
        self.desk.queue.started(entry.number)
        return entry.number

    def evaluate(self, number: int, step: int, place: Place = PLACE) -> Verdict:
        progress = Progress(
            number=number,
            step=step,
            total_steps=TOTAL_STEPS,
            epoch=step / TOTAL_STEPS,
            num_rows=1,
            metrics={"accuracy": step / 10},
            train_loss=1 / step + number,
        )
        self.clock += 2
        event = Evaluated(number=number, start=self.clock - 1, end=self.clock, progress=progress)
        verdict = self.desk.record_step(number, event, place)
        if verdict is Verdict.PAUSE:
            self.attempts[number].status = "PAUSED"
        return verdict

    def fail(self, number: int) -> Verdict:
        event = Failed(number=number, start=self.clock, end=self.clock + 1, reason=FailReason.NAN, message="no number")
        return self.desk.record_step(number, event, PLACE)


@pytest.fixture
def one(run: RunFolder) -> Play:
    play = Play(run, FakeSource([config(0), config(1)]))
    assert play.start() == 0
    return play


def test_desk_asks_only_when_a_slot_is_free(one: Play) -> None:
    assert one.start() is None
    assert one.evaluate(0, 2) is Verdict.GO
    assert one.start() is None
    assert one.evaluate(0, 8) is Verdict.STOP
    assert one.start() == 1
    assert one.evaluate(1, 8) is Verdict.STOP
    assert not one.desk.queue.finished, "the source was not asked yet"
    assert one.start() is None and one.desk.queue.finished
    words = [call.split()[:2] for call in one.source.calls]
    assert words == [
        *(["next", "0"], ["decide", "0"], ["decide", "0"], ["keep", "0"], ["end", "0"]),
        *(["next", "1"], ["decide", "1"], ["keep", "1"], ["end", "1"], ["next", "None"]),
    ]


def test_desk_asks_again_after_a_while(run: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    play = Play(run, FakeSource([config(0)]), slots=2)
    assert play.start() == 0
    for _ in range(3):
        assert play.start() is None
    assert play.source.calls == ["next 0", "next None"]
    monkeypatch.setattr(queue, "ASK_EVERY_S", 0.0)
    assert play.start() is None
    assert play.source.calls == ["next 0", "next None", "next None"]


def test_desk_record_names_node_slot_and_threads(one: Play) -> None:
    one.evaluate(0, 2)
    one.evaluate(0, 8)
    (record,) = one.source.records
    assert record.place == Place(node="name of n1", device="cpu", slot=0, threads=3)
    assert record.duration_s == 2


def test_desk_weights_are_saved_before_the_end(run: RunFolder) -> None:
    play = Play(run, FakeSource([config(0)], keep=True))
    play.start()
    assert play.evaluate(0, 8) is Verdict.GO
    assert play.source.records == []
    assert play.desk.record_step(0, Finished(number=0, start=1, end=2), PLACE) is Verdict.STOP
    assert play.source.records[0].weights == "trials/0/weights"
    assert play.files.forgotten == [0]


def test_desk_pause_frees_the_slot_when_it_is_saved(run: RunFolder) -> None:
    play = Play(run, FakeSource([config(0), config(1)], pause_at=2))
    play.start()
    assert play.evaluate(0, 2) is Verdict.PAUSE
    play.attempts[0].status = "RUNNING"
    assert play.start() is None, "it is being saved"
    play.desk.saved(0, "somewhere")
    play.attempts[0].status = "PAUSED"
    assert play.start() == 1
    assert play.evaluate(1, 2) is Verdict.PAUSE
    assert play.start() == 0, "its loss is lower"
    assert play.evaluate(0, 8) is Verdict.STOP
    assert [record.state for record in play.source.records] == [TrialState.PRUNED, TrialState.COMPLETE]


def test_desk_dropped_trial_is_stopped_when_it_stands(run: RunFolder) -> None:
    play = Play(run, FakeSource([config(0), config(1)], pause_at=2), slots=2)
    assert [play.start(), play.start()] == [0, 1]
    play.evaluate(0, 2)
    play.evaluate(1, 2)
    play.attempts[1].status = "RUNNING"  # still saving when it was dropped
    assert play.source.by_number[1].state is TrialState.PRUNED
    assert play.desk.take_ended() == []
    folder = run.trial_dir("search", 1) / SNAPSHOT
    folder.mkdir()
    play.attempts[1].status = "PAUSED"
    assert [entry.number for entry in play.desk.take_ended()] == [1]
    assert not folder.exists(), "a snapshot that was written after the end is removed"
    assert play.desk.take_ended() == []


def test_desk_failed_trial_is_not_tried_again(one: Play) -> None:
    assert one.fail(0) is Verdict.STOP
    assert (one.source.records[0].state, one.source.records[0].reason) == (TrialState.FAIL, FailReason.NAN)
    assert one.start() == 1


def test_desk_lost_trial_goes_on_in_a_new_attempt(one: Play) -> None:
    one.evaluate(0, 2)
    one.desk.saved(0, "snapshot of step 2")
    one.evaluate(0, 4)
    first = one.attempts[0]
    one.desk.lost(0, FailReason.CRASH, "gone")
    assert one.start() == 0 and one.attempts[0] is not first
    entry = one.desk.entry(0)
    assert entry is not None and entry.resume == "snapshot of step 2"
    assert one.evaluate(0, 4) is Verdict.AGAIN, "the source was told of it"
    assert one.evaluate(0, 8) is Verdict.STOP
    record = one.source.records[0]
    assert [progress.step for progress in record.history] == [2, 4, 8]
    assert sum(call.startswith("decide 0 4 ") for call in one.source.calls) == 1


def test_desk_trial_lost_too_often_fails(one: Play) -> None:
    for _ in range(2):
        one.desk.lost(0, FailReason.CRASH, "gone")
        assert one.start() == 0
    one.desk.lost(0, FailReason.CRASH, "gone")
    record = one.source.records[0]
    assert (record.state, record.reason, record.message) == (TrialState.FAIL, FailReason.CRASH, "gone (3 times)")
    assert one.start() == 1


def test_desk_preempted_nodes_do_not_count(one: Play) -> None:
    for _ in range(5):
        one.desk.lost(0, FailReason.CRASH, "preempted", counts=False)
        assert one.start() == 0
    assert one.source.records == []


def test_desk_out_of_memory_is_not_tried_again(one: Play) -> None:
    one.desk.lost(0, FailReason.OOM, "killed for memory")
    assert one.source.records[0].reason is FailReason.OOM


def test_desk_standing_trial_survives_its_attempt(run: RunFolder) -> None:
    play = Play(run, FakeSource([config(0), config(1)], pause_at=2))
    play.start()
    play.evaluate(0, 2)
    play.desk.lost(0, FailReason.CRASH, "gone while it was saved")
    assert play.start() == 1
    play.evaluate(1, 2)
    assert play.start() == 0, "in a new attempt, and from step 0"
    entry = play.desk.entry(0)
    assert entry is not None and entry.resume == "" and entry.losses == 0
    assert play.evaluate(0, 2) is Verdict.AGAIN


def test_desk_process_that_cannot_start_is_an_error(run: RunFolder) -> None:
    play = Play(run, FakeSource([config(0)]))
    for _ in range(4):
        play.desk.queue.fill()
        entry = play.desk.queue.take_new()
        assert entry is not None
        play.desk.queue.added(0, Attempt())
        play.desk.lost(0, FailReason.CRASH, "no such file")
    play.desk.queue.fill()
    play.desk.queue.take_new()
    with pytest.raises(EngineError, match="no process can be started for trial 0: no such file"):
        play.desk.lost(0, FailReason.CRASH, "no such file")


def test_desk_given_up_attempts_are_found(one: Play) -> None:
    assert one.desk.queue.vanished() == []
    one.attempts[0].status = "ERROR"
    assert one.desk.queue.vanished() == [0]


def test_desk_late_trial_ends_at_its_evaluation(run: RunFolder) -> None:
    play = Play(run, FakeSource([config(0)]), trial_timeout_s=1.5)
    play.start()
    assert play.evaluate(0, 2) is Verdict.GO
    assert play.evaluate(0, 4) is Verdict.STOP
    assert play.source.records[0].message == "not done after 1.5 s of work"


def test_desk_hanging_trial_is_overdue_once(run: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    play = Play(run, FakeSource([config(0)]), trial_timeout_s=0.0)
    play.start()
    assert play.desk.overdue() == []
    monkeypatch.setattr(ray_desk, "GRACE_S", -1.0)
    assert [entry.number for entry in play.desk.overdue()] == [0]
    assert play.desk.overdue() == []
    play.desk.lost(0, FailReason.CRASH, "killed by us")
    assert play.source.records[0].reason is FailReason.TIMEOUT


def test_desk_long_work_is_saved(one: Play, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_desk, "SAVE_EVERY_S", 1.5)
    assert one.evaluate(0, 2) is Verdict.GO
    assert one.evaluate(0, 4) is Verdict.SAVE
    one.desk.saved(0, "there")
    assert one.evaluate(0, 6) is Verdict.GO


def test_desk_rays_schedulers_may_stop_and_pause(one: Play) -> None:
    one.evaluate(0, 2)
    one.desk.paused(0)
    one.attempts[0].status = "PAUSED"
    assert one.start() == 1
    one.desk.pruned(1, "rung 1 of 2: 2nd of 2")
    one.desk.queue.resumed(0)
    one.desk.pruned(0)
    assert [(record.state, record.reason, record.message) for record in one.source.records] == [
        (TrialState.PRUNED, PruneReason.RUNG, "rung 1 of 2: 2nd of 2"),
        (TrialState.PRUNED, None, ""),
    ]


def test_desk_stalled_source_is_an_error(run: RunFolder) -> None:
    class Stalled(FakeSource):
        def _settle(self) -> None:
            pass

    play = Play(run, Stalled([config(0)], pause_at=2))
    play.start()
    play.evaluate(0, 2)
    with pytest.raises(EngineError, match="paused trials 0 neither go on nor end"):
        play.start()


def test_slot_numbers_belong_to_nodes() -> None:
    slots = SlotNumbers()
    assert [slots.take("a", 0.0), slots.take("b", 0.0), slots.take("a", 0.0)] == [0, 1, 2]
    slots.leave(0, 1.0)
    slots.leave(1, 1.0)
    assert [slots.take("b", 1.0), slots.take("b", 1.0), slots.take("a", 1.0)] == [1, 3, 0]


def test_slot_numbers_are_not_shared_in_time() -> None:
    """A trial that says where it runs when another one has ended did run beside it."""
    slots = SlotNumbers()
    assert slots.take("a", 0.0) == 0
    slots.leave(0, 5.0)
    assert slots.take("a", 0.5) == 1
    slots.leave(1, 4.0)
    assert [slots.take("a", 5.5), slots.take("a", 4.5)] == [0, 1], "no third slot, whichever reports first"


def test_desk_resumes_what_another_coordinator_left(run: RunFolder, tmp_path: Path) -> None:
    class Left(FakeSource):
        def resume_from(self, number: int) -> tuple[Path | None, list[Progress]]:
            return tmp_path, [self.first]

    source = Left([config(0)])
    play = Play(run, source)
    source.first = Progress(
        number=0, step=2, total_steps=TOTAL_STEPS, epoch=0.25, num_rows=1, metrics={"accuracy": 0.1}, train_loss=1.0
    )
    play.start()
    entry = play.desk.entry(0)
    assert entry is not None and entry.resume == str(tmp_path)
    assert play.evaluate(0, 8) is Verdict.STOP
    assert [progress.step for progress in source.records[0].history] == [2, 8]
