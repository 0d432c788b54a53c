"""What a probe is to read: a label or a number for each row, by name or as the user's own labelled array."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from memlens.analysis.support.result import MODALITIES, first_segment
from memlens.analysis.support.vectors import Vectors, refuse_nonfinite
from memlens.errors import AnalysisError, closest

if TYPE_CHECKING:
    from memlens.recording.protocol import RecordingLike

#: Targets that are known by name, beside any recorded variable over [sequence, segment] or [sequence, segment, place].
NAMED = ("modality", "is_fact", "level", "time")


@dataclass(frozen=True)
class Target:
    """One value a row.

    Attributes
    ----------
    name
        In words.
    value
        (row,): codes into ``classes``, -1 where unknown; or float64 where ``classes`` is None.
    classes
        Names of the classes, None for a number.
    """

    name: str
    value: np.ndarray
    classes: list[str] | None

    def known(self) -> np.ndarray:
        """Rows that have the target."""
        return self.value >= 0 if self.classes is not None else np.isfinite(self.value)


def target_of(recording: "RecordingLike", target: str | xr.DataArray, rows: Vectors) -> Target:
    """The target of each row.

    Parameters
    ----------
    recording : Recording
        Where the rows come from.
    target : str or xarray.DataArray
        "modality" and "is_fact" (of slots, entries and tokens, from the recording's labels), "level" (of store entries),
        "time" (segment of the stream, a number), a recorded variable such as "context.hook_prior" (a number), or an
        array with dims out of ``sequence, segment`` and the point's place: integers, bools and strings are classes, floats
        are numbers; -1 and NaN are unknown.
    rows : Vectors
        What the target is of.

    Returns
    -------
    Target

    Raises
    ------
    AnalysisError
        For an unknown name, or an array whose dims or sizes are not the recording's.
    """
    place = rows.axis
    if isinstance(target, xr.DataArray):
        return _from_array(recording, target, rows, place, str(target.name or "target"))
    if target == "modality":
        return Target("modality", rows.labels["modality"], MODALITIES)
    if target == "is_fact":
        return Target("is_fact", (rows.labels["fact"] >= 0).astype(int), ["no fact", "fact"])
    if target == "time":
        return Target("time", rows.labels["segment"].astype(float), None)
    if target == "level" and place == "entry":
        level = recording.tables.segments.entry_level
        return Target("level", level[rows.labels["place"]], [f"level {at}" for at in range(level.max() + 1)])
    if target in recording.segments.data_vars:
        array = recording[target]
        if set(array.dims) <= {"sequence", "segment", place}:
            return _from_array(recording, array.astype(float), rows, place, target)
    raise AnalysisError(
        f"no target '{target}' for rows over '{place}'; {closest(target, NAMED)}; or a recorded variable over (sequence, segment), or an "
        "array with these dims"
    )


def _from_array(recording: "RecordingLike", array: xr.DataArray, rows: Vectors, place: str, name: str) -> Target:
    where = {
        "sequence": rows.labels["sequence"],
        "segment": rows.labels["segment"] - first_segment(recording),
        place: rows.labels["place"],
    }
    if not set(array.dims) <= set(where) or array.ndim == 0:
        raise AnalysisError(f"the target has dims {array.dims}, expected some of {tuple(where)}")
    sizes = recording.segments.sizes
    for dim in array.dims:
        if array.sizes[dim] != sizes[str(dim)]:
            raise AnalysisError(f"the target has {array.sizes[dim]} of {dim}, the recording {sizes[str(dim)]}")
    value = np.asarray(array.values)[tuple(where[str(dim)] for dim in array.dims)]
    if value.dtype.kind == "f":
        if np.isinf(value).any():
            refuse_nonfinite(np.where(np.isnan(value), 0, value), name, ("row",))
        return Target(name, value.astype(float), None)
    if value.dtype.kind in "iub":
        codes, index = np.unique(value.astype(int), return_inverse=True)
        known = codes >= 0
        return Target(
            name, np.where(known[index], index - int((~known).sum()), -1), [str(code) for code in codes[known]]
        )
    codes, index = np.unique(value.astype(str), return_inverse=True)
    return Target(name, index, [str(code) for code in codes])
