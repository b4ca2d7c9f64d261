"""No test of Ray may hang, and few of them are of the default suite."""

from __future__ import annotations

import signal
from collections.abc import Generator

import pytest

#: For a test of Ray with what it starts and ends; on two quiet cores the longest takes a tenth of it.
RAY_TEST_WITHIN_S = 240


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks the tests of a class as long, but for those that the class names in `not_long`."""
    for item in items:
        kept = getattr(item.cls, "not_long", None) if isinstance(item, pytest.Function) else None
        if kept is not None and item.originalname not in kept:
            item.add_marker(pytest.mark.long)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """No test of Ray hangs: it fails instead. (What no signal reaches, `faulthandler_timeout` ends.)"""
    if item.get_closest_marker("ray") is None:
        return (yield)

    def late(number: int, frame: object) -> None:
        pytest.fail(f"not done after {RAY_TEST_WITHIN_S} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(RAY_TEST_WITHIN_S)
    try:
        return (yield)
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
