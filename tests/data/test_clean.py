from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.data.clean import clean, normalised
from harness.spec.study import PreprocessStep

STEPS: list[PreprocessStep] = ["nfkc", "lowercase", "strip_punctuation", "remove_stop_words", "collapse_whitespace"]


@pytest.mark.parametrize(
    ("step", "text", "after"),
    [
        ("nfkc", "ＡＢＣ ﬁne ①", "ABC fine 1"),
        ("lowercase", "GREAT Ärger", "great ärger"),
        ("strip_punctuation", "Don't stop-me, 'now'! (5 €, $3)", "Don't stop me now 5 € $3"),
        ("strip_punctuation", "it’s the dogs’ bed_room…", "it’s the dogs bed room"),
        ("strip_punctuation", "好吃！真的，“很好吃”。", "好吃 真的 很好吃"),
        ("strip_punctuation", "?!", ""),
        ("remove_stop_words", "This is not the best of them, but I would never go", "not best , never"),
        ("remove_stop_words", "Nothing works without it", "Nothing works without"),
        ("remove_stop_words", "我们的房间不大，但是很干净了", "房间不大，但是很干净"),
        ("collapse_whitespace", "  a \t b\n\u3000c ", "a b c"),
    ],
)
def test_clean_step(step: PreprocessStep, text: str, after: str) -> None:
    assert clean([text], [step]) == [after]


def test_clean_applies_steps_in_their_order() -> None:
    assert clean(["ＴＨＥ end"], ["remove_stop_words", "nfkc"]) == ["THE end"]
    assert clean(["ＴＨＥ end"], ["nfkc", "remove_stop_words"]) == ["end"]
    assert clean(["As is. "], []) == ["As is. "]


@given(st.lists(st.text(), max_size=4), st.lists(st.sampled_from(STEPS), max_size=5))
def test_clean_takes_any_text_and_is_stable(texts: list[str], steps: list[PreprocessStep]) -> None:
    once = clean(texts, steps)
    assert len(once) == len(texts)
    assert all(len(clean([text], [step])) == 1 for text in once for step in steps)
    assert clean(texts, steps) == once


@given(st.text())
def test_normalised_does_not_depend_on_spacing(text: str) -> None:
    assert normalised(f"  {text}\n") == normalised(text)
