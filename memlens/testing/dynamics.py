"""Planted dynamics: lifetimes at known rates, merges and reads of known descent."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from memlens.dims import Action
from memlens.recording import Recording
from memlens.testing.layout import LENGTH, WINDOW
from memlens.testing.write import write_recording


def planted_lifetimes(
    path: str | Path | None,
    *,
    rate: Sequence[float] = (0.1, 0.3),
    by: str = "level",
    n_segment: int = 40,
    new_entries: int = 10,
    seed: int = 0,
) -> Recording:
    """Make a recording whose entries die at known rates, by level, modality or fact.

    Parameters
    ----------
    path : str, Path or None
        Folder to make; None keeps the recording in memory.
    rate : sequence of float
        Share of each group's entries that die in a segment. Equal rates plant no difference.
    by : str
        What the groups are: "level", "modality" or "fact" (from -1 on). An entry's group is random.
    n_segment, new_entries : int
        Segments, and new entries in each.
    seed : int
        Of all that is drawn.

    Returns
    -------
    Recording
        ``truth`` has ``rate``, ``by`` and ``half_life``, the least whole age with (1 - rate) ** age <= 1/2.

    Raises
    ------
    RecordingError
        When ``path`` exists.
    """
    random, n = np.random.default_rng(seed), n_segment * new_entries
    segment = np.repeat(np.arange(n_segment), new_entries)
    group = random.integers(0, len(rate), n)
    died = segment + random.geometric(np.asarray(rate)[group])
    entries = {
        "segment": segment, "entry": np.arange(n), "died": np.where(died < n_segment, died, -1), "modality": random.integers(0, 4, n),
        "fact": random.integers(-1, 1, n),
    }  # fmt: skip
    entries[by] = group - 1 if by == "fact" else group
    half = [int(np.ceil(np.log(0.5) / np.log(1 - each))) for each in rate]
    truth: dict[str, Any] = {"rate": list(rate), "by": by, "half_life": half}
    return write_recording(path, entries=entries, n_segment=n_segment, capacities=(n,) * 4, truth=truth)


#: Slots a segment, and heads of their write attention.
SLOT, HEAD = 4, 2


def planted_lineage(
    path: str | Path | None, *, prefers_facts: bool = True, knows: bool = True, n_segment: int = 40, seed: int = 0
) -> Recording:
    """Make a recording whose merges, reads and source tokens are known.

    Segment t writes 4 slots; the first is written from fact t (``positions.fact``), which ends at the position it was picked at. In every
    segment an entry is dropped with chance 0.05, and two of a level are merged with chance 0.3. A question a segment asks for a fact that
    was stored and of which something is held.

    Parameters
    ----------
    path : str, Path or None
        Folder to make; None keeps the recording in memory.
    prefers_facts : bool
        Whether slots with a fact are stored with chance 0.9 and others with 0.3; else all with 0.6.
    knows : bool
        Whether a question reads the entry that holds its fact with weight 0.75; else it reads two random entries.
    n_segment : int
        Segments.
    seed : int
        Of all that is drawn.

    Returns
    -------
    Recording
        ``truth`` has ``parents`` (from a merge to the two merged), ``holder`` (the entry that each question reads most), ``on_fact`` (part
        of each answer's attribution on the fact's own positions) and ``held`` (facts held at the end).

    Raises
    ------
    RecordingError
        When ``path`` exists.
    """
    random = np.random.default_rng(seed)
    pick = _picked(random, n_segment)
    pattern = random.dirichlet(np.ones(WINDOW), (n_segment, SLOT, HEAD))
    fact = np.full((1, n_segment * LENGTH), -1)
    for t in range(n_segment):
        fact[0, t * LENGTH + pick[t, 0] - 3 : t * LENGTH + pick[t, 0] + 1] = t
    world, questions = _World(random), []
    for t in range(n_segment):
        questions += world.ask(t, knows)
        world.live(t)
        for k in range(SLOT):
            chance = (0.9 if k == 0 else 0.3) if prefers_facts else 0.6
            world.write(t, k, t * LENGTH + int(pick[t, k]), t if k == 0 else -1, random.random() < chance)
    return write_recording(
        path,
        points={"context.hook_position": pick[None], "context.hook_pattern": pattern[None]},
        positions={"fact": fact},
        entries=_table(world.rows),
        questions=_table(questions),
        capacities=(SLOT * n_segment, SLOT * n_segment, SLOT * n_segment),
        truth=_lineage_truth(world, questions, pick, pattern.mean(2), fact[0]),
    )


def _picked(random: np.random.Generator, n_segment: int) -> np.ndarray:
    """Positions in the segment that slots were picked at, int [segment, slot]."""
    return np.sort(random.permuted(np.tile(np.arange(WINDOW, LENGTH), (n_segment, 1)), axis=1)[:, :SLOT], axis=1)


def _lineage_truth(
    world: "_World", questions: list[dict[str, Any]], pick: np.ndarray, weight: np.ndarray, fact_at: np.ndarray
) -> dict[str, Any]:
    """What `planted_lineage` plants; ``weight`` float [segment, slot, window], ``fact_at`` int [position]."""
    where = {row["entry"]: (row["segment"], row["slot"]) for row in world.rows if row["slot"] >= 0}

    def on_fact(entry: int, fact: int) -> float:
        """Part of an entry's content that was written from the positions of a fact; parents of a merge have equal parts."""
        if entry in where:
            t, k = where[entry]
            at = t * LENGTH + int(pick[t, k]) - np.arange(WINDOW)
            return float(weight[t, k][fact_at[at] == fact].sum())
        return float(np.mean([on_fact(parent, fact) for parent in world.parents[entry]]))

    return {
        "parents": {str(child): both for child, both in world.parents.items()},
        "holder": [row["read_entry"][0] for row in questions],
        "on_fact": [
            sum(w * on_fact(e, row["fact"]) for e, w in zip(row["read_entry"], row["read_weight"], strict=True))
            for row in questions
        ],
        "held": sorted(fact for fact, entry in world.holder.items() if entry in world.held),
    }


