from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from harness.errors import FailReason
from harness.records.schema import TrialRecord, TrialState, record_of
from harness.records.store import StoredTrial
from harness.search.axes import params_key
from harness.search.propose import Proposal, Proposer
from harness.spec.configure import arms, resolve
from harness.spec.study import StudySpec
from tests.search.simulate import evaluation, make_spec

SAMPLERS = ["tpe", "gp", "random", "grid", "qmc", "cmaes", "nsga2"]
TRAINING: dict[str, Any] = {
    "learning_rate": {"low": 1e-5, "high": 1e-3, "log": True},
    "batch_size": {"low": 8, "high": 64, "step": 8},
    "schedule": {"choices": ["linear", "cosine"]},
    "weight_decay": {"low": 0.0, "high": 0.3, "step": 0.1},
}
GRID = TRAINING | {"learning_rate": {"choices": [1e-5, 1e-4, 1e-3]}}
CONDITIONAL: dict[str, Any] = {
    "schedule": {"choices": ["linear", "constant"]},
    "warmup_fraction": {"low": 0.0, "high": 0.2, "when": {"schedule": "linear"}},
    "label_smoothing": {"choices": [0.0, 0.1], "when": {"schedule": ["constant"]}},
}


class Book:
    """A study of one arm without a database: what a `StudyStore` would give back after a restart."""

    def __init__(self, spec: StudySpec, num_train_rows: int | None = None) -> None:
        self.spec, self.num_train_rows = spec, num_train_rows
        self.trials: list[StoredTrial] = []
        self.proposer = Proposer(spec, num_train_rows=num_train_rows)

    def restart(self) -> None:
        self.proposer = Proposer(self.spec, json_round(self.trials), self.num_train_rows)

    def ask(self, arm: int = 0) -> Proposal | None:
        number = len(self.trials)
        proposal = self.proposer.ask(number, arm)
        if proposal is not None:
            config = resolve(
                self.spec,
                number=number,
                params=proposal.params,
                arm=arms(self.spec)[arm],
                num_train_rows=self.num_train_rows,
            )
            running = TrialState.RUNNING
            stored = StoredTrial(
                state=running, record=record_of(config, running), values={}, system_attrs=dict(proposal.system_attrs)
            )
            self.trials.append(stored)
        return proposal

    def observe(self, number: int, fraction: float = 1 / 16, **changes: Any) -> None:
        config = self.trials[number].config
        progress = evaluation(config, fraction, self.num_train_rows, **changes)
        history = [*self.trials[number].record.history, progress]
        self.proposer.observe(number, progress, config.rungs)
        self._set(number, TrialState.RUNNING, history)

    def end(self, number: int, state: TrialState, **fields: Any) -> None:
        self._set(number, state, list(self.trials[number].record.history), **fields)
        self.proposer.end(self.trials[number].record)

    def _set(self, number: int, state: TrialState, history: list[Any], **fields: Any) -> None:
        record = record_of(self.trials[number].config, state, history, **fields)
        self.trials[number] = replace(self.trials[number], state=state, record=record)

    def params(self) -> list[str]:
        return [params_key(trial.record.params) for trial in self.trials]


def json_round(trials: list[StoredTrial]) -> list[StoredTrial]:
    """What survives a database."""
    return [
        replace(
            trial,
            record=TrialRecord.model_validate(json.loads(trial.record.model_dump_json())),
            system_attrs=json.loads(json.dumps(trial.system_attrs)),
        )
        for trial in trials
    ]


def drive(spec: StudySpec, count: int, restarts: tuple[int, ...] = ()) -> Book:
    """Three trials run at a time; each is evaluated when the third after it is asked for, every fifth one fails."""
    book = Book(spec)
    for number in range(count):
        if number in restarts:
            book.restart()
        assert book.ask() is not None
        if number >= 2:
            done = number - 2
            if done % 5 == 4:
                book.end(done, TrialState.FAIL, reason=FailReason.NAN)
            else:
                book.observe(done)
    return book


