from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from harness.data.batch import evaluation_batches, training_batches
from harness.spec.steps import num_batches

lengths_of = st.lists(st.integers(1, 60), min_size=1, max_size=300).map(np.array)


@given(lengths=lengths_of, batch_size=st.integers(1, 40), seed=st.integers(0, 99), epoch=st.integers(0, 5))
def test_training_batches_hold_every_row_once(lengths: np.ndarray, batch_size: int, seed: int, epoch: int) -> None:
    batches = training_batches(lengths, batch_size, seed=seed, epoch=epoch)
    assert sorted(np.concatenate(batches)) == list(range(len(lengths)))
    assert len(batches) == num_batches(len(lengths), batch_size)
    assert max(len(batch) for batch in batches) <= batch_size


def test_training_batches_change_with_epoch_and_not_otherwise() -> None:
    lengths = np.arange(200) % 17 + 1
    first, again, other = (training_batches(lengths, 8, seed=1, epoch=epoch) for epoch in (0, 0, 1))
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not all(np.array_equal(a, b) for a, b in zip(first, other, strict=True))


def test_training_batches_waste_little_padding() -> None:
    lengths = np.random.default_rng(0).integers(4, 64, size=2000)
    batches = training_batches(lengths, 32, seed=0, epoch=0)
    positions = sum(len(batch) * lengths[batch].max() for batch in batches)
    assert lengths.sum() / positions > 0.95


@given(lengths=lengths_of, max_positions=st.integers(1, 500))
def test_evaluation_batches_keep_to_the_limit(lengths: np.ndarray, max_positions: int) -> None:
    batches = evaluation_batches(lengths, max_positions=max_positions)
    assert sorted(np.concatenate(batches)) == list(range(len(lengths)))
    for batch in batches:
        assert len(batch) == 1 or len(batch) * lengths[batch].max() <= max_positions


@given(lengths=lengths_of, max_positions=st.integers(1, 500))
def test_evaluation_batches_without_padding_have_one_length(lengths: np.ndarray, max_positions: int) -> None:
    batches = evaluation_batches(lengths, max_positions=max_positions, padded=False)
    assert sorted(np.concatenate(batches)) == list(range(len(lengths)))
    assert all(len(set(lengths[batch])) == 1 for batch in batches)
    assert all(len(batch) == 1 or batch.size * lengths[batch[0]] <= max_positions for batch in batches)
