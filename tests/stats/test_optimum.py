"""Where the optimum of a param lies, by scores whose optimum is known."""

from __future__ import annotations

import numpy as np
import pytest

from harness.stats.optimum import Beyond, Scored, beyond


def scored(optimum: float, num: int = 16, noise: float = 0.02, seed: int = 0, **fields: object) -> Scored:
    """Scores that fall by 0.5 over a width of the range, on both sides of the optimum."""
    rng = np.random.default_rng(seed)
    places = np.linspace(0, 1, num)
    scores = 0.8 - 0.5 * (places - optimum) ** 2 + noise * rng.normal(size=num)
    given = {"places": places, "scores": scores, "others": np.zeros((num, 0)), **fields}
    return Scored(**given)  # type: ignore[arg-type]


def test_optimum_beyond_an_end_is_probable_there_and_nowhere_else() -> None:
    above, below, within = beyond([scored(1.3)]), beyond([scored(-0.3)]), beyond([scored(0.5)])
    assert above.above > 0.9 and above.below < 0.01
    assert below.below > 0.9 and below.above < 0.01
    assert max(within.above, within.below) < 0.01


@pytest.mark.parametrize("scores", [np.full(16, 0.5), np.array([0.5])])
def test_nothing_is_known_of_scores_that_do_not_differ(scores: np.ndarray) -> None:
    group = Scored(places=np.linspace(0, 1, len(scores)), scores=scores, others=np.zeros((len(scores), 0)))
    assert beyond([group]).above == pytest.approx(0.25, abs=0.02)
    assert beyond([]).below == pytest.approx(0.25, abs=0.02)


def test_noise_alone_is_no_evidence() -> None:
    rng = np.random.default_rng(0)
    found = []
    for _ in range(40):
        group = Scored(places=rng.random(16), scores=rng.normal(size=16), others=np.zeros((16, 0)))
        found.append(max(beyond([group]).above, beyond([group]).below))
    assert np.mean(np.array(found) > 0.6) <= 0.05


def test_effect_of_another_param_is_not_taken_for_this_ones() -> None:
    """Scores rise with another param, which happens to rise with this one."""
    rng = np.random.default_rng(1)
    places = np.linspace(0, 1, 16)
    other = 2 * places - 1 + 0.3 * rng.normal(size=16)
    scores = 0.8 - 0.5 * (places - 0.6) ** 2 + 0.15 * other + 0.005 * rng.normal(size=16)
    ignored = beyond([Scored(places=places, scores=scores, others=np.zeros((16, 0)))])
    known = beyond([Scored(places=places, scores=scores, others=other[:, None])])
    assert known.above < 0.5 * ignored.above


def test_drift_of_early_scores_leaves_the_end_in_doubt() -> None:
    """An optimum a little above the range early in the training may be within it at the end."""
    sure, drifting = beyond([scored(1.15)]), beyond([scored(1.15, drift=(0.0, 0.6))])
    assert drifting.above < 0.7 < sure.above
    low = beyond([scored(-0.3, drift=(0.0, 0.6))])
    assert low.below > 0.9, "an optimum that comes down later is still below the range"


def test_groups_add_up() -> None:
    one, two = beyond([scored(1.1, noise=0.05)]), beyond([scored(1.1, noise=0.05), scored(1.1, noise=0.05, seed=1)])
    assert isinstance(one, Beyond) and two.above > one.above
