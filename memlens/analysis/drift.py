"""Does what a point holds move steadily as the stream goes on, how far and how fast?"""

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from memlens.analysis.support.measure import measure
from memlens.analysis.support.result import first_segment
from memlens.analysis.support.segment_means import chosen_segments, segment_means
from memlens.analysis.support.signatures import alike, alike_null, signature
from memlens.stats.hypothesis_tests import p_value
from memlens.stats.jackknife import jackknife
from memlens.stats.time_blocks import time_blocks

if TYPE_CHECKING:
    from memlens.recording.protocol import RecordingLike


@measure
def drift(
    recording: "RecordingLike",
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

    Parameters
    ----------
    recording : Recording
        With the point.
    point : str
        A recorded point over [sequence, segment, place, feature].
    segments : int
        Segments read, at most, evenly spaced.
    lags : int
        Distances in time at which ``distance`` is given, at most, of equal ratio.
    shuffles : int
        Draws of the null; the least p is 1 / (shuffles + 1).
    seed : int
        Of all random draws.

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
    means = segment_means(recording, point, segments)
    time = (chosen_segments(recording, segments) + first_segment(recording)).astype(float)
    n_sequence, n = means.shape[:2]
    block = time_blocks(np.zeros(n, int), time.astype(int))
    lag = np.unique(np.geomspace(1, n // 2, min(lags, n // 2)).round().astype(int))
    return xr.Dataset(
        {
            **_trend(means, time, block, shuffles, seed),
            **_rates(means, time, block),
            **_distances(means, block, lag),
            "norm": ("segment", np.linalg.norm(means, axis=-1).mean(0)),
        },
        coords={"lag": lag * float(np.diff(time).mean()), "segment": time.astype(int)},
        attrs={"n": n * n_sequence, "point": point},
    )


def _trend(means: np.ndarray, time: np.ndarray, block: np.ndarray, shuffles: int, seed: int) -> dict[str, object]:
    """Whether means, float (sequence, segment, feature), are the further apart the more time lies between them."""
    clock = signature(time[:, None], "rsa")
    signs = [signature(value, "rsa") for value in means]
    trend = float(np.mean([alike(clock, sign) for sign in signs]))
    rng = np.random.default_rng(seed)
    orders = [[rng.permutation(time.size) for _ in range(shuffles)] for _ in means]
    null = np.mean([alike_null(clock, sign, own) for sign, own in zip(signs, orders, strict=True)], axis=0)

    def of(kept: np.ndarray) -> float:
        own = signature(time[kept, None], "rsa")
        return float(np.mean([alike(own, signature(value[kept], "rsa")) for value in means]))

    low, high = jackknife(of, block)
    return {
        "trend": trend,
        "trend_low": float(low),
        "trend_high": float(high),
        "trend_null": ("shuffle", null),
        "trend_p": p_value(trend, null),
    }


def _rates(means: np.ndarray, time: np.ndarray, block: np.ndarray) -> dict[str, float]:
    low, high = jackknife(lambda kept: _rate(means[:, kept], time[kept]), block)
    rate = _rate(means, time)
    return {
        "rate": rate,
        "rate_low": max(float(low), 0.0),
        "rate_high": float(high),
        "rate_relative": rate / max(_spread(means, time), 1e-300),
    }


def _distances(means: np.ndarray, block: np.ndarray, lags: np.ndarray) -> dict[str, object]:
    def curve(kept: np.ndarray) -> np.ndarray:
        return np.array([_apart(means, kept, lag) for lag in lags])

    n_sequence, n = means.shape[:2]
    low, high = jackknife(curve, block)
    squares = ((means - means.mean(1, keepdims=True)) ** 2).sum(-1)
    return {
        "distance": ("lag", curve(np.ones(n, bool))),
        "distance_low": ("lag", low),
        "distance_high": ("lag", high),
        "distance_null": float(np.sqrt(2 * squares.sum() / ((n - 1) * n_sequence))),
    }


def _slope(means: np.ndarray, time: np.ndarray) -> np.ndarray:
    """Slope of the mean vector on time, sequences together [feature]."""
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
