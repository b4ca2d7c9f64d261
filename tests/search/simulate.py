"""An engine that trains nothing: it asks a `Search` what the real ones ask, in a random order, and may die."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from harness.errors import FailReason
from harness.records.patience import is_out_of_patience
from harness.records.rundir import RunFolder
from harness.records.schema import Progress, TrialState, Usage, record_of
from harness.records.store import StudyStore
from harness.search.search import Search
from harness.search.source import Decision
from harness.spec.rungs import TrialRungs, rung_fractions
from harness.spec.steps import step_at, total_steps
from harness.spec.study import StudySpec
from harness.spec.trial import TrialConfig

TOTAL_STEPS = 160


def study_rungs(policy: Any) -> TrialRungs:
    """The rungs of the study that one of Optuna's pruners was made for."""
    return rung_fractions(policy._spec)


def num_steps(config: TrialConfig, rows: int | None = None) -> int:
    """The steps of a trial on so many training rows; of all trials the same where nobody knows the rows."""
    training = config.training
    return TOTAL_STEPS if rows is None else total_steps(rows, training.batch_size, training.epochs)


def make_spec(**search: Any) -> StudySpec:
    """A study of four parameters; `training` and `model` replace those sections, the rest goes to `search`.

    Its rungs are 1/16 and 1/4, if it has any.
    """
    search["pruner"] = {"name": "rungs", "reduction_factor": 4} | search.get("pruner", {})
    training = search.pop("training", None) or {
        "learning_rate": {"low": 1e-5, "high": 1e-3, "log": True},
        "batch_size": {"choices": [8, 16, 32]},
    }
    sections = {name: search.pop(name) for name in ("budget", "confirm") if name in search}
    return StudySpec.model_validate(
        {
            "name": "simulated",
            "data": {"path": "reviews.csv", **search.pop("data", {})},
            "model": search.pop("model", {"checkpoint": "minilm"}),
            "training": training,
            "search": search,
            **sections,
        }
    )


def quality(config: TrialConfig, fraction: float = 1.0) -> dict[str, float]:
    """Best at a learning rate of 1e-4, better for longer training; different for every trial."""
    off = abs(config.training.learning_rate / 1e-4 - 1) / 20 + abs(config.training.batch_size - 16) / 400
    accuracy = 0.9 - min(off, 0.5) - 0.1 * (1 - fraction)
    return {"accuracy": accuracy, "log_loss": 1 - accuracy, "samples_per_second": 100.0 + config.training.batch_size}


def evaluation(config: TrialConfig, fraction: float, rows: int | None = None, **changes: Any) -> Progress:
    total = num_steps(config, rows)
    step = step_at(total, fraction)
    fields: dict[str, Any] = {
        "number": config.number,
        "step": step,
        "total_steps": total,
        "epoch": 3 * fraction,
        "num_rows": 1_000_000,
        "metrics": quality(config, fraction),
        "train_loss": 0.5,
        "usage": Usage(elapsed_s=100 * fraction, step_s=100 * fraction),
    }
    return Progress(**(fields | changes))


def at(
    number: int, fraction: float, accuracy: float, total_steps: int = TOTAL_STEPS, num_rows: int = 1_000_000
) -> Progress:
    """A trial at a share of a training of `total_steps`; on so many rows all different accuracies are told apart."""
    step = max(1, round(total_steps * fraction))
    metrics = {"accuracy": accuracy, "log_loss": 1 - accuracy}
    return Progress(
        number=number, step=step, total_steps=total_steps, epoch=1, num_rows=num_rows, metrics=metrics, train_loss=1
    )


@dataclass
class Log:
    """What happened over all lives of a study."""

    evaluated: Counter[tuple[int, int]] = field(default_factory=Counter)
    order: list[tuple[int, int]] = field(default_factory=list)
    started: list[int] = field(default_factory=list)
    kills: int = 0
    told: list[int] = field(default_factory=list)


Behaviour = Callable[[TrialConfig, float], Progress | FailReason]


