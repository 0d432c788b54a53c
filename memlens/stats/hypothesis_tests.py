"""P-values from the draws of a null, and the sign-flip test."""

import numpy as np


def p_value(observed: float, null: np.ndarray) -> float:
    """One-sided Monte-Carlo p: (1 + #{null >= observed}) / (1 + draws).

    Never 0: Phipson and Smyth, 2010, "Permutation P-values should never be zero", equation 2.

    Parameters
    ----------
    observed : float
        The statistic.
    null : float [draw]
        The statistic in the draws of the null.

    Returns
    -------
    float
    """
    null = np.asarray(null, float)
    return float((1 + np.sum(null >= observed)) / (1 + null.size))


def two_sided_p(observed: float, null: np.ndarray) -> float:
    """Two-sided Monte-Carlo p: how often the null lies as far from its own mean as what was observed.

    Parameters
    ----------
    observed : float
        The statistic.
    null : float [draw]
        The statistic in the draws of the null.

    Returns
    -------
    float
    """
    centre = null.mean()
    return p_value(abs(observed - centre), np.abs(null - centre))


def sign_flip_p(values: np.ndarray, draws: int, seed: int) -> float:
    """One-sided p that the mean of independent values is above 0, by flipping their signs at random.

    Valid where a value and its negative are equally likely without an effect (Fisher, 1935). The draws are the same for every call of
    one seed and size, which scipy.stats.permutation_test does not promise: it turns to the exact null when there are few values.

    Parameters
    ----------
    values : float [unit]
        NaN are left out.
    draws, seed : int
        Draws of the null, and what they are drawn from.

    Returns
    -------
    float
        NaN where no value is left.
    """
    values = values[np.isfinite(values)]
    if values.size == 0:
        return np.nan
    signs = np.random.default_rng(seed).choice([-1.0, 1.0], (draws, values.size))
    # a mean of 0 is no evidence: rounding must not rank it above its own negatives
    return p_value(float(values.mean()) - 1e-12, (signs * values).mean(1))


def two_sided_sign_flip_p(values: np.ndarray, draws: int, seed: int) -> float:
    """Two-sided p that the mean of independent values is not 0: twice the smaller of the two one-sided ones.

    Parameters
    ----------
    values : float [unit]
        NaN are left out.
    draws, seed : int
        Draws of the null, and what they are drawn from.

    Returns
    -------
    float
        NaN where no value is left.
    """
    return min(1.0, 2 * min(sign_flip_p(values, draws, seed), sign_flip_p(-values, draws, seed)))
