from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from harness.data.answers import Answers
from harness.errors import InputError
from harness.report.compare.page import write_comparison
from harness.stats.completions import utf8
from tests.report import factory
from tests.report.factory import Shape, make_results
from tests.report.study.test_page import Reader


def summary_of(folder: Path, **second: object) -> str:
    one = make_results(folder / "a", trials=14, name="one", accuracy=0.95)
    two = make_results(folder / "b", **{"trials": 10, "name": "two", "accuracy": 0.8, **second})
    page = write_comparison([two, one], folder / "out")
    assert len(Reader(page.read_text(encoding="utf-8")).figures()) >= 2
    return (folder / "out" / "summary.md").read_text(encoding="utf-8")


def test_comparison_names_the_better_run_and_how_sure(tmp_path: Path) -> None:
    found = summary_of(tmp_path)
    assert found.startswith("## one has the best pick")
    assert "test accuracy of one, 95 % interval" in found
    assert "- **Against two**: Better (probability of being better above 99 %): +" in found
    assert "Whose pick is better, pair by pair" in found


def test_comparison_calls_a_tie_a_tie(tmp_path: Path) -> None:
    found = summary_of(tmp_path, accuracy=0.95)
    assert " tie" in found.splitlines()[0]
    assert "Cannot be told apart: " in found


def test_comparison_shows_in_what_the_runs_differ(tmp_path: Path) -> None:
    found = summary_of(tmp_path, checkpoints=("org/other",))
    rows = {line.split("|")[1].strip(): line for line in found.splitlines() if line.startswith("| ")}
    assert "org/other" in rows["model.checkpoint"]
    assert "search.trials" in rows
    assert "training.epochs" not in rows, "what is the same is not listed"


def test_comparison_shows_where_speed_ups_were_off(tmp_path: Path) -> None:
    one, two = (make_results(tmp_path / name, trials=4, name=name) for name in ("one", "two"))
    runs = []
    for results, plain in ((one, True), (two, False)):
        history = tuple(row.model_copy(update={"plain": plain}) for row in results.trials[0].history)
        first = results.trials[0].model_copy(update={"history": history})
        runs.append(replace(results, trials=(first, *results.trials[1:])))
    write_comparison(runs, tmp_path / "out")
    found = (tmp_path / "out" / "summary.md").read_text(encoding="utf-8")
    assert [line.split("|")[1:4] for line in found.splitlines() if "speed-ups" in line] == [
        [" speed-ups ", " off ", " on "]
    ]


def test_runs_of_other_test_rows_are_not_ranked(tmp_path: Path) -> None:
    found = summary_of(tmp_path, rows=300)
    assert found.startswith("## The runs cannot be ranked: they were scored on different test rows\n")
    for claim in ("best pick", "95 % interval", "Against", "pair by pair"):
        assert claim not in found
    assert "| one |" in found and "| two |" in found, "each run's own score is in the table"


def test_scores_of_other_data_do_not_stand_on_one_axis(tmp_path: Path) -> None:
    one, two = (make_results(tmp_path / name, trials=6, name=name) for name in ("one", "two"))
    data = two.manifest.data.model_copy(update={"sha256": "cd" * 32})
    other = replace(two, manifest=two.manifest.model_copy(update={"data": data}))
    page = write_comparison([one, other], tmp_path / "out")
    assert Reader(page.read_text(encoding="utf-8")).figures() == []
    assert (tmp_path / "out" / "summary.md").read_text(encoding="utf-8").count("test rows") == 1


def test_runs_whose_predictions_are_gone_are_not_ranked(tmp_path: Path) -> None:
    runs = [make_results(tmp_path / name, trials=6, name=name) for name in ("one", "two")]
    for role in ("winner", "runner-up", "default", "baseline"):
        (runs[1].folder / "final" / f"{role}.npz").unlink(missing_ok=True)
    write_comparison(runs, tmp_path / "out")
    found = (tmp_path / "out" / "summary.md").read_text(encoding="utf-8")
    assert found.startswith("## The runs cannot be ranked: the test predictions of two are gone")


@pytest.mark.parametrize(
    ("second", "why"),
    [({"final": False}, "has no test score yet"), ({"only_failed": True}, "has no test score: no trial completed")],
)
def test_a_run_without_a_test_score_is_not_ranked(tmp_path: Path, second: dict[str, bool], why: str) -> None:
    found = summary_of(tmp_path, **second)
    assert found.startswith("## The runs cannot be ranked: only one has a test score")
    assert f"two {why}" in found
    assert "best pick" not in found


