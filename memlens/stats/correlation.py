"""Correlation of ranks, over all rows and inside groups of rows."""

import numpy as np


def rank_correlation(one: np.ndarray, other: np.ndarray) -> float:
    """Spearman's correlation, ties sharing their mean rank.

    Parameters
    ----------
    one, other : float [row]
        Paired values.

    Returns
    -------
    float
        NaN where one of the two is the same everywhere.
    """
    from scipy.stats import spearmanr

    if np.ptp(one) == 0 or np.ptp(other) == 0:
        return np.nan
    return float(spearmanr(one, other)[0])  # pyright: ignore[reportArgumentType]


def centred_ranks(values: np.ndarray, group: np.ndarray) -> np.ndarray:
    """Mid-ranks inside each group, centred and divided by the size of the group.

    Parameters
    ----------
    values : float [row]
        What is ranked.
    group : int [row]
        0 and up.

    Returns
    -------
    float [row]
        From -1/2 to 1/2; 0 where a group has one row.
    """
    from scipy.stats import rankdata

    count = np.bincount(group)
    whole = rankdata(values, method="dense") / (values.size + 1)  # below 1: groups stay apart
    rank = rankdata(group + whole) - (np.cumsum(count) - count)[group]
    return (rank - (count[group] + 1) / 2) / count[group]
