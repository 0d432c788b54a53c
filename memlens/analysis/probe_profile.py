"""Where and when can something be read: by point, by place, by segment, and by how long ago it was."""

from itertools import pairwise
from typing import TYPE_CHECKING, Literal

import numpy as np
import xarray as xr

from memlens.analysis.support import probing
from memlens.analysis.support.clustering import principal
from memlens.analysis.support.measure import measure
from memlens.analysis.support.probe_task import ProbeTask, probe_task
from memlens.analysis.support.probing import Kind
from memlens.analysis.support.segment_means import segment_vectors
from memlens.analysis.support.targets import Target, target_of
from memlens.analysis.support.vectors import Vectors, vectors
from memlens.errors import AnalysisError, closest
from memlens.stats.comparisons import largest_null

if TYPE_CHECKING:
    from collections.abc import Sequence

    from memlens.recording.protocol import RecordingLike

By = Literal["point", "place", "segment", "distance"]
DEFAULT_POINTS = ("context.hook_slot", "store.hook_content")
#: Segments from the target to the vectors. Before 0 the thing has not been seen: what is found there is no memory.
DISTANCES = (-2, -1, 0, 1, 2, 4, 8, 16)


@measure
def probe_profile(
    recording: "RecordingLike",
    *,
    by: By = "point",
    points: "Sequence[str]" = DEFAULT_POINTS,
    target: str | xr.DataArray = "modality",
    kind: Kind = "linear",
    distances: "Sequence[int]" = DISTANCES,
    bins: int = 8,
    folds: int = 5,
    sample: int = 2000,
    shuffles: int = 19,
    resamples: int = 200,
    seed: int = 0,
) -> xr.Dataset:
    """Probe group by group, and say which groups carry the target with the error over all groups held at 5 %.

    A group is found where its information (see `memlens.analysis.probe`) is above ``threshold``: what the largest of all
    groups' nulls exceeds in 5 % of the shuffles (Westfall and Young, 1993, maxT), and above 0.

    Parameters
    ----------
    recording : Recording
        With the points.
    by : str
        "point": one probe a point. "place": one probe a place (slot) of ``points[0]``; places where the target cannot be probed are
        NaN. "segment": one probe over all of ``points[0]``, judged apart in stretches of time. "distance": the target of a segment,
        read from all places of ``points[0]`` so many segments later; the target must then be one value a (sequence, segment).
    points : sequence of str
        Recorded points over [sequence, segment, place, feature].
    target : str or xarray.DataArray
        What is read: see `memlens.analysis.support.targets.target_of`.
    kind : str
        "linear" or "mlp".
    distances : sequence of int
        Segments from the target to the vectors, for ``by="distance"``.
    bins : int
        Stretches of time, for ``by="segment"``.
    folds, sample : int
        For cross-validation; rows of a point, at most.
    shuffles, resamples, seed : int
        Draws of the null (19 or more) and of the intervals, and what they are drawn from.

    Returns
    -------
    xarray.Dataset
        Over ``(group)``: ``information``, ``null_mean``, ``found``, ``score``, ``low``, ``high`` (of accuracy or R2), ``n``;
        ``information_null(group, shuffle)``, ``threshold``. With ``by="distance"``: ``since``, the least distance found that is
        not before 0, and ``gone``, the least one after it that is not found (NaN where there is none).

    Raises
    ------
    AnalysisError
        As `memlens.analysis.probe`, or when no group can be probed.
    """
    if by not in ("point", "place", "segment", "distance"):
        raise AnalysisError(f"no by '{by}'; {closest(by, ('point', 'place', 'segment', 'distance'))}")
    if shuffles < 19:
        raise AnalysisError(f"shuffles is {shuffles}; give 19 or more, so that 5 % of them can be told")
    tasks, name = _tasks(recording, by, points, target, distances, bins, folds, sample, seed)
    n_class = next((task.n_class for task, _ in tasks.values() if task is not None), None)
    if n_class is None:
        raise AnalysisError(
            f"'{name}' can be probed in none of the {len(tasks)} groups: each needs two classes, or values that differ"
        )
    rows = [_judge(task, use, kind, shuffles, resamples, seed) for task, use in tasks.values()]
    values, null = np.stack([row[0] for row in rows]), np.stack([row[1] for row in rows])
    dataset = xr.Dataset(
        _profile(values, null),
        coords={"group": list(tasks)},
        attrs={
            "n": values[:, 4].max(), "by": by, "target": name, "kind": kind, "points": ", ".join(points),
            "unit": "bit" if n_class else "R2", "shuffles": shuffles,
        },
    )  # fmt: skip
    if by == "distance":
        span = _span(list(distances), dataset["found"].values)
        dataset = dataset.assign(dict(zip(("since", "gone"), span, strict=True)))
    return dataset


