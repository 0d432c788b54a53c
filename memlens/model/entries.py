"""Entries of the memory: fresh slots, entries of the store, what was decided about them, which came to be.

Shapes use K context slots, W working slots, E store entries (all levels in one axis), A = K + E agents,
Q questions, R vectors read, B sequences.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from memlens.model.tensors import Items, Tensors


@dataclass(frozen=True)
class Context(Tensors):
    """M_ctx of one segment.

    slot (B, K, d); prior (B, K) log sigmoid(importance), nats; position int64 (B, K), token picked, relative to the segment; valid
    bool (B, K); entropy (B, K) of the write attention, nats.
    """

    slot: Tensor
    prior: Tensor
    position: Tensor
    valid: Tensor
    entropy: Tensor


@dataclass(frozen=True)
class Entries(Items):
    """N memory entries of B sequences.

    content (B, N, d); prior (B, N) importance mass, nats; entry int64 (B, N) id, -1 empty; age, idle (B, N) segments since stored
    or renewed, since last read; hits (B, N) sum of read weights; position, start,
    end int64 (B, N) in the stream, end exclusive; entropy (B, N) of what it was written from; valid bool (B, N).
    """

    content: Tensor
    prior: Tensor
    entry: Tensor
    age: Tensor
    idle: Tensor
    hits: Tensor
    position: Tensor
    start: Tensor
    end: Tensor
    entropy: Tensor
    valid: Tensor


@dataclass(frozen=True)
class Decisions(Tensors):
    """What the controller wanted and what was done, for each of A = K + E agents.

    entry int64 (B, A), id or -1 where there is no live agent; level int64 (B, A); wanted and action int64 (B, A), action after
    capacities; allowed bool (B, A, 4); q (B, A, 4); control (B, A, C); destination int64 (B, A), index of the entry in the
    store afterwards (of the merge for a compressed agent), -1 when it is gone.
    """

    entry: Tensor
    level: Tensor
    wanted: Tensor
    action: Tensor
    allowed: Tensor
    q: Tensor
    control: Tensor
    destination: Tensor


@dataclass(frozen=True)
class Births(Items):
    """Entries that came to be in a step: the K candidates, then the merges, padded with entry = -1.

    entry int64 (B, N); level int64 (B, N); slot int64 (B, N), -1 for merges; position, start, end int64 (B, N), stream positions,
    end exclusive; parent int64 (B, N, 2), ids or -1.
    """

    entry: Tensor
    level: Tensor
    slot: Tensor
    position: Tensor
    start: Tensor
    end: Tensor
    parent: Tensor

    @classmethod
    def of(cls, entries: Entries, level: int, slot: Tensor, parent: Tensor) -> "Births":
        """Entries that came to be.

        Parameters
        ----------
        entries : Entries [sequence, born]
            Not valid where none came to be.
        level : int
            Of all of them.
        slot : int [sequence, born]
            The context slot that each comes from, -1 for none.
        parent : int [sequence, born, 2]
            Ids, -1 for none.

        Returns
        -------
        Births [sequence, born]
            With entry = -1 where none came to be.
        """
        return cls(
            entry=torch.where(entries.valid, entries.entry, -1),
            level=torch.full_like(slot, level),
            slot=slot,
            position=entries.position,
            start=entries.start,
            end=entries.end,
            parent=parent,
        )
