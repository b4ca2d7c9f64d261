"""Ray's halving as it is used here: which trials are stopped, which go on, which are waited for. No Ray runs."""

from __future__ import annotations

import re
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from ray.tune.experiment import Trial

from harness.engines.ray.schedulers import RayPruner, make_scheduler
from harness.search.pruners.messages import ordinal
from harness.spec.rungs import TrialRungs
from tests.search.simulate import at, make_spec

pytestmark = pytest.mark.ray


class FakeTrial:
    """A trial of Tune that never runs."""

    is_saving = False

    def __init__(self, number: int) -> None:
        self.trial_id, self.status = str(number), Trial.RUNNING


class FakeDesk:
    """Knows the trials' rungs, and what a scheduler has done."""

    def __init__(self) -> None:
        self.rungs: dict[int, TrialRungs] = {}
        self.stopped: list[int] = []
        self.messages: dict[int, str] = {}

    def entry(self, number: int) -> Any:
        config = SimpleNamespace(rungs=self.rungs.get(number, (1 / 16, 1 / 4)))
        return SimpleNamespace(config=config, history=[])

    def pruned(self, number: int, message: str = "") -> None:
        self.stopped.append(number)
        self.messages[number] = message


def asha(desk: FakeDesk, values: Sequence[float], fraction: float = 1 / 16) -> list[str]:
    """What asynchronous halving says of trials that come to a share of their training one by one."""
    spec = make_spec(trials=len(values), pruner={"name": "ray-asha"})
    scheduler = make_scheduler(spec)
    other = RayPruner(spec, scheduler, desk, lambda entry: None, {"accuracy": 0.25})  # type: ignore[arg-type]
    actions = []
    for number, value in enumerate(values):
        trial: Any = FakeTrial(number)
        scheduler.on_trial_add(None, trial)  # type: ignore[union-attr, arg-type]
        actions.append(other.ask(number, None, trial, {}, at(number, fraction, value, num_rows=9)))
    return actions


def test_asha_stops_nobody_while_all_guess() -> None:
    """A share of 0.53 of nine rows is no more than luck where 0.25 is a guess."""
    desk = FakeDesk()
    assert asha(desk, [0.5, 0.4, 0.3, 0.1]) == ["CONTINUE"] * 4
    assert asha(desk, [0.5, 0.4, 0.9, 0.1]) == ["CONTINUE", "CONTINUE", "CONTINUE", "STOP"]
    assert desk.stopped == [3]
    assert desk.messages[3] == (
        "stopped at rung 1 of 2, where trials are compared: it was 4th of the 4 that had come so far, and only the "
        "best 1 in 4 of them trains on (accuracy 10.0 %; the limit was 70.0 %)"
    )


def test_asha_judges_a_trial_at_its_own_rungs() -> None:
    desk = FakeDesk()
    desk.rungs = {3: (None, 0.4), 4: (None, None)}
    assert asha(desk, [0.9, 0.8, 0.7, 0.1, 0.1], fraction=0.3) == ["CONTINUE", "STOP", "STOP", "CONTINUE", "CONTINUE"]


def test_asha_message_is_what_ray_compared() -> None:
    """A trial is stopped exactly where its objective is below the cut that the message names."""
    desk = FakeDesk()
    values = [number * 7 % 20 / 20 for number in range(1, 20)]
    actions = asha(desk, values)
    assert desk.stopped == [number for number, action in enumerate(actions) if action == "STOP"]
    for number in desk.stopped:
        others = values[:number]
        rank = 1 + sum(value > values[number] for value in others)
        assert f" it was {ordinal(rank)} of the {number + 1} that had come so far, " in desk.messages[number]
        own, cut = map(float, re.findall(r"([\d.]+) %", desk.messages[number]))
        assert (own, cut) == pytest.approx((100 * values[number], 100 * np.percentile(others, 75)), abs=0.06)
        assert own < cut


