"""Which place of one run plays the part of which place of another? Optimal matching, whatever the axes of the two."""

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from memlens.analysis.support.measure import measure
from memlens.analysis.support.result import same_stream
from memlens.analysis.support.segment_means import segment_vectors
from memlens.analysis.support.signatures import signature
from memlens.errors import AnalysisError
from memlens.stats.hypothesis_tests import p_value
from memlens.stats.jackknife import jackknife
from memlens.stats.nulls import time_orders
from memlens.stats.time_blocks import time_blocks

if TYPE_CHECKING:
    from memlens.recording.protocol import RecordingLike


@measure
def alignment(
    recording: "RecordingLike",
    *,
    other: "RecordingLike",
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
    the other run in time together and matches again, so it has the optimum's own optimism.

    Parameters
    ----------
    recording, other : Recording
        Two runs over one stream.
    point : str
        A recorded point over [sequence, segment, place, feature].
    segments : int
        Segments read, at most, evenly spaced.
    shuffles : int
        Draws of the null; the least p is 1 / (shuffles + 1).
    seed : int
        Of all random draws.

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
        When the two recordings read different streams (what differs), have fewer than 8 segments, or a point that never changes.
    """
    same_stream(recording, other)
    one, two = segment_vectors(recording, point, segments), segment_vectors(other, point, segments)
    first, second = (_places(data.value) for data in (one, two))
    if not all(np.ptp(value, axis=1).any() for value in (first, second)):
        raise AnalysisError(f"'{point}' never changes in one of the recordings, so its places cannot be told apart")
    sequence, segment = np.divmod(np.arange(first.shape[1]), one.segment.size)
    block = time_blocks(sequence, one.segment[segment])
    return xr.Dataset(
        _matching(first, second, sequence, block, shuffles, seed),
        attrs={"n": sequence.size, "point": point, "places": one.place, "other": other.id},
    )


def _places(value: np.ndarray) -> np.ndarray:
    """float (sequence, segment, place, feature) as [place, sequence and segment, feature]."""
    return value.transpose(2, 0, 1, 3).reshape(value.shape[2], -1, value.shape[3])


def _matching(
    first: np.ndarray, second: np.ndarray, sequence: np.ndarray, block: np.ndarray, shuffles: int, seed: int
) -> dict[str, object]:
    """The best matching of the places of two runs, float [place, row, feature] each, beside that of shifted runs."""
    from scipy.optimize import linear_sum_assignment

    signs, other_signs = (np.stack([signature(place, "cka") for place in value]) for value in (first, second))
    table = _products(signs, other_signs)
    mine, theirs = linear_sum_assignment(table, maximize=True)
    null, place_null = [], []
    for order in time_orders(sequence, shuffles, seed):
        mixed = _products(signs, other_signs[:, order][:, :, order])
        null.append(mixed[linear_sum_assignment(mixed, maximize=True)].mean())
        place_null.append(mixed.max(1)[mine])
    matched = first[mine], second[theirs]

    def score(kept: np.ndarray) -> float:
        pairs = zip(*(value[:, kept] for value in matched), strict=True)
        return float(np.mean([np.vdot(signature(a, "cka"), signature(b, "cka")) for a, b in pairs]))

    low, high = jackknife(score, block)
    value = float(table[mine, theirs].mean())
    return {
        "similarity": (("place", "other_place"), table),
        **_by_place(table, mine, theirs, np.array(place_null)),
        "score": value,
        "score_low": float(low),
        "score_high": float(high),
        "score_null": ("shuffle", np.array(null)),
        "score_p": p_value(value, np.array(null)),
        "identity": float((mine == theirs).mean()),
    }


def _by_place(table: np.ndarray, mine: np.ndarray, theirs: np.ndarray, null: np.ndarray) -> dict[str, object]:
    """Each place's match, how alike the two are, by how much it beats the next choice, and its p; ``null`` is [shuffle, match]."""
    matched = table[mine, theirs]
    match, similar, margin, p = (np.full(table.shape[0], fill) for fill in (-1, np.nan, np.nan, np.nan))
    match[mine], similar[mine] = theirs, matched
    if table.shape[1] > 1:
        rest = table[mine].copy()
        rest[np.arange(mine.size), theirs] = -np.inf
        margin[mine] = matched - rest.max(1)
    p[mine] = [p_value(value, draws) for value, draws in zip(matched, null.T, strict=True)]
    columns = {"match": match.astype(int), "match_similarity": similar, "margin": margin, "place_p": p}
    return {name: ("place", values) for name, values in columns.items()}


def _products(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    return first.reshape(first.shape[0], -1) @ second.reshape(second.shape[0], -1).T