def _profile(values: np.ndarray, null: np.ndarray) -> dict[str, object]:
    """The columns of `_judge`, float [group, column], beside their nulls, float [group, shuffle]."""
    threshold = largest_null(null)
    return {
        **{key: ("group", values[:, at]) for at, key in enumerate(("information", "score", "low", "high"))},
        "n": ("group", values[:, 4].astype(int)),
        "null_mean": ("group", null.mean(1)),
        "threshold": threshold,
        "found": ("group", values[:, 0] > max(threshold, 0.0)),
        "information_null": (("group", "shuffle"), null),
    }


Groups = dict[object, tuple[ProbeTask | None, np.ndarray | None]]


def _tasks(
    recording: "RecordingLike",
    by: By,
    points: "Sequence[str]",
    target: str | xr.DataArray,
    distances: "Sequence[int]",
    bins: int,
    folds: int,
    sample: int,
    seed: int,
) -> tuple[Groups, str]:
    """The task of each group, None where it cannot be probed, with the rows on which it is judged (None: all)."""
    if by == "distance":
        return _by_distance(recording, points[0], target, distances, folds)
    groups: Groups = {}
    name = ""
    for point in points if by == "point" else points[:1]:
        rows = vectors(recording, point, sample, seed)
        wanted = target_of(recording, target, rows)
        name = wanted.name
        if by == "point":
            groups[point] = (_try(rows, wanted, folds), None)
        elif by == "place":
            for place in np.unique(rows.labels["place"]):
                groups[int(place)] = (_try(rows, wanted, folds, rows.labels["place"] == place), None)
        else:
            task, _, _ = probe_task(rows, wanted, folds)
            segment = task.units.key[task.units.unit, 1]
            edges = np.linspace(segment.min(), segment.max() + 1, bins + 1).astype(int)
            for low, high in pairwise(edges):
                groups[f"{low} to {high - 1}"] = (task, np.flatnonzero((segment >= low) & (segment < high)))
    return groups, name


def _try(rows: Vectors, target: Target, folds: int, kept: np.ndarray | None = None) -> ProbeTask | None:
    try:
        return probe_task(rows, target, folds, kept)[0]
    except AnalysisError:
        return None


def _by_distance(
    recording: "RecordingLike", point: str, target: str | xr.DataArray, distances: "Sequence[int]", folds: int
) -> tuple[Groups, str]:
    """Rows are segments; a vector is all places of the point side by side, on its leading principal axes."""
    data = segment_vectors(recording, point, int(recording.segments.sizes["segment"]))
    n_sequence, n = data.value.shape[:2]
    flat = data.value.reshape(n_sequence * n, -1)
    value = principal(flat, min(64, max(n_sequence * n // 4, 2)))[0].astype(np.float32)
    sequence, at = np.divmod(np.arange(n_sequence * n), n)
    labels = {"sequence": sequence, "segment": data.segment[at], "place": np.zeros(at.size, int)}
    labels |= {key: np.full(at.size, -1) for key in ("entry", "modality", "fact")}
    if isinstance(target, str) and target in ("modality", "is_fact"):
        raise AnalysisError(
            f"'{target}' belongs to a slot, not to a segment; give an array (sequence, segment), or a recorded variable with these dims"
        )
    wanted = target_of(recording, target, Vectors(value, labels, "segments", at.size, ""))
    groups: Groups = {}
    for distance in distances:
        here = (at - distance >= 0) & (at - distance < n)
        moved = np.where(here, np.arange(at.size) - distance, 0)
        own = Target(wanted.name, wanted.value[moved], wanted.classes)
        groups[int(distance)] = (_try(Vectors(value, labels, "segments", at.size, ""), own, folds, here), None)
    return groups, wanted.name


def _judge(
    task: ProbeTask | None, use: np.ndarray | None, kind: Kind, shuffles: int, resamples: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """(information, score, low, high, n) of one group, and its null."""
    if task is None or (use is not None and use.size < 2):
        return np.array([np.nan, np.nan, np.nan, np.nan, 0]), np.full(shuffles, np.nan)
    reading = probing.cross_validate(task, kind, seed)
    null = [
        probing.information(each, probing.cross_validate(each, kind, seed), use)
        for each in task.shuffled(shuffles, seed)
    ]
    part, seen = task, reading
    if use is not None:
        part = task.judged(use)
        seen = probing.ProbeReading(reading.predicted[use], reading.base[use])
    low, high = probing.resampled(part, seen, resamples, seed)
    own = [probing.information(part, seen), probing.scores(part, seen)[0], low[0], high[0], part.target.size]
    return np.array(own), np.array(null)


def _span(distances: list[int], found: np.ndarray) -> tuple[float, float]:
    order = np.argsort(distances)
    there = [distances[at] for at in order if found[at] and distances[at] >= 0]
    since = min(there, default=np.nan)
    gone = [distances[at] for at in order if not found[at] and distances[at] > since]
    return float(since), float(min(gone, default=np.nan))
