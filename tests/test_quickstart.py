"""The quickstart's winner on sixty plain sentences, whose writer has not seen the bundled reviews."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from pathlib import Path

import pytest

from harness.jobs.predict import open_export, predict_texts

ROOT = Path(__file__).parents[1]


def plain_sentences() -> list[dict[str, str]]:
    """Sentences with their labels, 20 of each class."""
    with (ROOT / "tests" / "plain_sentences.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.mark.long
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_winner_knows_plain_praise_blame_and_facts(seed: int, tmp_path: Path) -> None:
    command = [sys.executable, "-P", "-m", "harness.cli", "sweep", str(ROOT / "studies" / "quickstart.yaml")]
    environ = os.environ | {"PYTHONPATH": str(ROOT), "HARNESS_CACHE": str(tmp_path / "cache")}
    subprocess.run([*command, f"search.seed={seed}"], cwd=tmp_path, env=environ, check=True, capture_output=True)
    rows = plain_sentences()
    answers = predict_texts(
        open_export(tmp_path / "runs" / "quickstart" / "best"), [{"text": row["text"]} for row in rows]
    )
    wrong = [row for row, answer in zip(rows, answers, strict=True) if row["label"] != answer["label"]]
    assert len(wrong) <= 5, wrong


def test_plain_sentences_are_none_of_the_bundled_reviews() -> None:
    with (ROOT / "studies" / "data" / "reviews_en.csv").open(encoding="utf-8") as file:
        bundled = {row["text"].casefold().strip(".!") for row in csv.DictReader(file)}
    assert not [row for row in plain_sentences() if row["text"].casefold().strip(".!") in bundled]
    assert [row["label"] for row in plain_sentences()].count("neutral") == 20
