"""What every entry held and what it was made of: contents by id, and the fresh slots (leaves) each merge goes back to."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from memlens.analysis.support.ancestry import Ancestry
from memlens.analysis.support.result import first_segment, n_segments
from memlens.analysis.support.vectors import featured, gather, refuse_nonfinite

if TYPE_CHECKING:
    from memlens.recording.protocol import RecordingLike


@dataclass(frozen=True)
class EntryVectors:
    """Rows of the entries table with their vectors.

    Attributes
    ----------
    value
        float32 [birth, feature]: what the store held of an entry when it first held it, else the slot it came from.
    known
        bool [birth]: whether there is a vector.
    """

    value: np.ndarray
    known: np.ndarray


def entry_vectors(recording: "RecordingLike", store: str, slot: str) -> EntryVectors:
    """Vectors of all entries that were ever held or came from a recorded slot.

    Parameters
    ----------
    recording : Recording
        With both points.
    store, slot : str
        Recorded points of the store's entries and of the fresh slots.

    Returns
    -------
    EntryVectors

    Raises
    ------
    AnalysisError
        When a value is not finite.
    """
    table = recording.tables.entries
    sequence, entry, segment, place = table.sequence, table.entry, table.segment, table.slot
    array = featured(recording, store)
    value = np.zeros((entry.size, array.shape[3]), np.float32)
    first = first_segment(recording)
    fresh = np.flatnonzero((place >= 0) & (segment >= first) & (segment < first + n_segments(recording)))
    slots = featured(recording, slot)
    where = sequence[fresh], segment[fresh] - first, place[fresh]
    value[fresh] = gather(slots, *where)
    refuse_nonfinite(value[fresh], slot, [str(dim) for dim in slots.dims], where)
    ids = recording.tables.segments.entry_id.transpose(1, 0, 2)
    at, held_sequence, held_place = np.nonzero(ids >= 0)
    held = ids[at, held_sequence, held_place]
    row, index = np.unique(table.index.rows(held_sequence, held), return_index=True)  # when it was first held
    where = held_sequence[index], at[index], held_place[index]
    value[row] = gather(array, *where)
    refuse_nonfinite(value[row], store, [str(dim) for dim in array.dims], where)
    known = np.zeros(entry.size, bool)
    known[fresh] = known[row] = True
    return EntryVectors(value, known)


def leaves(recording: "RecordingLike") -> tuple[np.ndarray, np.ndarray]:
    """Pairs of a merge and each fresh slot that went into it, directly or by way of other merges.

    A fresh slot that consolidated with an entry is no merge: it names that entry as its parent, but took nothing from it.

    Returns
    -------
    merge, leaf
        Rows of the entries table [pair], in order of the merges' birth. A slot merged with itself counts once.
    """
    from scipy.sparse import csr_array

    tree = Ancestry(recording)
    merges = np.flatnonzero(~tree.fresh & (tree.parent >= 0).any(1))
    merges = merges[np.lexsort((tree.columns["segment"][merges], tree.columns["sequence"][merges]))]
    chosen = csr_array((np.ones(merges.size), (np.arange(merges.size), merges)), shape=(merges.size, tree.n))
    at, leaf = tree.sources(chosen).nonzero()
    order = np.lexsort((leaf, at))
    return merges[at[order]], leaf[order]
