"""Where the fact that a question asks for was, when it was asked."""

from typing import TYPE_CHECKING

import numpy as np

from memlens.analysis.support.ancestry import Ancestry

if TYPE_CHECKING:
    from memlens.recording.protocol import RecordingLike

#: Codes below those of the store's levels: nowhere, or in the slots of the segment that the question ends.
LOST, CONTEXT = -2, -1


def fact_locations(recording: "RecordingLike") -> np.ndarray:
    """Where the fact of each question was held, int [question]: LOST, CONTEXT or the level; of several, the lowest.

    A fact is held by the slots whose window it ends in and by what these were merged into. A question of segment t reads the slots
    of t and the store as t - 1 left it.
    """
    table = recording.tables.questions
    sequence, segment, fact = table.sequence, table.segment, table.fact
    out = np.full(fact.size, LOST)
    asked: dict[tuple[int, int], list[int]] = {}
    for question in np.flatnonzero(fact >= 0):
        asked.setdefault((int(sequence[question]), int(fact[question])), []).append(int(question))
    tree = Ancestry(recording)
    child, columns = tree.child(), tree.columns
    for slot in np.flatnonzero(tree.fresh & (columns["fact"] >= 0)):
        for question in asked.get((int(columns["sequence"][slot]), int(columns["fact"][slot])), []):
            t, row = segment[question], int(slot)
            if columns["segment"][slot] == t:
                found = CONTEXT
            else:
                while 0 <= columns["died"][row] < t and child[row] >= 0:
                    row = int(child[row])
                there = columns["segment"][row] < t and not 0 <= columns["died"][row] < t
                found = int(columns["level"][row]) if there else LOST
            out[question] = (
                found if out[question] == LOST else min(out[question], found if found != LOST else out[question])
            )
    return out


def facts_before(recording: "RecordingLike") -> np.ndarray:
    """Facts stated in the stream before each question was asked, int [question]."""
    table = recording.tables.questions
    sequence, position = table.sequence, table.position
    label = recording.tables.positions.fact
    start = recording.tables.segments.first_position
    out = np.zeros(sequence.size, int)
    for own in np.unique(sequence):
        facts, first = np.unique(label[own], return_index=True)
        ends = np.sort(first[facts >= 0]) + start
        rows = sequence == own
        out[rows] = np.searchsorted(ends, position[rows])
    return out
