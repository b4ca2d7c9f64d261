from __future__ import annotations

from math import isnan, nan
from pathlib import Path

import numpy as np
import pytest

from harness.data.answers import Answers, write_answers
from harness.jobs.finalists import confirm_configs, finalists_of, rank_finalists
from harness.jobs.seed_race import noise_of_rows, race_of
from harness.records.final import DroppedFinalist, SeedRace
from harness.records.rundir import RunFolder
from harness.records.schema import TrialRecord, TrialState
from harness.report.study.seeds import race_text
from tests.jobs.test_finalists import trained, with_seeds
from tests.search.simulate import make_spec

SPEC = make_spec(trials=4, confirm={"top": 3, "seeds": "auto"})
ROW_SD = 0.018
A, B, C = trained(0, 32, 0.90, 60), trained(1, 16, 0.89, 60), trained(2, 8, 0.80, 60)


def asked(*confirm: TrialRecord) -> list[tuple[int | None, int]]:
    """Trial and seed of every confirmation run that the race asks for so far."""
    race = race_of(SPEC, finalists_of(SPEC, [A, B, C]), confirm, ROW_SD)
    return sorted((config.of, config.training.seed) for config in confirm_configs(SPEC, [A, B, C], race))


def test_seeds_only_for_those_that_can_still_win() -> None:
    assert asked() == [(0, 1), (1, 1)]
    runs = [*with_seeds(A, 0.90), *with_seeds(B, 0.89)]
    assert asked(*runs) == [(0, 1), (0, 2), (1, 1), (1, 2)]
    assert asked(*with_seeds(A, 0.90), *with_seeds(B, 0.80)) == [(0, 1), (1, 1)], "decided"


def test_a_race_that_was_killed_asks_for_the_same() -> None:
    (ended,) = with_seeds(A, 0.90)
    running = with_seeds(B, 0.89)[0].model_copy(update={"state": TrialState.RUNNING})
    assert asked(ended) == asked(ended, running) == asked()


def test_runs_of_an_earlier_confirmation_count() -> None:
    every = [run for trial in (A, B, C) for run in with_seeds(trial, 0.85, 0.85)]
    race = race_of(SPEC, [A, B, C], every, ROW_SD)
    (dropped,) = race.dropped
    assert (dropped.number, dropped.num_seeds) == (2, 1)
    assert dropped.behind == pytest.approx(0.1)


def test_few_seeds_never_outrank_many() -> None:
    """C was dropped with 0.80 and one seed; that A and B came to less on their means does not make it the winner."""
    runs = [*with_seeds(A, 0.70, 0.70), *with_seeds(B, 0.72, 0.72)]
    race = SeedRace(left=(0, 1), num_seeds=3, dropped=(DroppedFinalist(number=2, num_seeds=1, behind=0.1),))
    ranked = rank_finalists(SPEC, [A, B, C], runs, race)
    assert [(finalist.number, len(finalist.seeds)) for finalist in ranked] == [(1, 3), (0, 3), (2, 1)]


def test_earlier_seeds_of_others_do_not_outrank_those_left() -> None:
    """Of a study that went on: D has three seeds of an earlier confirmation and is no finalist any more."""
    d = trained(3, 32, 0.70, 60)
    race = SeedRace(left=(0,), num_seeds=1)
    ranked = rank_finalists(SPEC, [A, B, C, d], with_seeds(d, 0.95, 0.95), race)
    assert [finalist.number for finalist in ranked] == [0, 3, 1, 2]


def test_a_failed_seed_cannot_win() -> None:
    failed = with_seeds(A, 0.90)[0].model_copy(update={"state": TrialState.FAIL})
    race = race_of(SPEC, [A, B, C], [failed, *with_seeds(B, 0.89)], ROW_SD)
    assert (race.left, race.num_seeds) == ((1,), 2)
    assert isnan(race.dropped[-1].behind)


def test_a_mean_beyond_a_limit_cannot_win() -> None:
    spec = make_spec(trials=4, confirm={"top": 3, "seeds": "auto"}, constraints=["log_loss <= 0.12"])
    race = race_of(spec, [A, B], [*with_seeds(A, 0.80), *with_seeds(B, 0.89)], ROW_SD)
    assert (race.left, [one.number for one in race.dropped]) == ((1,), [0])


def kept(run: Path, trial: TrialRecord, hits: list[int]) -> TrialRecord:
    """The trial with its answers on validation, the same rows for all trials."""
    (run / str(trial.number)).mkdir(parents=True)
    targets = np.zeros(len(hits), dtype=np.int64)
    probabilities = np.array([[0.9, 0.1] if hit else [0.1, 0.9] for hit in hits], dtype=np.float32)
    answers = {"validation": Answers({"probabilities": probabilities}, {"labels": targets})}
    write_answers(run / str(trial.number) / "validation.npz", answers)
    return trial.model_copy(update={"weights": str(trial.number)})


def test_noise_of_rows_is_that_of_paired_differences(tmp_path: Path) -> None:
    a, b = kept(tmp_path, A, [1, 1, 1, 1, 1, 1, 0, 0] * 20), kept(tmp_path, B, [1, 1, 1, 1, 0, 0, 1, 1] * 20)
    run = RunFolder(tmp_path)
    # A quarter of 160 rows is won, a quarter is lost: the variance of the mean difference is a half, divided by them.
    assert noise_of_rows(run, SPEC, [a, b, C], None) == pytest.approx(np.sqrt(0.5 / 160), rel=0.05)
    assert isnan(noise_of_rows(run, SPEC, [a, C], None)), "C has no answers"
    speed = make_spec(trials=4, confirm={"top": 3, "seeds": "auto"}, objectives=["samples_per_second"])
    assert isnan(noise_of_rows(run, speed, [a, b], None))


def test_the_race_is_told() -> None:
    dropped = (
        DroppedFinalist(number=7, num_seeds=1, behind=0.021),
        DroppedFinalist(number=2, num_seeds=2, behind=nan),
    )
    assert race_text("accuracy", SeedRace(left=(4,), num_seeds=3, dropped=dropped)) == (
        "trial 4 with 3 seeds, trial 7 dropped after 1 seed: 2.1 points of accuracy behind, "
        "trial 2 dropped after 2 seeds: failed or beyond a limit"
    )
    assert race_text("accuracy", SeedRace(left=(4, 1), num_seeds=2)) == "trial 4 and trial 1 with 2 seeds each"
