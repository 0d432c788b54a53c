"""Everything one context slot did: what it was written from, what was decided about it, what became of it."""

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from memlens.analysis.support.ancestry import Ancestry
from memlens.analysis.support.measure import measure
from memlens.analysis.support.result import ACTIONS, MODALITIES, first_segment, n_segments, names
from memlens.analysis.support.windows import token_names, vocabulary, window_positions, window_tokens, write_attention
from memlens.errors import AnalysisError

if TYPE_CHECKING:
    from memlens.recording.protocol import RecordingLike
    from memlens.recording.reading.tables import RecordedDecisions, RecordedQuestions


@measure
def slot_history(recording: "RecordingLike", *, sequence: int, segment: int, slot: int) -> xr.Dataset:
    """Follow one slot: its window, its entry, the entry's decisions and merges, the questions that read them.

    Parameters
    ----------
    recording : Recording
        With the points ``context.hook_position`` and ``context.hook_pattern``.
    sequence, segment, slot : int
        Which slot.

    Returns
    -------
    xarray.Dataset
        ``window``: ``token(window)`` strings, ``token_modality(window)`` codes, ``write(window)`` attention (mean over
        heads), ``window_position(window)``.

        ``decision``: rows about the entry and its descendants in time order: ``decision_segment``,
        ``decision_entry``, ``decision_kind``, ``decision_level``, ``wanted``, ``executed`` (codes), ``q(decision,
        action)`` in nats.

        ``descendant``: the entry itself (depth 0) and every merge it went into: ``descendant_entry``, ``depth``,
        ``descendant_level``, ``born``, ``died`` (-1 alive), ``fate``, ``descendant_start``, ``descendant_end``,
        ``parent(descendant, side)``.

        ``question``: questions that read any of them: ``question_index``, ``question_segment``, ``question_text``,
        ``answer``, ``predicted``, ``correct``, ``weight`` (sum over the reads), ``question_entry`` (most read of them),
        ``distance``.

        Attributes ``sequence``, ``segment``, ``slot``, ``entry`` (-1: it never became one), ``modality``, ``fact``,
        ``importance``.

    Raises
    ------
    AnalysisError
        When the recording has no such sequence, segment or slot.
    """
    picked = _picked(recording, sequence, segment, slot)
    descendants = _descendants(recording, sequence, segment, slot)
    ids = descendants["descendant_entry"][1]
    entry = int(ids[0]) if ids.size else -1
    table = recording.tables.entries
    own = int(table.index.rows(sequence, entry))
    modality, fact = (int(column[own]) if own >= 0 else -1 for column in (table.modality, table.fact))
    return xr.Dataset(
        {
            **_window(recording, sequence, segment, slot, picked),
            **_decisions(recording.tables.decisions, sequence, ids),
            **descendants,
            **_questions(recording.tables.questions, sequence, ids),
        },
        coords={"action": ACTIONS},
        attrs={
            "n": 1, "sequence": sequence, "segment": segment, "slot": slot, "entry": entry, "modality": names([modality], MODALITIES)[0],
            "fact": fact, "position": picked, "importance": _importance(recording, sequence, segment, slot),
        },
    )  # fmt: skip


def _picked(recording: "RecordingLike", sequence: int, segment: int, slot: int) -> int:
    """Stream position the slot was picked at; AnalysisError when there is no such slot."""
    array = recording["context.hook_position"]
    first = first_segment(recording)
    bounds = {
        "sequence": (sequence, 0, array.sizes["sequence"]),
        "segment": (segment, first, first + n_segments(recording)),
        "slot": (slot, 0, array.sizes["slot"]),
    }
    for name, (value, low, high) in bounds.items():
        if not low <= value < high:
            raise AnalysisError(f"{name} is {value}; this recording has {low} to {high - 1}")
    token = int(array.isel(sequence=sequence, segment=segment - first, slot=slot).values)
    return int(recording.tables.segments.start[segment - first]) + token


