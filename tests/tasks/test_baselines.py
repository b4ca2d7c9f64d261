from __future__ import annotations

import numpy as np
import pytest

from harness.tasks.baselines import text_baseline

LABELS = np.array([0, 1] * 10)


@pytest.mark.parametrize(
    ("texts", "kind"),
    [
        (["it is very good", "it is very bad"], "word"),
        (["这家店很好吃", "这家店很难吃"], "character"),
        (["这家店 OK 很好吃", "这家店 OK 很难吃"], "character"),
        (["!", "?"], "character"),
        (["a b", "a c"], "character"),
    ],
)
def test_text_baseline_learns_and_names_itself(texts: list[str], kind: str) -> None:
    name, found = text_baseline(texts * 10, LABELS, {"v": texts}, 2)
    assert name == f"TF-IDF ({kind} 1-2-grams) + logistic regression"
    assert found["v"].argmax(1).tolist() == [0, 1]
    np.testing.assert_allclose(found["v"].sum(1), 1)


def test_text_baseline_gives_an_unseen_class_no_probability() -> None:
    _, found = text_baseline(["good", "bad"] * 10, LABELS * 2, {"v": ["good", "bad"], "none": []}, 4)
    assert found["v"].shape == (2, 4)
    assert found["v"].argmax(1).tolist() == [0, 2]
    assert (found["v"][:, [1, 3]] == 0).all()
    assert found["none"].shape == (0, 4)
