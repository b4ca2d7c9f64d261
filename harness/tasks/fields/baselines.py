"""Simple models of clicks: how often an item is clicked, how user and item differ from the rest, and one-hot ids."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from harness.runtime import quick_imports

__all__ = ["LOGISTIC", "LOG_ODDS", "POPULARITY", "item_rates", "log_odds", "logistic"]

POPULARITY, LOG_ODDS, LOGISTIC = "popularity", "user + item log-odds", "logistic regression on one-hot columns"
#: A user or an item counts as if it had so many more rows with the click rate of all.
_PRIOR_ROWS = 5.0


def item_rates(items: Sequence[str], clicks: np.ndarray, others: Mapping[str, Sequence[str]]) -> dict[str, np.ndarray]:
    """Returns the probability of a click by the share of clicks of each row's item, by split."""
    rates, of_all = _rates(items, clicks)
    return {split: np.array([rates.get(item, of_all) for item in of_split]) for split, of_split in others.items()}


def log_odds(
    users: Sequence[str],
    items: Sequence[str],
    clicks: np.ndarray,
    others: Mapping[str, tuple[Sequence[str], Sequence[str]]],
) -> dict[str, np.ndarray]:
    """Returns the probability whose log-odds differ from those of all rows by what user and item differ, by split."""
    by_user, of_all = _rates(users, clicks)
    by_item, _ = _rates(items, clicks)
    found = {}
    for split, (of_users, of_items) in others.items():
        user, item = (
            _logit(np.array([rates.get(name, of_all) for name in names]))
            for rates, names in ((by_user, of_users), (by_item, of_items))
        )
        found[split] = 1 / (1 + np.exp(-(user + item - _logit(np.array(of_all)))))
    return found


def logistic(
    train: tuple[np.ndarray, np.ndarray], clicks: np.ndarray, others: Mapping[str, tuple[np.ndarray, np.ndarray]]
) -> dict[str, np.ndarray]:
    """Fits logistic regression with C=1 on ids and their weights, both [rows, slots]; returns P(click) by split."""
    with quick_imports():
        from sklearn.linear_model import LogisticRegression

    width = 1 + max(int(ids.max(initial=0)) for ids, _ in (train, *others.values()))
    model: Any = LogisticRegression(C=1.0, max_iter=1000, solver="newton-cg")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a solver that stops at max_iter still gives a baseline
        model.fit(_sparse(*train, width), clicks)
    return {split: model.predict_proba(_sparse(*rows, width))[:, 1] for split, rows in others.items()}


def _sparse(ids: np.ndarray, weights: np.ndarray, width: int) -> Any:
    """Returns one-hot rows [rows, width]; id 0, which stands for nothing known, has no column of its own."""
    with quick_imports():
        from scipy.sparse import csr_array

    values = np.where(ids > 0, weights, 0.0)
    starts = np.arange(len(ids) + 1) * ids.shape[1]
    rows = csr_array((values.ravel(), ids.ravel(), starts), shape=(len(ids), width))
    rows.eliminate_zeros()
    return rows


def _rates(names: Sequence[str], clicks: np.ndarray) -> tuple[dict[str, float], float]:
    """Returns the share of clicks of each name, drawn towards that of all rows where its rows are few, and that."""
    import pandas as pd

    codes, distinct = pd.factorize(np.asarray(names, dtype=object))
    of_all = float(np.clip(np.mean(clicks), 1e-6, 1 - 1e-6))
    clicked, rows = np.bincount(codes, clicks), np.bincount(codes)
    rates = (clicked + _PRIOR_ROWS * of_all) / (rows + _PRIOR_ROWS)
    return dict(zip(distinct, rates.tolist(), strict=True)), of_all


def _logit(rates: np.ndarray) -> np.ndarray:
    odds: np.ndarray = np.log(rates / (1 - rates))
    return odds
