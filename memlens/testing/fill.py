"""Complete a planted recording: whatever is not given is filled in with values that mean nothing.

Axes are those of `memlens.dims`. Tables are mappings of column names to arrays; a row belongs to the segment in its ``segment`` column.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from memlens.errors import RecordingError, closest
from memlens.recording.format import schema
from memlens.recording.format.schema import Variable
from memlens.testing.layout import (
    AXES,
    PATTERN_POINT,
    POSITION_POINT,
    PRIOR_POINT,
    SLOT_POINT,
    WINDOW,
    LabelledPoints,
    RecordingSize,
    TableColumns,
)
from memlens.testing.sizes import infer_size, refuse_outside
from memlens.testing.tables import (
    complete_decisions,
    complete_entries,
    complete_questions,
    completed,
    held_entries,
)

#: Group of a point by the first part of its name.
GROUP = {"context": "slots", "working": "slots", "controller": "decisions", "store": "store"}


@dataclass(frozen=True)
class Filled:
    """A whole recording as arrays: ``segments`` with the points ``(sequence, segment, ...)``, ``positions``, and ``tables`` by name."""

    size: RecordingSize
    points: tuple[Variable, ...]
    segments: TableColumns
    positions: TableColumns
    tables: dict[str, TableColumns]
    attrs: dict[str, Any]

    @property
    def n_read(self) -> int:
        """Vectors that a question reads."""
        return self.tables["questions"]["read_entry"].shape[1]


def fill(
    points: Mapping[str, Any],
    positions: Mapping[str, Any],
    segments: Mapping[str, Any],
    tables: Mapping[str, Mapping[str, Any] | None],
    *,
    sizes: tuple[int | None, int | None, int],
    capacities: Sequence[int],
    n_control: int,
    n_vocab: int,
) -> Filled:
    """Complete what is given to a whole recording.

    Parameters
    ----------
    points, positions, segments, tables : mapping
        As `memlens.testing.write_recording` takes them.
    sizes : (int or None, int or None, int)
        Numbers of sequences and of segments, where told, and the index of the first segment.
    capacities : sequence of int
        Places of each level of the store.
    n_control, n_vocab : int
        Features of the controller, and words.

    Returns
    -------
    Filled

    Raises
    ------
    RecordingError
        When arrays do not agree on their sizes, a name is unknown, or more is held than there are places for.
    """
    dense = {name: _labelled(name, value) for name, value in points.items()}
    n_sequence, n_segment, first = sizes
    size = infer_size(dense, positions, list(tables.values()), n_sequence=n_sequence, n_segment=n_segment, first=first)
    if SLOT_POINT in dense:
        dense = {**_around_slots(dense, size), **dense}
    columns = _positions(positions, size, n_vocab)
    born = complete_entries(tables["entries"], dense, columns, size)
    gone = born["died"] >= 0
    whole = {
        "entries": {v.name: born[v.name] for v in schema.ENTRIES.variables},
        "deaths": {v.name: born[v.name][gone] for v in schema.DEATHS.variables},
        "decisions": complete_decisions(tables["decisions"], n_control),
        "questions": complete_questions(tables["questions"], size),
    }
    for name, by in (("entries", "segment"), ("deaths", "died"), ("decisions", "segment"), ("questions", "segment")):
        refuse_outside(name, by, whole[name][by], size)
    variables = tuple(_variable(name, axes, array) for name, (axes, array) in dense.items())
    others = _segments(segments, held_entries(born, size, capacities), columns, size, capacities)
    arrays = {**others, **{name: array for name, (_, array) in dense.items()}}
    return Filled(size, variables, arrays, columns, whole, _attrs(variables, capacities, size))


def _labelled(name: str, value: Any) -> tuple[tuple[str, ...], np.ndarray]:
    """Axes after ``sequence, segment``, and the array."""
    if isinstance(value, tuple):
        axes, array = tuple(value[0]), np.asarray(value[1])
    elif name in AXES:
        axes, array = AXES[name], np.asarray(value)
    else:
        raise RecordingError(
            f"the axes of '{name}' are not known; give (axes, array), or a known point; {closest(name, AXES)}"
        )
    if array.ndim != len(axes) + 2:
        raise RecordingError(
            f"'{name}' has shape {array.shape}, expected ({', '.join(('sequence', 'segment', *axes))})"
        )
    return axes, array


def _around_slots(dense: LabelledPoints, size: RecordingSize) -> dict[str, Any]:
    n_slot = dense[SLOT_POINT][1].shape[2]
    window = min(WINDOW, size.length)
    place = np.linspace(window - 1, size.length - 1, n_slot).astype(int)
    shape = size.sequence, size.segment, n_slot
    made = {
        POSITION_POINT: np.broadcast_to(place, shape),
        PRIOR_POINT: np.full(shape, np.log(0.5)),
        PATTERN_POINT: np.full((*shape, 1, window), 1 / window),
    }
    return {name: (AXES[name], array) for name, array in made.items()}


def _positions(given: Mapping[str, Any], size: RecordingSize, n_vocab: int) -> TableColumns:
    shape = size.sequence, size.segment * size.length
    word = min(4, n_vocab - 1)
    words = word + np.arange(shape[1]) % max(n_vocab - word, 1)
    default = {"modality": np.zeros(shape), "token": np.broadcast_to(words, shape), "fact": np.full(shape, -1)}
    return completed(schema.POSITIONS, given, default)


def _segments(
    given: Mapping[str, Any], held: np.ndarray, columns: TableColumns, size: RecordingSize, capacities: Sequence[int]
) -> dict[str, np.ndarray]:
    starts = np.cumsum((0, *capacities))
    index = np.arange(size.segment) + size.first
    there = (columns["modality"] >= 0).reshape(size.sequence, size.segment, size.length)
    default = {
        "segment": index,
        "start": index * size.length,
        "occupancy": np.stack([(held[..., a:b] >= 0).sum(-1) for a, b in pairwise(starts)], -1),
        "entry_id": held,
        "n_valid": there.sum(-1),
        "bits_per_byte": np.full((size.sequence, size.segment), np.nan),
        "step_seconds": np.full(size.segment, 0.01),
    }
    return completed(schema.SEGMENTS, given, default)


def _variable(name: str, axes: tuple[str, ...], array: np.ndarray) -> Variable:
    kind = "int32" if array.dtype.kind in "iub" else "float"
    return Variable(
        name, ("sequence", "segment", *axes), kind, "planted", "1", "", GROUP.get(name.split(".")[0], "backbone")
    )


def _attrs(points: Sequence[Variable], capacities: Sequence[int], size: RecordingSize) -> dict[str, Any]:
    described = [
        {"name": p.name, "group": p.group, "dims": p.dims[2:], "unit": p.unit, "symbol": p.symbol, "meaning": p.meaning}
        for p in points
    ]
    return {
        "model": "planted", "policy": "planted", "points": described, "points_available": [*AXES],
        "model_config": {"capacities": list(capacities), "segment_length": size.length},
        "stream": {"name": "planted", "seed": 0, "config": {}, "sha256": ""},
    }  # fmt: skip
