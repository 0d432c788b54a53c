"""One recording with planted structure of every kind: modalities, decisions, merges, questions. No torch, no model.

What is planted is in ``recording.attrs["truth"]`` (JSON).
"""

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from memlens.calls import checked
from memlens.dims import Action
from memlens.recording import Recording, RecordingWriter, open
from memlens.recording.format.schema import CANDIDATE, RESIDENT, Variable
from memlens.testing.layout import CAPACITIES, LENGTH, VOCAB, WINDOW

SLOT, WIDTH, HEAD, READ = 16, 24, 2, 4
CONTROLS = ("importance", "hits")
#: Share of questions answered right: NEAR * exp(-distance / SCALE).
NEAR, SCALE = 0.95, 2000.0
PLACE = ("sequence", "segment")
#: First place of each level of the store, and the level of each place.
STARTS = np.cumsum((0, *CAPACITIES))
LEVEL = np.repeat(np.arange(len(CAPACITIES)), CAPACITIES)


def _points() -> list[Variable]:
    V = Variable
    return [
        V("context.hook_slot", (*PLACE, "slot", "feature"), "float", "context slots", "1", "M_ctx", "slots"),
        V("context.hook_position", (*PLACE, "slot"), "int32", "position a slot was picked at", "token", "i_k", "slots"),
        V("context.hook_prior", (*PLACE, "slot"), "float", "log-prior of being read", "nat", "log sigma(s)", "slots"),
        V("context.hook_pattern", (*PLACE, "slot", "head", "window"), "float", "what a slot wrote from", "probability",
          "A", "attention"),
        V("hook_hidden", (*PLACE, "token", "feature"), "float", "output of the backbone", "1", "H_t", "backbone"),
        V("store.hook_content", (*PLACE, "entry", "feature"), "float", "content of the store", "1", "L_t", "store"),
    ]  # fmt: skip


@checked()
def planted_recording(
    path: str | Path,
    *,
    n_segment: int = 64,
    n_sequence: int = 1,
    seed: int = 0,
    clustered: bool = True,
    apart: float = 3.0,
    signal: float = 3.0,
    commit_every: int = 32,
    dtype: str = "float16",
) -> Recording:
    """Write a recording whose structure is known, and open it.

    Every segment is of one modality. ``hook_hidden`` is noise plus a modality's direction. Residents are merged in pairs, dropped or kept
    at known rates. Right answers fall off exponentially with distance.

    Parameters
    ----------
    path : str or Path
        Folder to make.
    n_segment, n_sequence, seed : int
        Sizes, and the seed of all that is drawn.
    clustered : bool
        Whether slots lie around one centre for each modality; else they are noise.
    apart, signal : float
        Distance of the centres from the origin, and length of the directions, in noise widths.
    commit_every, dtype : int, str
        As `memlens.record` takes them.

    Returns
    -------
    Recording

    Raises
    ------
    RecordingError
        When ``path`` exists.
    """
    random = np.random.default_rng(seed)
    centre = random.normal(size=(4, WIDTH)) * apart * clustered
    direction = np.linalg.qr(random.normal(size=(WIDTH, 4)))[0].T * signal
    n_id = SLOT + sum(CAPACITIES)
    stores = [_Store(n_id) for _ in range(n_sequence)]
    truth = {"clustered": clustered, "apart": apart, "signal": signal, "near": NEAR, "scale": SCALE,
             "centre": centre.tolist(), "direction": direction.tolist()}  # fmt: skip
    points = _points()
    described = [{"name": p.name, "group": p.group, "dims": p.dims[2:], "unit": p.unit, "symbol": p.symbol,
                  "meaning": p.meaning} for p in points]  # fmt: skip
    attrs = {
        "model": "planted", "policy": "planted", "seed": seed, "truth": truth, "points": described,
        "points_available": [*(p.name for p in points), "working.hook_slot"],
        "model_config": {"capacities": CAPACITIES, "segment_length": LENGTH},
        "stream": {"name": "planted", "seed": seed, "config": {}, "sha256": ""},
    }  # fmt: skip
    with RecordingWriter(
        path, points=points, sizes={"read": READ, "feature": len(CONTROLS)}, attrs=attrs, vocab=VOCAB,
        coordinates={"entry_level": LEVEL, "feature": list(CONTROLS)}, commit_every=commit_every, dtype=dtype,
    ) as writer:  # fmt: skip
        for t in range(n_segment):
            rows = [_segment(random, t, s, stores[s], centre, direction) for s in range(n_sequence)]
            segments = {name: np.stack([row[0][name] for row in rows]) for name in rows[0][0]}
            positions = {name: np.stack([row[1][name] for row in rows]) for name in rows[0][1]}
            joined = {name: _joined([row[2][name] for row in rows]) for name in rows[0][2]}
            tables = {name: columns for name, columns in joined.items() if columns}
            writer.add({**segments, "segment": t, "start": t * LENGTH, "step_seconds": 0.01}, positions, tables)
    return open(path)


