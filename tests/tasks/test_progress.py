from __future__ import annotations

from harness.tasks.progress import Shares, listening, tell


def test_shares_are_those_of_the_work_that_is_begun() -> None:
    told: list[float] = []
    with listening(Shares(told.append, every_s=0)):
        tell(0, 20)
        tell(5)
        tell(0, 5)
        tell(20)
        tell(0)
        tell(1, 4)
    tell(1)
    assert told == [0, 0.25, 0.2, 1, 0.25], "work after the end begins anew, and nobody listens after the block"


def test_shares_are_told_now_and_then_and_the_end_always() -> None:
    told: list[float] = []
    with listening(Shares(told.append, every_s=3600)):
        tell(0, 2)
        tell(1)
        assert not told
        tell(1)
    assert told == [1]
