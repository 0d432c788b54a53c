"""How much room the vectors of a point take, and whether its places do different things."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from memlens.analysis.support.measure import measure
from memlens.analysis.support.result import first_segment, n_segments
from memlens.analysis.support.segment_means import segment_vectors, slot_labels
from memlens.errors import AnalysisError
from memlens.stats.hypothesis_tests import p_value
from memlens.stats.information import mutual_information
from memlens.stats.jackknife import jackknife
from memlens.stats.nulls import time_orders
from memlens.stats.time_blocks import time_blocks

if TYPE_CHECKING:
    from memlens.analysis.support.segment_means import SegmentVectors
    from memlens.recording.protocol import RecordingLike

#: Measures in order, and whether something planted makes them larger (1) or smaller (-1) than their null.
MEASURES = {"effective_rank": -1, "redundancy": 1, "specialisation": 1, "modality": 1}


@measure
def geometry(
    recording: "RecordingLike",
    *,
    point: str = "context.hook_slot",
    rows: int = 2000,
    segments: int = 512,
    shuffles: int = 39,
    seed: int = 0,
) -> xr.Dataset:
    """Measure rank, redundancy and specialisation of the places of a point, each against its own null.

    What the measures are and what their nulls break is said by `_rank` (``effective_rank``), `_redundancy`, `_specialisation` and
    `_modality`.

    Parameters
    ----------
    recording : Recording
        With the point.
    point : str
        A recorded point over [sequence, segment, place, feature].
    rows : int
        Vectors drawn for the effective rank, at most.
    segments : int
        Segments read, at most, evenly spaced.
    shuffles : int
        Draws of each null; the least p is 1 / (shuffles + 1).
    seed : int
        Of all random draws.

    Returns
    -------
    xarray.Dataset
        Over ``(measure)``: ``value``, ``low``, ``high`` (95 %, jackknife over blocks of time), ``p`` (one-sided),
        and ``null(measure, shuffle)``. ``spectrum(component)``: shares of the variance. ``usage(place)``: share of
        the segments in which the place holds something that it did not hold in the segment before;
        ``effective_places``: exp of the entropy of usage; ``participation_ratio`` of the spectrum.

    Raises
    ------
    AnalysisError
        With fewer than 8 segments or 20 vectors, or vectors that are all equal.
    """
    data = segment_vectors(recording, point, segments)
    sequence, segment, place = np.nonzero(data.held)
    value = data.value[sequence, segment, place].astype(np.float64)
    if value.shape[0] < 20:
        raise AnalysisError(f"'{point}' holds {value.shape[0]} vectors, expected 20 or more; record a longer stream")
    if not np.ptp(value, axis=0).any():
        raise AnalysisError(f"every vector of '{point}' is the same; there is no geometry to measure")
    where, block = (sequence, segment, place), time_blocks(sequence, data.segment[segment])
    chosen = np.sort(np.random.default_rng(seed).permutation(value.shape[0])[:rows])
    order = np.lexsort((segment[chosen], place[chosen], sequence[chosen]))
    parts = [
        _rank(value[chosen], order, block[chosen], shuffles, seed),
        _redundancy(data, value.mean(0), shuffles, seed),
        _specialisation(value, where, block, shuffles, seed),
        _modality(_modalities(recording, data, where), where, block, shuffles, seed),
    ]
    spectrum, usage = _spectrum(value), _usage(data)
    return xr.Dataset(
        {
            **_table(parts),
            "spectrum": ("component", spectrum),
            "participation_ratio": float(1 / (spectrum**2).sum()),
            "usage": ("place", usage),
            "effective_places": float(_perplexity(usage)),
        },
        coords={"measure": list(MEASURES)},
        attrs={"n": value.shape[0], "point": point, "places": data.place},
    )


Part = tuple[float, float, float, np.ndarray]
Where = tuple[np.ndarray, np.ndarray, np.ndarray]


def _measured(statistic: Callable[[np.ndarray], float], block: np.ndarray, null: np.ndarray) -> Part:
    low, high = jackknife(statistic, block)
    return statistic(np.ones(block.size, bool)), float(low), float(high), null


def _table(parts: list[Part]) -> dict[str, Any]:
    """All measures side by side, with the p of each in its own direction."""
    p = [
        p_value(sign * value, sign * null) if np.isfinite(value) else np.nan
        for sign, (value, _, _, null) in zip(MEASURES.values(), parts, strict=True)
    ]
    value, low, high = (np.array([float(part[at]) for part in parts]) for at in range(3))
    columns = {"value": value, "low": low, "high": high, "p": np.array(p)}
    null = np.stack([part[3] for part in parts])
    return {name: ("measure", values) for name, values in columns.items()} | {"null": (("measure", "shuffle"), null)}


def _spectrum(value: np.ndarray) -> np.ndarray:
    """Eigenvalues of the covariance as shares, largest first."""
    variance = np.maximum(np.linalg.eigvalsh(np.cov(value.T, ddof=0).reshape(value.shape[1], -1)), 0)[::-1]
    return variance / max(variance.sum(), 1e-300)


def _perplexity(share: np.ndarray) -> float:
    share = share[share > 0] / max(share.sum(), 1e-300)
    return float(np.exp(-(share * np.log(share)).sum()))


def _rank(value: np.ndarray, order: np.ndarray, block: np.ndarray, shuffles: int, seed: int) -> Part:
    """exp of the entropy of the eigenvalues of the covariance, as shares (Roy and Vetterli, 2007, on the covariance).

    Null: every feature is shifted in time and place by its own amount, so features are as they were but unrelated. ``order`` puts the
    rows of one place after each other in time, and places after each other: shifts keep both together.
    """
    rng = np.random.default_rng([seed, 4])
    n, features = value.shape
    series, column = value[order], np.arange(features)
    null = []
    for _ in range(shuffles):
        at = (np.arange(n)[:, None] + rng.integers(n, size=features)) % n
        null.append(_perplexity(_spectrum(series[at, column])))
    return _measured(lambda kept: _perplexity(_spectrum(value[kept])), block, np.array(null))


def _redundancy(data: "SegmentVectors", mean: np.ndarray, shuffles: int, seed: int) -> Part:
    """Mean |cosine| between the vectors that two places hold in one segment, the mean of all vectors taken off.

    Null: each place is shifted in time by its own amount. Segments of all sequences are one axis here.
    """
    shape = data.value.shape
    sequence, segment = np.divmod(np.arange(shape[0] * shape[1]), shape[1])
    value = np.where(data.held[..., None], data.value - mean, 0).reshape(-1, *shape[2:]).astype(np.float32)
    length = np.linalg.norm(value, axis=-1, keepdims=True)
    unit = np.divide(value, length, out=np.zeros_like(value), where=length > 0)
    there = (length[..., 0] > 0).astype(np.float32)
    block = time_blocks(sequence, data.segment[segment])

    def per_segment(unit: np.ndarray, there: np.ndarray) -> np.ndarray:
        cosine = np.abs(np.einsum("tpf,tqf->tpq", unit, unit, optimize=True)).sum((1, 2)) - there.sum(1)
        return np.stack([cosine, there.sum(1) * (there.sum(1) - 1)], 1)

    def mean_of(sums: np.ndarray) -> float:
        return float(sums[:, 0].sum() / max(sums[:, 1].sum(), 1))

    sums = per_segment(unit, there)
    if sums[:, 1].sum() == 0:
        return np.nan, np.nan, np.nan, np.full(shuffles, np.nan)
    orders = time_orders(sequence, shuffles * shape[2], seed)
    null = []
    for _ in range(shuffles):
        order = np.stack([next(orders) for _ in range(shape[2])], 1)
        places = np.arange(shape[2])
        null.append(mean_of(per_segment(unit[order, places], there[order, places])))
    return _measured(lambda kept: mean_of(sums[kept]), block, np.array(null))


def _specialisation(value: np.ndarray, where: Where, block: np.ndarray, shuffles: int, seed: int) -> Part:
    """Share of the variance that the place explains (eta squared).

    Null: places trade names, in a new order in every stretch of time long enough to forget the last (`_exchanged`).
    """
    value, place = value - value.mean(0), where[2]
    total = (value**2).sum(1)

    def eta(kept: np.ndarray, place: np.ndarray = place) -> float:
        own, sums = place[kept], np.zeros((place.max() + 1, value.shape[1]))
        np.add.at(sums, own, value[kept])
        count = np.bincount(own, minlength=sums.shape[0])
        mean = sums.sum(0)
        between = ((sums**2).sum(1) / np.maximum(count, 1)).sum() - (mean**2).sum() / own.size
        return float(between / max(total[kept].sum() - (mean**2).sum() / own.size, 1e-300))

    everything = np.ones(place.size, bool)
    null = [eta(everything, mixed) for mixed in _exchanged(value, where, shuffles, seed)]
    return _measured(eta, block, np.array(null))


def _exchanged(value: np.ndarray, where: Where, shuffles: int, seed: int) -> Iterator[np.ndarray]:
    """Places that traded names, in a new order in each stretch that is longer than a place remembers itself.

    With a correlation r of a place's neighbouring segments, its mean taken off, a stretch has 1 + 16 r / (1 - r)
    segments, a third of the stream at most.
    """
    sequence, segment, place = where
    rng = np.random.default_rng([seed, 2])
    order = np.lexsort((segment, place, sequence))
    series, group = value[order], (sequence * (place.max() + 1) + place)[order]
    _, index, count = np.unique(group, return_inverse=True, return_counts=True)
    mean = np.zeros((count.size, series.shape[1]))
    np.add.at(mean, index, series)
    flat = series - (mean / count[:, None])[index]
    next_one = (group[1:] == group[:-1]) & (segment[order][1:] - segment[order][:-1] == 1)
    correlation = (flat[1:] * flat[:-1]).sum(1)[next_one].sum() / max((flat**2).sum(), 1e-300)
    r = float(np.clip(correlation, 0, 0.95))
    length = min(1 + int(np.ceil(16 * r / (1 - r))), max((int(segment.max()) + 1) // 3, 1))
    stretch = segment // length
    stretch = sequence * (int(stretch.max()) + 1) + stretch
    for _ in range(shuffles):
        change = np.argsort(rng.random((int(stretch.max()) + 1, int(place.max()) + 1)), 1)
        yield change[stretch, place]


def _modalities(recording: "RecordingLike", data: "SegmentVectors", where: Where) -> np.ndarray:
    """Modality of each vector, int [row]; -1 where unknown, and everywhere but in slots."""
    if data.place != "slot":
        return np.full(where[0].size, -1)
    first = first_segment(recording)
    shape = (data.held.shape[0], n_segments(recording), data.held.shape[2])
    return slot_labels(recording, "modality", shape)[where[0], data.segment[where[1]] - first, where[2]]


def _modality(modality: np.ndarray, where: Where, block: np.ndarray, shuffles: int, seed: int) -> Part:
    """Mutual information of place and modality in bits; null as of `_specialisation`; NaN with fewer than two modalities."""
    known, place = modality >= 0, where[2]
    if np.unique(modality[known]).size < 2:
        return np.nan, np.nan, np.nan, np.full(shuffles, np.nan)

    def bits(kept: np.ndarray, place: np.ndarray = place) -> float:
        use = kept & known
        joint = np.zeros((place.max() + 1, modality.max() + 1))
        np.add.at(joint, (place[use], modality[use]), 1)
        joint /= joint.sum()
        # rounding would make a chance below 0 of what is exactly nothing
        return round(mutual_information(joint), 12)

    everything = np.ones(place.size, bool)
    one_hot = (modality[:, None] == np.arange(modality.max() + 1)).astype(float)
    null = [bits(everything, mixed) for mixed in _exchanged(one_hot, where, shuffles, seed)]
    return _measured(bits, block, np.array(null))


def _usage(data: "SegmentVectors") -> np.ndarray:
    """Share of the segments in which a place holds something new; the first segment counts where it holds anything."""
    before = np.zeros_like(data.value[:, :1])
    changed = np.abs(np.diff(np.concatenate([before, data.value], 1), axis=1)).max(-1) > 0
    return (changed & data.held).mean((0, 1))
