"""The values that a searchable field may have: a literal, a range, or choices.

`Searchable[T]` is the type of every such field; the bounds of T apply to the ends of a range and to each choice too.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Generic, Self, TypeAlias, TypeVar, Union

from pydantic import BaseModel, BeforeValidator, ConfigDict, Discriminator, Field, Tag, model_validator

__all__ = ["Choices", "Frozen", "Range", "Scalar", "Searchable", "SearchableList", "is_searched"]

Scalar = str | int | float | bool | None
T = TypeVar("T")
When = dict[str, Scalar | tuple[Scalar, ...]]


class Frozen(BaseModel):
    """Base of every typed section: immutable, without unknown keys and NaN."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Range(Frozen, Generic[T]):
    """`{low, high, log, step, when}`: a number drawn between `low` and `high`, both included."""

    low: T
    high: T
    log: bool = False
    step: Annotated[T, Field(description="draw only low, low + step, ...")] | None = None
    when: When | None = Field(default=None, description="searched only where these keys have these values")

    @model_validator(mode="after")
    def _check(self) -> Self:
        low, high, step = (_number(value) for value in (self.low, self.high, self.step))
        if low is None or high is None:
            raise ValueError("a range needs numbers; give {choices: [...]} instead")
        if low >= high:
            raise ValueError(f"low {self.low} must be below high {self.high}")
        if self.log and low <= 0:
            raise ValueError(f"low {self.low} must be above 0 with log: true")
        if step is not None and (step <= 0 or self.log):
            raise ValueError("step must be above 0" if not self.log else "step and log exclude each other")
        return self


class Choices(Frozen, Generic[T]):
    """`{choices: [...], when}`: one of the listed values."""

    choices: tuple[T, ...] = Field(min_length=1)
    when: When | None = Field(default=None, description="searched only where these keys have these values")

    @model_validator(mode="after")
    def _check(self) -> Self:
        seen = [repr(choice) for choice in self.choices]
        for text in seen:
            if seen.count(text) > 1:
                raise ValueError(f"{text} is listed twice")
        return self


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def _kind(value: Any) -> str:
    if isinstance(value, (Mapping, Choices)):
        return "choices" if isinstance(value, Choices) or "choices" in value else "range"
    if isinstance(value, Range):
        return "range"
    return "list" if isinstance(value, (list, tuple)) else "literal"


def _kind_of_list(value: Any) -> str:
    kind = _kind(value)
    return "literal" if kind == "list" else kind


def _as_choices(value: Any) -> Any:
    return {"choices": tuple(value)} if isinstance(value, (list, tuple)) else value


if TYPE_CHECKING:
    Searchable: TypeAlias = Union[T, Range[T], Choices[T]]
    SearchableList: TypeAlias = Union[T, Choices[T]]
else:

    class Searchable:
        """A scalar field: a literal, `{low, high, log, step}`, `{choices: [...]}`, or a plain list (= choices)."""

        def __class_getitem__(cls, item: Any) -> Any:
            as_choices = BeforeValidator(_as_choices, json_schema_input_type=tuple[item, ...])
            listed = Annotated[Choices[item], as_choices, Tag("list")]
            literal, choices = Annotated[item, Tag("literal")], Annotated[Choices[item], Tag("choices")]
            return Annotated[
                Union[literal, Annotated[Range[item], Tag("range")], choices, listed], Discriminator(_kind)
            ]

    class SearchableList:
        """A field whose literal is itself a list (steps): searched only through `{choices: [[...], ...]}`."""

        def __class_getitem__(cls, item: Any) -> Any:
            branches = Annotated[item, Tag("literal")], Annotated[Choices[item], Tag("choices")]
            return Annotated[Union[*branches], Discriminator(_kind_of_list)]


def is_searched(value: object) -> bool:
    """True for a `Range` or `Choices`."""
    return isinstance(value, (Range, Choices))
