"""The bundled review data keeps what its card promises."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.feature_extraction.text import CountVectorizer

from harness.data.clean import normalised

DATA = Path(__file__).parents[2] / "studies" / "data"


def reviews(language: str) -> pd.DataFrame:
    return pd.read_csv(DATA / f"reviews_{language}.csv", dtype=str, keep_default_na=False, encoding="utf-8")


@pytest.mark.parametrize(
    ("language", "rows", "labels"),
    [
        ("en", 3294, {"positive", "negative", "neutral"}),
        ("zh", 1005, {"积极", "消极", "中性"}),
    ],
)
def test_reviews_are_balanced_and_distinct(language: str, rows: int, labels: set[str]) -> None:
    data = reviews(language)
    assert list(data.columns) == ["text", "label", "domain"]
    assert data["label"].value_counts().to_dict() == dict.fromkeys(labels, rows // 3)
    assert data["text"].map(normalised).is_unique
    assert (data["text"] == data["text"].str.strip()).all()
    assert b"\r" not in (DATA / f"reviews_{language}.csv").read_bytes()


def test_reviews_en_have_the_promised_lengths() -> None:
    words = reviews("en")["text"].str.split().map(len)
    assert words.min() >= 1
    assert words.max() <= 80
    assert 10 <= words.median() <= 12


def test_reviews_zh_have_the_promised_lengths() -> None:
    characters = reviews("zh")["text"].str.len()
    assert (characters.min(), characters.max()) == (5, 98)
    assert 15 <= characters.median() <= 19


def test_reviews_zh_have_some_of_each_class_in_each_domain() -> None:
    assert reviews("zh").groupby(["domain", "label"]).size().min() >= 10
    assert reviews("zh")["domain"].nunique() == 21


@pytest.mark.parametrize(
    ("language", "units", "most"),
    [
        ("en", {"token_pattern": r"[a-z0-9']+"}, 0.6),
        ("zh", {"analyzer": "char", "ngram_range": (2, 2), "preprocessor": lambda text: re.sub(r"\W", "", text)}, 0.4),
    ],
)
def test_reviews_have_no_near_duplicates(language: str, units: dict[str, Any], most: float) -> None:
    words = CountVectorizer(binary=True, dtype=np.int32, **units).fit_transform(reviews(language)["text"])
    common = np.triu((words @ words.T).toarray(), k=1)
    sizes = np.asarray(words.sum(axis=1)).ravel()
    assert (common / np.maximum(1, sizes[:, None] + sizes - common)).max() <= most
