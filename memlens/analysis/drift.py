"""Does what a point holds move steadily as the stream goes on, how far and how fast?"""

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from memlens.analysis.support.result import finish, first_segment
from memlens.analysis.support.segment_means import chosen_segments, summaries
from memlens.analysis.support.signatures import alike, alike_null, signature
from memlens.stats.hypothesis_tests import p_value
from memlens.stats.jackknife import jackknife
from memlens.stats.time_blocks import time_blocks

if TYPE_CHECKING:
    from memlens.recording import Recording


def drift(
    recording: "Recording",
    *,
    point: str = "working.hook_slot",
    segments: int = 256,
    lags: int = 12,
    shuffles: int = 199,
    seed: int = 0,
) -> xr.Dataset:
    """Follow the mean vector of a point over time.

    ``trend`` is Spearman's correlation between how far two segments are apart in time and how far apart their mean
    vectors are (a Mantel test: Mantel, 1967); its null permutes segments inside each sequence. ``rate`` is the length of the
    slope of the mean vector on time: the square root of the product of two slopes, from even and from odd segments, so
    that noise, which they do not share, does not add to it (0 where the product is negative).

    Returns
    -------
    xarray.Dataset
        ``trend``, ``trend_low``, ``trend_high`` (95 %, jackknife over blocks of time), ``trend_null(shuffle)``, ``trend_p``;
        ``rate``, ``rate_low``, ``rate_high`` in units of the point a segment; ``rate_relative``, in standard deviations of
        the detrended mean vectors a segment. Over ``(lag)``: ``distance``, ``distance_low``, ``distance_high``, the mean
        Euclidean distance of segments that far apart; ``distance_null``: of any two. Over ``(segment)``: ``norm`` of the mean.

    Raises
    ------
    AnalysisError
        With fewer than 8 segments, or values that are not finite.
    """
    means = summaries(recording, point, segments)
    time = (chosen_segments(recording, segments) + first_segment(recording)).astype(float)
    n_sequence, n = means.shape[:2]
    block = time_blocks(np.zeros(n, int), time.astype(int))
    clock = signature(time[:, None], "rsa")
    signs = [signature(value, "rsa") for value in means]
    trend = float(np.mean([alike(clock, sign) for sign in signs]))
    rng = np.random.default_rng(seed)
    orders = [[rng.permutation(n) for _ in range(shuffles)] for _ in range(n_sequence)]
    null = np.mean([alike_null(clock, sign, own) for sign, own in zip(signs, orders, strict=True)], axis=0)

    def trend_of(kept: np.ndarray) -> float:
        own = signature(time[kept, None], "rsa")
        return float(np.mean([alike(own, signature(value[kept], "rsa")) for value in means]))

    def rate_of(kept: np.ndarray) -> float:
        return _rate(means[:, kept], time[kept])

    trend_low, trend_high = jackknife(trend_of, block)
    rate_low, rate_high = jackknife(rate_of, block)
    gap = np.unique(np.geomspace(1, n // 2, min(lags, n // 2)).round().astype(int))

    def curve(kept: np.ndarray) -> np.ndarray:
        return np.array([_apart(means, kept, lag) for lag in gap])

    low, high = jackknife(curve, block)
    flat = means - means.mean(1, keepdims=True)
    squares = (flat**2).sum(-1)
    dataset = xr.Dataset(
        {
            "trend": trend,
            "trend_low": float(trend_low),
            "trend_high": float(trend_high),
            "trend_null": ("shuffle", null),
            "trend_p": p_value(trend, null),
            "rate": rate_of(np.ones(n, bool)),
            "rate_low": max(float(rate_low), 0.0),
            "rate_high": float(rate_high),
            "rate_relative": rate_of(np.ones(n, bool)) / max(_spread(means, time), 1e-300),
            "distance": ("lag", curve(np.ones(n, bool))),
            "distance_low": ("lag", low),
            "distance_high": ("lag", high),
            "distance_null": float(np.sqrt(2 * squares.sum() / ((n - 1) * n_sequence))),
            "norm": ("segment", np.linalg.norm(means, axis=-1).mean(0)),
        },
        coords={"lag": gap * float(np.diff(time).mean()), "segment": time.astype(int)},
    )
    params = {"point": point, "segments": segments, "lags": lags, "shuffles": shuffles, "seed": seed}
    return finish(dataset, "drift", recording, n * n_sequence, params, point=point)


def _slope(means: np.ndarray, time: np.ndarray) -> np.ndarray:
    """Slope of the mean vector on time, sequences together, (feature,)."""
    centred = time - time.mean()
    return np.einsum("t,stf->f", centred, means) / (means.shape[0] * max((centred**2).sum(), 1e-300))


def _rate(means: np.ndarray, time: np.ndarray) -> float:
    even, odd = (_slope(means[:, at::2], time[at::2]) for at in (0, 1))
    return float(np.sqrt(max(even @ odd, 0.0)))


def _spread(means: np.ndarray, time: np.ndarray) -> float:
    rest = means - means.mean(1, keepdims=True) - (time - time.mean())[None, :, None] * _slope(means, time)
    return float(np.sqrt((rest**2).sum(-1).mean()))


def _apart(means: np.ndarray, kept: np.ndarray, lag: int) -> float:
    """Root mean square distance of segments ``lag`` apart, both of them kept."""
    use = kept[lag:] & kept[:-lag]
    if not use.any():
        return np.nan
    return float(np.sqrt(((means[:, lag:] - means[:, :-lag])[:, use] ** 2).sum(-1).mean()))
