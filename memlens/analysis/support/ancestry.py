"""Who descends from whom: entries as rows with their parents, and what of one entry is in another.

An entry is fresh (written from a slot) or a merge of parents. What a merge took from each parent is not recorded: parents count alike.
A fresh slot that consolidated with an entry of the store names that entry as its parent, but took nothing from it: it stands in its place.

Axes: birth, rows of ``/entries``; question, rows of ``/questions``.
"""

from typing import TYPE_CHECKING

import numpy as np

from memlens.analysis.support.result import first_segment
from memlens.analysis.support.vectors import gather
from memlens.analysis.support.windows import window_positions

if TYPE_CHECKING:
    from scipy.sparse import csr_array

    from memlens.recording.protocol import RecordingLike

COLUMNS = ("sequence", "segment", "entry", "level", "slot", "position", "modality", "fact", "died", "fate")


class Ancestry:
    """The entries of a recording, and how they follow from each other.

    Attributes
    ----------
    columns
        Columns of ``/entries`` by name, int64, (birth,).
    parent
        int [birth, side]: row of each parent; -1 none.
    rows
        Finds rows by sequence and entry id, -1 where there is none: ``rows(sequence, entry)``.
    fresh
        bool [birth]: whether an entry was written from a slot.
    """

    def __init__(self, recording: "RecordingLike"):
        table = recording.tables.entries
        self.recording = recording
        self.columns = table.columns(*COLUMNS)
        self.n = len(table)
        self.rows = table.index.rows
        self.parent = self.rows(self.columns["sequence"][:, None], table.parent)
        self.fresh = self.columns["slot"] >= 0

    def shares(self) -> "csr_array":
        """Part of a merge that came from each parent, sparse [birth, birth]: rows are merges; those of fresh entries are empty."""
        from scipy.sparse import csr_array

        child, side = np.nonzero((self.parent >= 0) & ~self.fresh[:, None])
        count = np.bincount(child, minlength=self.n)
        return csr_array((1 / count[child], (child, self.parent[child, side])), shape=(self.n, self.n))

    def sources(self, weight: "csr_array") -> "csr_array":
        """Bring weights on entries, sparse [question, birth], back to the fresh entries that these came from; sums stay."""
        from scipy.sparse import csr_array, diags_array

        back = self.shares()
        ends = diags_array((np.diff(back.indptr) == 0).astype(float))
        total = csr_array(weight.shape)
        while weight.nnz:
            total = total + weight @ ends
            weight = csr_array(weight @ back)
            weight.eliminate_zeros()
        return csr_array(total)

    def reads(self) -> "csr_array":
        """Weight of each entry in each answer's reads, sparse [question, birth]; working memory has no row."""
        from scipy.sparse import csr_array

        table = self.recording.tables.questions
        sequence, entry = table.sequence, table.read_entry
        weight = np.nan_to_num(table.read_weight)
        row = self.rows(sequence[:, None], entry)
        question, read = np.nonzero((row >= 0) & (weight > 0))
        return csr_array((weight[question, read], (question, row[question, read])), shape=(sequence.size, self.n))

    def generation(self) -> np.ndarray:
        """Merges between each entry and its oldest source, int [birth]: 0 for a fresh one."""
        out = np.zeros(self.n, int)
        known = np.where(self.fresh[:, None], -1, self.parent)
        while True:  # as many rounds as there are levels
            deeper = np.where(known >= 0, out[known] + 1, 0).max(1, initial=0)
            if np.array_equal(deeper, out):
                return out
            out = deeper

    def child(self) -> np.ndarray:
        """Row of the merge that each entry went into, int [birth]; -1 none."""
        out = np.full(self.n, -1)
        row, side = np.nonzero((self.parent >= 0) & ~self.fresh[:, None])
        out[self.parent[row, side]] = row
        return out

    def children(self, row: int) -> list[int]:
        """Rows of the entries that have an entry as a parent: the merge it went into, or the slot that replaced it."""
        return np.flatnonzero((self.parent == row).any(1)).tolist()

    def writes(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Stream positions that fresh entries were written from, and the share of each: both [row, window]; -1 and 0 outside.

        Shares are the write attention, mean over heads. RecordingError where it was not recorded.
        """
        pattern = self.recording["context.hook_pattern"]
        sequence, segment, slot = (self.columns[name][rows] for name in ("sequence", "segment", "slot"))
        first = first_segment(self.recording)
        share = gather(pattern, sequence, segment - first, slot).astype(np.float32).mean(1)
        at = window_positions(self.columns["position"][rows], share.shape[1])
        start = self.recording.tables.segments.first_position
        inside = (at >= start) & (at - start < self.recording.positions.sizes["position"])
        share = np.where(inside, share, 0)
        total = share.sum(1, keepdims=True)
        return np.where(inside, at, -1), np.divide(share, total, out=np.zeros_like(share), where=total > 0)
