"""Several tests at once: no false alarm among all of them more often than a single one may have.

scipy.stats.false_discovery_control holds the share of false alarms among what is found, which is a weaker promise.
"""

import numpy as np


def holm(p: np.ndarray) -> np.ndarray:
    """P-values adjusted for their number, so that any false alarm among them is as rare as each was alone.

    Step down: p_(i) times the number of tests not yet rejected, made monotone (Holm, 1979, Scand. J. Stat. 6, 65).
    NaN stays and does not count.
    """
    p = np.asarray(p, float)
    known = np.flatnonzero(np.isfinite(p))
    order = known[np.argsort(p[known], kind="stable")]
    out = np.full(p.shape, np.nan)
    out[order] = np.minimum(np.maximum.accumulate(p[order] * np.arange(order.size, 0, -1)), 1)
    return out


def largest_null(null: np.ndarray) -> float:
    """What the largest of all groups' nulls exceeds in 5 % of the shuffles; of 19, every one of them.

    A group above it is found with the error over all groups held at 5 % (Westfall and Young, 1993, maxT).
    ``null`` is float [group, shuffle], NaN where a group has none.
    """
    largest = np.sort(np.nanmax(null, axis=0))
    return float(largest[int(np.ceil(0.95 * (largest.size + 1))) - 1])
