"""Intervals from leaving out one block of rows at a time."""

from collections.abc import Callable

import numpy as np

from memlens.stats.proportions import Z


def jackknife(
    statistic: Callable[[np.ndarray], np.ndarray | float], block: np.ndarray, z: float = Z
) -> tuple[np.ndarray, np.ndarray]:
    """95 % interval from leaving out one block of rows after the other.

    var = (B - 1) / B sum_b (theta_(b) - mean)^2 (Künsch, 1989, for blocks of a time series). Unlike a bootstrap it
    repeats no row, which matters for statistics of pairs of rows.

    Parameters
    ----------
    statistic : callable
        Takes the mask of the rows that stay, bool [row]; returns a number or an array.
    block : int [row]
        Rows of one block are left out together.
    z : float
        Half width in standard errors.

    Returns
    -------
    low, high : float [...]
        Of the statistic's shape. NaN with fewer than two blocks.
    """
    whole = np.asarray(statistic(np.ones(block.size, bool)), float)
    blocks = np.unique(block)
    if blocks.size < 2:
        return np.full_like(whole, np.nan), np.full_like(whole, np.nan)
    left = np.stack([np.asarray(statistic(block != each), float) for each in blocks])
    spread = np.sqrt((blocks.size - 1) / blocks.size * ((left - left.mean(0)) ** 2).sum(0))
    return whole - z * spread, whole + z * spread
