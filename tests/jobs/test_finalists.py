from __future__ import annotations

import pytest

from harness.jobs.finalists import (
    confirm_configs,
    models_to_score,
    num_pruned_at_chance,
    rank_finalists,
    scored_runs,
    search_number,
)
from harness.records.final import Final, FinalModel
from harness.records.schema import TrialRecord, TrialState, record_of
from harness.spec.configure import resolve
from harness.spec.study import StudySpec
from tests.search.simulate import evaluation, make_spec

SPEC = make_spec(trials=4, confirm={"top": 2, "seeds": 3})


def trained(number: int, batch_size: int, accuracy: float, whole_s: float, fraction: float = 1.0) -> TrialRecord:
    """A search trial that would take `whole_s` seconds to its end."""
    config = resolve(SPEC, number=number, params={"learning_rate": 1e-4, "batch_size": batch_size})
    progress = evaluation(config, fraction, metrics={"accuracy": accuracy, "log_loss": 1 - accuracy})
    usage = progress.usage.model_copy(update={"elapsed_s": whole_s * fraction})
    state = TrialState.COMPLETE if fraction == 1 else TrialState.PRUNED
    return record_of(config, state, [progress.model_copy(update={"usage": usage})])


def asked(trials: list[TrialRecord]) -> list[tuple[int | None, int]]:
    return [(config.of, config.training.seed) for config in confirm_configs(SPEC, trials)]


def test_confirm_configs_slowest_first() -> None:
    """Two slots end together: 3 minutes and 3, where by rank they would take 4 and 2."""
    trials = [trained(0, 32, 0.7, 60), trained(1, 32, 0.9, 60), trained(2, 8, 0.8, 120), trained(3, 16, 0.5, 90)]
    assert asked(trials) == [(2, 1), (2, 2), (1, 1), (1, 2)]
    assert [config.number for config in confirm_configs(SPEC, trials)] == [0, 1, 2, 3]


def test_confirm_configs_trains_a_stopped_default_recipe_to_its_end() -> None:
    trials = [trained(0, 32, 0.4, 100, fraction=1 / 16), trained(1, 32, 0.9, 60), trained(2, 8, 0.8, 120)]
    assert asked(trials) == [(2, 1), (2, 2), (0, 0), (1, 1), (1, 2)]


def test_confirm_configs_none_without_confirmation() -> None:
    assert confirm_configs(SPEC.model_copy(update={"confirm": None}), [trained(0, 32, 0.7, 60)]) == []


CHANCE = {"accuracy": 0.25}


def test_num_pruned_at_chance_counts_what_the_pruner_stopped() -> None:
    pruned = [trained(number, 16, 0.25, 60, fraction=1 / 16) for number in (1, 2)]
    late = trained(3, 16, 0.2, 60, fraction=1 / 16).model_copy(update={"message": "budget"})
    assert num_pruned_at_chance(SPEC, [trained(0, 32, 0.25, 60), *pruned, late], [], CHANCE, 80) == 2
    assert num_pruned_at_chance(SPEC, [trained(0, 32, 0.34, 60), *pruned, late], [], CHANCE, 80) == 2, (
        "within the noise"
    )


def test_num_pruned_at_chance_none_where_a_trial_has_learned() -> None:
    pruned = trained(1, 16, 0.25, 60, fraction=1 / 16)
    assert num_pruned_at_chance(SPEC, [trained(0, 32, 0.35, 60), pruned], [], CHANCE, 80) == 0
    assert num_pruned_at_chance(SPEC, [trained(0, 32, 0.34, 60), pruned], [], CHANCE, 800) == 0
    assert num_pruned_at_chance(SPEC, [trained(0, 32, 0.25, 60)], [], CHANCE, 80) == 0


def with_seeds(trial: TrialRecord, *accuracies: float) -> list[TrialRecord]:
    """The runs of a trial with the seeds 1, 2, ..."""
    runs = []
    for seed, accuracy in enumerate(accuracies, start=1):
        training = trial.config.training.model_copy(update={"seed": seed})
        config = trial.config.model_copy(update={"kind": "confirm", "of": trial.number, "training": training})
        metrics = {"accuracy": accuracy, "log_loss": 1 - accuracy}
        runs.append(record_of(config, TrialState.COMPLETE, [evaluation(config, 1.0, metrics=metrics)]))
    return runs


