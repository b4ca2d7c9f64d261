"""What the end of a study keeps, and what the answer warns of."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from harness.data.answers import Answers, read_answers
from harness.data.prepared import PreparedData
from harness.jobs.conclude import _left_out, _shown_rows
from harness.jobs.decision_warnings import decision_warnings, pruning_warnings
from harness.jobs.finalists import rank_finalists
from harness.jobs.scorer import Scorer
from harness.records.final import SHOWN, SHOWN_WIDTH, Comparison, FinalModel, warnings_among
from harness.records.results import load
from harness.stats.intervals import Interval
from harness.stats.metric import score
from tests.jobs.test_finalists import SPEC, trained, with_seeds


def prepared(folder: Path) -> PreparedData:
    """Four classes of 20 rows each in both splits: a guess has a quarter right."""
    counts = dict.fromkeys("abcd", 20)
    meta = {
        "labels": list("abcd"),
        "counts": {"train": counts, "validation": counts},
        "rows": {"train": 80, "validation": 80},
    }
    (folder / "meta.json").write_text(json.dumps(meta))
    return PreparedData(folder)


def test_pruning_warnings_name_the_key(tmp_path: Path) -> None:
    data, pruned = prepared(tmp_path), trained(1, 16, 0.25, 60, fraction=1 / 16)
    (warning,) = pruning_warnings(SPEC, data, [trained(0, 32, 0.25, 60), pruned], [])
    assert warning == (
        "No completed trial is better than a guess on validation, and 1 trial was pruned: pruning may be the cause; "
        "search.pruner.name=none switches it off."
    )
    assert pruning_warnings(SPEC, data, [trained(0, 32, 0.4, 60), pruned], []) == ()


def test_pruning_warnings_go_by_the_mean_over_seeds(tmp_path: Path) -> None:
    """The search's run of the winner stayed at a guess, its other seeds learned; or the other way round."""
    data, pruned = prepared(tmp_path), trained(1, 16, 0.25, 60, fraction=1 / 16)
    for first, others, is_warned in ((0.25, (0.9, 0.8), False), (0.4, (0.25, 0.2), True)):
        trial = trained(0, 32, first, 60)
        finalists = rank_finalists(SPEC, [trial], with_seeds(trial, *others))
        assert bool(pruning_warnings(SPEC, data, [trial, pruned], finalists)) is is_warned


@pytest.mark.parametrize("probability", [0.5, 0.999])
def test_no_warning_of_pruning_beside_a_winner_that_beats_a_baseline(tmp_path: Path, probability: float) -> None:
    data, trials = prepared(tmp_path), [trained(0, 32, 0.25, 60), trained(1, 16, 0.25, 60, fraction=1 / 16)]
    test = {"accuracy": Interval(value=0.4, low=0.3, high=0.5)}
    models = [
        FinalModel(role="winner", name="trial 0", number=0, validation={}, test=test, predictions=""),
        FinalModel(role="baseline", name="majority class", validation={}, test=test, predictions=""),
    ]
    tie, gain = probability < 0.9, Interval(value=0.1, low=0.05, high=0.15)
    pair = Comparison(a="winner", b="baseline", metric="accuracy", probability=probability, difference=gain, tie=tie)
    answers = Answers({"probabilities": np.eye(4)}, {"labels": np.arange(4)})
    warnings = decision_warnings(SPEC, data, trials, [], models, [pair], answers, [])
    assert any("pruning may be the cause" in warning for warning in warnings) is (probability == 0.5)


def test_a_baseline_that_was_left_out_is_told_of(tmp_path: Path) -> None:
    scorer = Scorer(tmp_path / "final.log")
    assert _left_out(SPEC, scorer) == []
    scorer.lost_features = True
    (fact,) = _left_out(SPEC, scorer)
    assert warnings_among([fact]) == [
        "the baseline logistic regression on frozen features was left out: the process that computes it died twice "
        "(final.log)"
    ]


def test_answers_and_rows_of_test_are_kept_in_one_order(smoke_run: Path) -> None:
    results = load(smoke_run)
    assert results.final is not None
    frame = PreparedData(Path(results.manifest.data.folder)).frame("test")
    shown = json.loads((smoke_run / results.final.folder / SHOWN).read_text(encoding="utf-8"))
    assert shown == [" ".join(text.split()) for text in frame["text"]]
    assert max(map(len, shown)) <= SHOWN_WIDTH
    answers = [read_answers(smoke_run / model.predictions, "test") for model in results.final.models]
    for model, said in zip(results.final.models, answers, strict=True):
        assert len(said) == len(frame)
        assert said.same_targets(answers[0])
        for name, bounds in model.test.items():
            assert bounds.value == score(results.task.metric(name), said.outputs, said.targets)


def test_kept_rows_are_lines_of_limited_length(tmp_path: Path) -> None:
    data, rows = prepared(tmp_path), {"text": ["x" * 2000, "two\nlines"], "text_pair": ["second", "\x00and one"]}
    pd.DataFrame(rows | {"label": [0, 1]}).to_parquet(tmp_path / "test.parquet")
    pairs = [["x" * (SHOWN_WIDTH - 1) + "…", "second"], ["two lines", "and one"]]
    assert _shown_rows(SPEC, data) == pairs
    pd.DataFrame({"text": rows["text"], "label": [0, 1]}).to_parquet(tmp_path / "test.parquet")
    assert _shown_rows(SPEC, data) == [pairs[0][0], "two lines"]
