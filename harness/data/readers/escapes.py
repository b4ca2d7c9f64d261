"""Turns quotes that a backslash makes text, as Spark and MySQL write them, into doubled quotes."""

from __future__ import annotations

import re

__all__ = ["ESCAPED_QUOTE", "doubled", "doubled_bytes", "has_escaped_quote"]

ESCAPED_QUOTE = '\\"'
_RUN = re.compile(r'(\\+)"')
_RUN_BYTES = re.compile(rb'(\\+)"')


def has_escaped_quote(content: bytes) -> bool:
    r"""True for bytes with a `\"` in them."""
    return b"\\" in content and ESCAPED_QUOTE.encode() in content  # a single byte is found much faster


def doubled(text: str) -> str:
    r"""Returns lines with each `\"` as `""`, and two backslashes before a quote as one; others stay as they are."""
    if ESCAPED_QUOTE not in text:
        return text
    return _RUN.sub(lambda run: "\\" * (len(run[1]) // 2) + '"' * (1 + len(run[1]) % 2), text)


def doubled_bytes(content: bytes) -> bytes:
    """Returns lines in an encoding of ASCII's signs as `doubled` returns them."""
    if not has_escaped_quote(content):
        return content
    return _RUN_BYTES.sub(lambda run: b"\\" * (len(run[1]) // 2) + b'"' * (1 + len(run[1]) % 2), content)