def test_schedulers_of_ray_without_words_are_named() -> None:
    spec = make_spec(trials=4, pruner={"name": "ray-pbt"}, confirm=None)
    other = RayPruner(spec, make_scheduler(spec), FakeDesk(), lambda entry: None, {})  # type: ignore[arg-type]
    assert other.message(0, FakeTrial(0)) == "stopped by ray-pbt"  # type: ignore[arg-type]


class Controller:
    """What Hyperband asks of Tune, which tells it of every stop."""

    def __init__(self, num_trials: int) -> None:
        spec = make_spec(trials=num_trials, pruner={"name": "ray-hyperband"})
        self.scheduler: Any = make_scheduler(spec)
        self.other = RayPruner(spec, self.scheduler, FakeDesk(), lambda entry: None, {})  # type: ignore[arg-type]
        self.trials = [FakeTrial(number) for number in range(num_trials)]
        for trial in self.trials:
            self.scheduler.on_trial_add(self, trial)

    def stop_trial(self, trial: FakeTrial) -> None:
        trial.status = Trial.TERMINATED
        self.scheduler.on_trial_remove(self, trial)

    def report(self, numbers: Sequence[int], time: int, better: bool) -> None:
        """The trials come to a rung, each better than the one before, and wait there or not."""
        for number in numbers:
            trial = self.trials[number]
            read = {"time": time, "objective": number / 100, "better": better, "rung": {1: 0, 4: 1}[time]}
            trial.status = Trial.RUNNING
            action = self.scheduler.on_trial_result(self, trial, read)
            trial.status = {"PAUSE": Trial.PAUSED, "STOP": Trial.TERMINATED}.get(action, trial.status)

    def next(self) -> list[int]:
        """The trials that Hyperband lets go on from a pause."""
        found = []
        while (trial := self.scheduler.choose_trial_to_run(self)) is not None:
            trial.status = Trial.RUNNING
            found.append(self.trials.index(trial))
        return sorted(found)

    def message(self, number: int) -> str:
        return self.other.message(number, self.trials[number])  # type: ignore[arg-type]

    def stopped(self) -> list[int]:
        return [number for number, trial in enumerate(self.trials) if trial.status == Trial.TERMINATED]


#: The first bracket has three trials, which are never judged; the second six; the third sixteen.
SECOND, THIRD = range(3, 9), range(9, 25)


def test_hyperband_halves_a_bracket_that_has_learned() -> None:
    controller = Controller(9)
    controller.report(SECOND, 4, better=True)
    assert controller.stopped() == [3, 4, 5, 6]
    assert controller.next() == [7], "8 came last and runs on"
    where = "stopped at rung 2 of 2, where trials are compared: it was"
    kept, cut = "of 6 in its bracket, and only the best 2 trained on", "the 2nd best had 7.0 %"
    assert controller.message(3) == f"{where} 6th {kept} (accuracy 3.0 %; {cut})"
    assert controller.message(6) == f"{where} 3rd {kept} (accuracy 6.0 %; {cut})"


def test_hyperband_keeps_a_bracket_that_guesses() -> None:
    """The rung moves to the next point, where the quota of this one holds."""
    controller = Controller(25)
    controller.report(THIRD, 1, better=False)
    assert controller.stopped() == []
    assert controller.next() == list(THIRD[:-1])
    controller.report(THIRD, 4, better=True)
    assert controller.stopped() == list(THIRD[:-4])
    assert controller.next() == list(THIRD[-4:-1])


def test_hyperband_waits_for_no_trial_that_has_ended() -> None:
    """After the first halving Ray forgets to look again when the last one that others wait for fails."""
    controller = Controller(25)
    controller.report(THIRD, 1, better=True)
    assert controller.next() == [21, 22, 23]
    controller.report([22, 23, 24], 4, better=True)
    assert controller.next() == []
    controller.stop_trial(controller.trials[21])
    assert controller.next() == [24]
