"""Small statistics with closed forms: binomial intervals, permutation p-values, confusion scores."""

import numpy as np

METRICS = ["accuracy", "precision", "recall", "f1"]


def ratio(above: object, below: object) -> np.ndarray:
    """One over the other, NaN where the other is not above 0; both broadcast."""
    above, below = np.broadcast_arrays(np.asarray(above, float), np.asarray(below, float))
    return np.divide(above, below, out=np.full(above.shape, np.nan), where=below > 0)


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


def rank_correlation(one: np.ndarray, other: np.ndarray) -> float:
    """Spearman's, ties sharing their mean rank; NaN where one of the two is the same everywhere."""
    from scipy.stats import rankdata

    if np.ptp(one) == 0 or np.ptp(other) == 0:
        return np.nan
    return float(np.corrcoef(rankdata(one), rankdata(other))[0, 1])


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


def holm(p: np.ndarray) -> np.ndarray:
    """P-values adjusted so that any false alarm among them is as rare as each was alone; NaN stays and does not count.

    Step down: p_(i) times the number of tests not yet rejected, made monotone (Holm, 1979, Scand. J. Stat. 6, 65).
    """
    p = np.asarray(p, float)
    known = np.flatnonzero(np.isfinite(p))
    order = known[np.argsort(p[known], kind="stable")]
    out = np.full(p.shape, np.nan)
    out[order] = np.minimum(np.maximum.accumulate(p[order] * np.arange(order.size, 0, -1)), 1)
    return out
