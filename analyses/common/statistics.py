"""The statistics that studies share. A value with its 95 % interval is ``{"value", "low", "high", "n", "groups"}``, ready for JSON.

Observations come in groups, one a seed (or a repeat): those of one seed are more alike than those of two, so seeds are resampled first and
then what lies within. With three or five seeds such an interval is the spread that was seen, not a guarantee; more seeds make it
honest, more observations a seed do not.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from memlens.analysis.support.statistics import wilson
from memlens.errors import AnalysisError

Interval = dict[str, float]


def bootstrap(
    groups: Iterable[Sequence[float] | np.ndarray],
    statistic: Callable[..., Any] = np.mean,
    n_draw: int = 2000,
) -> Interval:
    """A statistic of all observations, and its percentile interval under a bootstrap of groups, then within.

    Parameters
    ----------
    groups
        Observations of each seed; all weigh alike in the statistic. With one group only what lies within it is resampled.
    statistic
        Takes an array and ``axis``, as ``numpy.mean`` and ``numpy.median`` do.

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
    low, high = np.quantile(draws, (0.025, 0.975))
    whole = np.concatenate(arrays)
    return {
        "value": float(statistic(whole, axis=-1)),
        "low": float(low),
        "high": float(high),
        "n": int(whole.size),
        "groups": len(arrays),
    }


def paired(
    first: Iterable[Sequence[float] | np.ndarray], second: Iterable[Sequence[float] | np.ndarray], n_draw: int = 2000
) -> Interval:
    """Mean of (first - second) over the same observations, in the same groups and order, with its bootstrap interval.

    Raises
    ------
    AnalysisError
        When the two do not pair one to one.
    """
    pairs = list(zip(map(np.asarray, first), map(np.asarray, second), strict=True))
    for i, (a, b) in enumerate(pairs):
        if a.shape != b.shape:
            raise AnalysisError(f"group {i} has {a.size} and {b.size} observations; pairs need as many of each")
    return bootstrap([a.astype(float) - b.astype(float) for a, b in pairs], n_draw=n_draw)


def share(right: int, n: int) -> Interval:
    """A proportion with its Wilson interval (memlens/analysis/support/statistics.py), for observations that are independent."""
    if not 0 <= right <= n or n == 0:
        raise AnalysisError(f"{right} of {n} is no proportion; expected 0 <= right <= n and n > 0")
    low, high = wilson(np.array(right), np.array(n))
    return {"value": right / n, "low": float(low), "high": float(high), "n": n, "groups": 1}


def by_seed(rows: Iterable[Mapping[str, Any]], value: str, seed: str = "seed") -> list[np.ndarray]:
    """The values of rows, grouped by seed in ascending order: what ``bootstrap`` takes."""
    grouped: dict[Any, list[float]] = {}
    for row in rows:
        grouped.setdefault(row[seed], []).append(row[value])
    return [np.array(grouped[key], float) for key in sorted(grouped)]


def words(interval: Mapping[str, float], form: str = "{:.3g}") -> str:
    """ "0.958 (0.939 to 0.971)": a value and its interval as tables and captions say it."""
    value, low, high = (form.format(interval[key]) for key in ("value", "low", "high"))
    return f"{value} ({low} to {high})"