def spec_for(sampler: str, trials: int = 30, **search: Any) -> StudySpec:
    training = GRID if sampler == "grid" else TRAINING
    return make_spec(**({"trials": trials, "sampler": sampler, "training": training} | search))


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_propose_same_after_restarts(sampler: str) -> None:
    spec = spec_for(sampler)
    count = 10 if sampler == "gp" else 22
    whole, broken = drive(spec, count), drive(spec, count, restarts=(1, 6, 7, count - 2))
    assert len(set(whole.params())) == count
    assert broken.params() == whole.params()


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_propose_seed_matters(sampler: str) -> None:
    first, second = drive(spec_for(sampler), 6), drive(spec_for(sampler, seed=1), 6)
    assert first.params()[0] == second.params()[0], "the default recipe"
    assert first.params()[1:] != second.params()[1:]


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_propose_values_in_their_domains(sampler: str) -> None:
    for trial in drive(spec_for(sampler), 8).trials:
        params = trial.record.params
        assert 1e-5 <= params["learning_rate"] <= 1e-3
        assert params["batch_size"] in range(8, 65, 8) and isinstance(params["batch_size"], int)
        assert params["schedule"] in ("linear", "cosine")
        assert round(params["weight_decay"], 9) in (0.0, 0.1, 0.2, 0.3)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_propose_conditions(sampler: str) -> None:
    training = CONDITIONAL
    if sampler == "grid":
        training = training | {"warmup_fraction": {"choices": [0.0, 0.1, 0.2], "when": {"schedule": "linear"}}}
    book = Book(make_spec(trials=20, sampler=sampler, training=training))
    while len(book.trials) < (7 if sampler == "gp" else 12) and book.ask():
        book.observe(len(book.trials) - 1)
    book.restart()
    assert len({trial.record.params["schedule"] for trial in book.trials}) == 2
    for trial in book.trials:
        params = trial.record.params
        assert set(params) == {"schedule", "warmup_fraction" if params["schedule"] == "linear" else "label_smoothing"}
    if sampler == "grid":
        assert len(book.trials) == 5, "three warm-ups and two smoothings, each once"
        assert book.ask() is None


def test_propose_grid_is_whole_and_each_once() -> None:
    book = Book(make_spec(trials=200, sampler="grid", training=GRID))
    while book.ask():
        if len(book.trials) % 20 == 0:
            book.restart()
    assert len(set(book.params())) == len(book.trials) == 3 * 8 * 2 * 4


def test_propose_grid_scatters() -> None:
    """The first points of a large grid are not its first corner."""
    book = Book(make_spec(trials=200, sampler="grid", training=GRID))
    for _ in range(16):
        book.ask()
    for name, count in (("learning_rate", 3), ("batch_size", 6), ("schedule", 2), ("weight_decay", 4)):
        assert len({trial.record.params[name] for trial in book.trials}) >= count


def test_propose_lists_as_choices() -> None:
    spec = make_spec(
        trials=9,
        sampler="random",
        training={"epochs": 3},
        data={"preprocess": {"choices": [[], ["lowercase"], ["nfkc", "lowercase"]]}},
    )
    book = Book(spec)
    while book.ask():
        pass
    assert {trial.config.data.preprocess for trial in book.trials} == {(), ("lowercase",), ("nfkc", "lowercase")}
    book.restart()
    assert book.ask() is None


def test_propose_nothing_searched() -> None:
    book = Book(make_spec(trials=1, training={"epochs": 3}))
    first = book.ask()
    assert first is not None and first.params == {}
    assert book.ask() is None


@pytest.mark.parametrize("sampler", ["tpe", "random", "qmc", "nsga2"])
def test_propose_exhausted(sampler: str) -> None:
    book = Book(make_spec(trials=20, sampler=sampler, training={"batch_size": {"choices": [8, 16, 32]}}))
    while book.ask():
        book.observe(len(book.trials) - 1)
    assert len(book.trials) == 3


def test_propose_default_value_counts_for_the_sampler() -> None:
    book = drive(spec_for("tpe"), 12)
    assert book.proposer._arms[0].mirror is not None
    frozen = book.proposer._arms[0].mirror.study.get_trials(deepcopy=False)[0]
    assert frozen.value == book.trials[0].record.history[0].metrics["accuracy"]
    assert frozen.params["learning_rate"] == 5e-5


def mirrored(book: Book) -> list[Any]:
    mirror = book.proposer._arms[0].mirror
    assert mirror is not None
    return mirror.study.get_trials(deepcopy=False)


