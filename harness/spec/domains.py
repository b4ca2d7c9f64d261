"""The values that a searched key may have: how many, which, and whether a given one is among them."""

from __future__ import annotations

from decimal import Decimal
from math import inf
from typing import Any

from harness.spec.mistakes import show
from harness.spec.space import Choices, Range

__all__ = ["Domain", "holds", "in_domain", "num_values", "values_of", "words"]

Domain = Range[Any] | Choices[Any]


def num_values(domain: Domain) -> float:
    """Returns how many values a domain holds; infinite for real numbers without a step."""
    if isinstance(domain, Choices):
        return len(domain.choices)
    step = _step(domain)
    return int((_decimal(domain.high) - _decimal(domain.low)) / _decimal(step)) + 1 if step else inf


def values_of(domain: Domain) -> tuple[Any, ...]:
    """Returns every value of a finite domain, in order: a grid is made of these."""
    if isinstance(domain, Choices):
        return domain.choices
    low, step = _decimal(domain.low), _decimal(domain.step or 1)
    return tuple(type(domain.low)(low + index * step) for index in range(int(num_values(domain))))


def holds(domain: Domain, value: Any) -> bool:
    """Returns True for a value that can be drawn from the domain."""
    if isinstance(domain, Choices):
        return any(_same(choice, value) for choice in domain.choices)
    if isinstance(value, bool) or not isinstance(value, int if _is_whole(domain) else (int, float)):
        return False
    if not domain.low <= value <= domain.high:
        return False
    step = _step(domain)
    return not step or (_decimal(value) - _decimal(domain.low)) % _decimal(step) == 0


def in_domain(domain: Domain, value: Any) -> Any:
    """Returns a value that the domain holds, as a draw would give it: 1 is 1.0 in a range of real numbers."""
    if isinstance(domain, Choices):
        return next(choice for choice in domain.choices if _same(choice, value))
    return value if _is_whole(domain) else float(value)


def words(domain: Domain) -> str:
    """Returns what the domain holds: "between 8 and 64 in steps of 8", "one of 'linear', 'cosine'"."""
    if isinstance(domain, Choices):
        return "one of " + ", ".join(show(choice) for choice in domain.choices)
    steps = f" in steps of {domain.step}" if domain.step else ""
    kind = "a whole number " if _is_whole(domain) else ""
    return f"{kind}between {domain.low} and {domain.high}{steps}"


def _same(choice: Any, value: Any) -> bool:
    return bool(choice == value) and isinstance(choice, bool) == isinstance(value, bool)


def _is_whole(domain: Range[Any]) -> bool:
    return isinstance(domain.low, int) and isinstance(domain.high, int)


def _step(domain: Range[Any]) -> Any:
    return domain.step or (1 if _is_whole(domain) else 0)


def _decimal(number: float) -> Decimal:
    """Returns the number as it is written, so that 0.1 + 2 * 0.1 is 0.3."""
    return Decimal(repr(number))
