"""Rearranging time: the nulls and intervals of everything whose rows follow each other in a stream.

Neighbouring segments are alike whatever is planted in them, so rows are never treated as independent. A null keeps
what neighbours share and breaks only the pairing that is in question; an interval leaves out whole stretches of time.
"""

from collections.abc import Callable, Iterator

import numpy as np

#: Stretches of time that a recording is cut into, at most.
BLOCKS = 20


def time_blocks(sequence: np.ndarray, segment: np.ndarray, blocks: int = BLOCKS) -> np.ndarray:
    """Cut time into about ``blocks`` stretches of equal length, none of which crosses from one sequence to another.

    Parameters
    ----------
    sequence, segment
        Of each row, (row,).

    Returns
    -------
    numpy.ndarray
        Block of each row, 0, 1, ... without gaps, in order of sequence and time.
    """
    sequences = np.unique(sequence)
    each = max(blocks // sequences.size, 1)
    first, last = int(segment.min()), int(segment.max())
    part = (segment - first) * each // max(last - first + 1, each)
    return np.unique(np.searchsorted(sequences, sequence) * each + part, return_inverse=True)[1]


def time_orders(block: np.ndarray, draws: int, seed: int) -> Iterator[np.ndarray]:
    """Orders of rows for a null: blocks change places and each is turned round by a random amount.

    Inside a block neighbours stay neighbours, so a slow change costs the null as much as it costs the data
    (a block permutation, with the rotation of Politis and Romano's circular blocks, 1992, so that periods that
    fit a block do not survive).

    Parameters
    ----------
    block
        Block of each row; rows of a block follow each other.
    """
    rng = np.random.default_rng(seed)
    parts = [np.flatnonzero(block == each) for each in np.unique(block)]
    for _ in range(draws):
        turned = [np.roll(part, int(rng.integers(part.size))) for part in parts]
        yield np.concatenate([turned[at] for at in rng.permutation(len(turned))])


class Units:
    """Rows grouped by the segment they come from, for shuffling what belongs to a segment as one piece.

    A label that all rows of a segment share is one observation, not as many as there are rows.
    """

    def __init__(self, sequence: np.ndarray, segment: np.ndarray, blocks: int = BLOCKS):
        key = np.stack([sequence, segment], 1)
        pairs, self.unit = np.unique(key, axis=0, return_inverse=True)
        self.block = time_blocks(pairs[:, 0], pairs[:, 1], blocks)
        self.rows = np.argsort(self.unit, kind="stable")
        self.count = np.bincount(self.unit)
        self.start = np.cumsum(self.count) - self.count

    def shuffles(self, draws: int, seed: int) -> Iterator[np.ndarray]:
        """Rows whose labels each row takes, (row,): segments move as in `time_orders`, rows mix inside their segment."""
        rng = np.random.default_rng([seed, 1])
        for order in time_orders(self.block, draws, seed):
            mixed = self.rows[np.lexsort((rng.random(self.rows.size), self.unit[self.rows]))]
            rank = np.arange(self.rows.size) - np.repeat(self.start, self.count)
            source = np.repeat(order, self.count)
            taken = np.empty(self.rows.size, int)
            taken[self.rows] = mixed[self.start[source] + rank % self.count[source]]
            yield taken


def jackknife(
    statistic: Callable[[np.ndarray], np.ndarray | float], block: np.ndarray, z: float = 1.959964
) -> tuple[np.ndarray, np.ndarray]:
    """95 % interval from leaving out one block of rows after the other.

    var = (B - 1) / B sum_b (theta_(b) - mean)^2 (Künsch, 1989, for blocks of a time series). Unlike a bootstrap it
    repeats no row, which matters for statistics of pairs of rows.

    Parameters
    ----------
    statistic
        Called with the mask of the rows kept; returns a number or an array.

    Returns
    -------
    low, high
        Of the statistic's shape. NaN with fewer than two blocks.
    """
    whole = np.asarray(statistic(np.ones(block.size, bool)), float)
    blocks = np.unique(block)
    if blocks.size < 2:
        return np.full_like(whole, np.nan), np.full_like(whole, np.nan)
    left = np.stack([np.asarray(statistic(block != each), float) for each in blocks])
    spread = np.sqrt((blocks.size - 1) / blocks.size * ((left - left.mean(0)) ** 2).sum(0))
    return whole - z * spread, whole + z * spread