@pytest.mark.parametrize("restart", [False, True])
def test_propose_rungs_share_one_fidelity(restart: bool) -> None:
    """However far a trial was trained, the sampler sees its first rung."""
    book = Book(spec_for("tpe"))
    for number in range(4):
        book.ask()
        book.observe(number)
    book.observe(1, 1 / 4)
    book.end(1, TrialState.PRUNED)
    book.observe(2, 1 / 4)
    book.observe(2, 1.0)
    book.end(2, TrialState.COMPLETE)
    if restart:
        book.restart()
    firsts = [trial.record.history[0].metrics["accuracy"] for trial in book.trials]
    assert [(frozen.state.name, frozen.value) for frozen in mirrored(book)] == [("COMPLETE", value) for value in firsts]


@pytest.mark.parametrize("restart", [False, True])
def test_propose_sees_a_trial_where_it_is_first_judged(restart: bool) -> None:
    """That is at a quarter of 30 steps; a trial of 15 steps counts at its end."""
    spec = make_spec(trials=12, sampler="tpe", training={"batch_size": {"choices": [16, 32]}, "learning_rate": [1e-4]})
    book = Book(spec, num_train_rows=160)
    for number in range(2):
        book.ask()
        for fraction in (1 / 16, 1 / 4, 1 / 3, 2 / 3):
            book.observe(number, fraction)
    book.observe(0, 1.0)
    assert [trial.config.training.batch_size for trial in book.trials] == [32, 16]
    book.end(0, TrialState.COMPLETE)
    if restart:
        book.restart()
    rows = [trial.record.history for trial in book.trials]
    seen = [rows[0][4].metrics["accuracy"], rows[1][1].metrics["accuracy"]]
    assert [frozen.value for frozen in mirrored(book) if frozen.value is not None] == seen


@pytest.mark.parametrize("restart", [False, True])
def test_propose_failed_trials_have_no_value(restart: bool) -> None:
    book = Book(spec_for("tpe"))
    for number in range(3):
        book.ask()
        book.observe(number)
    book.end(1, TrialState.FAIL, reason=FailReason.OOM)
    book.end(2, TrialState.COMPLETE)
    if restart:
        book.restart()
    frozen = mirrored(book)[1]
    assert frozen.state.name == "FAIL" and frozen.values is None
    assert book.proposer._arms[0].mirror is not None
    assert book.proposer._arms[0].mirror.num_ended == 2


@pytest.mark.parametrize("restart", [False, True])
def test_propose_other_pruners_keep_optunas_states(restart: bool) -> None:
    book = Book(spec_for("tpe", pruner={"name": "asha"}))
    for number in range(4):
        book.ask()
        book.observe(number)
    book.end(0, TrialState.PRUNED)
    book.observe(1, 1.0)
    book.end(1, TrialState.COMPLETE)
    book.end(2, TrialState.FAIL, reason=FailReason.CRASH)
    if restart:
        book.restart()
    pruned, complete, failed, running = mirrored(book)
    assert (pruned.state.name, complete.state.name, failed.state.name) == ("PRUNED", "COMPLETE", "FAIL")
    assert running.state.name == "RUNNING" and list(running.intermediate_values) == [1]
    assert list(pruned.intermediate_values.values()) == [book.trials[0].record.metrics["accuracy"]]
    assert complete.value == book.trials[1].record.metrics["accuracy"]


def test_propose_learns() -> None:
    """After forty trials TPE looks where trials were good."""
    book = Book(spec_for("tpe", trials=60))
    for number in range(60):
        book.ask()
        book.observe(number)
    rates = [trial.record.params["learning_rate"] for trial in book.trials]
    early = [0.3e-4 < rate < 3e-4 for rate in rates[1:21]]
    late = [0.3e-4 < rate < 3e-4 for rate in rates[40:]]
    assert sum(late) > sum(early) + 3


def test_propose_does_not_learn_from_a_few_early_values() -> None:
    """Early in training the largest rates are ahead: sixteen trials cover the space instead of following them."""

    def params(sampler: str, rung: float, trials: int) -> list[str]:
        book = Book(spec_for(sampler, trials=trials, pruner={"min_fraction": rung}))
        for number in range(trials):
            book.ask()
            book.observe(number, rung)
        return book.params()

    spread = params("qmc", 1 / 16, 20)
    assert params("tpe", 1 / 16, 16) == spread[:16]
    assert params("tpe", 1 / 16, 20)[:16] == spread[:16]
    assert params("tpe", 1 / 16, 20) != spread
    assert params("tpe", 1 / 4, 16)[:4] == spread[:4]
    late = Book(spec_for("tpe", trials=16), num_train_rows=800)
    assert late.proposer._arms[0]._early, "trials with batch size 8 are judged at 30 of 300 steps"
    late = Book(spec_for("tpe", trials=16), num_train_rows=160)
    assert not late.proposer._arms[0]._early, "here at a half, or never"
    assert params("tpe", 1 / 4, 16) != spread[:16]


