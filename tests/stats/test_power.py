from __future__ import annotations

import numpy as np
import pytest

from harness.stats.intervals import mcnemar_p
from harness.stats.power import smallest_difference


@pytest.mark.parametrize("num_rows", [132, 494])
def test_smallest_difference_is_shown_in_eight_of_ten_samples(num_rows: int) -> None:
    gain, rng = smallest_difference(num_rows, 0.2), np.random.default_rng(0)
    shares = [(0.2 + gain) / 2, (0.2 - gain) / 2, 0.8]
    draws = rng.multinomial(num_rows, shares, size=1000)
    seen = np.mean([mcnemar_p(int(wins), int(losses)) < 0.05 for wins, losses, _ in draws])
    assert 0.75 <= seen <= 0.9


def test_smallest_difference_of_no_rows_is_unknown() -> None:
    assert np.isnan(smallest_difference(0))
