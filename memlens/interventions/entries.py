"""Interventions on the store between segments: drop an entry, insert one."""

from dataclasses import fields, replace
from typing import Any

import torch
from torch import Tensor

from memlens.errors import InterventionError
from memlens.interventions.base import Index, Intervention
from memlens.interventions.point_edit import absent
from memlens.interventions.recorded_values import Source, content_of, entry_row, prior_of
from memlens.model.entries import Entries
from memlens.model.state import MemoryState
from memlens.model.store import empty_entries


class StoreEdit(Intervention):
    """Changes the store before one segment."""

    segment: Index  # pyright: ignore[reportIncompatibleVariableOverride, reportGeneralTypeIssues]
    entry: Index
    sequence: Index = 0

    def edit(self, model: Any, segment: int, state: MemoryState) -> MemoryState:
        """Change the store before ``self.segment``.

        Parameters
        ----------
        model : MemoryModel
            The model that runs.
        segment : int
            The segment that is about to run.
        state : MemoryState
            The state before it.

        Returns
        -------
        MemoryState
            With another store before ``self.segment``; the given one before any other.

        Raises
        ------
        InterventionError
            When the run has no such sequence, or the store does not allow the change.
        """
        if segment != self.segment:
            return state
        if self.sequence >= len(state.segment):
            raise InterventionError(
                f"sequence {self.sequence} does not exist; the run has sequences 0 to {len(state.segment) - 1}"
            )
        return replace(state, store=self._changed(model, state.store))

    def _changed(self, model: Any, store: Entries) -> Entries:
        """The store after the change."""
        raise NotImplementedError


class Drop(StoreEdit):
    """Take an entry out of the store before ``segment``."""

    def _changed(self, model: Any, store: Entries) -> Entries:
        """Without it. InterventionError when it is not held."""
        ids = store.entry[self.sequence]
        if not bool((ids == self.entry).any()):
            raise InterventionError(absent(self.entry, self.segment, ids))
        place = int((ids == self.entry).int().argmax())
        empty = empty_entries(1, 1, store.content.shape[-1], store.content.device)
        return _put(store, empty, self.sequence, place)


class Insert(StoreEdit):
    """Put an entry of a recording into the store before ``segment``, as new, at the level where it was made.

    It takes a free place, or that of the entry ``instead_of``. Its id, content, log-prior and span are those that were recorded; its age
    and its number of reads are 0.
    """

    source: Source
    from_sequence: Index = 0
    instead_of: Index | None = None

    def _changed(self, model: Any, store: Entries) -> Entries:
        """With it. InterventionError when it is held already, the recording does not have it, or there is no room."""
        ids = store.entry[self.sequence]
        if bool((ids == self.entry).any()):
            raise InterventionError(f"entry {self.entry} is already in the store before segment {self.segment}")
        recording = self.source.open()
        born = entry_row(recording, self.entry, self.from_sequence)
        level = int(born["level"])
        at_level = model.entry_level == level
        there = at_level & ((ids < 0) if self.instead_of is None else (ids == self.instead_of))
        if not bool(there.any()):
            full = f"level {level} of the store is full before segment {self.segment}: give instead_of"
            other = f"entry {self.instead_of} is not at level {level} before segment {self.segment}"
            raise InterventionError(full if self.instead_of is None else other)
        content = torch.from_numpy(content_of(recording, self.entry, self.from_sequence)).to(store.content)
        if content.shape != store.content.shape[-1:]:
            raise InterventionError(
                f"entries of '{recording.path}' have {len(content)} features, expected {store.content.shape[-1]}"
            )
        new = replace(
            empty_entries(1, 1, len(content), content.device),
            content=content[None, None],
            prior=torch.full((1, 1), prior_of(recording, self.entry, self.from_sequence)).to(store.prior),
            **{name: _whole(int(born[name]), store.entry) for name in ("entry", "position", "start", "end")},
            valid=torch.ones_like(store.valid[:1, :1]),
        )
        return _put(store, new, self.sequence, int(there.int().argmax()))


def _whole(value: int, like: Tensor) -> Tensor:
    return torch.full((1, 1), value, dtype=like.dtype, device=like.device)


def _put(store: Entries, one: Entries, sequence: int, place: int) -> Entries:
    """The store with one entry, [1, 1], in a place of a sequence."""
    changed = store.clone()
    for f in fields(changed):
        getattr(changed, f.name)[sequence, place] = getattr(one, f.name)[0, 0]
    return changed
