"""Whether the arrays of a recording agree with each other: lengths, lineage, values in range. Reads arrays that are intact.

Axes of what is read: segment, sequence, entry (a place of the store), birth and death (rows of the tables).
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from memlens.dims import Action, Modality
from memlens.recording.format import schema
from memlens.recording.integrity.snapshot import Snapshot
from memlens.recording.reading.entry_index import EntryIndex

#: What a check found: the array or group, what is wrong with it, and the segments concerned (None: it cannot be said).
Finding = tuple[str, str, np.ndarray | None]


@dataclass(frozen=True)
class Check:
    """One property of a recording, the arrays that it needs, and the function that looks for what breaks it."""

    name: str
    needs: tuple[str, ...]
    find: Callable[[Snapshot], Iterator[Finding]]


def _lengths(shot: Snapshot) -> Iterator[Finding]:
    n = shot.n_segment
    for name, array in shot.arrays.items():
        group, at = name.split("/")[1], shot.axis(name)
        if at is None:
            continue
        peer = next(v for g in schema.GROUPS if g.name == group for v in g.variables)
        axis = shot.axis(f"/{group}/{peer.name}")
        want = shot.arrays[f"/{group}/{peer.name}"].shape[axis or 0]
        if array.shape[at] != want:
            yield name, f"has {array.shape[at]:,} rows, the others of its group {want:,}", None
    length = shot.arrays["/positions/token"].shape[1]
    if length != n * shot.length:
        yield "/positions", f"has {length:,} positions, {n:,} segments have {n * shot.length:,}", None
    said, held = shot.info.n_token, int(shot.arrays["/segments/n_valid"][:].sum())
    if said != held:
        yield "/", f"says {said:,} tokens, its segments hold {held:,}", None


def _segments(shot: Snapshot) -> Iterator[Finding]:
    segment, start = (shot.arrays[f"/segments/{name}"][:] for name in ("segment", "start"))
    wrong = (segment != shot.first + np.arange(len(segment))) | (start != segment * shot.length)
    if wrong.any():
        yield "/segments/segment", "segments are not numbered one after the other", wrong
    n_valid = shot.arrays["/segments/n_valid"][:]
    padding = shot.arrays["/positions/modality"][:]
    counted = (padding >= 0).reshape(n_valid.shape[0], -1, shot.length).sum(2)
    wrong = (counted != n_valid).any(0)
    if wrong.any():
        yield "/segments/n_valid", "does not count the positions that are not padding", wrong
    entry_id, level = shot.arrays["/segments/entry_id"], shot.arrays["/segments/entry_level"][:]
    occupancy, step = shot.arrays["/segments/occupancy"], entry_id.chunks[1]
    for first in range(0, len(segment), step):
        block = slice(first, first + step)
        held = entry_id[:, block] >= 0
        told = occupancy[:, block]
        by_level = np.stack([held[..., level == i].sum(-1) for i in range(told.shape[2])], 2)
        wrong = np.zeros(len(segment), bool)
        wrong[block] = (by_level != told).any((0, 2))
        if wrong.any():
            yield "/segments/occupancy", "does not count the entries that are held", wrong


def _ranges(shot: Snapshot) -> Iterator[Finding]:
    """Codes and indices of every group, against what they may be."""
    n_sequence = shot.arrays["/segments/n_valid"].shape[0]
    n_level = shot.arrays["/segments/occupancy"].shape[2]
    action, modality = (-1, len(Action)), (-1, len(Modality))
    allowed: dict[str, tuple[int, int]] = {
        "/positions/modality": modality, "/positions/fact": (-1, 2**31),
        "/questions/fact_modality": modality, "/questions/read_kind": (-1, 3),
        "/decisions/kind": (0, 2), "/decisions/level": (0, n_level), "/decisions/wanted": action,
        "/decisions/executed": action, "/decisions/entry": (0, 2**62), "/entries/entry": (0, 2**62),
        "/entries/level": (0, n_level), "/entries/modality": modality, "/deaths/fate": action,
    }  # fmt: skip
    for name in ("questions", "decisions", "entries", "deaths", "payloads"):
        allowed[f"/{name}/sequence"] = (0, n_sequence)
    after = shot.first + shot.n_segment
    for name in ("/questions/segment", "/decisions/segment", "/deaths/died"):
        allowed[name] = (shot.first, after)
    allowed["/entries/segment"] = (0, after)
    for name, (low, after) in allowed.items():
        values = shot.arrays[name][:]
        wrong = (values < low) | (values >= after)
        if wrong.any():
            at = shot.axis(name) or 0
            rows = np.unique(np.nonzero(wrong)[at]) // shot.arrays[name].chunks[at]
            lost = shot.lost_segments(name, [(*(0,) * at, int(block)) for block in np.unique(rows)])
            yield name, f"{int(wrong.sum()):,} values are outside of {low} to {after - 1}", lost
    kind, weight = (shot.arrays[f"/questions/{name}"][:] for name in ("read_kind", "read_weight"))
    total = np.where(kind >= 0, weight, 0).sum(1)
    if ((kind >= 0).any(1) & (abs(total - 1) > 1e-2)).any():
        yield "/questions/read_weight", "the weights of a question do not sum to 1", None


def _lineage(shot: Snapshot) -> Iterator[Finding]:
    if shot.info.interventions:
        return  # hooks may take entries out and put them in again
    born = {
        name: shot.arrays[f"/entries/{name}"][:].astype(np.int64) for name in ("sequence", "entry", "segment", "parent")
    }
    gone = {name: shot.arrays[f"/deaths/{name}"][:].astype(np.int64) for name in ("sequence", "entry", "died")}
    index, n = EntryIndex(born["sequence"], born["entry"]), len(born["entry"])
    if index.repeated.any():
        yield "/entries/entry", "ids are not unique in their sequence", _mask(shot, born["segment"][index.repeated])
        return
    for side in range(born["parent"].shape[1]):
        parent = born["parent"][:, side]
        has = parent >= 0
        at = index.rows(born["sequence"], parent)
        # parents of entries that are older than the recording need not be in it
        missing = (at < 0) & (born["segment"] >= shot.first)
        late = (at >= 0) & ((born["segment"][at] > born["segment"]) | (at == np.arange(n)))
        wrong = has & (missing | late)
        if wrong.any():
            yield (
                "/entries/parent",
                "entries have parents that were not born before",
                _mask(shot, born["segment"][wrong]),
            )
    at = index.rows(gone["sequence"], gone["entry"])
    wrong = (at < 0) | (born["segment"][at] > gone["died"] if n else True)
    wrong[EntryIndex(gone["sequence"], gone["entry"]).repeated] = True
    if wrong.any():
        yield (
            "/deaths",
            "entries died that were not born, died twice, or before their birth",
            _mask(shot, gone["died"][wrong]),
        )
        return
    died = np.full(n, shot.first + shot.n_segment)
    died[at] = gone["died"]
    yield from _held(shot, index, born, died)


def _held(shot: Snapshot, index: EntryIndex, born: dict[str, np.ndarray], died: np.ndarray) -> Iterator[Finding]:
    """Whether each segment holds the entries that live in it, and no others."""
    entry_id = shot.arrays["/segments/entry_id"]
    n_sequence, step = entry_id.shape[0], entry_id.chunks[1]
    change = np.zeros((n_sequence, shot.n_segment + 1), np.int64)
    np.add.at(change, (born["sequence"], np.maximum(born["segment"] - shot.first, 0)), 1)
    np.add.at(change, (born["sequence"], died - shot.first), -1)
    alive = change.cumsum(1)
    wrong = np.zeros(shot.n_segment, bool)
    for first in range(0, shot.n_segment, step):
        held = entry_id[:, first : first + step]
        s, t, place = np.nonzero(held >= 0)
        at, row_of = index.rows(s, held[s, t, place]), t + first
        now = row_of + shot.first
        bad = (at < 0) | (born["segment"][at] > now) | (died[at] <= now)
        wrong[row_of[bad]] = True
        n_held = (held >= 0).sum(2)
        wrong[first : first + step] |= (n_held != alive[:, first : first + n_held.shape[1]]).any(0)
    if wrong.any():
        yield "/segments/entry_id", "does not hold the entries that were born and are alive", wrong


def _asked(shot: Snapshot) -> Iterator[Finding]:
    """Whether the entries that questions read and decisions are about have been born."""
    if shot.info.interventions:
        return  # hooks may take entries out and put them in again
    index = EntryIndex(shot.arrays["/entries/sequence"][:], shot.arrays["/entries/entry"][:])
    segment = shot.arrays["/entries/segment"][:]
    for group, name in (("questions", "read_entry"), ("decisions", "entry")):
        entry = shot.arrays[f"/{group}/{name}"][:]
        entry = entry if entry.ndim == 2 else entry[:, None]
        sequence, at = (shot.arrays[f"/{group}/{column}"][:].astype(np.int64) for column in ("sequence", "segment"))
        found = index.rows(sequence[:, None], entry)
        wrong = (entry >= 0) & ((found < 0) | (segment[found] > at[:, None] if len(segment) else True))
        if wrong.any():
            yield f"/{group}/{name}", "names entries that were not born yet", _mask(shot, at[wrong.any(1)])


def _mask(shot: Snapshot, segments: Any) -> np.ndarray:
    mask = np.zeros(shot.n_segment, bool)
    mask[np.clip(segments - shot.first, 0, max(shot.n_segment - 1, 0))] = True
    return mask


def _columns(group: str, names: str) -> tuple[str, ...]:
    return tuple(f"/{group}/{name}" for name in names.split())


_BORN = _columns("entries", "sequence entry segment parent")
CHECKS = (
    Check("lengths", _columns("segments", "n_valid"), _lengths),
    Check(
        "segments",
        _columns("segments", "segment start n_valid entry_id entry_level occupancy") + _columns("positions", "modality"),
        _segments,
    ),
    Check(
        "ranges",
        _columns("positions", "modality fact")
        + _columns("questions", "sequence segment fact_modality read_kind read_weight")
        + _columns("decisions", "sequence segment kind level wanted executed entry")
        + _columns("entries", "sequence segment entry level modality")
        + _columns("deaths", "sequence died fate")
        + _columns("payloads", "sequence"),
        _ranges,
    ),
    Check("lineage", _BORN + _columns("deaths", "sequence entry died") + _columns("segments", "entry_id"), _lineage),
    Check("asked", _BORN + _columns("questions", "sequence segment read_entry") + _columns("decisions", "sequence segment entry"), _asked),
)  # fmt: skip
