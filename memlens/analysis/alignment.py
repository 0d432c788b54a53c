"""Which place of one run plays the part of which place of another? Optimal matching, whatever the axes of the two."""

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from memlens.analysis.support.result import finish, same_stream
from memlens.analysis.support.segment_means import grid
from memlens.analysis.support.signatures import signature
from memlens.errors import AnalysisError
from memlens.stats.hypothesis_tests import p_value
from memlens.stats.jackknife import jackknife
from memlens.stats.nulls import time_orders
from memlens.stats.time_blocks import time_blocks

if TYPE_CHECKING:
    from memlens.recording import Recording


def alignment(
    recording: "Recording",
    *,
    other: "Recording",
    point: str = "working.hook_slot",
    segments: int = 128,
    shuffles: int = 99,
    seed: int = 0,
) -> xr.Dataset:
    """Match the places of two recordings of one stream by what they hold when.

    Each place is described by how alike what it holds in one segment is to what it holds in another (its linear-kernel
    signature over segments, see `memlens.analysis.support.signatures`), so the two runs may use different axes: seeds, sizes, models.
    Similarity of two places is the debiased CKA of their signatures; places are matched one to one for the largest
    sum (Kuhn, 1955; ``scipy.optimize.linear_sum_assignment``), as networks are in Li et al. (2015). The null shifts all places of
    the other run in time together and matches anew, so it has the optimum's own optimism.

    Returns
    -------
    xarray.Dataset
        ``similarity(place, other_place)``; over ``(place)``: ``match`` (-1 where the other has fewer places),
        ``match_similarity``, ``margin`` (to the best other choice), ``place_p``. ``score``, the mean similarity of
        matched places, with ``score_low``, ``score_high`` (95 %, jackknife over blocks of time, the matching held fixed),
        ``score_null(shuffle)``, ``score_p``. ``identity``: share of places matched with their own number.

    Raises
    ------
    AnalysisError
        When the two recordings read different streams (what differs), or have fewer than 8 segments.
    """
    same_stream(recording, other)
    from scipy.optimize import linear_sum_assignment

    one, two = grid(recording, point, segments), grid(other, point, segments)
    values = [
        data.value.transpose(2, 0, 1, 3).reshape(data.value.shape[2], -1, data.value.shape[3]) for data in (one, two)
    ]
    n = values[0].shape[1]
    sequence, segment = np.divmod(np.arange(n), one.segment.size)
    block = time_blocks(sequence, one.segment[segment])
    first, second = (np.stack([signature(place, "cka") for place in value]) for value in values)
    if not (np.abs(first).sum() > 0 and np.abs(second).sum() > 0):
        raise AnalysisError(f"'{point}' never changes in one of the recordings, so its places cannot be told apart")
    table = _products(first, second)
    mine, theirs = linear_sum_assignment(table, maximize=True)
    matched = table[mine, theirs]
    null, place_null = [], []
    for order in time_orders(sequence, shuffles, seed):
        mixed = _products(first, second[:, order][:, :, order])
        null.append(mixed[linear_sum_assignment(mixed, maximize=True)].mean())
        place_null.append(mixed.max(1)[mine])
    kept_places = values[0][mine], values[1][theirs]

    def score(kept: np.ndarray) -> float:
        pairs = zip(*(value[:, kept] for value in kept_places), strict=True)
        return float(np.mean([np.vdot(signature(a, "cka"), signature(b, "cka")) for a, b in pairs]))

    low, high = jackknife(score, block)
    match, similar, margin, place_p = (np.full(table.shape[0], fill) for fill in (-1, np.nan, np.nan, np.nan))
    match[mine], similar[mine] = theirs, matched
    if table.shape[1] > 1:
        rest = table[mine].copy()
        rest[np.arange(mine.size), theirs] = -np.inf
        margin[mine] = matched - rest.max(1)
    place_p[mine] = [p_value(value, draws) for value, draws in zip(matched, np.array(place_null).T, strict=True)]
    dataset = xr.Dataset(
        {
            "similarity": (("place", "other_place"), table),
            "match": ("place", match.astype(int)),
            "match_similarity": ("place", similar),
            "margin": ("place", margin),
            "place_p": ("place", place_p),
            "score": float(matched.mean()),
            "score_low": float(low),
            "score_high": float(high),
            "score_null": ("shuffle", np.array(null)),
            "score_p": p_value(float(matched.mean()), np.array(null)),
            "identity": float((mine == theirs).mean()),
        }
    )
    params = {"point": point, "segments": segments, "shuffles": shuffles, "seed": seed}
    return finish(
        dataset, "alignment", recording, n, params, point=point, places=one.place, other=str(other.attrs.get("id", ""))
    )


def _products(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    return first.reshape(first.shape[0], -1) @ second.reshape(second.shape[0], -1).T
