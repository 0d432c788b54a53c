"""Effects beside their null, pair by pair. Pairs of one unit (questions of one segment share their memory) count as one."""

import numpy as np

from memlens.stats.bootstrap import QUANTILES, cluster_means
from memlens.stats.comparisons import holm
from memlens.stats.hypothesis_tests import two_sided_sign_flip_p

DRAWS = 1999


def paired_effects(
    effect: np.ndarray, null: np.ndarray, unit: np.ndarray, seed: int, draws: int = DRAWS
) -> dict[str, np.ndarray]:
    """Mean effect of each cause, its interval, and whether it differs from that of its null.

    Parameters
    ----------
    effect, null : float [question, cause]
        NaN where a question has none.
    unit : int [question]
        Questions of one unit are not independent.
    seed, draws : int
        Draws of the bootstrap and of the test, and what they are drawn from.

    Returns
    -------
    dict
        Over causes: ``mean``, ``low``, ``high`` (95 %, bootstrap over units), ``null_mean`` with ``null_low``, ``null_high``, ``n`` pairs,
        ``p`` (two-sided: the sign of each unit's difference from its null is as likely as its opposite) and ``p_adjusted`` (Holm).
    """
    pair = np.where(np.isfinite(effect) & np.isfinite(null), effect - null, np.nan)
    p = np.array([_two_sided(column, unit, draws, seed) for column in pair.T])
    return {
        **_interval("", effect, unit, draws, seed), **_interval("null_", null, unit, draws, seed),
        "n": np.isfinite(pair).sum(0), "p": p, "p_adjusted": holm(p),
    }  # fmt: skip


def _interval(name: str, values: np.ndarray, unit: np.ndarray, draws: int, seed: int) -> dict[str, np.ndarray]:
    drawn = cluster_means(values, unit, draws, seed)
    known = np.isfinite(values).any(0)
    low, high, mean = (np.full(values.shape[1], np.nan) for _ in range(3))
    if known.any():
        low[known], high[known] = np.nanquantile(drawn[:, known], QUANTILES, axis=0)
        mean[known] = np.nanmean(values[:, known], 0)
    return {f"{name}mean": mean, f"{name}low": low, f"{name}high": high}


def _two_sided(difference: np.ndarray, unit: np.ndarray, draws: int, seed: int) -> float:
    known = np.isfinite(difference)
    if np.unique(unit[known]).size < 2:
        return np.nan
    each = np.bincount(np.unique(unit[known], return_inverse=True)[1], difference[known])
    return two_sided_sign_flip_p(each, draws, seed)
