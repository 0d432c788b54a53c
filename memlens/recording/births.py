"""Entries that a recording did not see born or die: those held where it begins, and those put in or taken out between two segments."""

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np

from memlens.dims import Action
from memlens.model.model import MemoryModel
from memlens.model.outputs import Entries, MemoryState
from memlens.model.store import max_merges
from memlens.recording.labels import EntryLabels
from memlens.recording.reader import Recording
from memlens.recording.rows import Columns, Part, numpy_of
from memlens.streams.encoded import EncodedStream


@dataclass(frozen=True)
class Start:
    """Where a run begins: a segment and the state before it."""

    segment: int
    state: MemoryState


class Births:
    """Rows of ``/entries`` and ``/deaths`` of such entries; call it with each block of segments in turn.

    What a parent knows of an entry is taken from there; else labels are those of the position it was picked at.

    Parameters
    ----------
    model, streams, labels
        Of the run, one stream and one set of labels a sequence.
    parent
        The recording that this one goes on from, if any.
    held : int [sequence, entry]
        Ids held before the first block as far as the recording knows, -1 empty.
    """

    def __init__(
        self,
        model: MemoryModel,
        streams: Sequence[EncodedStream],
        labels: Sequence[EntryLabels],
        parent: Recording | None,
        held: np.ndarray,
    ):
        self.streams, self.labels, self.held, self.n_slots = streams, labels, held, model.cfg.n_slots
        self.n_ids = model.cfg.n_slots + sum(max_merges(model.cfg))
        self.level = numpy_of(model.entry_level)
        self.table = None if parent is None else parent.entries
        keys = (
            ()
            if self.table is None
            else zip(*(self.table[n].values.tolist() for n in ("sequence", "entry")), strict=True)
        )
        self.known = {key: i for i, key in enumerate(keys)}

    def __call__(self, parts: Sequence[Part], held: np.ndarray) -> tuple[Columns, Columns] | None:
        """Births and deaths that the states before the segments tell of; ``held`` is (sequence, segment, entry), after them."""
        births, deaths = [], []
        for i, part in enumerate(parts):
            before = held[:, i - 1] if i else self.held
            for state in part.before:
                store = state.store.map(lambda x: x.cpu())
                ids = numpy_of(store.entry)
                for s, labels in enumerate(self.labels):
                    born = self._born(s, np.flatnonzero((ids[s] >= 0) & ~np.isin(ids[s], before[s])), store)
                    told = zip(born["entry"].tolist(), born["modality"].tolist(), born["fact"].tolist(), strict=True)
                    labels.alive |= {entry: (modality, fact) for entry, modality, fact in told}
                    births.append(born)
                    gone = before[s][(before[s] >= 0) & ~np.isin(before[s], ids[s])]
                    deaths.append({
                        "sequence": np.full(len(gone), s), "entry": gone, "died": np.full(len(gone), part.result.segment),
                        "fate": np.full(len(gone), int(Action.DISCARD)),
                    })  # fmt: skip
                before = ids
        self.held = held[:, -1]
        return (joined(births), joined(deaths)) if births else None

    def _born(self, sequence: int, places: np.ndarray, store: Entries) -> Columns:
        stream = self.streams[sequence]
        own = {f.name: numpy_of(getattr(store, f.name))[sequence, places] for f in fields(store)}
        entry, at = own["entry"], np.clip(own["position"], 0, len(stream.modality) - 1)
        number = entry % self.n_ids
        rows = {
            # an id says when an entry was born, and from which slot
            "sequence": np.full(len(places), sequence), "segment": entry // self.n_ids, "entry": entry,
            "level": self.level[places].astype(np.int64), "slot": np.where(number < self.n_slots, number, -1),
            **{name: own[name] for name in ("position", "start", "end")}, "parent": np.full((len(places), 2), -1),
            "modality": stream.modality[at].astype(np.int64), "fact": stream.fact[at].astype(np.int64),
        }  # fmt: skip
        found = [(i, self.known[sequence, e]) for i, e in enumerate(entry.tolist()) if (sequence, e) in self.known]
        if self.table is not None and found:
            here, there = (list(part) for part in zip(*found, strict=True))
            for name, column in rows.items():
                column[here] = self.table[name].values[there]
        return rows


def joined(parts: Sequence[Columns]) -> Columns:
    """Rows of several tables of the same columns as one."""
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
