"""Nulls that respect time: other orders of the rows of a stream.

Neighbouring segments are alike whatever they hold, so a null keeps what neighbours share and breaks only the pairing that is in
question. What repeats with a period is its own shifted copy: there these nulls are too strict, and find too little.
scipy.stats.permutation_test permutes single rows and is not used: its null would call every slow series significant.
"""

from collections.abc import Iterator, Sequence

import numpy as np


def time_orders(sequence: np.ndarray, draws: int, seed: int) -> Iterator[np.ndarray]:
    """Circular shifts in time: each sequence is rotated by a random amount, and run backwards half of the time.

    Neighbours stay neighbours, so what changes slowly changes as slowly in the null: two slow, unrelated series look alike, and
    only this null shows how much (Politis and Romano, 1992, also draw from circles of time). Shifts under a twentieth of
    the sequence are left out, since what is slow would hardly notice them.

    Parameters
    ----------
    sequence : int [row]
        The rows of a sequence follow each other in order of time.
    draws, seed : int
        Orders, and what they are drawn from.

    Yields
    ------
    int [row]
        Which row takes the place of each row.
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


def shuffles_within(group: np.ndarray, draws: int, seed: int | Sequence[int]) -> Iterator[np.ndarray]:
    """Permutations of the rows of each group among themselves.

    Right where rows of one group are exchangeable, however many each group has; what changes between groups stays where it is.

    Parameters
    ----------
    group : int [row]
        Of each row.
    draws : int
        Permutations.
    seed : int or sequence of int
        What they are drawn from.

    Yields
    ------
    int [row]
        Row whose label each row takes.
    """
    rng = np.random.default_rng(seed)
    here = np.argsort(group, kind="stable")
    for _ in range(draws):
        taken = np.empty(group.size, int)
        taken[here] = np.lexsort((rng.random(group.size), group))
        yield taken


class SegmentUnits:
    """Rows grouped by the segment they come from, for moving what belongs to a segment as one piece.

    A label that all rows of a segment share is one observation, not as many as there are rows.

    Parameters
    ----------
    sequence, segment, place : int [row]
        Where each row comes from.
    ordered : bool
        Whether places follow each other in time, as tokens do: then every row is a unit of its own.

    Attributes
    ----------
    key : int [unit, 3]
        Sequence, segment and place of each unit, in order of time.
    unit : int [row]
        Unit of each row.
    """

    def __init__(self, sequence: np.ndarray, segment: np.ndarray, place: np.ndarray, ordered: bool = False):
        key = np.stack([sequence, segment, place if ordered else np.zeros_like(place)], 1)
        self.key, self.unit = np.unique(key, axis=0, return_inverse=True)
        self.place = place
        self.count = np.bincount(self.unit)
        self.start = np.cumsum(self.count) - self.count

    def shuffles(self, draws: int, seed: int) -> Iterator[np.ndarray]:
        """Units shift in time as in `time_orders`, and places trade their labels.

        Parameters
        ----------
        draws, seed : int
            Orders, and what they are drawn from.

        Yields
        ------
        int [row]
            Row whose label each row takes.
        """
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