class _Store:
    """What one sequence holds: id (-1 empty), vector and labels of each entry place."""

    def __init__(self, n_id: int):
        self.n_id = n_id
        self.entry = np.full(sum(CAPACITIES), -1)
        self.content = np.zeros((sum(CAPACITIES), WIDTH))
        self.born: dict[int, dict[str, Any]] = {}


def _segment(
    random: np.random.Generator, t: int, s: int, store: _Store, centre: np.ndarray, direction: np.ndarray
) -> tuple[dict[str, Any], dict[str, Any], dict[str, dict[str, Any]]]:
    """One segment of one sequence: arrays, positions, tables."""
    modality = int(random.integers(4))
    pick = np.sort(random.permutation(np.arange(WINDOW, LENGTH))[:SLOT])
    slot = centre[modality] + random.normal(size=(SLOT, WIDTH))
    token = random.integers(1, len(VOCAB), LENGTH)
    token[pick[0]] = 0
    fact = np.full(LENGTH, -1)
    fact[pick[0]] = t
    decided = _Decided(random, t, s, store)
    decided.merge(decided.residents())
    decided.candidates(slot, pick, modality)
    tables = decided.tables()
    tables["questions"] = _questions(random, t, s, store)
    arrays = {
        "context.hook_slot": slot,
        "context.hook_position": pick,
        "context.hook_prior": -random.random(SLOT),
        "context.hook_pattern": random.dirichlet(np.ones(WINDOW), (SLOT, HEAD)),
        "hook_hidden": direction[modality] + random.normal(size=(LENGTH, WIDTH)),
        "store.hook_content": store.content.copy(),
        "occupancy": np.array([(store.entry[a:b] >= 0).sum() for a, b in pairwise(STARTS)]),
        "entry_id": store.entry.copy(),
        "n_valid": LENGTH,
        "bits_per_byte": 2.5 if modality == 0 else np.nan,
    }
    return arrays, {"modality": np.full(LENGTH, modality), "token": token, "fact": fact}, tables


