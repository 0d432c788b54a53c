"""Proportions: a ratio that may have nothing below, and the interval of a share."""

import numpy as np

#: Two-sided 95 % quantile of the normal distribution.
Z = 1.959964


def ratio(above: object, below: object) -> np.ndarray:
    """One over the other, NaN where the other is not above 0.

    Parameters
    ----------
    above, below : float [...]
        Broadcast against each other.

    Returns
    -------
    float [...]
    """
    above, below = np.broadcast_arrays(np.asarray(above, float), np.asarray(below, float))
    return np.divide(above, below, out=np.full(above.shape, np.nan), where=below > 0)


def wilson(correct: np.ndarray, n: np.ndarray, z: float = Z) -> tuple[np.ndarray, np.ndarray]:
    """Wilson score interval of a share of independent trials, for arrays of counts.

    centre = (p + z^2/2n) / (1 + z^2/n), half = z sqrt(p(1-p)/n + z^2/4n^2) / (1 + z^2/n)
    (E. B. Wilson, 1927, J. Am. Stat. Assoc. 22, 209). scipy.stats.binomtest has it for one count at a time.

    Parameters
    ----------
    correct, n : int [...]
        Successes and trials.
    z : float
        Quantile of the normal distribution; 95 % by default.

    Returns
    -------
    low, high : float [...]
        NaN where n is 0.
    """
    n = np.asarray(n, float)
    safe = np.where(n > 0, n, np.nan)
    p = np.asarray(correct, float) / safe
    scale = 1 + z**2 / safe
    centre = (p + z**2 / (2 * safe)) / scale
    half = z * np.sqrt(p * (1 - p) / safe + z**2 / (4 * safe**2)) / scale
    # rounding must not put p itself, 0 or 1 say, outside
    return np.clip(np.minimum(centre - half, p), 0, 1), np.clip(np.maximum(centre + half, p), 0, 1)
