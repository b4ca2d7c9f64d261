from __future__ import annotations

from harness.search.keepers import Keepers


def keepers(*always: int) -> Keepers:
    """Of one arm whose best trial is kept; trial 0 was saved, and trial 1, which is better, has ended since."""
    made = Keepers(top=1, num_arms=1, always=always)
    made.ended(0, 0, (0.5, 0.0), saved=True)
    made.ended(1, 0, (0.4, 0.0), saved=True)
    return made


def test_a_trial_is_unneeded_once_when_a_better_one_has_ended() -> None:
    made = keepers()
    assert made.unneeded() == [0]
    assert made.unneeded() == []
    assert made.wants(2, 0, (0.3, 0.0))
    assert not made.wants(2, 0, (0.45, 0.0))


def test_what_is_always_kept_is_never_unneeded() -> None:
    made = keepers(0, 2)
    assert made.unneeded() == []
    assert made.wants(2, 0, (0.9, 0.0))
    made.ended(3, 0, (0.1, 0.0), saved=True)
    assert made.unneeded() == [1], "trial 0 was scored on test"
