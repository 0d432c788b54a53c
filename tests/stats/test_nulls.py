"""Orders keep what they promise to keep."""

import numpy as np
import pytest

from memlens.stats.nulls import SegmentUnits, shuffles_within, time_orders
from memlens.stats.time_blocks import time_blocks


def test_shifts_keep_neighbours_and_sequences() -> None:
    sequence = np.repeat([0, 1], [40, 25])
    orders = list(time_orders(sequence, 30, 0))
    for order in orders:
        assert sorted(order) == list(range(65))
        np.testing.assert_array_equal(sequence[order], sequence)
        for part in (order[:40], order[40:]):
            steps = np.diff(part) % part.size
            assert np.isin(steps, [1, part.size - 1]).sum() == part.size - 1
        assert (order != np.arange(65)).any()
    assert len({order.tobytes() for order in orders}) > 10


def test_permutations_stay_in_their_group() -> None:
    group = np.array([2, 0, 0, 1, 2, 1, 0, 2])
    orders = list(shuffles_within(group, 50, 0))
    for order in orders:
        assert sorted(order) == list(range(8))
        np.testing.assert_array_equal(group[order], group)
    assert len({order.tobytes() for order in orders}) > 10


def test_segments_move_whole() -> None:
    """A label that is constant in a segment stays constant in one."""
    segment, place = np.repeat(np.arange(20), 3), np.tile(np.arange(3), 20)
    units = SegmentUnits(np.zeros(60, int), segment, place)
    for taken in units.shuffles(10, 0):
        label = segment[taken].reshape(20, 3)
        assert (label == label[:, :1]).all()
        assert sorted(label[:, 0]) == list(range(20))


@pytest.mark.parametrize("n_sequence", [1, 3, 50])
def test_blocks_never_cross_sequences(n_sequence: int) -> None:
    sequence, segment = np.repeat(np.arange(n_sequence), 30), np.tile(np.arange(30), n_sequence)
    block = time_blocks(sequence, segment)
    assert block.max() + 1 == max(20 // n_sequence, 1) * n_sequence
    for each in np.unique(block):
        own = block == each
        assert np.unique(sequence[own]).size == 1
        assert np.ptp(segment[own]) == own.sum() - 1
