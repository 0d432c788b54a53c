"""Small statistics with closed forms: binomial intervals, permutation p-values, confusion scores, survival."""

import numpy as np

METRICS = ["accuracy", "precision", "recall", "f1"]


def wilson(correct: np.ndarray, n: np.ndarray, z: float = 1.959964) -> tuple[np.ndarray, np.ndarray]:
    """Wilson score interval of a proportion; NaN where n is 0.

    centre = (p + z^2/2n) / (1 + z^2/n), half = z sqrt(p(1-p)/n + z^2/4n^2) / (1 + z^2/n)
    (E. B. Wilson, 1927, J. Am. Stat. Assoc. 22, 209).
    """
    n = np.asarray(n, float)
    safe = np.where(n > 0, n, np.nan)
    p = np.asarray(correct, float) / safe
    scale = 1 + z**2 / safe
    centre = (p + z**2 / (2 * safe)) / scale
    half = z * np.sqrt(p * (1 - p) / safe + z**2 / (4 * safe**2)) / scale
    # rounding must not put p itself, 0 or 1 say, outside
    return np.clip(np.minimum(centre - half, p), 0, 1), np.clip(np.maximum(centre + half, p), 0, 1)


def p_value(observed: float, null: np.ndarray) -> float:
    """One-sided Monte-Carlo p: (1 + #{null >= observed}) / (1 + draws).

    Never 0: Phipson and Smyth, 2010, "Permutation P-values should never be zero", equation 2.
    """
    null = np.asarray(null, float)
    return float((1 + np.sum(null >= observed)) / (1 + null.size))


def confusion_scores(confusion: np.ndarray) -> np.ndarray:
    """Accuracy and macro precision, recall and F1 of confusion matrices.

    Parameters
    ----------
    confusion
        Counts, (..., true, predicted). Classes without any true row are left out of the macro means.

    Returns
    -------
    numpy.ndarray
        (..., metric) in the order of METRICS. A class that is never predicted has precision 0.
    """
    confusion = np.asarray(confusion, float)
    precision, recall, f1 = class_scores(confusion)
    total = confusion.sum((-2, -1))
    hit = np.trace(confusion, axis1=-2, axis2=-1)
    accuracy = np.divide(hit, total, out=np.zeros_like(hit), where=total > 0)
    present = confusion.sum(-1) > 0
    count = np.maximum(present.sum(-1), 1)
    macro = [(np.where(present, values, 0).sum(-1) / count) for values in (precision, recall, f1)]
    return np.stack([accuracy, *macro], axis=-1)


def class_scores(confusion: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Precision, recall and F1 of each class; 0 where undefined. Input (..., true, predicted)."""
    confusion = np.asarray(confusion, float)
    hit = np.diagonal(confusion, axis1=-2, axis2=-1)
    predicted, true = confusion.sum(-2), confusion.sum(-1)

    def divide(above: np.ndarray, below: np.ndarray) -> np.ndarray:
        return np.divide(above, below, out=np.zeros_like(below), where=below > 0)

    return divide(hit, predicted), divide(hit, true), divide(2 * hit, predicted + true)


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
