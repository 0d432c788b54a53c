"""Entries whose birth or death no segment shows: those held where a run begins, and those that an intervention put in or took out."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from memlens.dims import Action
from memlens.model.model import MemoryModel
from memlens.model.state import MemoryState
from memlens.model.store import max_merges
from memlens.recording.capture.labels import EntryLabels
from memlens.recording.capture.segment_rows import RowColumns, concatenated, numpy_of
from memlens.recording.reading.recording import Recording
from memlens.streams.encoded import EncodedStream

STORED = ("level", "position", "start", "end")


@dataclass(frozen=True)
class Start:
    """Where a run begins: a segment and the state before it."""

    segment: int
    state: MemoryState


class UnseenEntries:
    """Makes rows of ``/entries`` and ``/deaths`` for such entries.

    Parameters
    ----------
    model : MemoryModel
    streams : list of EncodedStream
        One a sequence.
    labels : list of EntryLabels
        One a sequence; new entries are added to them.
    parent : Recording or None
        What it knows of an entry is taken from there.
    """

    def __init__(
        self,
        model: MemoryModel,
        streams: Sequence[EncodedStream],
        labels: Sequence[EntryLabels],
        parent: Recording | None,
    ):
        self.streams, self.labels, self.n_slots = streams, labels, model.cfg.n_slots
        self.n_ids = model.cfg.n_slots + sum(max_merges(model.cfg))
        self.level = numpy_of(model.entry_level)
        self.known: dict[tuple[int, int], int] = {}
        if parent is not None:
            self.table = parent.entries
            keys = zip(self.table["sequence"].values.tolist(), self.table["entry"].values.tolist(), strict=True)
            self.known = {key: i for i, key in enumerate(keys)}

    def edited(self, segment: int, *before: MemoryState | None) -> tuple[RowColumns, RowColumns] | None:
        """Compare states with the entries that are known so far.

        Parameters
        ----------
        segment : int
        *before : MemoryState or None
            States before the segment, one after the other; None is skipped.

        Returns
        -------
        births, deaths : dict
            Columns of ``/entries`` and ``/deaths``; None instead of both where there is no state.
        """
        looks = [self._look(segment, state) for state in before if state is not None]
        return (concatenated([b for b, _ in looks]), concatenated([d for _, d in looks])) if looks else None

    def _look(self, segment: int, before: MemoryState) -> tuple[RowColumns, RowColumns]:
        ids = numpy_of(before.store.entry)
        births, deaths = [], []
        for s, known in enumerate(self.labels):
            born = self._rows(s, [i for i, e in enumerate(ids[s].tolist()) if e >= 0 and e not in known.alive], before)
            gone = np.array(sorted(set(known.alive) - set(ids[s].tolist())), dtype=np.int64)
            births.append(born)
            deaths.append({"sequence": np.full(len(gone), s), "entry": gone, "died": np.full(len(gone), segment),
                           "fate": np.full(len(gone), Action.DISCARD)})  # fmt: skip
            labelled = zip(born["entry"].tolist(), born["modality"].tolist(), born["fact"].tolist(), strict=True)
            known.alive |= {entry: (modality, fact) for entry, modality, fact in labelled}
            known.keep(ids[s])
        return concatenated(births), concatenated(deaths)

    def _rows(self, sequence: int, places: list[int], before: MemoryState) -> RowColumns:
        store, stream = before.store, self.streams[sequence]
        entry = numpy_of(store.entry)[sequence, places]
        columns = {name: numpy_of(getattr(store, name))[sequence, places] for name in STORED[1:]}
        at = np.clip(columns["position"], 0, len(stream.modality) - 1)
        number = entry % self.n_ids
        rows = {
            "sequence": np.full(len(places), sequence),
            # an id says when an entry was born, and from which slot
            "segment": entry // self.n_ids,
            "entry": entry,
            "level": self.level[places],
            "slot": np.where(number < self.n_slots, number, -1),
            **columns,
            "parent": np.full((len(places), 2), -1),
            "modality": stream.modality[at].astype(np.int64),
            "fact": stream.fact[at].astype(np.int64),
        }
        found = [(i, self.known[sequence, int(e)]) for i, e in enumerate(entry) if (sequence, int(e)) in self.known]
        for name, column in rows.items() if found else ():
            column[[i for i, _ in found]] = self.table[name].values[[row for _, row in found]]
        return rows
