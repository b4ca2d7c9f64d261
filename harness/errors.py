"""The error tree of the package.

Every error that a user can cause is a `HarnessError`. Its text says what was wrong, where, what is allowed and the
remedy; the command line prints it as it is, without a traceback.
"""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from enum import StrEnum
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

__all__ = [
    "CheckpointError",
    "DataError",
    "DeviceError",
    "EngineError",
    "FailReason",
    "HarnessError",
    "InputError",
    "MissingColumn",
    "MissingPackage",
    "Problem",
    "RunError",
    "SpecError",
    "StudyFailed",
    "TrialFailure",
    "look_up",
    "nearest",
    "unknown_name",
]

T = TypeVar("T")


class FailReason(StrEnum):
    """Why a trial ended in state FAIL."""

    OOM = "oom"
    NAN = "nan"
    CRASH = "crash"
    TIMEOUT = "timeout"
    DATA = "data"
    DISK = "disk"
    STOPPED = "stopped"


class HarnessError(Exception):
    """Any error with a message meant for the user; `exit_code` is the process's exit status."""

    exit_code = 1


class StudyFailed(HarnessError):
    """The study ran and has no result, or its winner is not what was required (exit code 1)."""


class EngineError(HarnessError):
    """An engine could not start or lost all its workers (exit code 1)."""


class InputError(HarnessError):
    """Bad usage or bad input (exit code 2)."""

    exit_code = 2


class DataError(InputError):
    """A data set cannot be used as asked."""


class MissingColumn(DataError):
    """A table lacks the column `column`, and has those `present`; `what` says so, and `remedy` what to do."""

    def __init__(self, column: str, what: str, remedy: str, present: Sequence[str] = ()) -> None:
        self.column, self.what, self.present = column, what, tuple(present)
        super().__init__(f"{what}; {remedy}")


class CheckpointError(InputError):
    """A pretrained checkpoint cannot be found, trusted or loaded."""


class DeviceError(InputError):
    """The machine has no such device."""


class RunError(InputError):
    """A run folder is missing, held by another process, or belongs to another study."""


class MissingPackage(InputError):
    """An optional package is needed; the message holds the exact install line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One mistake in a study file: `key` is dotted, `line` counts from 1 (0: not from a line).

    `source` replaces the file's name where the mistake is not in the file ("command line").
    """

    key: str
    message: str
    line: int = 0
    source: str = ""


class SpecError(InputError):
    """All mistakes of a study file at once, one a line."""

    def __init__(self, source: str, problems: Sequence[Problem]) -> None:
        self.source = source
        self.problems = tuple(problems)
        super().__init__("\n".join(self._line(problem) for problem in self.problems))

    def _line(self, problem: Problem) -> str:
        source = problem.source or self.source
        place = f"{source}:{problem.line}" if problem.line else source
        return f"{place}: {problem.key}: {problem.message}" if problem.key else f"{place}: {problem.message}"


class TrialFailure(HarnessError):
    """Ends one trial in state FAIL with a reason; the sweep goes on."""

    def __init__(self, reason: FailReason, message: str) -> None:
        self.reason = reason
        super().__init__(message)


def nearest(word: str, names: Iterable[str]) -> str:
    """Returns `"; did you mean 'x'?"` for the nearest of the names, or an empty string."""
    matches = get_close_matches(word, list(names), n=1, cutoff=0.6)
    return f"; did you mean '{matches[0]}'?" if matches else ""


def unknown_name(key: str, name: object, names: Collection[str]) -> InputError:
    """Returns the error for the value `name` of `key`, which is none of `names`."""
    return InputError(f"{key}: '{name}' is unknown; allowed: {', '.join(names)}{nearest(str(name), names)}")


def look_up(table: Mapping[str, T], name: str, key: str) -> T:
    """Returns the entry `name` of `table`; `key` is the study key that holds the name (`search.sampler`).

    Raises:
        InputError: the table has no such name.
    """
    if name not in table:
        raise unknown_name(key, name, table)
    return table[name]
