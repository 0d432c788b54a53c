"""Make a recording from arrays and tables: plant what you test, the rest is filled in with values that mean nothing."""

import json
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from memlens import __version__
from memlens.dims import Action
from memlens.recording import Recording, RecordingWriter, open
from memlens.recording.format import schema
from memlens.testing.fill import Filled, fill
from memlens.testing.layout import CAPACITIES, VOCAB, TableColumns

#: Variables of /segments that all sequences share.
_SCALARS = {v.name for v in schema.SEGMENTS.variables if v.dims == ("segment",)}


def write_recording(
    path: str | Path | None,
    *,
    points: Mapping[str, Any] | None = None,
    positions: Mapping[str, Any] | None = None,
    segments: Mapping[str, Any] | None = None,
    entries: Mapping[str, Any] | None = None,
    decisions: Mapping[str, Any] | None = None,
    questions: Mapping[str, Any] | None = None,
    n_segment: int | None = None,
    n_sequence: int | None = None,
    first: int = 0,
    capacities: Sequence[int] = CAPACITIES,
    control: Sequence[str] = ("importance", "hits"),
    vocab: Sequence[str] = VOCAB,
    truth: Mapping[str, Any] | None = None,
    attrs: Mapping[str, Any] | None = None,
    commit_every: int = 32,
    dtype: str = "float32",
) -> Recording:
    """Write a recording that holds what is given, and open it.

    Parameters
    ----------
    path : str, Path or None
        Folder to make. None keeps the recording in memory: the same `Recording`, in milliseconds, for tests over hundreds of seeds.
    points : mapping, optional
        Dense arrays by the name of their point, ``(sequence, segment, ...)``. Points of `memlens.testing.layout.AXES` need no more; for any
        other give ``(axes, array)``, the axes after ``sequence, segment``. With slots (``context.hook_slot``) come, where not given, even
        positions, equal priors and uniform write attention.
    positions : mapping, optional
        ``modality``, ``token``, ``fact``, each ``(sequence, position)``. Default: text, words of ``vocab`` in turn, no facts.
    segments : mapping, optional
        Other variables of ``/segments``, ``(sequence, segment, ...)``. ``occupancy`` and ``entry_id`` follow from ``entries``.
    entries, decisions, questions : mapping, optional
        Columns of these tables, at least ``segment``, of entries ``entry`` too. Default: with slots, an entry for each that is dropped at
        once; else no rows. ``died`` is by default -1 (alive at the end), ``wanted`` the best of ``q``, ``executed`` what is wanted.
    n_segment, n_sequence : int, optional
        Where no array says how many there are.
    first : int
        Index of the first segment, as in a replay that starts later. The tables count from the stream's start, not from ``first``.
    capacities, control, vocab : sequence
        Places of each level of the store; names of the controller's features; words.
    truth, attrs : mapping, optional
        What is planted, JSON values in the attribute ``truth``; further root attributes.
    commit_every, dtype : int, str
        As `memlens.record` takes them.

    Returns
    -------
    Recording

    Raises
    ------
    RecordingError
        When ``path`` exists, arrays do not agree on their sizes, a name is unknown, or more is held than the store has places for.
    """
    filled = fill(
        points or {}, positions or {}, segments or {}, {"entries": entries, "decisions": decisions, "questions": questions},
        sizes=(n_sequence, n_segment, first), capacities=capacities, n_control=len(control), n_vocab=len(vocab),
    )  # fmt: skip
    coordinates = {"entry_level": np.repeat(np.arange(len(capacities)), capacities), "feature": list(control)}
    attrs = {**filled.attrs, "truth": dict(truth or {}), **(attrs or {})}
    if path is None:
        return _in_memory(filled, coordinates, vocab, {**attrs, "commit_every": commit_every}, dtype)
    with RecordingWriter(
        path, points=filled.points, sizes={"read": filled.n_read, "feature": len(control)}, vocab=vocab,
        commit_every=commit_every, dtype=dtype, attrs=attrs, coordinates=coordinates,
    ) as writer:  # fmt: skip
        _write(writer, filled)
    return open(path)


