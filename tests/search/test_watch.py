from __future__ import annotations

from harness.records.live import Live
from harness.records.rundir import RunFolder
from harness.records.schema import Progress, TrialRecord, TrialState, record_of
from harness.search.fixed import FixedList
from harness.search.source import Decision
from harness.search.watch import LiveFile, Watched
from harness.spec.configure import resolve
from harness.spec.trial import TrialConfig
from tests.search.simulate import evaluation, make_spec

SPEC = make_spec(trials=4)


def config(number: int) -> TrialConfig:
    return resolve(SPEC, number=number, params={"learning_rate": 1e-4, "batch_size": 16})


class Diary:
    def __init__(self) -> None:
        self.lines: list[str] = []

    def started(self, config: TrialConfig) -> None:
        self.lines.append(f"started {config.number}")

    def progressed(self, number: int, progress: Progress) -> None:
        self.lines.append(f"progressed {number} {progress.step}")

    def paused(self, number: int) -> None:
        self.lines.append(f"paused {number}")

    def ended(self, record: TrialRecord) -> None:
        self.lines.append(f"ended {record.number} {record.state}")


class Pausing(FixedList):
    def decide(self, number: int, progress: Progress) -> Decision:
        super().decide(number, progress)
        return Decision.PAUSE if progress.step == 10 else Decision.GO


def test_watched_tells_and_passes_on() -> None:
    diary, source = Diary(), Pausing([config(0)])
    watched = Watched(source, diary)
    assert watched.next() == config(0)
    assert watched.next() is None
    assert watched.decide(0, evaluation(config(0), 1 / 16)) is Decision.PAUSE
    assert watched.decide(0, evaluation(config(0), 1.0)) is Decision.GO
    assert watched.keep(0, evaluation(config(0), 1.0))
    assert watched.resume_from(0) == (None, [])
    assert watched.dropped() == []
    watched.end(record_of(config(0), TrialState.COMPLETE, [evaluation(config(0), 1.0)]))
    assert list(source.records) == [0]
    assert diary.lines == ["started 0", "progressed 0 10", "paused 0", "progressed 0 160", "ended 0 COMPLETE"]


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def live(folder: RunFolder) -> Live:
    return folder.read_live()


def test_live_file_shows_what_runs(folder: RunFolder) -> None:
    clock = Clock()
    file = LiveFile(folder, "search", 4, clock=clock)
    file.started(config(0))
    assert [(trial.number, trial.state) for trial in live(folder).active] == [(0, "running")]
    clock.now += 2
    file.progressed(0, evaluation(config(0), 1 / 4))
    shown = live(folder).active[0]
    assert (shown.step, shown.total_steps) == (40, 160)
    assert shown.params == {"learning_rate": 1e-4, "batch_size": 16} and (shown.metrics["accuracy"] or 0) > 0
    clock.now += 2
    file.paused(0)
    assert live(folder).active[0].state == "paused"
    clock.now += 2
    file.ended(record_of(config(0), TrialState.PRUNED))
    assert live(folder).ended == {"COMPLETE": 0, "PRUNED": 1, "FAIL": 0}
    assert live(folder).active == ()
    assert live(folder).total == 4


def test_live_file_once_a_second(folder: RunFolder) -> None:
    clock = Clock()
    file = LiveFile(folder, clock=clock)
    file.started(config(0))
    file.started(config(1))
    assert len(live(folder).active) == 1
    clock.now += 0.5
    file.started(config(2))
    assert len(live(folder).active) == 1
    file.close("report")
    assert len(live(folder).active) == 3
    assert live(folder).phase == "report"


def test_live_file_survives_a_lost_folder(folder: RunFolder) -> None:
    folder.path.rename(folder.path.with_name("moved"))
    LiveFile(folder).started(config(0))


def test_live_file_is_json_without_nan(folder: RunFolder) -> None:
    file = LiveFile(folder)
    file.started(config(0))
    file.progressed(0, evaluation(config(0), 1 / 16, metrics={"accuracy": float("nan")}))
    file.close()
    assert "NaN" not in (folder.path / "live.json").read_text()
    assert live(folder).active[0].metrics["accuracy"] is None
