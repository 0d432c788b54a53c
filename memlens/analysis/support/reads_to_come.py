"""What keeping an entry came to, as far as a recording tells: how much it was read afterwards, discounted.

The reward that Q was trained on, nats that an answer loses without the entry, is not recorded; reads are. Along the entry's way
through the store the return is G_t = gamma s_t (r_{t+1} + G_{t+1}), cut after some segments: r is the weight with which the answers of a
segment read the entry, and s_t is 1, or 1 / m where it was merged with m - 1 others. This is the return of `memlens.training.q_learning`
with reads in the place of worth, and without rent.
"""

from typing import TYPE_CHECKING

import numpy as np

from memlens.analysis.support.ancestry import Ancestry
from memlens.analysis.support.decision_table import DecisionRows
from memlens.dims import Action
from memlens.recording.reading.entry_index import EntryIndex

if TYPE_CHECKING:
    from memlens.recording.protocol import RecordingLike


def reads_to_come(
    recording: "RecordingLike", rows: DecisionRows, tree: Ancestry, gamma: float, horizon: int
) -> np.ndarray:
    """Discounted read weight of what each decision left, over the segments after it.

    Parameters
    ----------
    recording : Recording
        With questions.
    rows : DecisionRows
        Decisions.
    tree : Ancestry
        Of the recording.
    gamma : float
        Discount a segment.
    horizon : int
        Segments that count.

    Returns
    -------
    float [row]
        0 where a decision left nothing.
    """
    birth = tree.rows(rows.sequence, rows.entry)
    child = tree.child()
    merged = rows.executed == int(Action.COMPRESS)
    left = np.where(merged & (birth >= 0), child[birth], birth)
    died = tree.columns["died"][birth]
    gone = (birth < 0) | (left < 0) | (~merged & (died == rows.segment))
    parents = np.maximum((tree.parent >= 0).sum(1), 1)
    share = np.where(merged & ~gone, 1 / parents[left], 1.0)
    index = EntryIndex(birth, rows.segment)  # decisions by the row of their entry and their segment
    after = np.where(gone, -1, index.rows(left, rows.segment + 1))
    read = _read(recording, tree, index, birth.size)
    value = np.zeros(birth.size)
    for _ in range(horizon):
        value = np.where(after >= 0, gamma * share * (read[after] + value[after]), 0.0)
    return value


def _read(recording: "RecordingLike", tree: Ancestry, index: EntryIndex, n: int) -> np.ndarray:
    """Weight with which the answers of a decision's segment read its entry in the store, float [row]."""
    table = recording.tables.questions
    sequence, segment = table.sequence, table.segment
    weight, kind = np.nan_to_num(table.read_weight), table.read_kind
    birth = tree.rows(sequence[:, None], table.read_entry)
    question, read = np.nonzero((birth >= 0) & (kind == 2) & (weight > 0))
    at = index.rows(birth[question, read], segment[question])
    found = at >= 0
    return np.bincount(at[found], weight[question, read][found], minlength=n)