def _importance(recording: "RecordingLike", sequence: int, segment: int, slot: int) -> float:
    if "context.hook_prior" not in recording.segments:
        return float("nan")
    place = {"sequence": sequence, "segment": segment - first_segment(recording), "slot": slot}
    return float(recording["context.hook_prior"].isel(place).values)


def _window(recording: "RecordingLike", sequence: int, segment: int, slot: int, picked: int) -> dict[str, object]:
    where = np.array([sequence]), np.array([segment]), np.array([slot])
    attention = write_attention(recording, *where)
    width = attention.shape[1]
    tokens, modality = window_tokens(recording, where[0], np.array([picked]), width)
    text = token_names(tokens, modality, vocabulary(recording))
    return {
        "token": ("window", text[0].astype(str)),
        "token_modality": ("window", modality[0]),
        "write": ("window", attention[0]),
        "window_position": ("window", window_positions(np.array([picked]), width)[0]),
    }


def _descendants(
    recording: "RecordingLike", sequence: int, segment: int, slot: int
) -> dict[str, tuple[object, np.ndarray]]:
    """The slot's own entry, then every merge that has it, or one already found, as a parent."""
    tree = Ancestry(recording)
    columns = tree.columns
    own = (columns["sequence"] == sequence) & (columns["segment"] == segment) & (columns["slot"] == slot)
    rows = [int(row) for row in np.flatnonzero(own)[:1]]
    depth = dict.fromkeys(rows, 0)
    for row in rows:
        for child in tree.children(row):
            if child not in depth:
                depth[child] = depth[row] + 1
                rows.append(child)
    at = np.array(rows, int)
    renamed = {
        "entry": "descendant_entry",
        "level": "descendant_level",
        "segment": "born",
        "died": "died",
        "fate": "fate",
        "start": "descendant_start",
        "end": "descendant_end",
    }
    table = recording.tables.entries
    out: dict[str, tuple[object, np.ndarray]] = {}
    for old, new in renamed.items():
        out[new] = "descendant", table.read(old, int)[at]
    out["depth"] = "descendant", np.array([depth[row] for row in rows], int)
    out["parent"] = ("descendant", "side"), table.parent[at]
    return out


def _decisions(table: "RecordedDecisions", sequence: int, ids: np.ndarray) -> dict[str, object]:
    rows = np.flatnonzero((table.sequence == sequence) & np.isin(table.entry, ids))
    rows = rows[np.argsort(table.segment[rows], kind="stable")]
    renamed = {
        "segment": "decision_segment",
        "entry": "decision_entry",
        "kind": "decision_kind",
        "level": "decision_level",
        "wanted": "wanted",
        "executed": "executed",
    }
    out: dict[str, object] = {new: ("decision", table.read(old, int)[rows]) for old, new in renamed.items()}
    return out | {"q": (("decision", "action"), table.q[rows])}


def _questions(table: "RecordedQuestions", sequence: int, ids: np.ndarray) -> dict[str, object]:
    read = table.read_entry
    share = np.where(np.isin(read, ids) & (read >= 0), table.read_weight, 0)
    found = np.isin(read, ids).any(1) & (read >= 0).any(1)
    rows = np.flatnonzero((table.sequence == sequence) & found)
    most = share[rows].argmax(1) if rows.size else np.zeros(0, int)
    out: dict[str, object] = {
        "question_index": ("question", rows),
        "weight": ("question", np.nansum(share[rows], axis=1)),
        "question_entry": ("question", read[rows, most]),
    }
    renamed = {
        "segment": "question_segment",
        "distance": "distance",
        "correct": "correct",
        "text": "question_text",
        "answer": "answer",
        "predicted": "predicted",
    }
    for old, new in renamed.items():
        values = table.read(old)[rows]
        out[new] = "question", values.astype(str) if values.dtype.kind in "OUT" else values
    return out
