"""What a planted recording holds where nothing is planted: values that say nothing.

Axes are those of `memlens.dims`. Tables are mappings of column names to arrays; a row belongs to the segment in its ``segment`` column.
"""

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from memlens.dims import Action
from memlens.errors import RecordingError, closest
from memlens.recording.format import schema
from memlens.recording.format.schema import RESIDENT, Group, Variable

#: Positions in a segment, and how far a slot looks back, where nothing says otherwise.
LENGTH, WINDOW = 64, 8
CAPACITIES = (24, 12, 6)
#: A token that may be planted as a mark, two that must be escaped by whoever shows them, a newline, and words.
VOCAB = ("\u0120needle", "<b>bold</b>", "$x$", "\u010a", *(f"\u0120w{i}" for i in range(46)))

SLOT_POINT, POSITION_POINT = "context.hook_slot", "context.hook_position"
PRIOR_POINT, PATTERN_POINT = "context.hook_prior", "context.hook_pattern"
#: Points whose axes are known by name, after ``sequence`` and ``segment``: as `memlens.model.points` has them (needs torch there).
AXES: dict[str, tuple[str, ...]] = {
    "hook_hidden": ("token", "feature"),
    "importance.hook_score": ("token",),
    POSITION_POINT: ("slot",),
    PRIOR_POINT: ("slot",),
    PATTERN_POINT: ("slot", "head", "window"),
    SLOT_POINT: ("slot", "feature"),
    "working.hook_pattern": ("working", "input"),
    "working.hook_candidate": ("working", "feature"),
    "working.hook_gate": ("working",),
    "working.hook_slot": ("working", "feature"),
    "controller.hook_entry": ("agent",),
    "controller.hook_control": ("agent", "control"),
    "controller.hook_q": ("agent", "action"),
    "controller.hook_action": ("agent",),
    "store.hook_entry": ("entry",),
    "store.hook_content": ("entry", "feature"),
}
GROUP = {"context": "slots", "working": "slots", "controller": "decisions", "store": "store"}
Columns = dict[str, np.ndarray]


@dataclass(frozen=True)
class Size:
    """Sequences, segments, positions in a segment, and the first segment's index."""

    sequence: int
    segment: int
    length: int
    first: int


@dataclass(frozen=True)
class Filled:
    """A whole recording as arrays: ``segments`` with the points ``(sequence, segment, ...)``, ``positions``, and ``tables`` by name."""

    size: Size
    points: tuple[Variable, ...]
    segments: Columns
    positions: Columns
    tables: dict[str, Columns]
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
    """Add what is not given; see `memlens.testing.write_recording`. ``sizes`` are sequences and segments, where told, and the first one.

    Raises
    ------
    RecordingError
        When arrays do not agree on their sizes, a name is unknown, or more is held than there are places for.
    """
    dense = {name: _labelled(name, value) for name, value in points.items()}
    size = _size(dense, positions, list(tables.values()), *sizes)
    if SLOT_POINT in dense:
        dense = {**_around_slots(dense, size), **dense}
    columns = _positions(positions, size, n_vocab)
    born = _entries(tables["entries"], dense, columns, size)
    gone = born["died"] >= 0
    whole = {
        "entries": {v.name: born[v.name] for v in schema.ENTRIES.variables},
        "deaths": {v.name: born[v.name][gone] for v in schema.DEATHS.variables},
        "decisions": _decisions(tables["decisions"], n_control),
        "questions": _questions(tables["questions"], size),
    }
    for name, by in (("entries", "segment"), ("deaths", "died"), ("decisions", "segment"), ("questions", "segment")):
        _inside(name, by, whole[name][by], size)
    variables = tuple(_variable(name, axes, array) for name, (axes, array) in dense.items())
    others = _segments(segments, _held(born, size, capacities), columns, size, capacities)
    arrays = {**others, **{name: array for name, (_, array) in dense.items()}}
    return Filled(size, variables, arrays, columns, whole, _attrs(variables, capacities, size))


def _inside(table: str, column: str, segment: np.ndarray, size: Size) -> None:
    low, high = size.first, size.first + size.segment - 1
    if segment.size and (segment.min() < low or segment.max() > high):
        raise RecordingError(
            f"'{column}' of the {table} goes from {segment.min()} to {segment.max()}, expected {low} to {high}"
        )


def _labelled(name: str, value: Any) -> tuple[tuple[str, ...], np.ndarray]:
    """Axes after ``sequence, segment`` and the array."""
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