def test_runs_of_tasks_without_a_common_metric_are_told_so(tmp_path: Path) -> None:
    shapes = {"words": {"task": "text-classification"}, "days": {"task": "text-regression", "labels": ()}}
    runs = {name: make_results(tmp_path / name, trials=6, name=name, **shape) for name, shape in shapes.items()}
    write_comparison(runs.values(), tmp_path / "out")
    found = (tmp_path / "out" / "summary.md").read_text(encoding="utf-8")
    assert found.startswith("## The runs cannot be ranked: they have no metric in common")
    assert "days is a run of text-regression, which has no metric accuracy, so it cannot be compared" in found
    assert "no test score" not in found


def written(shape: Shape, true: np.ndarray, accuracy: float, rng: np.random.Generator) -> Answers:
    """Answers of a model of text: of study "fine" in twice as many tokens as of any other."""
    tokens = np.full(len(true), 8 if shape.name == "fine" else 4)
    losses = {
        "nll": (2 - accuracy) * np.abs(true),
        "tokens": tokens,
        "hits": tokens / 2,
        "bytes": np.full(len(true), 9),
        "whole_bytes": np.full(len(true), 9),
    }
    texts = ["right" if right else "wrong" for right in rng.random(len(true)) < accuracy]
    written = {"texts": utf8(texts), "is_written": np.ones(len(true), dtype=np.uint8)}
    return Answers({**losses, **written}, {"completions": utf8(["right"] * len(true))})


def test_runs_of_other_tokenizers_are_not_ranked_by_tokens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(factory, "_answers", written)
    shape = {"task": "causal-lm", "trials": 6, "labels": ()}
    runs = {name: make_results(tmp_path / name, name=name, **shape) for name in ("coarse", "fine", "rough")}
    page = write_comparison([runs["coarse"], runs["fine"]], tmp_path / "out")
    found = (tmp_path / "out" / "summary.md").read_text(encoding="utf-8")
    assert found.startswith(
        "## The runs cannot be ranked by loss: it depends on the tokenizer, and theirs cut the test rows differently; "
        "compare them by bits per byte, exact match, ROUGE-L and token F1\n"
    )
    assert "best pick" not in found
    assert "pair by pair" not in found
    table = found[found.index("### What the runs can be compared by") :]
    assert "| run | test bits per byte | test exact match | test ROUGE-L | test token F1 |" in table
    assert Reader(page.read_text(encoding="utf-8")).figures() == []
    write_comparison([runs["coarse"], runs["rough"]], tmp_path / "same")
    found = (tmp_path / "same" / "summary.md").read_text(encoding="utf-8")
    assert "pair by pair" in found, "tokenizers that cut alike are ranked"
    assert "can be compared by" not in found


def test_runs_of_other_tokenizers_are_ranked_by_what_they_wrote(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(factory, "_answers", written)
    shape = {"task": "causal-lm", "trials": 6, "labels": (), "objectives": ("exact_match",)}
    runs = [make_results(tmp_path / name, name=name, **shape) for name in ("coarse", "fine")]
    write_comparison(runs, tmp_path / "out")
    assert "pair by pair" in (tmp_path / "out" / "summary.md").read_text(encoding="utf-8")


def test_two_runs_are_ranked_beside_a_third_without_a_test_score(tmp_path: Path) -> None:
    shapes = {"one": {"accuracy": 0.95}, "two": {"accuracy": 0.8}, "three": {"final": False}}
    write_comparison([make_results(tmp_path / n, trials=9, name=n, **s) for n, s in shapes.items()], tmp_path / "out")
    found = (tmp_path / "out" / "summary.md").read_text(encoding="utf-8")
    assert found.startswith("## one has the best pick")
    assert "three has no test score yet" in found


def test_comparison_of_undecided_runs_has_no_winner(tmp_path: Path) -> None:
    runs = [make_results(tmp_path / name, trials=6, name=name, final=False) for name in ("one", "two")]
    write_comparison(runs, tmp_path / "out")
    assert (tmp_path / "out" / "summary.md").read_text(encoding="utf-8").startswith("## No run has a test score yet")


def test_runs_of_one_name_are_told_apart(tmp_path: Path) -> None:
    runs = [make_results(tmp_path / name, trials=6) for name in ("a", "b")]
    write_comparison(runs, tmp_path / "out")
    text = (tmp_path / "out" / "summary.md").read_text(encoding="utf-8")
    assert "1: runs/reviews" in text
    assert "2: runs/reviews" in text


def test_comparison_of_one_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="two or more runs, not 1"):
        write_comparison([make_results(tmp_path, trials=2)], tmp_path / "out")
