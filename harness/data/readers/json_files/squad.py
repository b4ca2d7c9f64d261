"""Reads the rows of SQuAD's JSON: articles with paragraphs, each a context with its questions and their answers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

__all__ = ["is_squad", "rows_of_squad"]


def is_squad(value: Mapping[str, Any]) -> bool:
    """True for an object whose `data` are articles with `paragraphs`, as SQuAD's, CMRC's and XQuAD's files have."""
    articles = value.get("data")
    return (
        isinstance(articles, list)
        and bool(articles)
        and all(isinstance(article, dict) and isinstance(article.get("paragraphs"), list) for article in articles)
    )


def rows_of_squad(value: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yields a row for each question, and its place: what the question has, its context, and the article's title.

    A question without answers, as SQuAD 2 has them, has an empty list of them.
    """
    for number, article in enumerate(value["data"], start=1):
        for place, paragraph in enumerate(article["paragraphs"], start=1):
            beside = {"title": article.get("title"), "context": _part(paragraph, "context")}
            for at, question in enumerate(_part(paragraph, "qas") or (), start=1):
                where = f"question {at} of paragraph {place} of item {number} of 'data'"
                yield where, beside | question if isinstance(question, dict) else question


def _part(value: Any, name: str) -> Any:
    return value.get(name) if isinstance(value, dict) else None
