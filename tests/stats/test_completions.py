"""The metrics of completions against slow readings of their definitions, and rows that no model was asked to answer."""

from __future__ import annotations

from math import exp, isnan, log

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.stats.completions import COMPLETIONS, TRANSLATIONS, texts_of, utf8
from harness.stats.metric import score, scores
from harness.stats.resampling import compare, interval
from harness.stats.texts.chrf import chrf, run_counts
from harness.stats.texts.overlap import longest_common, rouge_l, token_f1

METRICS = {metric.name: metric for metric in COMPLETIONS}
WORDS = st.lists(st.sampled_from(["a", "b", "c", "d"]), max_size=12)
TRUE = ["a b c", "d", "a a b", "c d"]


def written(texts: list[str], rows: list[int] | None = None) -> dict[str, object]:
    is_written = np.zeros(len(texts), dtype=np.uint8)
    is_written[list(range(len(texts))) if rows is None else rows] = 1
    return {"texts": utf8(texts), "is_written": is_written}


def slow_common(a: list[str], b: list[str]) -> int:
    table = np.zeros((len(a) + 1, len(b) + 1), dtype=int)
    for i, left in enumerate(a):
        for j, right in enumerate(b):
            table[i + 1, j + 1] = table[i, j] + 1 if left == right else max(table[i, j + 1], table[i + 1, j])
    return int(table[-1, -1])


@given(WORDS, WORDS)
def test_longest_common_is_that_of_the_table(a: list[str], b: list[str]) -> None:
    assert longest_common(a, b) == slow_common(a, b)


@given(st.lists(st.text()))
def test_texts_come_back(texts: list[str]) -> None:
    texts = [text.encode("utf-8", "replace").decode() for text in texts]
    assert texts_of(utf8(texts)) == texts


@pytest.mark.parametrize(
    ("said", "true", "rouge", "f1"),
    [
        ("the cat sat", "the cat sat", 1.0, 1.0),
        ("sat cat the", "the cat sat", 1 / 3, 1.0),
        ("the the the", "the cat", 2 / 5, 2 / 5),
        ("", "the cat", 0.0, 0.0),
        ("", "", 1.0, 1.0),
        ("The cat", "the cat", 0.5, 0.5),
    ],
)
def test_f_measures_of_words(said: str, true: str, rouge: float, f1: float) -> None:
    assert rouge_l(said, true) == pytest.approx(rouge)
    assert token_f1(said, true) == pytest.approx(f1)


def test_losses_are_sums_over_tokens_and_bytes() -> None:
    outputs = {"nll": np.array([6.0, 2.0]), "tokens": np.array([3, 1]), "hits": np.array([2, 0])}
    outputs["bytes"] = outputs["whole_bytes"] = np.array([10, 6])
    values = scores(COMPLETIONS, outputs, {"completions": utf8(["a b", "c"])})
    expected = {"loss": 2.0, "perplexity": exp(2), "token_accuracy": 0.5, "bits_per_byte": 8 / log(2) / 16}
    assert values == pytest.approx(expected), "written metrics are absent, not 0"


def test_a_target_that_was_cut_counts_with_all_of_its_bytes() -> None:
    outputs = {"nll": np.array([6.0, 2.0, 1.0]), "bytes": np.array([10, 4, 0]), "whole_bytes": np.array([10, 8, 5])}
    found = score(METRICS["bits_per_byte"], outputs, {"completions": utf8(["a", "b", "c"])})
    assert found == pytest.approx((6 + 2 * 8 / 4) / log(2) / 18), "one of which nothing is left has no rate"


def test_exact_match_looks_at_words_alone() -> None:
    outputs = written(["a  b c\n", "D", "a b a", "c d"])
    assert score(METRICS["exact_match"], outputs, {"completions": utf8(TRUE)}) == 0.5


def test_rows_that_were_not_asked_do_not_count() -> None:
    targets = {"completions": utf8(TRUE)}
    outputs = written([*TRUE[:2], "", ""], rows=[0, 1])
    for name in ("exact_match", "rouge_l", "token_f1"):
        assert score(METRICS[name], outputs, targets) == 1.0
    bounds = interval(METRICS["exact_match"], outputs, targets)
    whole = interval(METRICS["exact_match"], written(TRUE[:2]), {"completions": utf8(TRUE[:2])})
    assert (bounds.value, bounds.low, bounds.high) == (whole.value, whole.low, whole.high), "the interval of two rows"