class _World:
    """The entries that were made, and those that are held: rows of ``/entries``."""

    def __init__(self, random: np.random.Generator):
        self.random, self.next_id = random, 0
        self.rows: list[dict[str, Any]] = []
        self.row: dict[int, dict[str, Any]] = {}
        self.held: list[int] = []
        self.parents: dict[int, list[int]] = {}
        self.holder: dict[int, int] = {}

    def write(self, t: int, slot: int, position: int, fact: int, stored: bool) -> None:
        """Make an entry of a slot, and hold it where it is stored."""
        entry = self._born({"segment": t, "level": 0, "slot": slot, "position": position, "fact": fact})
        if not stored:
            self.row[entry] |= {"died": t, "fate": int(Action.DISCARD)}
            return
        self.held.append(entry)
        if fact >= 0:
            self.holder[fact] = entry

    def live(self, t: int) -> None:
        """Drop some entries and merge others."""
        for entry in [entry for entry in self.held if self.random.random() < 0.05]:
            self._gone(entry, t, Action.DISCARD)
        for level in (1, 0):
            there = [entry for entry in self.held if self.row[entry]["level"] == level]
            if len(there) >= 2 and self.random.random() < 0.3:
                pair = [int(entry) for entry in self.random.permutation(there)[:2]]
                late = max(self.row[entry]["position"] for entry in pair)
                child = self._born({"segment": t, "level": level + 1, "slot": -1, "position": late, "fact": -1})
                self.row[child]["parent"], self.parents[child] = pair, pair
                for entry in pair:
                    self._gone(entry, t, Action.COMPRESS)
                self.held.append(child)
                self.holder = {fact: child if entry in pair else entry for fact, entry in self.holder.items()}

    def ask(self, t: int, knows: bool) -> list[dict[str, Any]]:
        """The question of a segment, none where nothing can be asked."""
        known = [fact for fact, entry in self.holder.items() if entry in self.held]
        if len(self.held) < 2 or not known:
            return []
        fact = int(self.random.choice(known))
        read = [int(entry) for entry in self.random.choice(self.held, 2, replace=False)]
        if knows:
            read = [self.holder[fact], next(entry for entry in read if entry != self.holder[fact])]
        return [{"segment": t, "fact": fact, "read_entry": read, "read_weight": [0.75, 0.25]}]

    def _born(self, row: dict[str, Any]) -> int:
        entry, self.next_id = self.next_id, self.next_id + 1
        self.row[entry] = {"entry": entry, "parent": [-1, -1], "died": -1, "fate": -1, **row}
        self.rows.append(self.row[entry])
        return entry

    def _gone(self, entry: int, t: int, fate: Action) -> None:
        self.row[entry] |= {"died": t, "fate": int(fate)}
        self.held.remove(entry)