class Simulator:
    """One life of a coordinator with `slots` slots; `rng` decides which slot is done first."""

    def __init__(
        self,
        search: Search,
        run: RunFolder,
        log: Log,
        *,
        slots: int = 1,
        rng: random.Random | None = None,
        behave: Behaviour = evaluation,
        lose: float = 0.0,
        advance: Callable[[float], None] = lambda seconds: None,
        rows: int | None = None,
    ) -> None:
        self.search, self.folder, self.log, self.behave = search, run, log, behave
        self.slots, self.rng, self.lose, self.advance = slots, rng or random.Random(0), lose, advance
        self.rows = rows
        self.configs: dict[int, TrialConfig] = {}
        self.history: dict[int, list[Progress]] = {}
        self.running: list[int] = []

    def run(self, most_events: int | None = None) -> bool:
        """Runs until the source is finished (True), or until it dies after so many evaluations (False)."""
        events = 0
        while True:
            self._fill()
            if not self.running:
                assert not self.configs, "paused trials neither go on nor end"
                return True
            if most_events is not None and events >= most_events:
                self.log.kills += 1
                return False
            events += 1
            self._evaluate(self.rng.choice(self.running))
            self._end_dropped()

    def _fill(self) -> None:
        while len(self.running) < self.slots:
            config = self.search.next()
            while config is None and self._end_dropped():
                config = self.search.next()
            if config is None:
                return
            number = config.number
            if number in self.configs:
                assert number not in self.running
                self._snapshot(number)
            else:
                self.configs[number] = config
                self.history[number] = list(self.search.resume_from(number)[1])
                self.log.started.append(number)
            self.running.append(number)

    def _evaluate(self, number: int) -> None:
        config, history = self.configs[number], self.history[number]
        done = history[-1].step if history else 0
        total = num_steps(config, self.rows)
        fraction = next(each for each in config.evaluate_at if step_at(total, each) > done)
        outcome = self.behave(config, fraction)
        self.advance(100 * fraction - (history[-1].usage.elapsed_s if history else 0))
        if isinstance(outcome, FailReason):
            self._end(number, TrialState.FAIL, reason=outcome, message="simulated")
            return
        if is_out_of_patience([*history, outcome], config, outcome.num_rows):
            outcome = outcome.model_copy(update={"out_of_patience": True})
        history.append(outcome)
        self.log.evaluated[number, outcome.step] += 1
        self.log.order.append((number, outcome.step))
        decision = self.search.decide(number, outcome)
        if outcome.done:
            weights = f"trials/{number}/weights" if self.search.keep(number, outcome) else None
            self._end(number, TrialState.COMPLETE, weights=weights)
        elif decision is Decision.STOP:
            self._end(number, TrialState.PRUNED)
        elif decision is Decision.PAUSE:
            self.running.remove(number)
            if self.rng.random() < self.lose:
                self._end(number, TrialState.FAIL, reason=FailReason.CRASH, message="the slot that held it died")
        else:
            self._snapshot(number)

    def _end(self, number: int, state: TrialState, **fields: Any) -> None:
        if number in self.running:
            self.running.remove(number)
        self.search.end(record_of(self.configs.pop(number), state, self.history.pop(number), **fields))

    def _end_dropped(self) -> bool:
        dropped = self.search.dropped()
        for number in dropped:
            assert number not in self.running
            self.log.told.append(number)
            self._end(number, TrialState.PRUNED)
        return bool(dropped)

    def _snapshot(self, number: int) -> None:
        """As the real engine does before a trial goes on."""
        folder = self.folder.trial_dir("search", number) / "snapshot"
        folder.mkdir(exist_ok=True)
        rows = [progress.model_dump(mode="json") for progress in self.history[number]]
        (folder / "history.json").write_text(json.dumps(rows))


def sweep(
    spec: StudySpec,
    store: StudyStore,
    run: RunFolder,
    *,
    rows: int | None = None,
    chance: Mapping[str, float] | None = None,
    **options: Any,
) -> tuple[Search, Log]:
    """Runs a study without dying."""
    log = Log()
    search = Search(spec, store, run, num_train_rows=rows, chance=chance)
    assert Simulator(search, run, log, rows=rows, **options).run()
    return search, log


def sweep_in_many_lives(
    spec: StudySpec,
    store: StudyStore,
    run: RunFolder,
    reopened: Callable[[StudyStore], StudyStore],
    behave: Behaviour = evaluation,
) -> tuple[StudyStore, Log]:
    """Runs a study that dies again and again, after a few more events each time; its last store, and what happened."""
    log = Log()
    for lives in range(20):
        if Simulator(Search(spec, store, run), run, log, behave=behave).run(most_events=3 + lives):
            break
        store = reopened(store)
    return store, log
