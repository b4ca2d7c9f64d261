"""Chooses the configurations to confirm with other seeds, and the winner among them, by validation scores alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean, stdev

from harness.records.final import Final, Finalist, Role, SeedRace, numbered
from harness.records.schema import BUDGET, TrialRecord, TrialState
from harness.spec.configure import arm_of, default_number
from harness.spec.constraints import Ranking, constraints_of
from harness.spec.study import StudySpec
from harness.spec.tasks import facts_of
from harness.spec.trial import TrialConfig
from harness.stats.chance import is_beyond_chance

__all__ = [
    "confirm_configs",
    "default_trial",
    "finalists_of",
    "models_to_score",
    "num_pruned_at_chance",
    "pick_weights",
    "rank_finalists",
    "ranked",
    "scored_runs",
    "search_number",
]


def ranked(spec: StudySpec, trials: Sequence[TrialRecord]) -> list[TrialRecord]:
    """Complete trials, best first by their best validation score; equal ones by lower loss, then by number.

    Those that do not meet the constraints come last, the nearest first.
    """
    objective, ranking = spec.search.objectives[0], Ranking.of(spec)
    complete = [trial for trial in trials if trial.state is TrialState.COMPLETE and objective in trial.metrics]
    return sorted(complete, key=lambda trial: (*ranking.key(trial.metrics), trial.number))


def default_trial(trials: Sequence[TrialRecord], like: TrialRecord, spec: StudySpec) -> TrialRecord | None:
    """The trial with the default recipe of the checkpoint that `like` uses; None where there is none."""
    number = default_number(spec, like.params)
    return next((trial for trial in trials if trial.number == number), None)


def finalists_of(spec: StudySpec, trials: Sequence[TrialRecord]) -> list[TrialRecord]:
    """The trials to confirm: the best `confirm.top` of each compared checkpoint that meet the constraints."""
    if spec.confirm is None:
        return []
    constraints = constraints_of(spec)
    best = [trial for trial in ranked(spec, trials) if not constraints.unmet(trial.metrics)]
    arms = list(dict.fromkeys(arm_of(spec, trial.params) for trial in best))
    by_arm = [[trial for trial in best if arm_of(spec, trial.params) == arm] for arm in arms]
    return [trial for own in by_arm for trial in own[: spec.confirm.top]]


def confirm_configs(spec: StudySpec, trials: Sequence[TrialRecord], race: SeedRace | None = None) -> list[TrialConfig]:
    """The trials of the confirmation, the slowest first, so that no slot ends with a long one alone.

    The finalists with `confirm.seeds` - 1 further seeds, or those that their `race` asks for so far, and the default
    recipe to its end when the search stopped it early. Only the end of each training is evaluated as the search did;
    rungs are left out.
    """
    chosen = finalists_of(spec, trials)
    most = spec.confirm.most_seeds if spec.confirm else 1
    seeds = {trial.number: race.seeds_of(trial.number) if race else most for trial in chosen}
    runs = [
        (trial, trial.seed + offset) for offset in range(1, most) for trial in chosen if offset < seeds[trial.number]
    ]
    defaults = [default_trial(trials, trial, spec) for trial in chosen[:1]]
    runs += [(trial, trial.seed) for trial in defaults if trial and trial.state is TrialState.PRUNED]
    runs.sort(key=lambda run: run[0].history[-1].whole_s, reverse=True)
    return [_confirmation(trial, number, seed) for number, (trial, seed) in enumerate(runs)]


def _confirmation(trial: TrialRecord, number: int, seed: int) -> TrialConfig:
    """The config of a trial with another seed, evaluated only where the search used all validation rows."""
    config = trial.config
    full = [(at, rows) for at, rows in zip(config.evaluate_at, config.validation_rows, strict=True) if rows is None]
    return config.model_copy(
        update={
            "number": number,
            "kind": "confirm",
            "of": trial.number,
            "training": config.training.model_copy(update={"seed": seed}),
            "evaluate_at": tuple(at for at, _ in full),
            "validation_rows": tuple(rows for _, rows in full),
        }
    )


def rank_finalists(
    spec: StudySpec, trials: Sequence[TrialRecord], confirm: Sequence[TrialRecord], race: SeedRace | None = None
) -> list[Finalist]:
    """The configurations that may win, best mean first: those with as many seeds as `confirm.seeds`, or as any has.

    After a `race` those that were left in it come first, then the others, those with most seeds first: a mean over
    fewer seeds may be higher by luck.
    Configurations whose means do not meet the constraints come last, the nearest first, and cannot win.
    Where the study confirms nothing (any more), the runs of an earlier confirmation still count: a configuration with
    fewer of them may win only if the search ranks it above all of its arm that have more.
    """
    candidates = []
    for trial in ranked(spec, trials):
        runs = [trial, *(run for run in confirm if run.config.of == trial.number and run.state is TrialState.COMPLETE)]
        names = [name for name in trial.metrics if all(name in run.metrics for run in runs)]
        values = {name: [run.metrics[name] for run in runs] for name in names}
        candidates.append(
            Finalist(
                number=trial.number,
                params=trial.params,
                seeds=tuple(run.seed for run in runs),
                metrics={name: fmean(scores) for name, scores in values.items()},
                std={name: stdev(scores) if len(scores) > 1 else 0.0 for name, scores in values.items()},
            )
        )
    ranking = Ranking.of(spec)

    def order(finalist: Finalist) -> tuple[float, bool, int, float]:
        violation, objective, _ = ranking.key(finalist.metrics)
        raced = (finalist.number not in race.left, -len(finalist.seeds)) if race else (False, 0)
        return violation, *raced, objective

    return sorted(candidates if race else _may_win(spec, candidates), key=order)


def _may_win(spec: StudySpec, candidates: Sequence[Finalist]) -> list[Finalist]:
    """The candidates with enough seeds; `candidates` are in the order of the search."""
    enough = max((len(finalist.seeds) for finalist in candidates), default=0)
    confirms = spec.confirm is not None and spec.confirm.most_seeds > 1
    if spec.confirm is not None and confirms:
        enough = min(enough, spec.confirm.most_seeds)
    passed: set[str | None] = set()
    chosen = []
    for finalist in candidates:
        arm = arm_of(spec, finalist.params)
        if len(finalist.seeds) >= enough:
            passed.add(arm)
            chosen.append(finalist)
        elif not confirms and arm not in passed:
            chosen.append(finalist)
    return chosen


def models_to_score(
    spec: StudySpec,
    finalists: Sequence[Finalist],
    all_trials: Sequence[TrialRecord],
    trials: Sequence[TrialRecord],
    confirm: Sequence[TrialRecord],
) -> dict[Role, TrialRecord]:
    """The runs to score on test by role, each the best of its seeds; `trials` and `confirm` are the runs with weights.

    They are the winner, the runner-up, the default recipe of the winner's checkpoint, and the best of each compared
    checkpoint that is neither winner nor runner-up. Finalists that do not meet the constraints are none of them.
    """
    constraints = constraints_of(spec)
    finalists = [finalist for finalist in finalists if not constraints.unmet(finalist.metrics)]
    models: dict[Role, TrialRecord] = {}
    for role, finalist in zip(("winner", "runner-up"), finalists, strict=False):
        best = pick_weights(spec, finalist, trials, confirm)
        if best is not None:
            models[role] = best
    if "winner" not in models:
        return {}
    recipe = default_trial(all_trials, models["winner"], spec)
    runs = [run for run in (*trials, *confirm) if recipe is not None and search_number(run) == recipe.number]
    full = [run for run in runs if recipe is not None and run.seed == recipe.seed]
    if full:
        models["default"] = full[-1]
    scored = {search_number(models[role]) for role in ("winner", "runner-up") if role in models}
    leaders = [finalist for finalist in _leaders(spec, finalists) if finalist.number not in scored]
    bests = (pick_weights(spec, leader, trials, confirm) for leader in leaders)
    for place, best in enumerate(best for best in bests if best is not None):
        models[numbered("checkpoint", place)] = best
    return models


def _leaders(spec: StudySpec, finalists: Sequence[Finalist]) -> list[Finalist]:
    """The best finalist of each compared checkpoint; none where the study compares none."""
    leaders: dict[str | None, Finalist] = {}
    for finalist in finalists:
        leaders.setdefault(arm_of(spec, finalist.params), finalist)
    return [leader for arm, leader in leaders.items() if arm is not None]


def search_number(run: TrialRecord) -> int:
    """The number of the search trial that a run is, or repeats with another seed."""
    return run.number if run.config.of is None else run.config.of


def scored_runs(final: Final, runs: Sequence[TrialRecord]) -> list[TrialRecord]:
    """The runs whose models this decision or an earlier one scored on test.

    Decisions of earlier versions name no seed: of these, every run of the trial counts.
    """
    tested = {(model.number, model.seed) for model in final.tested}
    return [run for run in runs if tested & {(search_number(run), run.seed), (search_number(run), None)}]


def pick_weights(
    spec: StudySpec, finalist: Finalist, trials: Sequence[TrialRecord], confirm: Sequence[TrialRecord]
) -> TrialRecord | None:
    """The run of a configuration with the best validation score; `trials` and `confirm` are the runs with weights."""
    runs = [run for run in trials if run.number == finalist.number]
    runs += [run for run in confirm if run.config.of == finalist.number]
    return next(iter(ranked(spec, runs)), None)


def num_pruned_at_chance(
    spec: StudySpec,
    trials: Sequence[TrialRecord],
    finalists: Sequence[Finalist],
    chance: Mapping[str, float],
    num_rows: int,
) -> int:
    """How many trials were pruned in a search without a completed trial that is better than the trivial baseline.

    A trial among the `finalists` counts with its mean over seeds. `chance` are that baseline's scores on the `num_rows`
    rows of validation, by metric. Returns 0 where any trial is better. Trials that were stopped for lack of time do not
    count.
    """
    objective = facts_of(spec.task).metric(spec.search.objectives[0])
    means = {finalist.number: finalist.metrics for finalist in finalists}
    scores = [means.get(trial.number, trial.metrics) for trial in trials if trial.state is TrialState.COMPLETE]
    complete = [metrics.get(objective.name) for metrics in scores]
    if any(is_beyond_chance(objective, value, chance, num_rows, len(complete)) for value in complete):
        return 0
    return sum(trial.state is TrialState.PRUNED and trial.message != BUDGET for trial in trials)