def _table(rows: list[dict[str, Any]]) -> dict[str, np.ndarray]:
    return {name: np.array([row[name] for row in rows]) for name in rows[0]}


def planted_attention(
    path: str | Path | None, *, specialised: float = 1.0, matched: float = 0.6, n_segment: int = 40, seed: int = 0
) -> Recording:
    """Make a recording whose heads look at known places and whose questions read known modalities.

    Runs of 8 positions share a modality; slots are picked evenly. Numbers of 0 plant nothing.

    Parameters
    ----------
    path : str, Path or None
        Folder to make; None keeps the recording in memory.
    specialised : float
        Part of the write attention of head h, of four, that lies evenly on places 2h and 2h + 1 of the window; the rest is random.
    matched : float
        Weight with which the question of each segment reads an entry of its own modality; the rest goes to any entry.
    n_segment : int
        Segments.
    seed : int
        Of all that is drawn.

    Returns
    -------
    Recording
        ``truth`` has ``span``, each head's expected distance in tokens, and ``matched``, the expected part of reads inside a modality.

    Raises
    ------
    RecordingError
        When ``path`` exists.
    """
    random = np.random.default_rng(seed)
    heads = WINDOW // 2
    pick = _picked(random, n_segment)
    own = np.repeat(np.eye(heads), 2, axis=1) / 2
    noise = random.dirichlet(np.ones(WINDOW), (n_segment, SLOT, heads))
    pattern = specialised * own + (1 - specialised) * noise
    modality = np.repeat(random.integers(0, 4, n_segment * LENGTH // 8), 8)
    position = (np.arange(n_segment)[:, None] * LENGTH + pick).ravel()
    n, kinds = position.size, modality[position]
    entries = {
        "segment": np.repeat(np.arange(n_segment), SLOT), "entry": np.arange(n), "slot": np.tile(np.arange(SLOT), n_segment),
        "position": position, "modality": kinds,
    }  # fmt: skip
    asked = random.integers(0, 4, n_segment)
    there = [np.flatnonzero(kinds == kind) for kind in asked]
    like = np.array([random.choice(rows) if rows.size else random.integers(n) for rows in there])
    questions = {
        "segment": np.arange(n_segment), "fact_modality": asked, "read_entry": np.stack([like, random.integers(0, n, n_segment)], 1),
        "read_weight": np.tile([matched, 1 - matched], (n_segment, 1)),
    }  # fmt: skip
    share = np.bincount(kinds, minlength=4) / n
    middle = (WINDOW - 1) / 2
    truth: dict[str, Any] = {
        "span": [specialised * (2 * head + 0.5) + (1 - specialised) * middle for head in range(heads)],
        "matched": float(np.mean(matched + (1 - matched) * share[asked])),
    }
    points = {"context.hook_position": pick[None], "context.hook_pattern": pattern[None]}
    return write_recording(
        path,
        points=points,
        positions={"modality": modality[None]},
        entries=entries,
        questions=questions,
        capacities=(n,),
        truth=truth,
    )
