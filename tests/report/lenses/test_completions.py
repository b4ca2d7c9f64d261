"""The lens for written text: quality by length, answers side by side, and what it fits."""

from __future__ import annotations

import re

import numpy as np
import pytest

from harness.data.answers import Answers
from harness.report.kit.view import View
from harness.report.lenses.base import NO_ROWS
from harness.report.lenses.completions import Completions
from harness.stats.completions import COMPLETIONS, texts_of, utf8
from harness.stats.metric import score
from tests.report.factory import make_results

TRUE = ["a", "b c", "a b c d", "a b c d e f g h", "x y z", "c"] * 5
SAID = ["a", "b b", "a b", "z", "x y z", "a"] * 5
TEXTS = [f"prompt {at}" for at in range(30)]
LENS = Completions()


def answers(*, written: bool = True) -> Answers:
    losses = {"nll": np.arange(1.0, 31.0), "tokens": np.full(30, 2), "hits": np.ones(30), "bytes": np.full(30, 4)}
    losses["whole_bytes"] = losses["bytes"]
    is_written = np.ones(30, dtype=np.uint8)
    is_written[3] = 0
    texts = {"texts": utf8(SAID), "is_written": is_written} if written else {}
    return Answers({**losses, **texts}, {"completions": utf8(TRUE)})


@pytest.fixture(scope="module")
def view(tmp_path_factory: pytest.TempPathFactory) -> View:
    return View(make_results(tmp_path_factory.mktemp("completions"), trials=3, task="causal-lm", final=False))


def test_fits_completions_with_texts_or_losses() -> None:
    found = answers()
    assert LENS.fits(found)
    assert LENS.fits(answers(written=False))
    assert LENS.fits(Answers({name: found.outputs[name] for name in ("texts", "is_written")}, found.targets))
    assert not LENS.fits(Answers({"labels": np.zeros(3)}, {"labels": np.zeros(3)}))
    assert not LENS.fits(Answers({"labels": np.zeros(30)}, found.targets))


def test_true_text_of_a_row(view: View) -> None:
    assert LENS.truth(view, answers(), 1) == "answer 'b c'"


@pytest.mark.parametrize("written", [True, False])
def test_caption_has_the_numbers_of_the_figure(view: View, *, written: bool) -> None:
    (figure,) = LENS.look(view, answers(written=written), TEXTS).figures
    values = dict(zip(figure.data[0]["customdata"], figure.data[0]["y"], strict=True))
    found = re.fullmatch(r"From (\S+)(?:\u00a0%)? for (.+?) to (\S+?)(?:\u00a0%)? for (.+)\.", figure.alt)
    assert found is not None, figure.alt
    scale = 100 if written else 1
    low, low_name, high, high_name = found.groups()
    assert min(values, key=values.__getitem__) == low_name
    assert max(values, key=values.__getitem__) == high_name
    assert float(low) == pytest.approx(scale * values[low_name], rel=1e-2, abs=0.05)
    assert float(high) == pytest.approx(scale * values[high_name], rel=1e-2, abs=0.05)


def test_groups_by_length_hold_every_row_once(view: View) -> None:
    table = LENS.look(view, answers(), TEXTS).tables[1]
    assert table.head == ("length", "test rows", "loss", "exact match", "ROUGE-L", "token F1")
    assert sum(int(row[1]) for row in table.rows) == 30
    rouge = next(metric for metric in COMPLETIONS if metric.name == "rouge_l")
    part = answers().take(np.array([at for at, text in enumerate(TRUE) if len(text.split()) == 1]))
    assert table.rows[0][4] == f"{100 * score(rouge, part.outputs, part.targets):.1f}\u00a0%"


def test_ten_answers_go_from_the_worst_to_the_best(view: View) -> None:
    table = LENS.look(view, answers(), TEXTS).tables[0]
    assert len(table.rows) == 10
    shares = [float(row[-1].removesuffix("\u00a0%")) for row in table.rows]
    assert shares == sorted(shares)
    assert (shares[0], shares[-1]) == (0.0, 100.0)
    for row in table.rows:
        at = int(row[0])
        assert row[1:4] == [TEXTS[at], TRUE[at], SAID[at]]
        assert at != 3, "it was not asked"
    assert LENS.look(view, answers(), ()).tables[0].caption == NO_ROWS


def test_documents_have_no_answers(view: View) -> None:
    findings = LENS.look(view, answers(written=False), TEXTS)
    assert [table.title for table in findings.tables] == ["By the length of the true text"]
    assert findings.tables[0].head == ("length", "test rows", "loss")


def test_texts_are_read_as_written() -> None:
    assert texts_of(utf8(SAID)) == SAID