def _size(
    dense: Mapping[str, tuple[tuple[str, ...], np.ndarray]],
    positions: Mapping[str, Any],
    tables: Sequence[Mapping[str, Any] | None],
    n_sequence: int | None,
    n_segment: int | None,
    first: int,
) -> Size:
    """How large the recording is: as told, else as the arrays are, else as far as the tables reach."""
    shapes = {name: array.shape[:2] for name, (_, array) in dense.items()}
    if len(set(shapes.values())) > 1:
        raise RecordingError(f"points have different numbers of sequences and segments: {shapes}")
    sequences, segments = next(iter(shapes.values()), (None, None))
    there = [table for table in tables if table is not None and np.size(table.get("segment", ()))]
    last = max((int(np.max(table["segment"])) for table in there), default=first) - first
    segments = segments or n_segment or last + 1
    lengths = [np.shape(column) for column in positions.values()]
    sequences = sequences or n_sequence or (lengths[0][0] if lengths else None)
    sequences = sequences or max((int(np.max(table.get("sequence", 0))) for table in there), default=0) + 1
    length = lengths[0][1] // segments if lengths else LENGTH
    found = Size(int(sequences), int(segments), int(length), first)
    if (n_segment or segments, n_sequence or sequences) != (segments, sequences) or last >= segments:
        raise RecordingError(
            f"got n_segment {n_segment}, n_sequence {n_sequence} and rows up to segment {last + first}, but the arrays have {segments} "
            f"segments from {first} on and {sequences} sequences"
        )
    if any(shape != (found.sequence, found.segment * found.length) for shape in lengths):
        raise RecordingError(
            f"positions have shapes {lengths}, expected ({found.sequence}, {found.segment} x segment length)"
        )
    return found


def _around_slots(dense: Mapping[str, tuple[tuple[str, ...], np.ndarray]], size: Size) -> dict[str, Any]:
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


def _positions(given: Mapping[str, Any], size: Size, n_vocab: int) -> Columns:
    shape = size.sequence, size.segment * size.length
    word = min(4, n_vocab - 1)
    words = word + np.arange(shape[1]) % max(n_vocab - word, 1)
    default = {"modality": np.zeros(shape), "token": np.broadcast_to(words, shape), "fact": np.full(shape, -1)}
    return _filled(schema.POSITIONS, given, default)


def _filled(group: Group, given: Mapping[str, Any], default: Mapping[str, Any]) -> Columns:
    """Every column of a group: as given, else the default, else the schema's word for nothing."""
    known = {v.name: v for v in group.variables} | (
        {v.name: v for v in schema.JOINED} if group is schema.ENTRIES else {}
    )
    for name in given:
        if name not in known:
            raise RecordingError(f"/{group.name} has no '{name}'; {closest(name, known)}")
    n = len(next(iter(given.values()))) if given and group is not schema.POSITIONS else 0
    return {name: np.asarray(given.get(name, default.get(name, np.full(n, v.fill)))) for name, v in known.items()}


def _needed(name: str, given: Mapping[str, Any], *columns: str) -> int:
    missing = [column for column in columns if column not in given]
    if missing:
        raise RecordingError(f"{name} lack the columns {missing}; give at least {list(columns)}")
    lengths = {column: len(values) for column, values in given.items()}
    if len(set(lengths.values())) > 1:
        raise RecordingError(f"{name} have columns of different lengths: {lengths}")
    return len(given["segment"])


def _entries(
    given: Mapping[str, Any] | None,
    dense: Mapping[str, tuple[tuple[str, ...], np.ndarray]],
    columns: Columns,
    size: Size,
) -> Columns:
    if given is None:
        given = (
            _fresh(dense, columns, size)
            if SLOT_POINT in dense
            else {"segment": np.zeros(0, int), "entry": np.zeros(0, int)}
        )
    n = _needed("entries", given, "segment", "entry")
    segment = np.asarray(given["segment"])
    position = np.asarray(given.get("position", segment * size.length + size.length - 1))
    died = np.asarray(given.get("died", np.full(n, -1)))
    default = {
        "sequence": np.zeros(n, int), "level": np.zeros(n, int), "position": position, "parent": np.full((n, 2), -1),
        "start": np.maximum(position - WINDOW + 1, 0), "end": position + 1,
        "fate": np.where(died >= 0, Action.DISCARD, -1),
    }  # fmt: skip
    return _filled(schema.ENTRIES, given, default)


def _fresh(
    dense: Mapping[str, tuple[tuple[str, ...], np.ndarray]], columns: Columns, size: Size
) -> dict[str, np.ndarray]:
    """A birth a slot, dropped at once, labelled by the position that the slot was picked at."""
    place = dense[POSITION_POINT][1]
    sequence, segment, slot = (part.ravel() for part in np.indices(place.shape))
    at = segment * size.length + place[sequence, segment, slot]
    return {
        "sequence": sequence, "segment": segment + size.first, "entry": (segment + size.first) * place.shape[2] + slot, "slot": slot,
        "position": at + size.first * size.length, "modality": columns["modality"][sequence, at], "fact": columns["fact"][sequence, at],
        "died": segment + size.first,
    }  # fmt: skip


