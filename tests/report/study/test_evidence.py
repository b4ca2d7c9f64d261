from __future__ import annotations

from typing import Any

import pytest

from harness.records.manifest import Commit
from harness.records.results import Results
from harness.report.kit.view import View
from harness.report.study.evidence import evidence_section
from tests.report.factory import make_results

FIELDS = ("folder", "spec", "trials", "confirm", "baselines", "final", "manifest", "live", "facts")


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    return make_results(tmp_path_factory.mktemp("results"), trials=4)


def table(results: Results, title: str, **changes: Any) -> dict[str, list[str]]:
    """The rows of a table of the evidence of changed results, by their first cell."""
    changed = Results(**{name: getattr(results, name) for name in FIELDS} | changes)
    found = next(found for found in evidence_section(View(changed)).tables if found.title.startswith(title))
    return {row[0]: list(row[1:]) for row in found.rows}


@pytest.mark.parametrize(
    ("git", "shown"),
    [
        (None, "the study file is not in a git repository"),
        (Commit(commit="abc", dirty=False), "abc"),
        (Commit(commit="abc", dirty=True), "abc, with changes that are not committed"),
        (Commit(commit="abc", dirty=None), "abc, changes not looked for"),
    ],
)
def test_evidence_always_says_which_commit(results: Results, git: Commit | None, shown: str) -> None:
    assert table(results, "Environment", manifest=results.manifest.model_copy(update={"git": git}))["commit"] == [shown]


def test_evidence_says_which_optimizers_were_used(results: Results) -> None:
    assert table(results, "Environment")["optimizer of training"] == ["adamw"]
    first, *rest = results.trials
    training = first.config.training.model_copy(update={"optimizer": "sgd"})
    changed = first.model_copy(update={"config": first.config.model_copy(update={"training": training})})
    assert table(results, "Environment", trials=(changed, *rest))["optimizer of training"] == ["adamw, sgd"]
    assert "optimizer of training" not in table(results, "Environment", trials=())


def trained_on(results: Results, *rows: int | None) -> dict[str, list[str]]:
    """The table of rows where the trials trained on these numbers of rows."""
    trials = []
    for record, count in zip(results.trials, rows, strict=True):
        data = record.config.data.model_copy(update={"train_rows": count})
        trials.append(record.model_copy(update={"config": record.config.model_copy(update={"data": data})}))
    return table(results, "Data: rows", trials=tuple(trials))


def test_evidence_says_how_many_training_rows_were_used(results: Results) -> None:
    everything = int(trained_on(results, None, None, None, None)["all rows"][0].replace(",", ""))
    assert everything > 300
    for same in (None, everything, 10 * everything):
        assert "trained on, of these" not in trained_on(results, *[same] * 4)
    assert trained_on(results, 200, 200, 200, 200)["trained on, of these"] == ["200", "–", "–"]
    assert trained_on(results, 200, 300, 200, None)["trained on, of these"][0] == f"200 to {everything:,}"


def test_evidence_counts_rows_that_have_no_classes(results: Results) -> None:
    rows = {"train": 4000, "validation": 500, "test": 500}
    for counts in ({}, {split: {} for split in rows}):
        data = results.manifest.data.model_copy(update={"counts": counts, "rows": rows})
        manifest = results.manifest.model_copy(update={"data": data})
        facts = ("train: 4000 rows", "mean length: 12")
        assert table(results, "Data: rows of each split", manifest=manifest) == {"all rows": ["4,000", "500", "500"]}
        found = table(results, "Data: source", manifest=manifest, facts=facts)
        assert "mean length" in found
        assert "train" not in found, "it is in the table of rows"


def test_evidence_writes_percent_as_the_rest_of_the_page(results: Results) -> None:
    rows = table(results, "Data: source", facts=("padding at batch size 32: 2.8% in batches by length",))
    assert rows["padding at batch size 32"] == ["2.8\u00a0% in batches by length"]


def trained_plain(results: Results, *plain: bool | None) -> list[str] | None:
    """What the page says of speed-ups where the trials had none (True), had them, or do not know."""
    trials = tuple(
        record.model_copy(update={"history": tuple(row.model_copy(update={"plain": value}) for row in record.history)})
        for record, value in zip(results.trials, plain, strict=True)
    )
    return table(results, "Environment", trials=trials).get("speed-ups of training")


def test_evidence_says_which_trials_had_no_speed_ups(results: Results) -> None:
    assert trained_plain(results, False, False, False, None) is None
    assert trained_plain(results, True, False, True, None) == ["off (HARNESS_PLAIN=1) in trials 0, 2"]
    assert trained_plain(results, True, True, True, None) == ["off (HARNESS_PLAIN=1) in all trials"]
