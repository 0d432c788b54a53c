"""Do two points, two stretches of time or two recordings say the same about the same things? CKA and RSA."""

from typing import TYPE_CHECKING, Literal

import numpy as np
import xarray as xr

from memlens.analysis.support.measure import measure
from memlens.analysis.support.result import same_stream
from memlens.analysis.support.segment_means import segment_means, segment_vectors
from memlens.analysis.support.signatures import MEASURES, Measure, alike, alike_null, signature
from memlens.errors import AnalysisError, closest
from memlens.stats.hypothesis_tests import p_value
from memlens.stats.jackknife import jackknife
from memlens.stats.nulls import time_orders
from memlens.stats.time_blocks import time_blocks

if TYPE_CHECKING:
    from collections.abc import Sequence

    from memlens.recording.protocol import RecordingLike

DEFAULT_POINTS = ("context.hook_slot", "working.hook_slot", "store.hook_content")


@measure
def similarity(
    recording: "RecordingLike",
    *,
    other: "RecordingLike | None" = None,
    by: Literal["point", "segment"] = "point",
    points: "Sequence[str]" = DEFAULT_POINTS,
    segments: int = 256,
    times: int = 12,
    shuffles: int = 99,
    seed: int = 0,
) -> xr.Dataset:
    """Compare representations by centred kernel alignment and by representational similarity.

    Parameters
    ----------
    recording : Recording
        With the points.
    other : Recording or None
        Of the same stream, to compare with; None compares the points of one recording.
    by : str
        "point": the items are segments, each seen as the mean over the places of a point; rows and columns are points. The null shifts
        one of the two in time. "segment": the items are the places of ``points[0]``; rows and columns are segments. The null permutes
        places, so it finds places that keep their relations.
    points : sequence of str
        Recorded points over [sequence, segment, place, feature].
    segments : int
        Segments that are items, at most, evenly spaced.
    times : int
        Segments compared with ``by="segment"``.
    shuffles : int
        Draws of the null; the least p is 1 / (shuffles + 1).
    seed : int
        Of all random draws.

    Returns
    -------
    xarray.Dataset
        Over ``(measure, one, two)``: ``value`` (-1 to 1), ``low``, ``high`` (95 %, jackknife over blocks of items), ``p``,
        and ``null_mean``, ``null_high`` (95 % quantile). ``measure`` is "cka", "rsa".

    Raises
    ------
    AnalysisError
        For recordings of different streams, fewer than 8 segments or places, or an unknown ``by``.
    """
    if by not in ("point", "segment"):
        raise AnalysisError(f"no by '{by}'; {closest(by, ('point', 'segment'))}")
    if by == "segment":
        rows = columns = _at_times(recording, points[0], times)
        n = next(iter(rows.values())).shape[0]
        block = np.arange(n) * min(20, n) // n
        rng = np.random.default_rng(seed)
        orders = [rng.permutation(n) for _ in range(shuffles)]
    else:
        rows, sequence, segment = _over_time(recording, points, segments)
        columns = rows
        if other is not None:
            same_stream(recording, other)
            columns = {f"{name} (other)": value for name, value in _over_time(other, points, segments)[0].items()}
        block, orders = time_blocks(sequence, segment), list(time_orders(sequence, shuffles, seed))
    parts = {measure: _compare(rows, columns, measure, block, orders) for measure in MEASURES}
    return xr.Dataset(
        {
            name: (("measure", "one", "two"), np.stack([parts[m][at] for m in MEASURES]))
            for at, name in enumerate(("value", "low", "high", "null_mean", "null_high", "p"))
        },
        coords={"measure": list(MEASURES), "one": list(rows), "two": list(columns)},
        attrs={
            "n": block.size, "by": by, "point": points[0], "shuffles": shuffles, "items": "segments" if by == "point" else "places",
            "other": other.id if other is not None else "",
        },
    )  # fmt: skip


def _over_time(
    recording: "RecordingLike", points: "Sequence[str]", segments: int
) -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray]:
    """Mean vectors of each point, float [item, feature], with sequence and place in time of each item."""
    means = {name: segment_means(recording, name, segments) for name in points}
    shape = next(iter(means.values())).shape
    sequence, segment = np.divmod(np.arange(shape[0] * shape[1]), shape[1])
    return {name: value.reshape(-1, value.shape[-1]) for name, value in means.items()}, sequence, segment


def _at_times(recording: "RecordingLike", point: str, times: int) -> dict[str, np.ndarray]:
    """Vectors of all places of the first sequence, by segment."""
    data = segment_vectors(recording, point, max(times, 8))
    held = data.held[0].all(0)
    if held.sum() < 8:
        raise AnalysisError(
            f"'{point}' has {int(held.sum())} places that hold a vector in every segment looked at, expected 8 or more; "
            "choose a point such as working.hook_slot"
        )
    return {str(t): data.value[0, at][held] for at, t in enumerate(data.segment)}


def _compare(
    rows: dict[str, np.ndarray],
    columns: dict[str, np.ndarray],
    measure: Measure,
    block: np.ndarray,
    orders: list[np.ndarray],
) -> np.ndarray:
    """Value, low, high, mean and 95 % quantile of the null, p of every pair, (6, one, two)."""
    signs = {name: signature(value, measure) for name, value in (rows | columns).items()}
    cache: dict[bytes, dict[str, np.ndarray]] = {}

    def left(name: str, kept: np.ndarray) -> np.ndarray:
        own = cache.setdefault(kept.tobytes(), {})
        if name not in own:
            own[name] = signature((rows | columns)[name][kept], measure)
        return own[name]

    out = np.full((6, len(rows), len(columns)), np.nan)
    done: dict[tuple[str, str], np.ndarray] = {}
    for i, one in enumerate(rows):
        for j, two in enumerate(columns):
            if (two, one) not in done:
                value = alike(signs[one], signs[two])
                low, high = jackknife(lambda kept, one=one, two=two: alike(left(one, kept), left(two, kept)), block)
                null = alike_null(signs[one], signs[two], orders)
                p = p_value(value, null) if one != two else np.nan
                done[one, two] = np.array(
                    [value, max(low, -1.0), min(high, 1.0), null.mean(), np.quantile(null, 0.95), p]
                )
            out[:, i, j] = done[(two, one) if (two, one) in done else (one, two)]
    return out
