"""An effect against its null, question by question. Questions of one segment share their memory and count as one."""

import numpy as np

from memlens.analysis.support.decision_table import sign_flip_p
from memlens.analysis.support.statistics import holm

#: A change of loss below this, in nats a token, is none: the order in which sums are taken changes last bits.
NOISE = 1e-4
DRAWS = 1999


def without_rounding(change: np.ndarray) -> np.ndarray:
    """Changes of loss with what is rounding set to 0."""
    return np.where(np.abs(change) < NOISE, 0.0, change)


def bootstrap(values: np.ndarray, unit: np.ndarray, draws: int, seed: int) -> np.ndarray:
    """Means of columns over units drawn with replacement, (draw, column); NaN are left out.

    Whole units are drawn (Efron and Tibshirani, 1993, chapter 8), so that pairs stay pairs.
    """
    _, unit = np.unique(unit, return_inverse=True)
    known = np.isfinite(values)
    n = int(unit.max()) + 1
    total, count = (np.zeros((n, values.shape[1])) for _ in range(2))
    np.add.at(total, unit, np.where(known, values, 0.0))
    np.add.at(count, unit, known)
    weight = np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), draws).astype(float)
    above, below = weight @ total, weight @ count
    return np.divide(above, below, out=np.full_like(above, np.nan), where=below > 0)


def paired_effects(
    effect: np.ndarray, null: np.ndarray, unit: np.ndarray, seed: int, draws: int = DRAWS
) -> dict[str, np.ndarray]:
    """Mean effect of each cause, its interval, and whether it differs from that of its null.

    Parameters
    ----------
    effect, null
        (question, cause); NaN where a question has none.
    unit
        Of each question: questions of one unit are not independent.

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
    drawn = bootstrap(values, unit, draws, seed)
    known = np.isfinite(values).any(0)
    low, high, mean = (np.full(values.shape[1], np.nan) for _ in range(3))
    if known.any():
        low[known], high[known] = np.nanquantile(drawn[:, known], [0.025, 0.975], axis=0)
        mean[known] = np.nanmean(values[:, known], 0)
    return {f"{name}mean": mean, f"{name}low": low, f"{name}high": high}


def _two_sided(difference: np.ndarray, unit: np.ndarray, draws: int, seed: int) -> float:
    known = np.isfinite(difference)
    if np.unique(unit[known]).size < 2:
        return np.nan
    each = np.bincount(np.unique(unit[known], return_inverse=True)[1], difference[known])
    return min(1.0, 2 * min(sign_flip_p(each, draws, seed), sign_flip_p(-each, draws, seed)))
