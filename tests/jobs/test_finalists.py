from __future__ import annotations

from harness.jobs.finalists import confirm_configs, models_to_score, num_pruned_at_chance, rank_finalists
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
    assert num_pruned_at_chance(SPEC, [trained(0, 32, 0.25, 60), *pruned, late], CHANCE, 80) == 2
    assert num_pruned_at_chance(SPEC, [trained(0, 32, 0.34, 60), *pruned, late], CHANCE, 80) == 2, "within the noise"


def test_num_pruned_at_chance_none_where_a_trial_has_learned() -> None:
    pruned = trained(1, 16, 0.25, 60, fraction=1 / 16)
    assert num_pruned_at_chance(SPEC, [trained(0, 32, 0.35, 60), pruned], CHANCE, 80) == 0
    assert num_pruned_at_chance(SPEC, [trained(0, 32, 0.34, 60), pruned], CHANCE, 800) == 0
    assert num_pruned_at_chance(SPEC, [trained(0, 32, 0.25, 60)], CHANCE, 80) == 0


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
