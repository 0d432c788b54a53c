"""The tables of a planted recording, completed: columns that are not given hold values that mean nothing."""

import heapq
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from memlens.dims import Action
from memlens.errors import RecordingError, closest
from memlens.recording.format import schema
from memlens.recording.format.schema import RESIDENT, Group
from memlens.testing.layout import POSITION_POINT, SLOT_POINT, WINDOW, LabelledPoints, RecordingSize, TableColumns


def completed(group: Group, given: Mapping[str, Any], default: Mapping[str, Any]) -> TableColumns:
    """Every column of a group: as given, else the default, else the schema's fill value.

    Parameters
    ----------
    group : Group
        Of the schema.
    given, default : mapping
        Columns by name.

    Returns
    -------
    dict of str to ndarray

    Raises
    ------
    RecordingError
        When a given name is not in the group.
    """
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


def complete_entries(
    given: Mapping[str, Any] | None, points: LabelledPoints, columns: TableColumns, size: RecordingSize
) -> TableColumns:
    """The table of entries.

    Parameters
    ----------
    given : mapping or None
        Columns, at least ``segment`` and ``entry``. None: with slots, one entry for each slot, dropped at once; else no entries.
    points : mapping
        Axes and array of each point.
    columns : mapping
        Of the positions: labels of slots.
    size : RecordingSize
        Of the recording.

    Returns
    -------
    dict of str to ndarray
        All columns of ``/entries``, with ``died`` and ``fate``.

    Raises
    ------
    RecordingError
        When a column is missing, unknown or of another length.
    """
    if given is None:
        given = (
            _fresh(points, columns, size)
            if SLOT_POINT in points
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
    return completed(schema.ENTRIES, given, default)


def _fresh(points: LabelledPoints, columns: TableColumns, size: RecordingSize) -> dict[str, np.ndarray]:
    """An entry for each slot, dropped at once, labelled by the position that the slot was picked at."""
    place = points[POSITION_POINT][1]
    sequence, segment, slot = (part.ravel() for part in np.indices(place.shape))
    at = segment * size.length + place[sequence, segment, slot]
    return {
        "sequence": sequence, "segment": segment + size.first, "entry": (segment + size.first) * place.shape[2] + slot, "slot": slot,
        "position": at + size.first * size.length, "modality": columns["modality"][sequence, at], "fact": columns["fact"][sequence, at],
        "died": segment + size.first,
    }  # fmt: skip


def held_entries(born: TableColumns, size: RecordingSize, capacities: Sequence[int]) -> np.ndarray:
    """The entries held after each segment: a new entry takes the first free place of its level.

    Parameters
    ----------
    born : mapping
        The table of entries.
    size : RecordingSize
        Of the recording.
    capacities : sequence of int
        Places of each level.

    Returns
    -------
    int [sequence, segment, entry]
        Ids; -1 in an empty place.

    Raises
    ------
    RecordingError
        When a level has no free place for an entry.
    """
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


def complete_decisions(given: Mapping[str, Any] | None, n_control: int) -> TableColumns:
    """The table of decisions.

    Parameters
    ----------
    given : mapping or None
        Columns, at least ``segment``.
    n_control : int
        Features of the controller.

    Returns
    -------
    dict of str to ndarray
        All columns of ``/decisions``.
    """
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
    return completed(schema.DECISIONS, given, default)


def complete_questions(given: Mapping[str, Any] | None, size: RecordingSize) -> TableColumns:
    """The table of questions.

    Parameters
    ----------
    given : mapping or None
        Columns, at least ``segment``.
    size : RecordingSize
        Of the recording.

    Returns
    -------
    dict of str to ndarray
        All columns of ``/questions``.
    """
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
    return completed(schema.QUESTIONS, given, default)
