"""Rearranging time: the nulls and intervals of everything whose rows follow each other in a stream.

Neighbouring segments are alike whatever they hold, so rows are never treated as independent. A null keeps
what neighbours share and breaks only the pairing that is in question; an interval leaves out whole stretches of time.
What repeats with a period is its own shifted copy: there these nulls are too strict, and find too little.
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


def time_orders(sequence: np.ndarray, draws: int, seed: int) -> Iterator[np.ndarray]:
    """Orders of rows for a null: each sequence is turned round by a random amount, and run backwards half of the time.

    Neighbours stay neighbours, so what changes slowly changes as slowly in the null: two slow, unrelated series look alike, and
    only this null shows how much (Politis and Romano, 1992, take whole circles of time likewise). Shifts under a twentieth of
    the sequence are left out, since what is slow would hardly notice them.

    Parameters
    ----------
    sequence
        Of each row; the rows of a sequence follow each other in order of time.
    """
    rng = np.random.default_rng(seed)
    parts = [np.flatnonzero(sequence == each) for each in np.unique(sequence)]
    for _ in range(draws):
        order = np.empty(sequence.size, int)
        for part in parts:
            least = max(part.size // 20, 1)
            turned = np.roll(part, int(rng.integers(least, max(part.size - least, least) + 1)))
            order[part] = turned[::-1] if rng.random() < 0.5 else turned
        yield order


class Units:
    """Rows grouped by the segment they come from, for moving what belongs to a segment as one piece.

    A label that all rows of a segment share is one observation, not as many as there are rows.

    Parameters
    ----------
    sequence, segment, place
        Of each row.
    ordered
        Whether places follow each other in time, as tokens do: then every row is a unit of its own.
    """

    def __init__(self, sequence: np.ndarray, segment: np.ndarray, place: np.ndarray, ordered: bool = False):
        key = np.stack([sequence, segment, place if ordered else np.zeros_like(place)], 1)
        self.key, self.unit = np.unique(key, axis=0, return_inverse=True)
        self.place = place
        self.count = np.bincount(self.unit)
        self.start = np.cumsum(self.count) - self.count

    def shuffles(self, draws: int, seed: int) -> Iterator[np.ndarray]:
        """Rows whose labels each row takes, (row,): segments move as in `time_orders`, places change with each other."""
        rng = np.random.default_rng([seed, 1])
        here = np.lexsort((self.place, self.unit))
        rank = np.arange(here.size) - np.repeat(self.start, self.count)
        for order in time_orders(self.key[:, 0], draws, seed):
            moved = rng.permutation(int(self.place.max()) + 1)[self.place]
            there = np.lexsort((moved, self.unit))
            source = np.repeat(order, self.count)
            taken = np.empty(here.size, int)
            taken[here] = there[self.start[source] + rank % self.count[source]]
            yield taken


def shuffles_within(unit: np.ndarray, draws: int, seed: int) -> Iterator[np.ndarray]:
    """Rows whose labels each row takes, (row,): labels change with each other inside of a unit, and never leave it.

    Right where rows of one unit are exchangeable, however many each unit has; what changes over time stays where it is.
    """
    rng = np.random.default_rng([seed, 2])
    here = np.argsort(unit, kind="stable")
    for _ in range(draws):
        taken = np.empty(unit.size, int)
        taken[here] = np.lexsort((rng.random(unit.size), unit))
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