def _write(writer: RecordingWriter, filled: Filled) -> None:
    """Hand a recording to its writer, segment by segment."""
    rows = {name: _by_segment(columns, name, filled) for name, columns in filled.tables.items()}
    for t in range(filled.size.segment):
        own = {name: array[t] if name in _SCALARS else array[:, t] for name, array in filled.segments.items()}
        span = slice(t * filled.size.length, (t + 1) * filled.size.length)
        happened = {name: parts[t] for name, parts in rows.items() if parts[t]}
        writer.add(own, {name: column[:, span] for name, column in filled.positions.items()}, happened)


def _by_segment(columns: TableColumns, table: str, filled: Filled) -> list[TableColumns]:
    """The rows of each segment, nothing where there are none; rows keep their order."""
    at = columns["died" if table == "deaths" else "segment"].astype(int) - filled.size.first
    order = np.argsort(at, kind="stable")
    edges = np.searchsorted(at[order], np.arange(filled.size.segment + 1))
    return [{name: column[order[a:b]] for name, column in columns.items()} if b > a else {} for a, b in pairwise(edges)]


class InMemory(Recording):
    """A recording that is in no folder: what writing and opening would give."""

    def __init__(self, groups: Mapping[str, xr.Dataset], attrs: Mapping[str, Any]):
        self.path = Path("in memory")
        self.attrs = {k: json.dumps(v) if isinstance(v, dict | list | tuple) else v for k, v in attrs.items()}
        vars(self)["tree"] = xr.DataTree.from_dict(
            {"/": xr.Dataset(attrs=self.attrs), **{f"/{k}": v for k, v in groups.items()}}
        )

    def n_rows(self, group: str) -> int:
        """Rows of a group."""
        return int(self.tree[group].sizes[next(g.axis for g in schema.GROUPS if g.name == group)])

    def _group(self, name: str) -> xr.Dataset:
        return self.tree[name].to_dataset()


def _in_memory(
    filled: Filled, coordinates: Mapping[str, Any], vocab: Sequence[str], attrs: Mapping[str, Any], dtype: str
) -> Recording:
    coordinates = {"action": [a.name for a in Action], **coordinates}
    whole = {"segments": filled.segments, "positions": filled.positions, **filled.tables}
    groups: dict[str, xr.Dataset] = {}
    for group in schema.GROUPS:
        group = group.with_variables(filled.points) if group.name == "segments" else group
        columns = whole.get(group.name) or {v.name: np.zeros((0,) * len(v.dims)) for v in group.variables}
        rows: Any = slice(None)
        if group.name in filled.tables:  # in the order of time, as they would be written
            rows = np.argsort(columns["died" if group.name == "deaths" else "segment"], kind="stable")
        data = {v.name: (v.dims, _typed(columns[v.name][rows], v, dtype), v.attrs) for v in group.variables}
        fixed = {v.name: (v.dims, _typed(coordinates[v.name], v, dtype), v.attrs) for v in group.coordinates}
        own = {"vocab": json.dumps(list(vocab))} if group.name == "positions" else {}
        groups[group.name] = xr.Dataset(data, fixed, own)
    told = {
        **schema.ROOT_ATTRIBUTES, "memlens_version": __version__, "schema": schema.SCHEMA_VERSION, "id": "in memory", **attrs,
        "dtype": dtype, "complete": True, "n_token": int(filled.segments["n_valid"].sum()), "segment_length": filled.size.length,
    }  # fmt: skip
    return InMemory(groups, told)


def _typed(value: Any, variable: schema.Variable, dtype: str) -> np.ndarray:
    kind: Any = {"string": object, "float": dtype}.get(variable.dtype, variable.dtype)
    return np.asarray(value, kind)
