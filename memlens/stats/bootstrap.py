"""Intervals by the bootstrap, of observations that come in groups.

Questions of one stream, or runs of one seed, are more alike than those of two, so groups are drawn first. scipy.stats.bootstrap draws
single observations; with one observation a group these functions are that. An interval that goes into a file is
``{"value", "low", "high", "n", "groups"}``, ready for JSON. With three or five groups it is the spread that was seen, not a guarantee;
more groups make it honest, more observations a group do not.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from memlens.errors import AnalysisError
from memlens.stats.proportions import wilson

Interval = dict[str, float]
Groups = Iterable[Sequence[float] | np.ndarray]

#: Draws of a bootstrap, and the quantiles that its 95 % interval lies between.
N_DRAW = 2000
QUANTILES = (0.025, 0.975)
#: How many numbers of a bootstrap are held at a time.
_AT_ONCE = 2**20


def percentiles(draws: Any, axis: int | None = None) -> tuple[Any, Any]:
    """The percentile interval (95 %) of the draws of a bootstrap.

    Parameters
    ----------
    draws : float [..., draw, ...]
        Values of the statistic.
    axis : int or None
        That of the draws; None where there is no other.

    Returns
    -------
    low, high : float [...]
    """
    low, high = np.quantile(draws, QUANTILES, axis=axis)
    return low, high


def drawn_blocks(n_block: int, draws: int, seed: int) -> np.ndarray:
    """Which blocks each resample is made of, drawn with replacement.

    Parameters
    ----------
    n_block : int
        Blocks there are, and blocks in a resample.
    draws, seed : int
        Resamples, and what they are drawn from.

    Returns
    -------
    int [draw, block]
    """
    return np.random.default_rng(seed).integers(0, n_block, (draws, n_block))


def cluster_means(values: np.ndarray, unit: np.ndarray, draws: int, seed: int) -> np.ndarray:
    """Means of columns over units drawn with replacement; NaN are left out.

    Whole units are drawn (Efron and Tibshirani, 1993, chapter 8), and the same ones for all columns, so that pairs stay pairs.

    Parameters
    ----------
    values : float [row, column]
        Observations.
    unit : int [row]
        Rows of one unit are drawn together.
    draws, seed : int
        Resamples, and what they are drawn from.

    Returns
    -------
    float [draw, column]
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


def nested_means(values: np.ndarray, group: np.ndarray, n_draw: int = N_DRAW, seed: int = 0) -> np.ndarray:
    """Means of resampled rows: groups are drawn with replacement, then rows within each (Davison and Hinkley, 1997, section 3.8).

    With one group only rows are drawn. `nested_bootstrap` does the same for any statistic, and holds all draws at once.

    Parameters
    ----------
    values : float [row, measure]
        Observations.
    group : int [row]
        Which group a row belongs to.
    n_draw, seed : int
        Resamples, and what they are drawn from.

    Returns
    -------
    float [draw, measure]
    """
    rng = np.random.default_rng(seed)
    groups = [values[group == one] for one in np.unique(group)]
    picks = rng.integers(len(groups), size=(n_draw, len(groups)))
    total, count = np.zeros((n_draw, values.shape[1])), np.zeros(n_draw)
    for i, own in enumerate(groups):
        draws = np.repeat(np.arange(n_draw), (picks == i).sum(1))
        step = max(1, _AT_ONCE // len(own))
        for start in range(0, len(draws), step):
            some = draws[start : start + step]
            rows = rng.integers(len(own), size=(len(some), len(own)))
            np.add.at(total, some, own[rows].sum(1))
            np.add.at(count, some, len(own))
    return total / count[:, None]


def nested_bootstrap(groups: Groups, statistic: Callable[..., Any] = np.mean, n_draw: int = N_DRAW) -> Interval:
    """A statistic of all observations, and its percentile interval when groups are drawn, then observations within.

    Parameters
    ----------
    groups : sequence of float [observation]
        Observations of each group; all weigh alike in the statistic. With one group only what lies within it is drawn.
    statistic : callable
        Takes an array and ``axis``, as ``numpy.mean`` and ``numpy.median`` do.
    n_draw : int
        Resamples.

    Returns
    -------
    dict
        An interval, see the module.

    Raises
    ------
    AnalysisError
        When there is nothing to resample, or a value is not finite.
    """
    arrays = [np.asarray(group, float).ravel() for group in groups]
    arrays = [array for array in arrays if array.size]
    if not arrays or not all(np.isfinite(array).all() for array in arrays):
        raise AnalysisError("a bootstrap got no observations, or some that are not finite; give it at least one number")
    rng = np.random.default_rng(0)
    n, sizes = len(arrays), {array.size for array in arrays}
    if len(sizes) == 1:
        [size] = sizes
        group = rng.integers(0, n, (n_draw, n, 1))
        draws = statistic(
            np.stack(arrays)[group, rng.integers(0, size, (n_draw, n, size))].reshape(n_draw, -1), axis=-1
        )
    else:
        draws = [
            statistic(np.concatenate([rng.choice(arrays[i], arrays[i].size) for i in rng.integers(0, n, n)]), axis=-1)
            for _ in range(n_draw)
        ]
    low, high = percentiles(draws)
    whole = np.concatenate(arrays)
    return {
        "value": float(statistic(whole, axis=-1)),
        "low": float(low),
        "high": float(high),
        "n": int(whole.size),
        "groups": len(arrays),
    }


def paired_bootstrap(first: Groups, second: Groups, n_draw: int = N_DRAW) -> Interval:
    """Mean of (first - second) over the same observations, with its bootstrap interval.

    Parameters
    ----------
    first, second : sequence of float [observation]
        In the same groups and the same order.
    n_draw : int
        Resamples.

    Returns
    -------
    dict
        An interval, see the module.

    Raises
    ------
    AnalysisError
        When the two do not pair one to one.
    """
    pairs = list(zip(map(np.asarray, first), map(np.asarray, second), strict=True))
    for i, (a, b) in enumerate(pairs):
        if a.shape != b.shape:
            raise AnalysisError(f"group {i} has {a.size} and {b.size} observations; pairs need as many of each")
    return nested_bootstrap([a.astype(float) - b.astype(float) for a, b in pairs], n_draw=n_draw)


def share_interval(right: int, n: int) -> Interval:
    """A share of independent observations with its Wilson interval, in the form of the bootstraps'.

    Parameters
    ----------
    right, n : int
        Successes and trials.

    Returns
    -------
    dict
        An interval, see the module.

    Raises
    ------
    AnalysisError
        When the two are no share.
    """
    if not 0 <= right <= n or n == 0:
        raise AnalysisError(f"{right} of {n} is no share; expected 0 <= right <= n and n > 0")
    low, high = wilson(np.array(right), np.array(n))
    return {"value": right / n, "low": float(low), "high": float(high), "n": n, "groups": 1}


def by_seed(rows: Iterable[Mapping[str, Any]], value: str, seed: str = "seed") -> list[np.ndarray]:
    """The values of rows, grouped by seed in ascending order: the groups of a bootstrap.

    Parameters
    ----------
    rows : iterable of mappings
        Records that hold both keys.
    value, seed : str
        Keys of the value and of its group.

    Returns
    -------
    list of float [observation]
    """
    grouped: dict[Any, list[float]] = {}
    for row in rows:
        grouped.setdefault(row[seed], []).append(row[value])
    return [np.array(grouped[key], float) for key in sorted(grouped)]