def ranks(confirm: dict[str, int] | None, trials: list[TrialRecord], *runs: TrialRecord) -> list[tuple[int, int]]:
    """Number of the trial and number of its seeds, for each configuration that may win."""
    spec = make_spec(trials=4, confirm=confirm)
    return [(finalist.number, len(finalist.seeds)) for finalist in rank_finalists(spec, trials, list(runs))]


def test_finalists_have_the_seeds_that_are_asked_for() -> None:
    a, b, c = trained(0, 32, 0.9, 60), trained(1, 16, 0.8, 60), trained(2, 8, 0.7, 60)
    runs = [*with_seeds(a, 0.5, 0.5), *with_seeds(b, 0.8)]
    assert ranks({"top": 2, "seeds": 3}, [a, b, c], *runs) == [(0, 3)]
    assert ranks({"top": 2, "seeds": 2}, [a, b, c], *runs) == [(1, 2), (0, 3)], "fewer than some have are enough"
    assert ranks({"top": 2, "seeds": 4}, [a, b, c], *runs) == [(0, 3)], "more than any has"
    assert ranks({"top": 2, "seeds": 2}, [a, b, c]) == [(0, 1), (1, 1), (2, 1)]


@pytest.mark.parametrize("confirm", [None, {"top": 2, "seeds": 1}])
def test_finalists_without_confirmation_are_those_of_an_earlier_one_and_better_trials(
    confirm: dict[str, int] | None,
) -> None:
    a, b, c, new = trained(0, 32, 0.9, 60), trained(1, 16, 0.8, 60), trained(2, 8, 0.7, 60), trained(3, 4, 0.95, 60)
    runs = [*with_seeds(a, 0.5), *with_seeds(b, 0.6)]
    assert ranks(confirm, [a, b, c]) == [(0, 1), (1, 1), (2, 1)]
    assert ranks(confirm, [a, b, c], *runs) == [(0, 2), (1, 2)], "c was passed over, though 0.7 is as much as they have"
    assert ranks(confirm, [a, b, c, new], *runs) == [(3, 1), (0, 2), (1, 2)]
    assert ranks(confirm, [a, b, trained(2, 8, 0.85, 60)], *with_seeds(a, 0.9)) == [(0, 2)]


def test_finalists_without_confirmation_are_chosen_for_each_compared_checkpoint() -> None:
    spec = compared_study().model_copy(update={"confirm": None})
    one, two = of_checkpoint(spec, 0, "org/one", 0.9), of_checkpoint(spec, 1, "org/two", 0.5)
    better = of_checkpoint(spec, 2, "org/two", 0.6)
    runs = [*with_seeds(one, 0.9), *with_seeds(two, 0.5)]
    assert [finalist.number for finalist in rank_finalists(spec, [one, two, better], runs)] == [0, 2, 1]


def test_scored_runs_are_those_of_this_and_of_earlier_decisions() -> None:
    a, b = trained(0, 32, 0.9, 60), trained(1, 16, 0.8, 60)
    runs = [a, b, *with_seeds(a, 0.5), *with_seeds(b, 0.6)]
    first = Final(
        winner=0, models=(model_of("winner", 0, 1), model_of("default", 0, 0), model_of("baseline", None, None))
    )
    second = Final(winner=1, models=(model_of("winner", 1, None),)).after(first)
    assert [(search_number(run), run.seed) for run in scored_runs(first, runs)] == [(0, 0), (0, 1)]
    assert scored_runs(second, runs) == [a, b, *with_seeds(a, 0.5), *with_seeds(b, 0.6)]
    third = Final(winner=0, models=(model_of("winner", 0, 1),)).after(second)
    assert [(model.number, model.seed) for model in third.tested] == [(0, 1), (1, None), (0, 0)]


def model_of(role: str, number: int | None, seed: int | None) -> FinalModel:
    return FinalModel(role=role, name=role, number=number, seed=seed, validation={}, test={}, predictions=f"{role}.npz")


def compared_study(top: int = 1) -> StudySpec:
    model = {"checkpoint": ("org/one", "org/two", "org/three")}
    return make_spec(trials=6, confirm={"top": top, "seeds": 2}, model=model)


