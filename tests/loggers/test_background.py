"""Loggers behind their thread: told everything in order, left out when they fail, never in the sweep's way."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.errors import MissingPackage
from harness.loggers import open as opening
from harness.loggers.background import Loggers
from harness.loggers.base import hyperparameters, label, scalars
from harness.loggers.open import open_loggers
from harness.records.rundir import RunFolder
from harness.records.schema import Progress, TrialRecord, TrialState, record_of
from harness.spec.trial import TrialConfig
from tests.loggers.trials import config
from tests.search.simulate import evaluation


class Diary:
    """A logger that notes what it is told, and in which thread; it raises at the call that is `broken`."""

    def __init__(self, broken: str = "") -> None:
        self.lines: list[str] = []
        self.threads: set[str] = set()
        self._broken = broken

    def _note(self, line: str) -> None:
        if self._broken and line.startswith(self._broken):
            raise ConnectionError("the server is gone\nand a second line")
        self.lines.append(line)
        self.threads.add(threading.current_thread().name)

    def started(self, config: TrialConfig) -> None:
        self._note(f"started {config.number}")

    def progressed(self, number: int, progress: Progress) -> None:
        self._note(f"progressed {number} {progress.step}")

    def paused(self, number: int) -> None:
        self._note(f"paused {number}")

    def ended(self, record: TrialRecord) -> None:
        self._note(f"ended {record.number} {record.state}")

    def close(self) -> None:
        self._note("close")


EVERYTHING = ["started 0", "progressed 0 40", "paused 0", "ended 0 PRUNED", "close"]


def tell(loggers: Loggers) -> None:
    with loggers:
        loggers.started(config(0))
        loggers.progressed(0, evaluation(config(0), 1 / 4))
        loggers.paused(0)
        loggers.ended(record_of(config(0), TrialState.PRUNED))


def test_loggers_are_told_everything_in_a_thread_of_their_own() -> None:
    diary, said = Diary(), list[str]()
    tell(Loggers({"diary": diary}, said.append))
    assert diary.lines == EVERYTHING
    assert diary.threads == {"loggers"}
    assert said == []


@pytest.mark.parametrize("broken", ["started", "progressed", "paused", "ended", "close"])
def test_a_logger_that_fails_is_left_out_and_the_others_go_on(broken: str) -> None:
    bad, good, said = Diary(broken), Diary(), list[str]()
    tell(Loggers({"bad": bad, "good": good}, said.append))
    assert good.lines == EVERYTHING
    assert bad.lines == EVERYTHING[: next(i for i, line in enumerate(EVERYTHING) if line.startswith(broken))]
    assert said == ["bad: nothing more is logged there (the server is gone); the sweep goes on"]


def test_a_slow_logger_does_not_hold_up_the_sweep() -> None:
    release = threading.Event()

    class Slow(Diary):
        def started(self, config: TrialConfig) -> None:
            release.wait(30)
            super().started(config)

    slow, said = Slow(), list[str]()
    with Loggers({"slow": slow}, said.append) as loggers:
        loggers.started(config(0))
        assert slow.lines == []  # the call came back before the logger did anything
        release.set()
    assert slow.lines == ["started 0", "close"]


def test_labels_sort_by_number_and_keep_kinds_apart() -> None:
    again = config(7).model_copy(update={"kind": "confirm"})
    assert [label(config(7)), label(config(123)), label(again)] == ["trial-007", "trial-123", "confirm-007"]


def test_hyperparameters_are_numbers_and_texts() -> None:
    params = {"learning_rate": 1e-4, "preprocess": ("nfkc", "lowercase"), "augment": (), "layers": None, "flag": True}
    found = hyperparameters(config(0).model_copy(update={"params": params}))
    assert found == {
        "learning_rate": 1e-4, "preprocess": "nfkc, lowercase", "augment": "none", "layers": "None", "flag": True,
        "checkpoint": config(0).model.checkpoint, "seed": config(0).training.seed,
    }  # fmt: skip


def test_scalars_leave_out_what_is_no_number() -> None:
    assert scalars({"a": 1, "b": float("nan"), "c": float("inf")}) == {"a": 1.0}


@pytest.mark.parametrize("name", ["tensorboard", "mlflow"])
def test_a_missing_package_gives_the_install_line(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nothing: Callable[[str], None] = lambda _: None  # noqa: E731
    monkeypatch.setattr(opening.importlib.util, "find_spec", nothing)
    with pytest.raises(MissingPackage, match=rf"pip install 'finetune-harness\[{name}\]'"):
        open_loggers([name], RunFolder(tmp_path / "run"), nothing)


def test_without_names_nothing_is_opened(tmp_path: Path) -> None:
    said: list[str] = []
    tell(open_loggers([], RunFolder(tmp_path / "run"), said.append))
    assert said == []
    assert list(tmp_path.iterdir()) == []
