"""Computes the lengths of a search space's trainings, and so which trials can be pruned, before the first trial."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from math import inf
from typing import Any

from harness.spec.domains import num_values, values_of
from harness.spec.params import default_of, value_at
from harness.spec.rungs import FIRST_STEPS, rung_fractions, trial_rungs
from harness.spec.space import Range, is_searched
from harness.spec.steps import num_examples, total_steps
from harness.spec.study import StudySpec

__all__ = ["earliest_rung", "unpruned_line"]

#: Of a batch size with more values than this, only the ends are considered.
MOST_VALUES = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class _Length:
    """A possible training: its steps, and the share at which it is first judged (None: it is not judged)."""

    batch_size: int
    num_steps: int
    first: float | None


def earliest_rung(spec: StudySpec, num_train_rows: int | None) -> float:
    """Returns the earliest share of its training at which any trial of the space is judged; infinite if none is."""
    if num_train_rows is None:
        return min(rung_fractions(spec), default=inf)
    return min((length.first for length in _lengths(spec, num_train_rows) if length.first is not None), default=inf)


def unpruned_line(spec: StudySpec, num_train_rows: int) -> str | None:
    """Says which trials of the space are too short to be stopped early; None where all can be, or without a pruner."""
    if not rung_fractions(spec):
        return None
    lengths = _lengths(spec, num_train_rows)
    short = [length for length in lengths if length.first is None]
    if not short:
        return None
    last = rung_fractions(spec)[-1]
    sizes = sorted({length.batch_size for length in short})
    partly = any(length.first is not None and length.batch_size in sizes for length in lengths)
    why = (
        f"trials are compared after their warm-up and at least {FIRST_STEPS} steps, and here that is later than the "
        f"last rung, at {100 * last:.3g} % of their {_steps(short)}"
    )
    if len(short) == len(lengths):
        return f"no trial will be stopped early (as with search.pruner.name=none): {why}"
    who = "some trials" if partly else "trials"
    if len({length.batch_size for length in lengths}) > 1:
        who += f" with batch size {_listed(sizes)}"
    return f"{who} will not be stopped early (with search.pruner.name=none no trial will): {why}"


def _lengths(spec: StudySpec, num_train_rows: int) -> list[_Length]:
    """Returns the lengths for every batch size with the shortest and longest training and warm-up that it allows."""
    lengths = []
    for size in _batch_sizes(spec):
        for rows, epochs, copies, warmup in product(
            _ends(spec, "data.train_rows"),
            _ends(spec, "training.epochs"),
            _ends(spec, "data.augment"),
            _ends(spec, "training.warmup_fraction"),
        ):
            num_steps = total_steps(num_examples(num_train_rows, rows, len(copies)), size, epochs)
            judged = [share for share in trial_rungs(spec, num_steps, warmup) if share is not None]
            lengths.append(_Length(batch_size=size, num_steps=num_steps, first=min(judged, default=None)))
    return lengths


def _batch_sizes(spec: StudySpec) -> Sequence[int]:
    domain = value_at(spec, "training.batch_size")
    few = is_searched(domain) and num_values(domain) <= MOST_VALUES
    return sorted(
        {
            *(values_of(domain) if few else _ends(spec, "training.batch_size")),
            *_inactive(domain, default_of(spec, "training.batch_size")),
        }
    )


def _ends(spec: StudySpec, key: str) -> list[Any]:
    """Returns the values of a key that make a training shortest and longest (lists count by their length)."""
    domain = value_at(spec, key)
    if not is_searched(domain):
        return [domain]
    values = [domain.low, domain.high] if isinstance(domain, Range) else list(domain.choices)
    values += _inactive(domain, default_of(spec, key))
    ordered = sorted(values, key=_size)
    return [ordered[0], ordered[-1]]


def _inactive(domain: Any, default: Any) -> list[Any]:
    """Returns the value of a searched key where its condition does not hold."""
    return [default] if is_searched(domain) and domain.when else []


def _size(value: Any) -> float:
    if value is None:
        return inf
    return len(value) if isinstance(value, tuple) else float(value)


def _steps(lengths: Sequence[_Length]) -> str:
    counts = [length.num_steps for length in lengths]
    least, most = min(counts), max(counts)
    return f"{most} step{'s' * (most > 1)}" if least == most else f"{least} to {most} steps"


def _listed(sizes: Sequence[int]) -> str:
    if len(sizes) > 4:
        return f"{sizes[0]} to {sizes[-1]}"
    return str(sizes[0]) if len(sizes) == 1 else f"{', '.join(map(str, sizes[:-1]))} and {sizes[-1]}"
