from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest

from harness.engines.local import LocalEngine
from harness.engines.protocol import Engine
from harness.errors import EngineError, FailReason
from harness.machine import resources
from harness.machine.slots import Slot
from harness.records.rundir import RunFolder
from harness.records.schema import Progress
from harness.search.source import Decision
from harness.testing.engines import COMPLETE, FAIL, PRUNED, EngineContract, make_slots
from harness.testing.fakes import TRIAL, config, diary, evaluation
from harness.testing.processes import children, until
from harness.testing.source import FakeSource

GONE_S = 5.0
COORDINATOR = """
import sys
from pathlib import Path
from harness.testing.engines import make_slots
from harness.testing.fakes import TRIAL, config
from harness.testing.source import FakeSource
from harness.engines.local import LocalEngine
from harness.records.rundir import RunFolder

run, data, behave = RunFolder(Path(sys.argv[1])), sys.argv[2], sys.argv[3]
LocalEngine(run, make_slots(2)).run(FakeSource([config(0, behave), config(1, behave)]), data, TRIAL)
"""


class TestLocalEngine(EngineContract):
    many = 3

    def make_engine(self, run: RunFolder, slots: int = 1, **options: Any) -> Engine:
        return LocalEngine(run, make_slots(slots), **options)


def gone(pid: int) -> bool:
    """A zombie that nobody collects is gone as well."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def test_local_one_warm_process_a_slot(run: RunFolder, data: str) -> None:
    source = FakeSource([config(number) for number in range(6)])
    LocalEngine(run, make_slots(2)).run(source, data, TRIAL)
    starts = diary(data, "start")
    pids = {words[1] for words in starts}
    assert len(pids) <= 2 and str(os.getpid()) not in pids
    assert sum(words[2] == "1" for words in starts) == len(pids), "the cache outlives a trial"
    assert {record.place.slot for record in source.records if record.place} <= {0, 1}


def test_local_with_block_keeps_workers(run: RunFolder, data: str) -> None:
    with LocalEngine(run, make_slots(1)) as engine:
        engine.run(FakeSource([config(0)]), data, TRIAL)
        engine.run(FakeSource([config(1)]), data, TRIAL)
        assert len(children()) == 1
    starts = diary(data, "start")
    assert starts[0][1] == starts[1][1]
    assert starts[1][2] == "2"
    assert not children()


def test_local_prints_go_to_the_log(run: RunFolder, data: str) -> None:
    source = FakeSource([config(0, "crash")])
    LocalEngine(run, make_slots(1)).run(source, data, TRIAL)
    text = (run.path / source.records[0].log).read_text()
    assert text.startswith("what the trial printed\n")


def test_local_paused_trial_moves_before_its_holder_goes_on(run: RunFolder, data: str) -> None:
    """Both slots are idle when both promoted trials stand in the first: the second takes one of them over."""
    configs = [config(0, "after start 2, resume 1"), config(2, "after evaluated 1 2"), config(1)]
    source = FakeSource(configs, pause_at=2, top=2)
    LocalEngine(run, make_slots(2)).run(source, data, TRIAL)
    assert [source.by_number[number].state for number in range(3)] == [COMPLETE, COMPLETE, PRUNED]
    assert diary(data, "resume") == [["1", "2"]]
    assert {span.slot for span in source.by_number[1].spans} == {0, 1}
    steps = [tuple(words) for words in diary(data, "step")]
    assert len(steps) == len(set(steps))


def test_local_paused_trial_moves_while_its_holder_is_at_work(run: RunFolder, data: str) -> None:
    """The second slot has nothing left while trial 0 is on its way: trial 0 sees that trial 1 went on over there."""

    class TwoOfThree(FakeSource):
        """Trial 2 does not pause: it ends while trial 0 goes on."""

        def decide(self, number: int, progress: Progress) -> Decision:
            self._coming.discard(2)
            return super().decide(number, progress)

    configs = [config(0, "after start 2, resume 1"), config(2, "after step 0 3", evaluate_at=(1.0,)), config(1)]
    source = TwoOfThree(configs, pause_at=2, top=2)
    LocalEngine(run, make_slots(2)).run(source, data, TRIAL)
    assert all(record.state is COMPLETE for record in source.records)
    assert diary(data, "resume") == [["1", "2"]]
    assert {span.slot for span in source.by_number[1].spans} == {0, 1}


def test_local_fatal_failure_replaces_the_process(run: RunFolder, data: str) -> None:
    source = FakeSource([config(0), config(1, "device"), config(2)])
    LocalEngine(run, make_slots(1)).run(source, data, TRIAL)
    pids = [words[1] for words in diary(data, "start")]
    assert pids[0] == pids[1] != pids[2]
    assert [record.state for record in source.records] == [COMPLETE, FAIL, COMPLETE]


def test_local_worker_that_cannot_start(run: RunFolder, data: str) -> None:
    with pytest.raises(EngineError, match=r"slot 0 died 3 times at its start .*No module named 'no_such_module'"):
        LocalEngine(run, make_slots(1)).run(FakeSource([config(0)]), data, "no_such_module:trial")
    assert not children()


@pytest.mark.kill
@pytest.mark.parametrize("behave", ["killed", pytest.param("segfault", marks=pytest.mark.long)])
def test_local_worker_dies_in_a_trial(run: RunFolder, data: str, behave: str) -> None:
    source = FakeSource([config(0), config(1, behave), config(2), config(3)])
    LocalEngine(run, make_slots(2)).run(source, data, TRIAL)
    dead = source.by_number[1]
    assert (dead.state, dead.reason) == (FAIL, FailReason.CRASH)
    assert f"SIG{'KILL' if behave == 'killed' else 'SEGV'}" in dead.message
    assert dead.duration_s > 0 and len(dead.history) == 1
    assert [source.by_number[number].state for number in (0, 2, 3)] == [COMPLETE] * 3
    if behave == "segfault":
        assert "Segmentation fault" in (run.path / dead.log).read_text()


@pytest.mark.long
@pytest.mark.kill
def test_local_trial_of_a_killed_worker_goes_on_once(run: RunFolder, data: str) -> None:
    source = FakeSource([config(0, "killed once"), config(1)])
    LocalEngine(run, make_slots(1)).run(source, data, TRIAL)
    undisturbed = FakeSource([config(0)])
    LocalEngine(run, make_slots(1)).run(undisturbed, data, TRIAL)
    assert [source.by_number[number].state for number in (0, 1)] == [COMPLETE] * 2
    losses = [[row.train_loss for row in each.by_number[0].history] for each in (source, undisturbed)]
    assert losses[0] == losses[1]
    decisions = [call for call in source.calls if call.startswith("decide 0")]
    assert len(decisions) == 3, "no evaluation is told twice"


@pytest.mark.long
@pytest.mark.kill
def test_local_standing_trials_survive_their_worker(run: RunFolder, data: str) -> None:
    """Trial 3 kills the process in which the others stand: they are replayed, and no evaluation is told twice."""
    configs = [config(0), config(1), config(2), config(3, "killed", evaluate_at=(0.125, 0.25, 1.0))]
    source = FakeSource(configs, pause_at=2, top=2)
    LocalEngine(run, make_slots(1)).run(source, data, TRIAL)
    states = [source.by_number[number].state for number in range(4)]
    assert states.count(COMPLETE) == 2 and source.by_number[3].state is FAIL
    decisions = [call.split()[1:3] for call in source.calls if call.startswith("decide")]
    assert len(decisions) == len({tuple(words) for words in decisions})
    undisturbed = FakeSource([config(0), config(1), config(2)], pause_at=2, top=2)
    LocalEngine(run, make_slots(1)).run(undisturbed, data, TRIAL)
    for number in range(3):
        losses = [
            [row.train_loss for row in records[number].history] for records in (source.by_number, undisturbed.by_number)
        ]
        assert losses[0] == losses[1]


@pytest.mark.long
@pytest.mark.kill
def test_local_kernel_killed_for_memory(run: RunFolder, data: str, monkeypatch: pytest.MonkeyPatch) -> None:
    counts = iter([0, 1, 1, 1, 1])
    monkeypatch.setattr(resources, "oom_kills", lambda: next(counts))
    source = FakeSource([config(0, "killed"), config(1, "killed")])
    LocalEngine(run, make_slots(1)).run(source, data, TRIAL)
    assert [record.reason for record in source.records] == [FailReason.OOM, FailReason.CRASH]


@pytest.mark.kill
@pytest.mark.parametrize(
    "behave", ["sleep", pytest.param("busy", marks=pytest.mark.long), pytest.param("child", marks=pytest.mark.long)]
)
def test_local_hanging_trial_is_killed_in_time(run: RunFolder, data: str, behave: str) -> None:
    source = FakeSource([config(0, behave), config(1)])
    LocalEngine(run, make_slots(1), trial_timeout_s=0.5).run(source, data, TRIAL)
    assert source.by_number[0].reason is FailReason.TIMEOUT
    assert source.by_number[1].state is COMPLETE
    (pids,) = diary(data, "asleep")
    until(lambda: all(gone(int(pid)) for pid in pids), GONE_S)


@pytest.mark.kill
@pytest.mark.parametrize(
    ("behave", "number"),
    [
        ("sleep", signal.SIGKILL),
        pytest.param("busy", signal.SIGKILL, marks=pytest.mark.long),
        pytest.param("child", signal.SIGKILL, marks=pytest.mark.long),
        pytest.param("child", signal.SIGINT, marks=pytest.mark.long),
    ],
)
def test_local_nobody_outlives_the_coordinator(
    run: RunFolder,
    data: str,
    behave: str,
    number: signal.Signals,
) -> None:
    path = os.pathsep.join(entry for entry in sys.path if entry)
    command = [sys.executable, "-c", COORDINATOR, str(run.path), data, behave]
    process = subprocess.Popen(
        command, env=os.environ | {"PYTHONPATH": path}, stderr=subprocess.DEVNULL, start_new_session=True
    )
    with killed_at_the_end(process):
        until(lambda: len(diary(data, "asleep")) == 2)
        pids = [int(pid) for words in diary(data, "asleep") for pid in words]
        process.send_signal(number)
        until(lambda: all(gone(pid) for pid in pids), GONE_S)
        assert process.wait(GONE_S) != 0


class killed_at_the_end:  # noqa: N801
    """Nothing that a failing test started is left."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process

    def __enter__(self) -> None:
        pass

    def __exit__(self, *error: object) -> None:
        self.process.kill()
        self.process.wait()