def test_propose_no_pickle_in_the_database() -> None:
    book = drive(spec_for("cmaes", trials=40), 30)
    attrs = [key for trial in book.trials for key in trial.system_attrs]
    assert any(key.startswith("cma:generation") for key in attrs)
    assert not any("optimizer" in key for key in attrs)


def test_propose_two_objectives_with_tpe() -> None:
    spec = spec_for("tpe", objectives=["accuracy", "samples_per_second"])
    assert drive(spec, 14, restarts=(9,)).params() == drive(spec, 14).params()


def test_propose_notes_are_written_once() -> None:
    """What a sampler writes on the study (NSGA-II: the parents of each generation) is stored with one trial only."""
    book = drive(spec_for("nsga2", trials=30), 25)
    notes = [set(trial.system_attrs.get("harness:notes", ())) for trial in book.trials]
    assert sum(map(len, notes)) == len(set().union(*notes)) >= 2


@pytest.mark.parametrize("sampler", ["tpe", "random", "nsga2"])
def test_propose_same_after_restarts_with_refused_draws(sampler: str) -> None:
    """In a small space many draws come twice; the mirror counts them after a restart too."""
    training = {"batch_size": {"low": 1, "high": 12}}
    spec = make_spec(trials=12, sampler=sampler, training=training)
    whole, broken = drive(spec, 9), drive(spec, 9, restarts=(4, 7))
    assert any(trial.system_attrs.get("harness:refused") for trial in whole.trials)
    assert broken.params() == whole.params()


def drawn_beyond(sampler: str, num_trials: int, constraints: tuple[str, ...]) -> int:
    """Of the trials after the first ten, those above 2,000 MiB: larger batches need more memory and score better."""
    space = {"batch_size": {"low": 8, "high": 64}, "learning_rate": {"low": 1e-5, "high": 1e-3, "log": True}}
    spec = make_spec(
        trials=num_trials, sampler=sampler, training=space, constraints=constraints, pruner={"name": "none"}
    )
    book, beyond = Book(spec), 0
    for number in range(num_trials):
        assert book.ask() is not None
        size = book.trials[number].config.training.batch_size
        beyond += number >= 10 and size > 40
        metrics = {"accuracy": size / 100, "log_loss": 1.0, "peak_memory_mib": 50.0 * size}
        book.observe(number, 1.0, metrics=metrics)
        book.end(number, TrialState.COMPLETE)
    return beyond


@pytest.mark.parametrize(("sampler", "num_trials"), [("tpe", 40), ("nsga2", 60)])
def test_propose_samplers_know_the_constraints(sampler: str, num_trials: int) -> None:
    limits = ("peak_memory_mib <= 2000",)
    free, limited = drawn_beyond(sampler, num_trials, ()), drawn_beyond(sampler, num_trials, limits)
    assert limited < 0.7 * free, (limited, free)


def test_propose_gp_draws_under_constraints() -> None:
    spec = make_spec(trials=6, sampler="gp", constraints=("peak_memory_mib <= 2000",), pruner={"name": "none"})
    book = Book(spec)
    for number in range(6):
        assert book.ask() is not None
        size = book.trials[number].config.training.batch_size
        book.observe(number, 1.0, metrics={"accuracy": size / 100, "log_loss": 1.0, "peak_memory_mib": 100.0 * size})
        book.end(number, TrialState.COMPLETE)
    assert all(len(frozen.constraints) == 1 for frozen in mirrored(book))


def test_propose_knows_the_constraints_after_a_restart() -> None:
    spec = make_spec(trials=24, sampler="tpe", constraints=("peak_memory_mib <= 2000",))
    whole, broken = Book(spec), Book(spec)
    for book in (whole, broken):
        for number in range(20):
            book.ask()
            size = book.trials[number].config.training.batch_size
            book.observe(number, metrics={"accuracy": size / 100, "log_loss": 1.0, "peak_memory_mib": 100.0 * size})
    broken.restart()
    assert [frozen.constraints for frozen in mirrored(whole)] == [frozen.constraints for frozen in mirrored(broken)]
    assert {value > 0 for frozen in mirrored(whole) for value in frozen.constraints.values()} == {True, False}
