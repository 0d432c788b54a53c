"""A memory whose entries are read at rates that belong to them, for `memlens.testing.control.planted_calibration`."""

from typing import Any

import numpy as np

from memlens.dims import Action
from memlens.recording.format.schema import CANDIDATE, RESIDENT


class ReadMemory:
    """A memory whose entries are read by their worth: rows of the three tables, and what each entry gave to each segment's questions."""

    def __init__(self, random: np.random.Generator, n_segment: int, knows: float):
        self.random, self.n_segment, self.knows = random, n_segment, knows
        self.n_question = random.integers(1, 9, n_segment + 1)
        self.worth: list[float] = []
        self.noise: list[float] = []
        self.held: list[int] = []
        self.entries: list[dict[str, Any]] = []
        self.decisions: list[dict[str, Any]] = []
        self.questions: list[dict[str, Any]] = []
        self.read: dict[tuple[int, int], float] = {}

    def ask(self, t: int) -> None:
        """The questions of a segment, which read held entries."""
        for _ in range(self.n_question[t] if len(self.held) >= 2 else 0):
            p = np.array([self.worth[entry] for entry in self.held])
            pair = [int(entry) for entry in self.random.choice(self.held, 2, replace=False, p=p / p.sum())]
            self.questions.append({"segment": t, "read_entry": pair, "read_weight": [0.75, 0.25]})
            for entry, weight in zip(pair, (0.75, 0.25), strict=True):
                self.read[entry, t] = self.read.get((entry, t), 0.0) + weight

    def decide(self, t: int, new_entries: int, merges: bool) -> None:
        """The decisions of a segment: a tenth is dropped, two may be merged, the others are kept.

        Parameters
        ----------
        t, new_entries : int
            The segment, and how many candidates it has.
        merges : bool
            Whether two of more than 8 held entries are merged.
        """
        pair = self.random.permutation(self.held)[:2] if merges and len(self.held) > 8 else []
        merging = [int(entry) for entry in pair]
        fresh = [self._born(t, self.random.exponential(), [-1, -1]) for _ in range(new_entries)]
        for entry in [*self.held, *fresh]:
            dropped = entry not in merging and self.random.random() < 0.1
            action = Action.COMPRESS if entry in merging else Action.DISCARD if dropped else Action.STORE
            value = (
                self.knows * (self.worth[entry] - 1)
                + (1 - self.knows) * self.noise[entry]
                + 0.5 * self.n_question[t + 1]
            )
            kind = CANDIDATE if entry in fresh else RESIDENT
            self.decisions.append(
                {"segment": t, "entry": entry, "kind": kind, "executed": int(action), "q": [value, value, -9.0, 0.0]}
            )
            if action != Action.STORE:
                self.entries[entry] |= {"died": t, "fate": int(action)}
        self.held = [entry for entry in [*self.held, *fresh] if self.entries[entry]["died"] == -1]
        self.held += [self._born(t, self.worth[merging[0]] + self.worth[merging[1]], merging)] if merging else []

    def _born(self, t: int, worth: float, parent: list[int]) -> int:
        self.worth.append(worth)
        self.noise.append(self.random.normal())
        entry, level = len(self.entries), 1 if parent[0] >= 0 else 0
        slot = -1 if level else entry
        self.entries.append(
            {"segment": t, "entry": entry, "level": level, "slot": slot, "parent": parent, "died": -1, "fate": -1}
        )
        return entry

    def to_come(self, entry: int, t: int, left: int) -> float:
        """The return of keeping an entry, by its definition: one segment after the other.

        Parameters
        ----------
        entry, t : int
            The entry, and the segment in which it is decided on.
        left : int
            Segments that count.

        Returns
        -------
        float
            Read weight to come, discounted by 0.9 a segment; a merge passes on half of what it gets.
        """
        share, row = 1.0, self.entries[entry]
        if row["died"] == t:
            child = [at for at, other in enumerate(self.entries) if entry in other["parent"]]
            if not child:
                return 0.0
            entry, share = child[0], 0.5
        if left == 0 or t + 1 >= self.n_segment:
            return 0.0
        return 0.9 * share * (self.read.get((entry, t + 1), 0.0) + self.to_come(entry, t + 1, left - 1))
