"""Decisions as rows of numbers: what the controller saw, what it valued, and which rows belong together.

Axes: row, a decision; feature, what the controller sees.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from memlens.dims import Action
from memlens.errors import AnalysisError
from memlens.recording.reading.entry_index import group_numbers
from memlens.stats.time_blocks import time_blocks

if TYPE_CHECKING:
    from memlens.recording.protocol import RecordingLike


@dataclass(frozen=True)
class DecisionRows:
    """Decisions of a recording, in the order of the table.

    Attributes
    ----------
    control
        float64 [row, feature], finite.
    feature
        Names of the features.
    q
        Nats [row, action], NaN where an action was not allowed.
    sequence, segment, entry, agent, kind, level, wanted, executed
        int64 [row].
    """

    control: np.ndarray
    feature: list[str]
    q: np.ndarray
    sequence: np.ndarray
    segment: np.ndarray
    entry: np.ndarray
    agent: np.ndarray
    kind: np.ndarray
    level: np.ndarray
    wanted: np.ndarray
    executed: np.ndarray

    def at(self, rows: np.ndarray) -> "DecisionRows":
        """Some of the rows."""
        return DecisionRows(
            self.control[rows],
            self.feature,
            *(
                getattr(self, name)[rows]
                for name in ("q", "sequence", "segment", "entry", "agent", "kind", "level", "wanted", "executed")
            ),
        )

    @property
    def owner(self) -> np.ndarray:
        """Number of the entry that each row is about, int [row], from 0."""
        return group_numbers(self.sequence, self.entry)

    def born(self) -> np.ndarray:
        """Segment of the first decision on each row's entry, int [row]."""
        owner = self.owner
        first = np.full(int(owner.max(initial=-1)) + 1, np.iinfo(np.int64).max)
        np.minimum.at(first, owner, self.segment)
        return first[owner]

    def blocks(self, blocks: int) -> np.ndarray:
        """Stretch of time that each row's entry was born in, int [row]: all decisions on one entry are in one."""
        return time_blocks(self.sequence, self.born(), blocks)

    def keep_advantage(self) -> np.ndarray:
        """What the store ranks entries by, float [row], nats: the better of STORE and RETRIEVE over the better of COMPRESS and DISCARD."""
        q = np.where(np.isnan(self.q), -np.inf, self.q)
        keep, release = ([int(Action.STORE), int(Action.RETRIEVE)], [int(Action.COMPRESS), int(Action.DISCARD)])
        return q[:, keep].max(1) - q[:, release].max(1)


def decision_rows(recording: "RecordingLike", least: int) -> DecisionRows:
    """Read the decisions.

    Parameters
    ----------
    recording : Recording
        With decisions.
    least : int
        Decisions that are needed.

    Returns
    -------
    DecisionRows

    Raises
    ------
    AnalysisError
        With fewer decisions, Q-values that are all missing, or a feature that is not finite (which, and where).
    """
    table = recording.tables.decisions
    n = len(table)
    if n < least:
        raise AnalysisError(f"the recording holds {n} decisions, expected {least} or more; record a longer stream")
    control, q = table.control, table.q
    wrong = np.argwhere(~np.isfinite(control))
    if wrong.size:
        row, feature = wrong[0]
        raise AnalysisError(
            f"control[{row}, {feature}] is {control[row, feature]}, expected a finite number; record the run again"
        )
    if not np.isfinite(q).any():
        raise AnalysisError(
            "q holds no number; record a policy that values actions: `memlens record MODEL STREAM -o RUN`"
        )
    names = table.features or [f"control {i}" for i in range(control.shape[1])]
    rest = table.columns("sequence", "segment", "entry", "agent", "kind", "level", "wanted", "executed")
    return DecisionRows(control, names, q, **rest)
