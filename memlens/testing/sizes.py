"""How large a planted recording is: as told, else as the arrays are, else as far as the tables reach."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from memlens.errors import RecordingError
from memlens.testing.layout import LENGTH, LabelledPoints, RecordingSize

Tables = Sequence[Mapping[str, Any] | None]


def infer_size(
    points: LabelledPoints,
    positions: Mapping[str, Any],
    tables: Tables,
    *,
    n_sequence: int | None,
    n_segment: int | None,
    first: int,
) -> RecordingSize:
    """The size that arrays, tables and what was told agree on.

    Parameters
    ----------
    points : mapping
        Axes and array of each point.
    positions : mapping
        Arrays ``(sequence, position)``.
    tables : sequence of mappings
        Their columns ``segment`` and ``sequence`` count.
    n_sequence, n_segment : int or None
        As told.
    first : int
        Index of the first segment.

    Returns
    -------
    RecordingSize

    Raises
    ------
    RecordingError
        When they do not agree.
    """
    rows = [table for table in tables if table is not None and np.size(table.get("segment", ()))]
    last = max((int(np.max(table["segment"])) for table in rows), default=first) - first
    shapes = [np.shape(column) for column in positions.values()]
    sequences, segments = _shape_of_points(points)
    segments = segments or n_segment or last + 1
    sequences = sequences or n_sequence or (shapes[0][0] if shapes else None) or _sequences_of(rows)
    if (n_segment or segments, n_sequence or sequences) != (segments, sequences) or last >= segments:
        raise RecordingError(
            f"got n_segment {n_segment}, n_sequence {n_sequence} and rows up to segment {last + first}, but the arrays have {segments} "
            f"segments from {first} on and {sequences} sequences"
        )
    length = shapes[0][1] // segments if shapes else LENGTH
    if any(shape != (sequences, segments * length) for shape in shapes):
        raise RecordingError(f"positions have shapes {shapes}, expected ({sequences}, {segments} x segment length)")
    return RecordingSize(int(sequences), int(segments), int(length), first)


def _shape_of_points(points: LabelledPoints) -> tuple[int | None, int | None]:
    """Sequences and segments of the points, None where there is none."""
    shapes = {name: array.shape[:2] for name, (_, array) in points.items()}
    if len(set(shapes.values())) > 1:
        raise RecordingError(f"points have different numbers of sequences and segments: {shapes}")
    return next(iter(shapes.values()), (None, None))


def _sequences_of(rows: Sequence[Mapping[str, Any]]) -> int:
    return max((int(np.max(table.get("sequence", 0))) for table in rows), default=0) + 1


def refuse_outside(table: str, column: str, segment: np.ndarray, size: RecordingSize) -> None:
    """Refuse rows of segments that the recording does not have.

    Parameters
    ----------
    table, column : str
        Whose segments these are, for the message.
    segment : int [row]
        Counted from the start of the stream.
    size : RecordingSize
        Of the recording.

    Raises
    ------
    RecordingError
        When one is outside.
    """
    low, high = size.first, size.first + size.segment - 1
    if segment.size and (segment.min() < low or segment.max() > high):
        raise RecordingError(
            f"'{column}' of the {table} goes from {segment.min()} to {segment.max()}, expected {low} to {high}"
        )