def test_models_are_compared_on_the_rows_that_both_have_written() -> None:
    targets = {"completions": utf8(TRUE * 30)}
    half = written([*TRUE[:2], "", ""] * 30, rows=[at for at in range(120) if at % 4 < 2])
    worse = written(["x", "x", *TRUE[2:]] * 30)
    for name in ("exact_match", "rouge_l"):
        found = compare(METRICS[name], half, worse, targets)
        assert found.difference.value == pytest.approx(1.0)
        assert not found.tie


def test_a_model_without_texts_is_not_compared_by_them() -> None:
    targets, none = {"completions": utf8(TRUE)}, {"nll": np.ones(4), "tokens": np.ones(4)}
    for name in ("exact_match", "rouge_l"):
        found = compare(METRICS[name], written(TRUE), none, targets)
        assert found.tie
        assert isnan(found.difference.value)
    assert isnan(score(METRICS["exact_match"], none, targets))


def test_what_depends_on_the_tokenizer_says_so() -> None:
    assert {metric.name for metric in COMPLETIONS if metric.by_tokens} == {"loss", "perplexity", "token_accuracy"}


#: chrF2 of pairs of texts as sacrebleu 2.6.0 gives it (CHRF().sentence_score), in percent.
CHRF = [
    ("the cat sat on the mat", "the cat sat on the mat", 100.0),
    ("the cat sat on a mat", "the cat sat on the mat", 65.97965990995549),
    ("cat", "the cat sat on the mat", 14.88248583092228),
    ("", "the cat", 0.0),
    ("ab", "abcdefgh", 23.404255319148938),
    ("I_JUMP I_WALK", "I_JUMP I_JUMP I_WALK", 65.98188590814678),
    ("我们去公园", "我们今天去公园", 30.22716170004885),
    ("The Cat", "the cat", 17.77777777777778),
]
TRANSLATED = {metric.name: metric for metric in TRANSLATIONS}


@pytest.mark.parametrize(("said", "true", "expected"), CHRF)
def test_chrf_of_a_text_is_that_of_sacrebleu(said: str, true: str, expected: float) -> None:
    found = score(TRANSLATED["chrf"], written([said]), {"completions": utf8([true])})
    assert found == pytest.approx(expected / 100)


@pytest.mark.parametrize(("rows", "expected"), [(CHRF, 52.90804753288904), (CHRF[:3], 61.142350715439875)])
def test_chrf_of_many_texts_counts_them_together(rows: list[tuple[str, str, float]], expected: float) -> None:
    """As corpus_score of sacrebleu 2.6.0, which is no mean over the texts; rows without a text do not count."""
    said, true, _ = (list(column) for column in zip(*rows, strict=True))
    outputs = written([*said, "unasked"], rows=list(range(len(rows))))
    assert score(TRANSLATED["chrf"], outputs, {"completions": utf8([*true, "other"])}) == pytest.approx(expected / 100)


def test_chrf_knows_runs_longer_than_the_true_text_as_sacrebleu_does() -> None:
    """Such runs are no mistakes of precision: 'abcdef' for 'ab' has two right runs of its six and five."""
    counts = run_counts("abcdef", "ab")
    assert counts == [6, 5, 0, 0, 0, 0, 2, 1, 0, 0, 0, 0, 2, 1, 0, 0, 0, 0]
    precision, recall = (2 / 6 + 1 / 5) / 2, 1.0
    assert float(chrf(np.array(counts))) == pytest.approx(5 * precision * recall / (4 * precision + recall))


def test_models_are_compared_by_chrf() -> None:
    targets = {"completions": utf8(TRUE * 30)}
    found = compare(TRANSLATED["chrf"], written(TRUE * 30), written(["x"] * 120), targets)
    assert found.difference.value == pytest.approx(1.0)
    assert not found.tie
