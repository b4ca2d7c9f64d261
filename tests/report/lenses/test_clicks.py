"""The lens for the probability of a click: its figures, tables, captions, and what it fits."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from harness.data.answers import Answers
from harness.report.kit.view import View
from harness.report.lenses.base import NO_ROWS
from harness.report.lenses.clicks import Clicks
from tests.report.factory import make_results


def answers(*, users: bool = True, size: int = 200) -> Answers:
    rng = np.random.default_rng(1)
    said = rng.random(size)
    outputs: dict[str, Any] = {"probabilities": np.stack([1 - said, said], axis=1)}
    if users:
        outputs["users"] = np.arange(size) % 8 if size > 8 else np.arange(size)
    return Answers(outputs, {"labels": (rng.random(size) < said).astype(np.int64)})


@pytest.fixture(scope="module")
def view(tmp_path_factory: pytest.TempPathFactory) -> View:
    return View(make_results(tmp_path_factory.mktemp("clicks"), trials=3, labels=("0", "1")))


def test_figures_and_tables(view: View) -> None:
    given = answers()
    found = Clicks().look(view, given, [f"row {row}" for row in range(200)])
    curve, by_user = found.figures
    assert (curve.key, by_user.key) == ("calibration", "user-auc")
    assert sum(curve.data[1]["customdata"]) == 200
    assert sum(by_user.data[0]["y"]) == 8
    assert "Half of 8 users have an AUC of" in by_user.alt
    sizes, worst = found.tables
    assert [list(row)[:3] for row in sizes.rows] == [["20 to 49", "8", "200"]]
    said, labels = np.asarray(given.outputs["probabilities"])[:, 1], np.asarray(given.targets["labels"])
    row = int(np.argmax(np.abs(said - labels)))
    assert list(worst.rows[0]) == [str(row), f"{100 * said[row]:.1f}\u00a0%", str(labels[row]), f"row {row}"]


def test_without_users_and_rows(view: View) -> None:
    found = Clicks().look(view, answers(users=False), ())
    assert [figure.key for figure in found.figures] == ["calibration"]
    (worst,) = found.tables
    assert worst.caption == NO_ROWS


def test_users_of_one_row_have_no_area(view: View) -> None:
    found = Clicks().look(view, answers(size=5), ())
    assert [figure.key for figure in found.figures] == ["calibration"]


def test_what_it_fits(view: View) -> None:
    lens, given = Clicks(), answers()
    assert lens.fits(given)
    assert lens.truth(view, given, 0) in ("a click", "no click")
    three = {"probabilities": np.full((200, 3), 1 / 3)}
    assert not lens.fits(Answers(three, given.targets))
    assert not lens.fits(Answers(given.outputs, {"labels": np.full(200, 2)}))
    assert not lens.fits(Answers(given.outputs, {"numbers": np.zeros(200)}))