class _Decided:
    """The decisions of one segment of one sequence: the store they leave, and the rows they add to the tables."""

    def __init__(self, random: np.random.Generator, t: int, s: int, store: _Store):
        self.random, self.t, self.s, self.store = random, t, s, store
        self.new_rows: list[dict[str, Any]] = []
        self.deaths: list[dict[str, Any]] = []
        self.decisions: list[dict[str, Any]] = []

    def decide(self, entry: int, agent: int, kind: int, level: int, wanted: Action, executed: Action) -> None:
        q = self.random.normal(size=len(Action)) * 0.1
        q[wanted] += 1
        self.decisions.append({"sequence": self.s, "segment": self.t, "entry": entry, "agent": agent, "kind": kind, "level": level,
                               "wanted": int(wanted), "executed": int(executed), "q": q,
                               "control": [self.random.random(), 5.0]})  # fmt: skip
        if executed in (Action.DISCARD, Action.COMPRESS):
            self.deaths.append({"sequence": self.s, "entry": entry, "died": self.t, "fate": int(executed)})

    def residents(self) -> dict[int, list[int]]:
        """Drop 5 %, leave 10 % to be merged, keep the rest; places to be merged, by level."""
        store, merging = self.store, {}
        for place in np.flatnonzero(store.entry >= 0):
            level, chance = int(LEVEL[place]), self.random.random()
            if chance < 0.1 and level + 1 < len(CAPACITIES):
                merging.setdefault(level, []).append(int(place))
            else:
                action = Action.DISCARD if chance > 0.95 else Action.RETRIEVE if chance > 0.85 else Action.STORE
                self.decide(int(store.entry[place]), SLOT + int(place), RESIDENT, level, action, action)
                if action == Action.DISCARD:
                    store.entry[place], store.content[place] = -1, 0
        return merging

    def merge(self, merging: dict[int, list[int]]) -> None:
        """Merge places in pairs, where the next level has room."""
        store, next_id = self.store, self.t * self.store.n_id + SLOT
        for level, places in merging.items():
            for first in range(0, len(places), 2):
                pair = places[first : first + 2]
                room = np.flatnonzero(store.entry[STARTS[level + 1] : STARTS[level + 2]] < 0) + STARTS[level + 1]
                made = len(pair) == 2 and room.size > 0
                ids = [int(store.entry[place]) for place in pair]
                for place, entry in zip(pair, ids, strict=True):
                    executed = Action.COMPRESS if made else Action.STORE
                    self.decide(entry, SLOT + place, RESIDENT, level, Action.COMPRESS, executed)
                if made:
                    parents = [store.born[entry] for entry in ids]
                    born = {**parents[0], "segment": self.t, "entry": next_id, "level": level + 1, "slot": -1, "parent": ids,
                            "position": max(p["position"] for p in parents), "start": min(p["start"] for p in parents),
                            "end": max(p["end"] for p in parents)}  # fmt: skip
                    self.new_rows.append(born)
                    store.entry[room[0]], store.content[room[0]] = next_id, store.content[pair].mean(0)
                    store.entry[pair], store.content[pair] = -1, 0
                    next_id += 1

    def candidates(self, slot: np.ndarray, pick: np.ndarray, modality: int) -> None:
        """Store a third of the slots while there is room, and drop the others."""
        fresh, store = [], self.store
        for k in range(SLOT):
            entry, position = self.t * store.n_id + k, self.t * LENGTH + int(pick[k])
            fresh.append({"sequence": self.s, "segment": self.t, "entry": entry, "level": 0, "slot": k, "position": position,
                          "start": max(position - WINDOW + 1, 0), "end": position + 1, "parent": [-1, -1],
                          "modality": modality, "fact": self.t if k == 0 else -1})  # fmt: skip
            wanted = Action.STORE if self.random.random() < 1 / 3 else Action.DISCARD
            room = np.flatnonzero(store.entry[: CAPACITIES[0]] < 0)
            stored = wanted == Action.STORE and room.size > 0
            self.decide(entry, k, CANDIDATE, 0, wanted, Action.STORE if stored else Action.DISCARD)
            if stored:
                store.entry[room[0]], store.content[room[0]] = entry, slot[k]
        self.new_rows = [*fresh, *self.new_rows]

    def tables(self) -> dict[str, dict[str, Any]]:
        """Rows of the tables, as columns; the store goes on with what it holds."""
        store = self.store
        store.born |= {row["entry"]: row for row in self.new_rows}
        store.born = {entry: store.born[entry] for entry in store.entry[store.entry >= 0]}
        rows = {"decisions": self.decisions, "entries": self.new_rows, "deaths": self.deaths}
        return {name: _columns(of) for name, of in rows.items()}


def _questions(random: np.random.Generator, t: int, s: int, store: _Store) -> dict[str, Any]:
    """Four a segment; they read what the store holds."""
    rows = []
    for _ in range(4):
        distance = int(np.exp(random.uniform(np.log(16), np.log((t + 1) * LENGTH))))
        correct = bool(random.random() < NEAR * np.exp(-distance / SCALE))
        held = np.flatnonzero(store.entry >= 0)[:READ]
        read = np.append(store.entry[held], np.full(READ - held.size, -1))
        rows.append({"sequence": s, "segment": t, "position": (t + 1) * LENGTH, "fact": t, "distance": distance,
                     "fact_modality": int(random.integers(4)), "text": "what is <script>alert(1)</script>?",
                     "answer": "42", "predicted": "42" if correct else "$7", "group": "", "correct": correct,
                     "loss": random.random(), "read_entry": read, "read_weight": random.dirichlet(np.ones(READ)),
                     "read_kind": np.where(read >= 0, 2, -1)})  # fmt: skip
    return _columns(rows)


def _columns(rows: list[dict[str, Any]]) -> dict[str, Any]:
    return {name: np.array([row[name] for row in rows]) for name in rows[0]} if rows else {}


def _joined(parts: list[dict[str, Any]]) -> dict[str, Any]:
    parts = [part for part in parts if part]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]} if parts else {}
