from __future__ import annotations

import numpy as np
import pytest

from harness.tasks.baselines import features_baseline, scaled_features, text_baseline

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


def test_baselines_of_one_class_are_sure_of_it() -> None:
    labels = np.full(20, 2)
    _, texts = text_baseline(["good", "bad"] * 10, labels, {"v": ["good"], "none": []}, 4)
    assert texts["v"].tolist() == [[0, 0, 1, 0]]
    assert texts["none"].shape == (0, 4)
    assert features_baseline(np.eye(20), labels, {"v": np.ones((1, 20))}, 3)["v"].tolist() == [[0, 0, 1]]


def test_scaled_features_are_one_long_in_the_training_rows_and_take_its_scale() -> None:
    features = np.random.default_rng(0).normal([0, 5, 9], [1, 100, 0], size=(50, 3))
    train, others = scaled_features(features, {"v": features[:4] + 1, "none": features[:0]})
    np.testing.assert_allclose(train.mean(0), 0, atol=1e-12)
    np.testing.assert_allclose((train**2).mean(0), [1 / 3, 1 / 3, 0], atol=1e-12)
    np.testing.assert_allclose(
        others["v"][:, :2] * features.std(0)[:2] * 3**0.5, features[:4, :2] + 1 - features.mean(0)[:2]
    )
    assert others["none"].shape == (0, 3)


def test_features_baseline_learns_whatever_the_scale_of_a_feature() -> None:
    labels = np.arange(60) % 3
    features = np.random.default_rng(0).normal(size=(60, 8))
    features[:, 0] = 1e-3 * (labels + np.random.default_rng(1).normal(size=60) / 10)
    features[:, 1] *= 1e3
    probabilities = features_baseline(features, labels, {"v": features}, 4)["v"]
    assert (probabilities.argmax(1) == labels).mean() > 0.8
    assert (probabilities[:, 3] == 0).all()
