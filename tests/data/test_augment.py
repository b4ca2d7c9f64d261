from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from harness.data.augment import augment
from harness.spec.study import AugmentStep

TEXTS = [" ".join(f"w{number}" for number in range(20)), "one", "", "这家店的牛肉面非常好吃"]


def test_augment_copies_stand_behind_the_originals() -> None:
    out = augment(TEXTS, ["delete", "swap"], seed=1)
    assert out[:4] == TEXTS
    assert len(out) == 12
    for copy in (out[4:8], out[8:]):
        assert copy[0] != TEXTS[0]
        assert copy[1:3] == ["one", ""]


def test_augment_delete_takes_tokens_away_and_keeps_their_order() -> None:
    words = TEXTS[0].split()
    kept = augment([TEXTS[0]], ["delete"], seed=3)[1].split()
    assert 10 < len(kept) < 20
    assert kept == [word for word in words if word in kept]


def test_augment_swap_keeps_all_tokens() -> None:
    assert Counter(augment([TEXTS[0]], ["swap"], seed=3)[1].split()) == Counter(TEXTS[0].split())


def test_augment_chinese_by_character() -> None:
    swapped = augment([TEXTS[3]], ["swap"], seed=0)[1]
    assert Counter(swapped) == Counter(TEXTS[3])
    assert len(augment([TEXTS[3]], ["delete"], seed=0)[1]) < len(TEXTS[3])


def test_augment_depends_on_seed_and_row_alone() -> None:
    alone = augment([TEXTS[0]], ["delete"], seed=5)[1]
    assert augment([TEXTS[0], "more"], ["swap", "delete"], seed=5)[4] == alone
    assert augment([TEXTS[0]], ["delete"], seed=6)[1] != alone
    # Golden: the copies of a study must not change with Python or numpy.
    assert augment(["a b c d e f g h"], ["delete", "swap"], seed=0)[1:] == GOLDEN


GOLDEN = ["b c d e f g h", "a b c e d f g h"]


@given(st.text(), st.sampled_from(["delete", "swap"]), st.integers(0, 2**31))
def test_augment_takes_any_text(text: str, step: AugmentStep, seed: int) -> None:
    assert len(augment([text], [step], seed)[1]) <= len(text)
