"""What the controller did over time: which actions, at which Q, how varied, how often overruled."""

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from memlens.analysis.support.measure import measure
from memlens.analysis.support.result import ACTIONS, KINDS, MAX_BINS, time_bins
from memlens.errors import AnalysisError
from memlens.stats.information import entropy
from memlens.stats.proportions import ratio

if TYPE_CHECKING:
    from memlens.recording.protocol import RecordingLike


@measure
def decisions(recording: "RecordingLike", *, max_bins: int = MAX_BINS) -> xr.Dataset:
    """Count actions and average Q over time, apart for candidates and residents, all sequences together.

    Parameters
    ----------
    recording : Recording
        With decisions.
    max_bins : int
        Timelines hold at most this many bins; the attribute ``segments_per_bin`` says how wide one is.

    Returns
    -------
    xarray.Dataset
        Over ``(segment, kind, action)``: ``count`` of executed actions, ``mean_q`` in nats over the decisions in which
        the action was allowed (NaN where none). Over ``(segment, kind)``: ``entropy`` of the executed actions in bits
        (at most 2), ``overridden``, the share whose executed action is not the one wanted. Whole stream:
        ``total(kind, action)``, ``wanted(kind, action)``, ``total_overridden(kind)``, ``total_entropy(kind)``.

    Raises
    ------
    AnalysisError
        When the recording holds no decision.
    """
    table = recording.tables.decisions
    if not len(table):
        raise AnalysisError("the recording holds no decision; record a model with a controller")
    starts, width, first = time_bins(recording, max_bins)
    when = (table.segment - first) // width
    kind, action, wanted = table.kind, table.executed, table.wanted
    q = table.q
    shape = starts.size, len(KINDS), len(ACTIONS)
    cell = np.ravel_multi_index((when, kind), shape[:2])
    length = shape[0] * shape[1]
    count = np.bincount(cell * shape[2] + action, minlength=length * shape[2]).reshape(shape)
    changed = np.bincount(cell, action != wanted, minlength=length).reshape(shape[:2])
    allowed = np.isfinite(q)
    total_q = np.stack([np.bincount(cell, np.where(allowed[:, a], q[:, a], 0), length) for a in range(shape[2])], 1)
    n_q = np.stack([np.bincount(cell, allowed[:, a], length) for a in range(shape[2])], 1)
    held = count.sum(-1)
    timeline, by_kind = ("segment", "kind", "action"), ("segment", "kind")
    overall = count.sum(0)
    return xr.Dataset(
        {
            "count": (timeline, count),
            "mean_q": (timeline, ratio(total_q, n_q).reshape(shape)),
            "entropy": (by_kind, _entropy(count)),
            "overridden": (by_kind, ratio(changed, held)),
            "total": (("kind", "action"), overall),
            "wanted": (("kind", "action"), np.bincount(kind * shape[2] + wanted, minlength=8).reshape(shape[1:])),
            "total_overridden": ("kind", ratio(changed.sum(0), held.sum(0))),
            "total_entropy": ("kind", _entropy(overall)),
        },
        coords={"segment": starts, "kind": KINDS, "action": ACTIONS},
        attrs={"n": cell.size, "segments_per_bin": width},
    )


def _entropy(count: np.ndarray) -> np.ndarray:
    """Shannon entropy over the last axis, in bits; NaN where nothing was counted."""
    total = count.sum(-1, keepdims=True)
    share = np.divide(count, total, out=np.zeros(count.shape), where=total > 0)
    return np.where(total[..., 0] > 0, entropy(share), np.nan)