def test_local_workers_do_not_hear_ctrl_c(run: RunFolder, data: str) -> None:
    """The signal goes to the whole group of the coordinator, as from a terminal: only the coordinator acts on it."""

    class Pressed(FakeSource):
        groups: set[int] = set()

        def decide(self, number: int, progress: Progress) -> Decision:
            self.groups |= {os.getpgid(child.pid) for child in children()}
            return super().decide(number, progress)

    source = Pressed([config(0)])
    LocalEngine(run, make_slots(1)).run(source, data, TRIAL)
    assert source.groups and os.getpgrp() not in source.groups


def threads_of(source: FakeSource, number: int) -> list[int]:
    return [progress.threads for progress in source.by_number[number].history]


@pytest.fixture
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that nobody else uses."""
    monkeypatch.setattr(resources, "crowded", lambda cores: False)


@pytest.mark.usefixtures("quiet")
def test_local_lends_the_threads_of_idle_slots_to_the_last_trial(run: RunFolder, data: str) -> None:
    source = FakeSource([config(0, "after start 1"), config(1, "after closed 0")])
    LocalEngine(run, make_slots(2), lend_threads=True).run(source, data, TRIAL)
    assert threads_of(source, 0) == [1, 1, 1]
    assert threads_of(source, 1) == [1, 2, 2]


def test_local_lends_nothing_on_a_machine_that_others_use(
    run: RunFolder, data: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resources.os, "getloadavg", lambda: (3.5, 0.0, 0.0))
    source = FakeSource([config(0, "after start 1"), config(1, "after closed 0")])
    LocalEngine(run, make_slots(2), lend_threads=True).run(source, data, TRIAL)
    assert threads_of(source, 1) == [1, 1, 1]


@pytest.mark.usefixtures("quiet")
def test_local_lends_nothing_that_a_standing_trial_may_want_back(run: RunFolder, data: str) -> None:
    one, other = "after evaluated 2 4, evaluated 1 2", "after evaluated 2 4, evaluated 0 2"
    source = FakeSource([config(0, one), config(1, other), config(2)], pause_at=4, top=2)
    LocalEngine(run, make_slots(3), lend_threads=True).run(source, data, TRIAL)
    assert [threads_of(source, number)[:2] for number in range(2)] == [[1, 1], [1, 1]]


def test_local_lends_nothing_unless_told_to(run: RunFolder, data: str) -> None:
    source = FakeSource([config(0, "after start 1"), config(1, "after closed 0")])
    LocalEngine(run, make_slots(2)).run(source, data, TRIAL)
    assert threads_of(source, 1) == [1, 1, 1]


def test_local_replay_uses_the_threads_of_the_first_time(run: RunFolder, data: str) -> None:
    known = [evaluation(0, {"step": step, "loss": 1.0}).model_copy(update={"threads": 7}) for step in (2, 4)]

    class Left(FakeSource):
        """The trial was evaluated twice before its coordinator died, and left no snapshot."""

        def resume_from(self, number: int) -> tuple[Path | None, list[Progress]]:
            return None, known

    source = Left([config(0)])
    LocalEngine(run, make_slots(1)).run(source, data, TRIAL)
    assert [words[1] for words in diary(data, "threads")] == ["7", "7", "1"]


def test_local_trials_that_do_not_fit_together_on_a_card_take_turns(run: RunFolder, data: str) -> None:
    """What the first job has learnt of their memory holds for the next one; slots on a CPU do not care."""
    cards = [
        Slot(slot.place.model_copy(update={"device": "cuda:0"}), {}, memory_bytes=2 * 10**9) for slot in make_slots(2)
    ]
    large = [config(number, "slow") for number in range(3)]
    large = [each.model_copy(update={"params": each.params | {"peak_memory_mib": 2000}}) for each in large]
    with LocalEngine(run, cards) as engine:
        engine.run(FakeSource([large[0]]), data, TRIAL)
        engine.run(FakeSource(large[1:]), data, TRIAL)
    lines = [line.split()[:2] for line in (Path(data) / "diary").read_text().splitlines()]
    assert [line for line in lines if line[0] in ("start", "closed")] == [
        [word, str(number)] for number in range(3) for word in ("start", "closed")
    ]


@pytest.mark.parametrize(("cores", "num_warm"), [(1, 1), (2, 1), (3, 2), (8, 2)])
def test_local_warm_workers_are_those_of_the_job(
    run: RunFolder, data: str, monkeypatch: pytest.MonkeyPatch, cores: int, num_warm: int
) -> None:
    """As many are started ahead as have a core of their own beside this process."""
    monkeypatch.setattr(resources, "cores", lambda: cores)
    with LocalEngine(run, make_slots(2)) as engine:
        engine.warm(TRIAL)
        warm = {child.pid for child in children()}
        engine.run(FakeSource([config(number) for number in range(4)]), data, TRIAL)
    assert len(warm) == num_warm
    starts = {int(words[1]) for words in diary(data, "start")}
    assert starts and len(starts | warm) <= 2


def test_local_warm_workers_are_gone_at_once_when_there_is_no_job(run: RunFolder) -> None:
    with LocalEngine(run, make_slots(2)) as engine:
        engine.warm("no_such_module:run_trial")
    assert children() == []
