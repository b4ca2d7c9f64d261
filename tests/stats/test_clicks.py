"""The metrics of clicks, beside scikit-learn's and beside loops over users."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from sklearn import metrics as sk

from harness.stats.clicks import CLICKS
from harness.stats.clicks.by_user import user_areas
from harness.stats.clicks.calibration import bins_of
from harness.stats.metric import score, scores
from harness.stats.resampling import interval

METRICS = {metric.name: metric for metric in CLICKS}


def rows(seed: int = 0, size: int = 400, num_users: int = 30) -> tuple[dict[str, Any], dict[str, Any]]:
    """Outputs and targets with users, and ranks of about half of the clicks."""
    rng = np.random.default_rng(seed)
    said = np.round(rng.random(size), 2)  # with equal ones
    labels = (rng.random(size) < said).astype(np.int64)
    ranks = np.where((labels == 1) & (rng.random(size) < 0.5), rng.integers(1, 30, size), 0)
    outputs = {"probabilities": np.stack([1 - said, said], axis=1), "users": rng.integers(num_users, size=size)}
    return {**outputs, "ranks": ranks.astype(np.float32)}, {"labels": labels}


def test_values_are_those_of_scikit_learn() -> None:
    outputs, targets = rows()
    found, said, labels = scores(CLICKS, outputs, targets), outputs["probabilities"][:, 1], targets["labels"]
    assert found["roc_auc"] == pytest.approx(sk.roc_auc_score(labels, said))
    assert found["average_precision"] == pytest.approx(sk.average_precision_score(labels, said))
    assert found["log_loss"] == pytest.approx(sk.log_loss(labels, np.clip(said, 1e-7, 1 - 1e-7)))


def test_auc_by_user_is_the_mean_over_rows_of_users_with_both() -> None:
    outputs, targets = rows()
    users, said, labels = outputs["users"], outputs["probabilities"][:, 1], targets["labels"]
    values, sizes = [], []
    for user in np.unique(users):
        own = users == user
        if 0 < labels[own].sum() < own.sum():
            values.append(sk.roc_auc_score(labels[own], said[own]))
            sizes.append(own.sum())
    assert score(METRICS["user_auc"], outputs, targets) == pytest.approx(np.average(values, weights=sizes))
    areas = user_areas(users, said, labels == 1)[1]
    assert areas[np.isfinite(areas)] == pytest.approx(values)


def test_ranks_are_counted_by_user() -> None:
    """User 7 has clicked two items, at ranks 1 and 12, user 8 one at rank 3, user 9 none that could be recommended."""
    outputs = {"users": np.array([7, 7, 7, 8, 9]), "ranks": np.array([1, 0, 12, 3, 0])}
    targets = {"labels": np.array([1, 0, 1, 1, 1])}
    ideal = 1 + 1 / math.log2(3)
    assert score(METRICS["ndcg_10"], outputs, targets) == pytest.approx((1 / ideal + 1 / math.log2(4)) / 2)
    assert score(METRICS["recall_10"], outputs, targets) == pytest.approx((1 / 2 + 1) / 2)


def test_metrics_by_user_are_not_known_without_users() -> None:
    outputs, targets = rows()
    known = scores(CLICKS, {"probabilities": outputs["probabilities"]}, targets)
    assert set(known) == {"roc_auc", "log_loss", "average_precision", "calibration_error"}


def test_calibration_error_is_the_mean_gap_of_the_bins() -> None:
    outputs, targets = rows(size=1000)
    said, labels = outputs["probabilities"][:, 1], targets["labels"]
    bins = bins_of(said)
    assert bins.max() == 9
    assert np.bincount(bins).min() > 80
    gaps = [abs(said[bins == one].mean() - labels[bins == one].mean()) * (bins == one).mean() for one in range(10)]
    assert score(METRICS["calibration_error"], outputs, targets) == pytest.approx(sum(gaps))


def test_a_constant_that_is_right_has_no_calibration_error() -> None:
    labels = np.arange(40) % 4 == 0
    outputs = {"probabilities": np.tile([0.75, 0.25], (40, 1))}
    assert score(METRICS["calibration_error"], outputs, {"labels": labels.astype(int)}) == pytest.approx(0)


def test_intervals_draw_users() -> None:
    """Twenty copies of each row tell no more than one where they are drawn together."""
    outputs, targets = rows(size=60)
    many, labels = {name: np.repeat(array, 20, axis=0) for name, array in outputs.items()}, targets["labels"].repeat(20)
    metric, groups = METRICS["roc_auc"], np.arange(60).repeat(20)
    alone = interval(metric, outputs, targets)
    grouped = interval(metric, many, {"labels": labels}, groups)
    assert grouped.high - grouped.low == pytest.approx(alone.high - alone.low, rel=0.15)
    assert interval(metric, many, {"labels": labels}).standard_error < alone.standard_error / 2
