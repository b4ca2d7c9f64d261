"""The keys of adapters, which are trained in the place of a checkpoint's own weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Union

from pydantic import Discriminator, Field, Tag

from harness.spec.space import Frozen, Searchable
from harness.spec.study.types import Positive, Text

__all__ = ["Adapter", "Alpha", "Targets", "TimesRank", "alpha_of"]

Scale = Annotated[float, Field(gt=0, le=10_000)]
Adapter = Literal["none", "lora"]
Targets = Literal["auto"] | Annotated[tuple[Text, ...], Field(min_length=1)]


class TimesRank(Frozen):
    """`{times: rank, by: 2}`: so many times the rank of the trial."""

    times: Literal["rank"]
    by: Positive


def _kind(value: Any) -> str:
    is_tied = isinstance(value, TimesRank) or (isinstance(value, Mapping) and "times" in value)
    return "tied" if is_tied else "own"


Alpha = Annotated[
    Union[Annotated[TimesRank, Tag("tied")], Annotated[Searchable[Scale], Tag("own")]],
    Discriminator(_kind),
]


def alpha_of(alpha: float | TimesRank, rank: int) -> float:
    """Returns the alpha of a trial with that rank."""
    return alpha.by * rank if isinstance(alpha, TimesRank) else alpha
