"""Planted dynamics: lifetimes at known rates, merges and reads of known descent."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from memlens.dims import Action
from memlens.recording import Recording
from memlens.testing.write import write_recording


def planted_lifetimes(
    path: str | Path | None,
    *,
    rate: Sequence[float] = (0.1, 0.3),
    by: str = "level",
    n_segment: int = 40,
    births: int = 10,
    seed: int = 0,
) -> Recording:
    """Make a recording whose entries die at a known rate a segment, by level, modality or fact (-1 and up).

    ``births`` entries a segment, each in a random group.

    ``truth`` has ``rate``, ``by`` and ``half_life``, the least whole age with (1 - rate) ** age <= 1/2. Rates that are all one plant
    no difference.

    Raises
    ------
    RecordingError
        When ``path`` exists.
    """
    random, n = np.random.default_rng(seed), n_segment * births
    segment = np.repeat(np.arange(n_segment), births)
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


SLOT, LENGTH, WINDOW, HEAD = 4, 64, 8, 2


def planted_lineage(
    path: str | Path | None, *, prefers_facts: bool = True, knows: bool = True, n_segment: int = 40, seed: int = 0
) -> Recording:
    """Make a recording whose merges, reads and source tokens are known.

    Segment t writes 4 slots; the first is written from fact t (``positions.fact``), which ends at the position it was picked at. Slots
    with a fact are stored with chance 0.9, others with 0.3, or all with 0.6 without ``prefers_facts``. At every segment an entry is
    dropped with chance 0.05, and two of a level are merged with chance 0.3. A question a segment asks for a fact that was stored, while
    anything of it is held: with ``knows`` it reads the entry that holds it with weight 0.75, else two entries at random.

    ``truth`` has ``parents`` (merge to the two merged), ``holder`` (the entry read for each question), ``on_fact`` (part of each answer's
    attribution on the fact's own positions) and ``held`` (facts held at the end).

    Raises
    ------
    RecordingError
        When ``path`` exists.
    """
    random = np.random.default_rng(seed)
    pick = np.sort(random.permuted(np.tile(np.arange(WINDOW, LENGTH), (n_segment, 1)), axis=1)[:, :SLOT], axis=1)
    pattern = random.dirichlet(np.ones(WINDOW), (n_segment, SLOT, HEAD))
    positions = {"fact": np.full((1, n_segment * LENGTH), -1)}
    for t in range(n_segment):
        positions["fact"][0, t * LENGTH + pick[t, 0] - 3 : t * LENGTH + pick[t, 0] + 1] = t
    world = _World(random)
    questions = []
    for t in range(n_segment):
        questions += world.ask(t, knows)
        world.live(t)
        for k in range(SLOT):
            chance = (0.9 if k == 0 else 0.3) if prefers_facts else 0.6
            world.write(t, k, t * LENGTH + int(pick[t, k]), t if k == 0 else -1, random.random() < chance)
    weight = pattern.mean(2)  # (segment, slot, window)
    where = {row["entry"]: (row["segment"], row["slot"]) for row in world.rows if row["slot"] >= 0}

    def on_fact(entry: int, fact: int) -> float:
        """Part of an entry's content that was written from the positions of a fact, parents alike."""
        if entry in where:
            t, k = where[entry]
            at = t * LENGTH + int(pick[t, k]) - np.arange(WINDOW)
            return float(weight[t, k][positions["fact"][0, at] == fact].sum())
        return float(np.mean([on_fact(parent, fact) for parent in world.parents[entry]]))

    columns = _table(questions)
    truth: dict[str, Any] = {
        "parents": {str(child): both for child, both in world.parents.items()},
        "holder": [row["read_entry"][0] for row in questions],
        "on_fact": [
            sum(w * on_fact(e, row["fact"]) for e, w in zip(row["read_entry"], row["read_weight"], strict=True))
            for row in questions
        ],
        "held": sorted(fact for fact, entry in world.holder.items() if entry in world.held),
    }
    return write_recording(
        path,
        points={"context.hook_position": pick[None], "context.hook_pattern": pattern[None]},
        positions=positions,
        entries=_table(world.rows),
        questions=columns,
        capacities=(SLOT * n_segment, SLOT * n_segment, SLOT * n_segment),
        truth=truth,
    )


class _World:
    """What is held, row by row of ``/entries``."""

    def __init__(self, random: np.random.Generator):
        self.random, self.next_id = random, 0
        self.rows: list[dict[str, Any]] = []
        self.row: dict[int, dict[str, Any]] = {}
        self.held: list[int] = []
        self.parents: dict[int, list[int]] = {}
        self.holder: dict[int, int] = {}

    def write(self, t: int, slot: int, position: int, fact: int, stored: bool) -> None:
        entry = self._born({"segment": t, "level": 0, "slot": slot, "position": position, "fact": fact})
        if not stored:
            self.row[entry] |= {"died": t, "fate": int(Action.DISCARD)}
            return
        self.held.append(entry)
        if fact >= 0:
            self.holder[fact] = entry

    def live(self, t: int) -> None:
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

    Four heads; a part ``specialised`` of head h's write attention lies evenly on the windows 2h and 2h + 1, the rest is random. Runs of
    8 positions share a modality; slots are picked evenly. A question of each segment reads an entry of its own modality with weight
    ``matched``, the rest goes to any entry. Numbers of 0 plant nothing.

    ``truth`` has ``span``, each head's expected distance in tokens, and ``matched``, the expected part of reads inside a modality.

    Raises
    ------
    RecordingError
        When ``path`` exists.
    """
    random = np.random.default_rng(seed)
    heads = WINDOW // 2
    pick = np.sort(random.permuted(np.tile(np.arange(WINDOW, LENGTH), (n_segment, 1)), axis=1)[:, :SLOT], axis=1)
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
