"""F1 and exact match by SQuAD's and CMRC's rules, against a slow version written out, and the loss of answers."""

from __future__ import annotations

import re
import string
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.spec.tasks import TASKS
from harness.stats.answer_texts import agreement, is_by_character
from harness.stats.answers import agreements, tokens_of
from harness.stats.metric import score
from harness.stats.ragged import Ragged

METRICS = {metric.name: metric for metric in TASKS["question-answering"].metrics}
PIECES = ["the", "The", "a", "an", "red", "Red", "fox", "fox,", "(fox)", "ran", "1998", "3.5", "it's", "-", "", "than"]
SIGNS = "-:_*^/\\~`+=，。：？！“”；’《》·、「」（）－～『』"
HAN = ["北", "京", "市", "1998", "年", "，", "。", "abc", "、", "《", "·"]


def slow_words(text: str) -> list[str]:
    """SQuAD's normalisation, step by step."""
    text = text.lower()
    text = "".join(sign for sign in text if sign not in set(string.punctuation))
    text = re.sub(r"\b(a|an|the)\b", " ", text)
    return " ".join(text.split()).split()


def slow_squad(said: str, gold: list[str]) -> tuple[float, float]:
    gold = [text for text in gold if slow_words(text)] or [""]
    best = (0.0, 0.0)
    for text in gold:
        a, b = slow_words(said), slow_words(text)
        if not a or not b:
            f1 = float(a == b)
        else:
            rest, same = list(b), 0
            for word in a:
                if word in rest:
                    rest.remove(word)
                    same += 1
            precision, recall = same / len(a), same / len(b)
            f1 = 2 * precision * recall / (precision + recall) if same else 0.0
        best = max(best[0], f1), max(best[1], float(" ".join(a) == " ".join(b)))
    return best


def slow_segments(text: str) -> list[str]:
    """CMRC's segments: Chinese characters, and words between them."""
    segments, word = [], ""
    for sign in text.lower():
        if sign in SIGNS:
            continue
        if "\u4e00" <= sign <= "\u9fff" or sign == " ":
            segments += [word] if word else []
            word = ""
            segments += [sign] if sign != " " else []
        else:
            word += sign
    return segments + ([word] if word else [])


def slow_cmrc(said: str, gold: list[str]) -> tuple[float, float]:
    best = (0.0, 0.0)
    for text in gold:
        a, b = slow_segments(said), slow_segments(text)
        table = np.zeros((len(a) + 1, len(b) + 1), dtype=int)
        for i, left in enumerate(a, start=1):
            for j, right in enumerate(b, start=1):
                table[i, j] = table[i - 1, j - 1] + 1 if left == right else 0
        run = int(table.max())
        f1 = 2 * (run / len(a)) * (run / len(b)) / (run / len(a) + run / len(b)) if run else 0.0
        best = max(best[0], f1), max(best[1], float(a == b))
    return best


texts = st.lists(st.sampled_from(PIECES), max_size=6).map(" ".join)


@given(texts, st.lists(texts, max_size=3))
def test_words_are_compared_by_squads_rules(said: str, gold: list[str]) -> None:
    assert agreement(said, gold, by_character=False) == pytest.approx(slow_squad(said, gold))


characters = st.lists(st.sampled_from(HAN), min_size=1, max_size=8).map("".join).filter(slow_segments)


@given(characters, st.lists(characters, min_size=1, max_size=3))
def test_characters_are_compared_by_cmrcs_rules(said: str, gold: list[str]) -> None:
    assert agreement(said, gold, by_character=True) == pytest.approx(slow_cmrc(said, gold))


@pytest.mark.parametrize(
    ("said", "gold", "expected"),
    [
        ("the Denver Broncos", ["Denver Broncos!"], (1, 1)),
        ("Broncos", ["Denver Broncos", "the team"], (2 / 3, 0)),
        ("", [], (1, 1)),
        ("x", [], (0, 0)),
        ("", ["x"], (0, 0)),
    ],
)
def test_known_answers(said: str, gold: list[str], expected: tuple[float, float]) -> None:
    assert agreement(said, gold, by_character=False) == pytest.approx(expected)


def test_the_longest_run_counts_in_chinese() -> None:
    assert agreement("在1998年，北京", ["1998年"], by_character=True) == pytest.approx((4 / 7, 0))
    assert agreement("京北", ["北京"], by_character=True) == pytest.approx((0.5, 0)), "a run of one, not two characters"


@pytest.mark.parametrize(
    ("text", "expected"),
    [("范廷颂枢机 Paul", True), ("Beijing (北京) is large", False), ("東京はとても大きい", True), ("1998", False)],
)
def test_the_context_tells_the_rules(text: str, expected: bool) -> None:
    assert is_by_character(text) == expected


def ragged(parts: list[Any], kind: Any) -> Ragged:
    offsets = np.concatenate([[0], np.cumsum([len(part) for part in parts])]).astype(np.int64)
    return Ragged(values=np.array([value for part in parts for value in part], dtype=kind), offsets=offsets)


def targets(contexts: list[str], spans: list[list[list[int]]]) -> dict[str, Any]:
    gold = ragged(spans, np.int64)
    return {
        "contexts": ragged([list(text.encode()) for text in contexts], np.uint8),
        "spans": Ragged(values=gold.values.reshape(-1, 2), offsets=gold.offsets),
    }


def test_spans_are_compared_as_texts_of_their_contexts() -> None:
    true = targets(["Ünïcode: the red fox", "no"], [[[9, 20], [13, 20]], []])
    found = agreements(np.array([[13, 20], [-1, -1]]), true)
    assert found.tolist() == [[1, 1], [1, 1]]
    assert agreements(np.array([[17, 20], [0, 2]]), true).tolist() == [[pytest.approx(2 / 3), 0], [0, 0]]


def test_loss_is_the_mean_over_windows_and_the_best_gold_answer() -> None:
    places = np.array([[-1, -1], [0, 3], [4, 7], [-1, -1], [4, 7], [8, 11]])
    values = np.log([[0.2, 0.1], [0.3, 0.2], [0.5, 0.7], [0.6, 0.4], [0.3, 0.5], [0.1, 0.1]])
    tokens = np.array([0, 6])
    said = {
        "spans": np.array([[4, 7]]),
        "places": Ragged(values=places, offsets=tokens),
        "log_probabilities": Ragged(values=values, offsets=tokens),
    }

    def loss(spans: list[list[int]]) -> float:
        return score(METRICS["log_loss"], said, targets(["the red fox"], [spans]))

    first = -(np.log(0.3) + np.log(0.7)) / 2, -(np.log(0.6) + np.log(0.4)) / 2  # the second window has not all of it
    assert loss([[0, 7]]) == pytest.approx(np.mean(first))
    both = -(np.log(0.5) + np.log(0.7)) / 2, -(np.log(0.3) + np.log(0.5)) / 2
    assert loss([[4, 7]]) == pytest.approx(np.mean(both))
    assert loss([[0, 7], [4, 7]]) == pytest.approx(min(np.mean(first), np.mean(both)))
    none = -(np.log(0.2) + np.log(0.1)) / 2, -(np.log(0.6) + np.log(0.4)) / 2
    assert loss([]) == pytest.approx(np.mean(none))


def test_an_answer_within_a_token_has_that_token() -> None:
    places = np.array([[-1, -1], [-2, -2], [0, 5], [6, 12]])
    assert tokens_of(places, 2, 8) == (2, 3)
    assert tokens_of(places, 7, 9) == (3, 3)
    assert tokens_of(places, 6, 13) is None
