"""Where the fact was that an answer needed: how far down its way each question got.

===============  ========================================================================================================
end              the fact that was asked for
===============  ========================================================================================================
never written    is in no slot: importance picked no position whose window it ends in
discarded        was written, and no entry that holds it was left when it was asked for
merged           was held only in entries that were merged
not retrieved    was held by itself, and no entry that holds it had a tenth of the read
read             was held by itself and read
===============  ========================================================================================================

A wrong answer of the last kind was read but wrongly decoded. The same table of right answers is the null: an end that says why answers are
wrong is rare among those that are right.
"""

from typing import TYPE_CHECKING

import numpy as np

from memlens.analysis.support.ancestry import Ancestry

if TYPE_CHECKING:
    from memlens.recording import Recording

ENDS = ("never written", "discarded", "merged", "not retrieved", "read")
#: Share of a read above which an entry counts as read, as in the model's own count of hits.
READ = 0.1


def losses(recording: "Recording") -> dict[str, dict[str, int]]:
    """Questions by end, of right and of wrong answers; those whose fact is unknown are left out."""
    table = recording.tables.questions
    fact, correct = table.fact, table.correct
    told: dict[str, dict[str, int]] = {name: dict.fromkeys(ENDS, 0) for name in ("right", "wrong")}
    ends = _ends(recording)
    for question in np.flatnonzero(fact >= 0):
        told["right" if correct[question] else "wrong"][ends[question]] += 1
    return told


def _ends(recording: "Recording") -> list[str]:
    table = recording.tables.questions
    sequence, segment, fact = table.sequence, table.segment, table.fact
    entry, weight = table.read_entry, table.read_weight
    tree = Ancestry(recording)
    child, columns = tree.child(), tree.columns
    by_fact: dict[tuple[int, int], list[int]] = {}
    for row in np.flatnonzero(tree.fresh & (columns["fact"] >= 0)):
        by_fact.setdefault((int(columns["sequence"][row]), int(columns["fact"][row])), []).append(int(row))
    out = []
    for q, t in enumerate(segment):
        written = [row for row in by_fact.get((int(sequence[q]), int(fact[q])), []) if columns["segment"][row] <= t]
        held = [row for row in (_holder(row, int(t), child, columns) for row in written) if row >= 0]
        own = [row for row in held if tree.fresh[row]]
        read = {int(e) for e in entry[q][weight[q] >= READ]}
        if not written:
            out.append("never written")
        elif not held:
            out.append("discarded")
        elif not own:
            out.append("merged")
        else:
            out.append("read" if any(int(columns["entry"][row]) in read for row in own) else "not retrieved")
    return out


def _holder(row: int, t: int, child: np.ndarray, columns: dict[str, np.ndarray]) -> int:
    """What holds a slot when segment t asks: the slot, what it was merged into, or -1; t reads its own slots and the store before it."""
    if columns["segment"][row] == t:
        return row
    while 0 <= columns["died"][row] < t and child[row] >= 0:
        row = int(child[row])
    return row if columns["segment"][row] < t and not 0 <= columns["died"][row] < t else -1
