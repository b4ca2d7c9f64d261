"""Turns an exception of a trial into a reason and one line for the record, and a traceback for the log.

torch is not imported: its errors are recognised by their names and texts.
"""

from __future__ import annotations

import errno
import traceback
from contextlib import suppress
from pathlib import Path

from harness.errors import DataError, FailReason, HarnessError, TrialFailure

__all__ = ["breaks_device", "one_line", "reason_of", "write_traceback"]

MESSAGE_LENGTH = 300
#: Texts of out-of-memory errors that are no `torch.OutOfMemoryError`: of torch's CPU allocator and of MPS.
OUT_OF_MEMORY = ("can't allocate memory", "out of memory")
#: Texts of a full disk in the errors of libraries (safetensors).
DISK_FULL = ("no space left on device", "disk quota exceeded")
#: After these errors the device context of the process cannot be used any more.
BROKEN_DEVICE = ("cuda error", "hip error", "device-side assert")


def reason_of(error: BaseException) -> FailReason:
    """Returns the reason that a record gives for `error`."""
    if isinstance(error, TrialFailure):
        return error.reason
    if isinstance(error, DataError):
        return FailReason.DATA
    names = {kind.__name__ for kind in type(error).__mro__}
    text = str(error).lower()
    if names & {"MemoryError", "OutOfMemoryError"}:
        return FailReason.OOM
    if isinstance(error, RuntimeError) and any(words in text for words in OUT_OF_MEMORY):
        return FailReason.OOM
    full = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)
    if full or any(words in text for words in DISK_FULL):
        return FailReason.DISK
    return FailReason.CRASH


def breaks_device(error: BaseException) -> bool:
    """Returns True when the process that raised `error` cannot use its accelerator any more."""
    return type(error).__name__ == "AcceleratorError" or any(words in str(error).lower() for words in BROKEN_DEVICE)


def one_line(error: BaseException) -> str:
    """Returns the error in one line without a traceback; errors of our own are sentences already."""
    first = next((line.strip() for line in str(error).splitlines() if line.strip()), "")
    if isinstance(error, HarnessError):
        return first[:MESSAGE_LENGTH]
    return ": ".join(part for part in (type(error).__name__, first) if part)[:MESSAGE_LENGTH]


def write_traceback(log: Path, error: BaseException) -> None:
    """Appends the whole traceback to `log`; a full disk is ignored, so that it does not hide the error."""
    with suppress(OSError), log.open("a", encoding="utf-8", errors="backslashreplace") as file:
        file.write("".join(traceback.format_exception(error)))
