"""The scale of a searched number: places between the ends of its range, and the values to search beyond an end."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil, inf, log, log10, sqrt
from typing import Any

from harness.spec.configure import Domain, Param
from harness.spec.space import Choices, Range

__all__ = ["Scale"]

#: By key, the bounds of the params that may be searched beyond their range.
_BOUNDS: Mapping[str, tuple[float, float]] = {
    "training.learning_rate": (0.0, inf),
    "training.batch_size": (1, inf),
    "training.weight_decay": (0.0, inf),
    "training.warmup_fraction": (0.0, 1.0),
    "training.layer_decay": (0.0, 1.0),
    "training.label_smoothing": (0.0, 1.0),
    "training.max_grad_norm": (0.0, inf),
    "model.dropout": (0.0, 1.0),
}
#: By how much a range on a log scale goes on beyond its end: a decade, and two doublings of a batch size.
_FACTOR, _OF_WHOLE_NUMBERS = 10.0, 4.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """The ends of a domain of numbers, and whether it is on a log scale."""

    param: Param
    low: float
    high: float
    is_log: bool

    @classmethod
    def of(cls, param: Param) -> Scale | None:
        """Returns the scale of a param; None for one with a single value, or values that are no numbers."""
        domain = param.domain
        values = (domain.low, domain.high) if isinstance(domain, Range) else domain.choices
        if not all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in values):
            return None
        low, high = min(values), max(values)
        is_log = domain.log if isinstance(domain, Range) else low > 0
        return cls(param=param, low=low, high=high, is_log=is_log) if low < high else None

    @property
    def goes_on(self) -> bool:
        """True for a param that may have values beyond its range."""
        return self.param.key in _BOUNDS

    @property
    def is_whole(self) -> bool:
        """True for a param of whole numbers."""
        return isinstance(self.low, int) and isinstance(self.high, int)

    @property
    def decades(self) -> float:
        """The length of a log scale."""
        return log10(self.high / self.low) if self.low > 0 else inf

    def place(self, value: Any) -> float:
        """Returns the place of a value: 0 at the lower end, 1 at the upper one."""
        scaled: Callable[[float], float] = log if self.is_log else float
        return (scaled(value) - scaled(self.low)) / (scaled(self.high) - scaled(self.low))

    def beyond(self, is_upper: bool) -> Domain | None:
        """Returns what to search next where the best value lies beyond an end; None where no value can be there.

        A range goes on by a decade (of whole numbers by a factor of four), without a log scale by its own width, and
        begins again half so far within its end. Of choices the last one stays, and two follow.
        """
        domain = self.param.domain
        if isinstance(domain, Choices):
            choices = self._choices(domain.choices, is_upper)
            return domain.model_copy(update={"choices": choices}) if len(choices) > 1 else None
        low, high = self._ends(domain, is_upper)
        is_new = high > self.high if is_upper else low < self.low
        return domain.model_copy(update={"low": low, "high": high}) if is_new and low < high else None

    def _ends(self, domain: Range[Any], is_upper: bool) -> tuple[float, float]:
        end = self.high if is_upper else self.low
        if self.is_log:
            outer = _OF_WHOLE_NUMBERS if self.is_whole else _FACTOR
            inner = sqrt(outer)
            low, high = (end / inner, end * outer) if is_upper else (end / outer, end * inner)
        else:
            width = self.high - self.low
            low, high = (end - width / 2, end + width) if is_upper else (end - width, end + width / 2)
        low, high = self._allowed(low), self._allowed(high)
        if domain.step is not None:
            low = self.low + domain.step * ceil((low - self.low) / domain.step)
        return low, high

    def _choices(self, choices: Sequence[float], is_upper: bool) -> tuple[float, ...]:
        before, end = sorted(choices, reverse=not is_upper)[-2:]
        further = [end * (end / before) ** power if self.is_log else end + (end - before) * power for power in (1, 2)]
        allowed = {self._allowed(value) for value in further}
        return tuple(sorted({end, *(value for value in allowed if (value > end if is_upper else value < end))}))

    def _allowed(self, value: float) -> float:
        """Returns the nearest value that the key may have, with two digits; whole for a param of whole numbers."""
        low, high = _BOUNDS[self.param.key]
        bounded = min(max(value, low), high)
        return round(bounded) if self.is_whole else float(f"{bounded:.2g}")
