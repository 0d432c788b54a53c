"""Statistics of lifetimes: the product-limit curve, half-lives with intervals, and the log-rank test of any number of groups."""

import warnings

import numpy as np


def kaplan_meier(duration: np.ndarray, died: np.ndarray, ages: np.ndarray) -> tuple[np.ndarray, ...]:
    """Product-limit estimate of survival past each age, with its 95 % interval (``scipy.stats.ecdf`` of censored data).

    S(t) = prod over death times t_i <= t of (1 - d_i / n_i); the variance of log S is Greenwood's
    sum d_i / (n_i (n_i - d_i)); the interval is that of log(-log S), which stays inside 0 and 1
    (Kaplan and Meier, 1958; Kalbfleisch and Prentice, 2002, section 1.4).

    Parameters
    ----------
    duration : int [entry]
        Segments each entry was held, until it died or the recording ended.
    died : bool [entry]
        Whether it died (False: censored, still held at the end).
    ages : int [age]
        Ages at which the curve is returned.

    Returns
    -------
    survival, low, high, at_risk : float [age]
        NaN past the longest duration; nothing is at risk there.
    """
    if duration.size == 0:
        empty = np.full(ages.shape, np.nan)
        return empty, empty, empty, np.zeros(ages.shape)
    known = ages <= duration.max()
    time, *curves = _curves(duration, died)
    at = np.searchsorted(time, ages, side="right")
    curves = [np.where(known, np.append(1.0, curve)[at], np.nan) for curve in curves]
    at_risk = duration.size - np.searchsorted(np.sort(duration), ages)
    return *curves, at_risk.astype(float)


def half_life(duration: np.ndarray, died: np.ndarray) -> tuple[float, float, float]:
    """Age at which half are gone, with its 95 % interval.

    The interval holds every age at which the limits of the curve lie around one half (Brookmeyer and Crowley, 1982,
    Biometrics 38, 29, with the log-log limits of `kaplan_meier`).

    Parameters
    ----------
    duration : int [entry]
        Segments each entry was held, until it died or the recording ended.
    died : bool [entry]
        Whether it died.

    Returns
    -------
    half_life, low, high : float
        Segments; NaN where the curve, or a limit of it, never falls to one half.
    """
    if duration.size == 0:
        return np.nan, np.nan, np.nan

    time, *curves = _curves(duration, died)

    def first(curve: np.ndarray) -> float:
        below = np.flatnonzero(curve <= 0.5)
        return float(time[below[0]]) if below.size else np.nan

    survival, low, high = (first(curve) for curve in curves)
    return survival, low, high


def _curves(duration: np.ndarray, died: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Distinct durations, ascending, with the curve and its limits there; at survival 0 and 1 the limits are the curve."""
    from scipy.stats import CensoredData, ecdf

    survival = ecdf(CensoredData.right_censored(duration, ~died)).sf
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # at survival 0 and 1 the interval is not defined
        interval = survival.confidence_interval(method="log-log")
    curve = survival.probabilities
    inside = (curve > 0) & (curve < 1)
    low, high = (np.where(inside, limit.probabilities, curve) for limit in (interval.low, interval.high))
    return survival.quantiles, curve, low, high


def log_rank(duration: np.ndarray, died: np.ndarray, group: np.ndarray) -> tuple[float, int, float]:
    """Test whether groups die at one rate at every age; of two groups it is ``scipy.stats.logrank``, which takes no more.

    At each age with deaths, group j expects d n_j / n of the d deaths among the n at risk, with the hypergeometric covariance
    d (n - d) / (n - 1) (n_j / n) (delta_jk - n_k / n); the squared excess over all ages, in that covariance, is chi-square with one
    degree of freedom fewer than groups (Mantel, 1966; Peto and Peto, 1972; Kalbfleisch and Prentice, 2002, section 1.5).

    Parameters
    ----------
    duration : int [entry]
        Segments each entry was held, until it died or the recording ended.
    died : bool [entry]
        Whether it died.
    group : int [entry]
        Codes, in any order.

    Returns
    -------
    statistic : float
    degrees_of_freedom : int
    p : float
        NaN, 0, NaN with fewer than two groups, or without a death.
    """
    from scipy.stats import chi2

    names, code = np.unique(group, return_inverse=True)
    if names.size < 2 or not died.any():
        return np.nan, 0, np.nan
    length = int(duration.max()) + 1
    cell = duration.astype(int) * names.size + code
    leaving = np.bincount(cell, minlength=length * names.size).reshape(length, names.size)
    deaths = np.bincount(cell[died], minlength=length * names.size).reshape(length, names.size)
    risk = leaving[::-1].cumsum(0)[::-1].astype(float)
    d, n = deaths.sum(1).astype(float), risk.sum(1)
    risk, deaths, d, n = (values[(d > 0) & (n > 1)] for values in (risk, deaths, d, n))
    share = risk / n[:, None]
    excess = (deaths - d[:, None] * share).sum(0)
    scale = d * (n - d) / (n - 1)
    covariance = np.diag((scale[:, None] * share).sum(0)) - np.einsum("t,tj,tk->jk", scale, share, share)
    # the excesses sum to 0: one group says nothing that the others do not
    inverse = np.linalg.pinv(covariance[:-1, :-1], hermitian=True)
    rank = int(np.linalg.matrix_rank(covariance[:-1, :-1], hermitian=True))
    statistic = float(excess[:-1] @ inverse @ excess[:-1])
    return (statistic, rank, float(chi2.sf(statistic, rank))) if rank else (np.nan, 0, np.nan)