def _held(born: Columns, size: Size, capacities: Sequence[int]) -> np.ndarray:
    """Ids held after each segment, ``(sequence, segment, entry)``: a new entry takes the first free place of its level."""
    held = np.full((size.sequence, size.segment, sum(capacities)), -1)
    starts = np.cumsum((0, *capacities))
    spans = list(enumerate(pairwise(starts)))
    free = {(s, level): list(range(a, b)) for s in range(size.sequence) for level, (a, b) in spans}
    leaving: list[tuple[int, int, int, int]] = []
    names = ("sequence", "segment", "entry", "level", "died")
    for row in np.argsort(born["segment"], kind="stable"):
        s, t, entry, level, died = (int(born[name][row]) for name in names)
        end = died if died >= 0 else size.first + size.segment
        while leaving and leaving[0][0] <= t:
            _, *where, place = heapq.heappop(leaving)
            heapq.heappush(free[where[0], where[1]], place)
        if end <= t:
            continue
        if (s, level) not in free or not free[s, level]:
            raise RecordingError(
                f"entry {entry} of sequence {s} has no place in level {level} after segment {t}; the capacities are {tuple(capacities)}: "
                "give larger ones, or let entries die earlier"
            )
        place = heapq.heappop(free[s, level])
        heapq.heappush(leaving, (end, s, level, place))
        held[s, max(t - size.first, 0) : end - size.first, place] = entry
    return held


def _segments(
    given: Mapping[str, Any], held: np.ndarray, columns: Columns, size: Size, capacities: Sequence[int]
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
    return _filled(schema.SEGMENTS, given, default)


def _decisions(given: Mapping[str, Any] | None, n_control: int) -> Columns:
    given = {"segment": np.zeros(0, int)} if given is None else given
    n = _needed("decisions", given, "segment")
    q = np.asarray(given.get("q", np.full((n, len(Action)), np.nan)), float)
    best = np.where(np.isnan(q), -np.inf, q).argmax(1) if n else np.zeros(0, int)
    wanted = given.get("wanted", given.get("executed", best))
    kind = np.asarray(given.get("kind", np.full(n, RESIDENT)))
    default = {
        "sequence": np.zeros(n, int), "entry": np.zeros(n, int), "agent": np.zeros(n, int), "kind": kind, "level": np.zeros(n, int),
        "wanted": wanted, "executed": wanted, "q": q, "control": np.zeros((n, n_control)),
    }  # fmt: skip
    return _filled(schema.DECISIONS, given, default)


def _questions(given: Mapping[str, Any] | None, size: Size) -> Columns:
    given = {"segment": np.zeros(0, int)} if given is None else given
    n = _needed("questions", given, "segment")
    correct = np.asarray(given.get("correct", np.ones(n, bool)))
    read = np.asarray(given.get("read_entry", np.full((n, 1), -1)))
    answer = np.asarray(given.get("answer", np.full(n, "42", object)))
    default = {
        "sequence": np.zeros(n, int), "position": (np.asarray(given["segment"]) + 1) * size.length, "fact_modality": np.zeros(n, int),
        "text": np.full(n, "what is it?", object), "answer": answer, "predicted": np.where(correct, answer, "7"), "correct": correct,
        "loss": np.where(correct, 0.1, 3.0), "read_entry": read, "read_weight": np.full(read.shape, 1 / read.shape[1]),
        "read_kind": np.where(read >= 0, 2, -1),
    }  # fmt: skip
    return _filled(schema.QUESTIONS, given, default)


def _variable(name: str, axes: tuple[str, ...], array: np.ndarray) -> Variable:
    kind = "int32" if array.dtype.kind in "iub" else "float"
    return Variable(
        name, ("sequence", "segment", *axes), kind, "planted", "1", "", GROUP.get(name.split(".")[0], "backbone")
    )


def _attrs(points: Sequence[Variable], capacities: Sequence[int], size: Size) -> dict[str, Any]:
    described = [
        {"name": p.name, "group": p.group, "dims": p.dims[2:], "unit": p.unit, "symbol": p.symbol, "meaning": p.meaning}
        for p in points
    ]
    return {
        "model": "planted", "policy": "planted", "points": described, "points_available": [*AXES],
        "model_config": {"capacities": list(capacities), "segment_length": size.length},
        "stream": {"name": "planted", "seed": 0, "config": {}, "sha256": ""},
    }  # fmt: skip
