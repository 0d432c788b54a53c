"""A recorded point as a grid of places over time, for analyses that need to know which place and when.

Axes: sequence, segment, place (slot, working slot, token or entry of the store), feature.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from memlens.analysis.support.result import first_segment, n_segments
from memlens.analysis.support.vectors import featured, refuse_nonfinite
from memlens.errors import AnalysisError

if TYPE_CHECKING:
    from memlens.recording.protocol import RecordingLike

#: Segments read at once.
READ = 64


@dataclass(frozen=True)
class SegmentVectors:
    """A point over time.

    Attributes
    ----------
    value
        float32 [sequence, segment, place, feature]; 0 where nothing is held.
    held
        bool [sequence, segment, place]: whether there is a vector at all.
    segment
        Index of each segment in the stream.
    place
        What the places are: the name of their axis.
    """

    value: np.ndarray
    held: np.ndarray
    segment: np.ndarray
    place: str


def segment_vectors(recording: "RecordingLike", point: str, most: int = 512) -> SegmentVectors:
    """Read a point over time, at most so many segments.

    Parameters
    ----------
    recording : Recording
        With the point.
    point : str
        A recorded point over [sequence, segment, place, feature].
    most : int
        Segments read, at most, evenly spaced.

    Returns
    -------
    SegmentVectors

    Raises
    ------
    AnalysisError
        For a point without places and features, or values that are not finite.
    """
    array = featured(recording, point)
    at = chosen_segments(recording, most)
    held = occupied(recording, str(array.dims[2]), array.shape)[:, at]
    value = np.zeros((array.shape[0], at.size, *array.shape[2:]), np.float32)
    for low in range(0, at.size, READ):
        value[:, low : low + READ] = array.isel(segment=at[low : low + READ]).values
    value[~held] = 0
    whole = np.indices(held.shape).reshape(3, -1)
    where = whole[0], at[whole[1]], whole[2]
    refuse_nonfinite(value.reshape(-1, value.shape[-1]), point, [str(dim) for dim in array.dims], where)
    return SegmentVectors(value, held, at + first_segment(recording), str(array.dims[2]))


def segment_means(recording: "RecordingLike", point: str, most: int = 512) -> np.ndarray:
    """Mean over the held places of a point in each segment, never with all places in memory at once.

    Parameters
    ----------
    recording : Recording
        With the point.
    point : str
        A recorded point over [sequence, segment, place, feature].
    most : int
        Segments read, at most, evenly spaced.

    Returns
    -------
    float [sequence, segment, feature]
    """
    array = featured(recording, point)
    at = chosen_segments(recording, most)
    held = occupied(recording, str(array.dims[2]), array.shape)[:, at]
    out = np.zeros((array.shape[0], at.size, array.shape[3]))
    for low in range(0, at.size, READ):
        part = array.isel(segment=at[low : low + READ]).values.astype(np.float32)
        use = held[:, low : low + READ, :, None]
        out[:, low : low + READ] = np.where(use, part, 0).sum(2) / np.maximum(use.sum(2), 1)
    index = np.indices(out.shape[:2]).reshape(2, -1)
    refuse_nonfinite(
        out.reshape(-1, out.shape[-1]), point, ("sequence", "segment", "feature"), (index[0], at[index[1]])
    )
    return out


def chosen_segments(recording: "RecordingLike", most: int) -> np.ndarray:
    """Which segments are read.

    Parameters
    ----------
    recording : Recording
        With segments.
    most : int
        Segments read, at most, evenly spaced.

    Returns
    -------
    int [segment]
        Counted from the first recorded one.

    Raises
    ------
    AnalysisError
        With fewer than 8.
    """
    total = n_segments(recording)
    if min(total, most) < 8:
        raise AnalysisError(f"{min(total, most)} segments, expected 8 or more; record a longer stream")
    return np.unique(np.linspace(0, total - 1, min(total, most)).astype(int))


def occupied(recording: "RecordingLike", place: str, shape: tuple[int, ...]) -> np.ndarray:
    """Where a point holds a vector.

    Parameters
    ----------
    recording : Recording
        With entries.
    place : str
        The point's axis of places.
    shape : tuple of int
        That of the point.

    Returns
    -------
    bool [sequence, segment, place]
    """
    if place == "entry":
        return recording.tables.segments.entry_id >= 0
    if place == "token":
        return np.arange(shape[2]) < recording.tables.segments.n_valid[:, :, None]
    held = np.ones(shape[:3], bool)
    if place == "slot":
        table = recording.tables.entries
        sequence, segment, slot = table.sequence, table.segment, table.slot
        segment = segment - first_segment(recording)
        fresh = (slot >= 0) & (segment >= 0) & (segment < shape[1])
        held[:] = False
        held[sequence[fresh], segment[fresh], slot[fresh]] = True
    return held


def slot_labels(recording: "RecordingLike", name: str, shape: tuple[int, ...]) -> np.ndarray:
    """A column of the entries table at the slot each entry came from.

    Parameters
    ----------
    recording : Recording
        With entries.
    name : str
        Of the column.
    shape : tuple of int
        Sequences, segments and slots.

    Returns
    -------
    int [sequence, segment, slot]
        -1 where there is none.
    """
    table = recording.tables.entries
    sequence, segment, slot = table.sequence, table.segment, table.slot
    segment = segment - first_segment(recording)
    fresh = (slot >= 0) & (segment >= 0) & (segment < shape[1])
    out = np.full(shape[:3], -1)
    out[sequence[fresh], segment[fresh], slot[fresh]] = table.read(name, int)[fresh]
    return out
