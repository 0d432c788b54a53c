"""Statistics of lifetimes: the product-limit curve, half-lives with intervals, and the log-rank test."""

import numpy as np


def kaplan_meier(duration: np.ndarray, died: np.ndarray, ages: np.ndarray) -> tuple[np.ndarray, ...]:
    """Product-limit estimate of survival past each age, with its 95 % interval.

    S(t) = prod over death times t_i <= t of (1 - d_i / n_i); the variance of log S is Greenwood's
    sum d_i / (n_i (n_i - d_i)); the interval is that of log(-log S), which stays inside 0 and 1
    (Kaplan and Meier, 1958; Kalbfleisch and Prentice, 2002, section 1.4).

    Parameters
    ----------
    duration
        Segments each entry was held, until it died or the recording ended.
    died
        Whether it died (False: censored, still held at the end).
    ages
        Ages at which the curve is returned, ascending.

    Returns
    -------
    survival, low, high, at_risk
        Each of the shape of ``ages``; NaN past the longest duration.
    """
    if duration.size == 0:
        empty = np.full(ages.shape, np.nan)
        return empty, empty, empty, np.zeros(ages.shape)
    longest = int(duration.max())
    leaving = np.bincount(duration.astype(int), minlength=longest + 1)
    deaths = np.bincount(duration[died].astype(int), minlength=longest + 1)
    risk = duration.size - np.concatenate([[0], np.cumsum(leaving)[:-1]])
    survival = np.cumprod(1 - deaths / risk)
    with np.errstate(divide="ignore", invalid="ignore"):
        greenwood = np.cumsum(deaths / (risk * (risk - deaths)))
        spread = 1.959964 * np.sqrt(greenwood) / np.abs(np.log(survival))
        low, high = survival ** np.exp(spread), survival ** np.exp(-spread)
    inside = (survival > 0) & (survival < 1)
    low, high = np.where(inside, low, survival), np.where(inside, high, survival)
    known = ages <= longest
    at = np.minimum(ages, longest).astype(int)
    curves = [np.where(known, values[at], np.nan) for values in (survival, low, high)]
    return *curves, np.where(known, risk[at], 0)


def half_life(duration: np.ndarray, died: np.ndarray) -> tuple[float, float, float]:
    """Age at which half are gone, with its 95 % interval; NaN where the curve, or a limit of it, never falls to one half.

    The interval holds every age at which the limits of the curve lie around one half (Brookmeyer and Crowley, 1982,
    Biometrics 38, 29, with the log-log limits of `kaplan_meier`).
    """
    ages = np.arange(int(duration.max(initial=0)) + 1)
    survival, low, high, _ = kaplan_meier(duration, died, ages)

    def first(curve: np.ndarray) -> float:
        below = np.flatnonzero(curve <= 0.5)
        return float(ages[below[0]]) if below.size else np.nan

    return first(survival), first(low), first(high)


def log_rank(duration: np.ndarray, died: np.ndarray, group: np.ndarray) -> tuple[float, int, float]:
    """Test whether groups die at one rate at every age.

    At each age with deaths, group j expects d n_j / n of the d deaths among the n at risk, with the hypergeometric covariance
    d (n - d) / (n - 1) (n_j / n) (delta_jk - n_k / n); the squared excess over all ages, in that covariance, is chi-square with one
    degree of freedom fewer than groups (Mantel, 1966; Peto and Peto, 1972; Kalbfleisch and Prentice, 2002, section 1.5).

    Returns
    -------
    statistic, degrees of freedom, p
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
