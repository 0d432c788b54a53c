"""Entries of the memory: fresh slots, entries of the store, what was decided about them, which came to be."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from memlens.model.tensors import Items, Tensors


@dataclass(frozen=True)
class Context(Tensors):
    """M_ctx of one segment.

    Attributes
    ----------
    slot : float [sequence, slot, feature]
        Content.
    prior : float [sequence, slot]
        log sigmoid(importance), nats.
    position : int [sequence, slot]
        Token that it was picked at, counted from the start of the segment.
    valid : bool [sequence, slot]
        Where something was picked.
    entropy : float [sequence, slot]
        Of the write attention, nats.
    """

    slot: Tensor
    prior: Tensor
    position: Tensor
    valid: Tensor
    entropy: Tensor


@dataclass(frozen=True)
class Entries(Items):
    """Entries of the memory.

    Attributes
    ----------
    content : float [sequence, entry, feature]
        What is remembered.
    prior : float [sequence, entry]
        Log-prior of being read, nats.
    entry : int [sequence, entry]
        Id; -1 where there is none.
    age, idle : float [sequence, entry]
        Segments since it was stored or renewed, and since it was last read.
    hits : float [sequence, entry]
        Sum of the read weights so far.
    position : int [sequence, entry]
        Where in the stream its latest part was picked.
    start, end : int [sequence, entry]
        Source span in the stream, end exclusive.
    entropy : float [sequence, entry]
        Of the attention that it was written by, nats.
    valid : bool [sequence, entry]
        Where there is an entry.
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

    @classmethod
    def of_context(cls, context: Context, offset: Tensor, first_id: Tensor, slot_window: int) -> "Entries":
        """Context slots as candidates for the store.

        Parameters
        ----------
        context : Context
            M_ctx.
        offset : int [sequence]
            Stream position of the first token of the segment.
        first_id : int [sequence]
            Id of the first slot; the others count on.
        slot_window : int
            Positions that a slot is written from.

        Returns
        -------
        Entries [sequence, slot]
            Not valid where nothing was picked.
        """
        zeros = torch.zeros_like(context.prior)
        position = context.position + offset[:, None]
        number = torch.arange(position.shape[1], device=position.device)
        return cls(
            content=context.slot,
            prior=context.prior,
            entry=torch.where(context.valid, first_id[:, None] + number, -1),
            age=zeros,
            idle=zeros,
            hits=zeros,
            position=position,
            start=(position - slot_window + 1).clamp_min(0),
            end=position + 1,
            entropy=context.entropy,
            valid=context.valid,
        )

    def credited(self, weight: Tensor) -> "Entries":
        """With what was read of each added to its hits, float [sequence, entry]; more than a tenth of a read, and it is not idle."""
        return replace(self, hits=self.hits + weight, idle=torch.where(weight > 0.1, 0.0, self.idle))


@dataclass(frozen=True)
class Decisions(Tensors):
    """What the controller wanted, and what was done.

    Attributes
    ----------
    entry : int [sequence, agent]
        Ids; -1 where there is no live agent.
    level : int [sequence, agent]
        Before the decision; 0 for candidates.
    wanted, action : int [sequence, agent]
        The action of highest Q, and what was done under the capacities.
    allowed : bool [sequence, agent, action]
        Which actions could be wanted.
    q : float [sequence, agent, action]
        Nats; NaN where not allowed.
    control : float [sequence, agent, control]
        What the controller saw.
    destination : int [sequence, agent]
        Place in the store afterwards (of the merge for an agent that was merged), -1 when it is gone.
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
    """Entries that a step made: the candidates, then the merges level by level.

    Attributes
    ----------
    entry : int [sequence, born]
        Ids; -1 where none was made.
    level : int [sequence, born]
        0 for candidates.
    slot : int [sequence, born]
        Context slot of a candidate; -1 for merges.
    position : int [sequence, born]
        Where in the stream its latest part was picked.
    start, end : int [sequence, born]
        Source span in the stream, end exclusive.
    parent : int [sequence, born, 2]
        Ids of the entries that it replaced or was merged from; -1 for none.
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
