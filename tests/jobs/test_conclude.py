"""What the end of a study keeps, and what the answer warns of."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd

from harness.data.answers import read_answers
from harness.data.prepared import PreparedData
from harness.jobs.conclude import _left_out, _shown_rows
from harness.jobs.decision_warnings import pruning_warnings
from harness.jobs.scorer import Scorer
from harness.records.final import SHOWN, SHOWN_WIDTH, warnings_among
from harness.records.results import load
from harness.stats.metric import score
from tests.jobs.test_finalists import SPEC, trained


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
    (warning,) = pruning_warnings(SPEC, data, [trained(0, 32, 0.25, 60), pruned])
    assert warning == (
        "No completed trial is better than a guess on validation, and 1 trial was pruned: pruning may be the cause; "
        "search.pruner.name=none switches it off."
    )
    assert pruning_warnings(SPEC, data, [trained(0, 32, 0.4, 60), pruned]) == ()


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