def of_checkpoint(spec: StudySpec, number: int, checkpoint: str, accuracy: float) -> TrialRecord:
    config = resolve(spec, number=number, params={"learning_rate": 1e-4, "batch_size": 16}, arm=checkpoint)
    progress = evaluation(config, 1.0, metrics={"accuracy": accuracy, "log_loss": 1 - accuracy})
    return record_of(config, TrialState.COMPLETE, [progress], weights=f"trials/{number}/weights")


def test_models_to_score_has_the_best_of_each_compared_checkpoint() -> None:
    spec = compared_study()
    scores = [("org/one", 0.5), ("org/two", 0.9), ("org/three", 0.6)]
    scores += [("org/one", 0.7), ("org/two", 0.8), ("org/three", 0.4)]
    trials = [of_checkpoint(spec, number, *score) for number, score in enumerate(scores)]
    finalists = rank_finalists(spec, trials, [])
    models = models_to_score(spec, finalists, trials, trials, [])
    roles = {role: record.number for role, record in models.items()}
    assert roles == {"winner": 1, "runner-up": 4, "default": 1, "checkpoint": 3, "checkpoint-2": 2}


def test_models_to_score_lists_no_checkpoint_twice() -> None:
    spec = compared_study()
    scores = [("org/one", 0.5), ("org/two", 0.9), ("org/three", 0.6)]
    trials = [of_checkpoint(spec, number, *score) for number, score in enumerate(scores)]
    models = models_to_score(spec, rank_finalists(spec, trials, []), trials, trials, [])
    roles = {role: record.number for role, record in models.items()}
    assert roles == {"winner": 1, "runner-up": 2, "default": 1, "checkpoint": 0}


def test_models_to_score_needs_weights() -> None:
    trials = [trained(0, 32, 0.7, 60), trained(1, 32, 0.9, 60)]
    finalists = rank_finalists(SPEC, trials, [])
    assert models_to_score(SPEC, finalists, trials, [], []) == {}
    assert set(models_to_score(SPEC, finalists, trials, trials, [])) == {"winner", "runner-up", "default"}


LIMITED = make_spec(trials=4, confirm={"top": 2, "seeds": 2}, constraints=("log_loss <= 0.25",))


def missed(number: int, accuracy: float, log_loss: float) -> TrialRecord:
    """A search trial whose loss is not 1 less its accuracy."""
    trial = trained(number, 16, accuracy, 60)
    metrics = {"accuracy": accuracy, "log_loss": log_loss}
    history = [progress.model_copy(update={"metrics": metrics}) for progress in trial.history]
    return record_of(trial.config, TrialState.COMPLETE, history)


def test_only_trials_that_meet_the_constraints_are_confirmed_and_win() -> None:
    trials = [missed(0, 0.9, 0.3), missed(1, 0.8, 0.2), missed(2, 0.7, 0.2), missed(3, 0.6, 0.9)]
    assert [config.of for config in confirm_configs(LIMITED, trials)] == [1, 2]
    finalists = rank_finalists(LIMITED, trials, [])
    assert [finalist.number for finalist in finalists] == [1, 2, 0, 3], "those that do not: the nearest first"
    models = models_to_score(LIMITED, finalists, trials, trials, [])
    assert {role: record.number for role, record in models.items()} == {"winner": 1, "runner-up": 2, "default": 0}


def test_the_mean_over_seeds_must_meet_the_constraints() -> None:
    first, second = missed(1, 0.9, 0.2), missed(2, 0.8, 0.24)
    runs = [*with_seeds(first, 0.6), *with_seeds(second, 0.77)]
    finalists = rank_finalists(LIMITED, [first, second], runs)
    assert [finalist.number for finalist in finalists] == [2, 1], "the first has a mean loss of 0.3"
    assert set(models_to_score(LIMITED, finalists, [first, second], [first, second], runs)) == {"winner"}


def test_no_model_is_scored_where_none_meets_the_constraints() -> None:
    trials = [missed(0, 0.9, 0.4), missed(1, 0.8, 0.3)]
    assert confirm_configs(LIMITED, trials) == []
    finalists = rank_finalists(LIMITED, trials, [])
    assert [finalist.number for finalist in finalists] == [1, 0]
    assert models_to_score(LIMITED, finalists, trials, trials, []) == {}
