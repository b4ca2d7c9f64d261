"""Tells whether a file of ASCII is UTF-7, in which base64 between `+` and `-` stands for other signs."""

from __future__ import annotations

import codecs
import re

from harness.errors import DataError

__all__ = ["Utf7"]

#: What UTF-7 writes for signs that are not ASCII; from so many on, a file that can be read so is UTF-7.
_SHIFTED = re.compile(r"\+[A-Za-z0-9+/]{3,}-?")
_MIN_SHIFTED = 3
#: A number with a plus sign in its exponent, which is no such run.
_EXPONENT = re.compile(rb"(?<![\w+/])(\d+(?:\.\d*)?[eE])\+(?=\d+(?![\w+/]))")


class Utf7:
    """What UTF-7 makes of a file of ASCII, chunk by chunk."""

    def __init__(self) -> None:
        self._decoder, self._fits = codecs.getincrementaldecoder("utf-7")(), True
        self._num_shifted, self._shown = 0, ""

    def add(self, chunk: bytes) -> None:
        """Reads the next chunk; an empty one is the last."""
        if not self._fits or (b"+" not in chunk and not self._decoder.getstate()[0]):
            return
        chunk = _EXPONENT.sub(rb"\1 ", chunk)
        try:
            text = self._decoder.decode(chunk, final=not chunk)
        except UnicodeDecodeError:
            self._fits = False
            return
        self._num_shifted += len(re.findall(r"[^\x00-\x7f]+", text))
        if self._num_shifted and not self._shown:
            self._shown = next(filter(_is_shifted, _SHIFTED.findall(chunk.decode("ascii"))), "")

    def codec(self, place: str) -> str | None:
        """Returns the codec of a file that is decoded as a whole, to signs that are not ASCII; None for others.

        Raises:
            DataError: it has only a few of them, which may be text.
        """
        if not self._fits:
            return None
        if 0 < self._num_shifted < _MIN_SHIFTED and self._shown:
            raise DataError(
                f"{place}: '{self._shown}' in it is '{_of_utf7(self._shown)}' in UTF-7, and else a text; set "
                "data.encoding=utf-7 or data.encoding=utf-8"
            )
        return "utf-7" if self._num_shifted >= _MIN_SHIFTED else None


def _is_shifted(code: str) -> bool:
    return not _of_utf7(code).isascii()


def _of_utf7(code: str) -> str:
    return code.encode().decode("utf-7", "ignore")
