"""The state that is carried from segment to segment, and the memory that a question can read."""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from memlens.model.entries import Entries
from memlens.model.segment import Segment
from memlens.model.tensors import Items, Tensors


@dataclass(frozen=True)
class MemoryState(Tensors):
    """All that is carried from segment to segment; of constant size.

    Attributes
    ----------
    segment : int [sequence]
        Segments read.
    position : int [sequence]
        Stream position of the next token.
    blocks : tuple of (float [sequence, channel, conv_width - 1], float [sequence, head, head_feature, state])
        Convolution buffer and SSD state of each backbone layer.
    tail : float [sequence, slot_window - 1, feature]
        The last hidden vectors.
    tail_valid : bool [sequence, slot_window - 1]
        Where there are any.
    working : float [sequence, working, feature]
        M_t.
    store : Entries [sequence, entry]
        L_t, level by level.
    since_question : float [sequence]
        Segments since something was last asked.
    """

    segment: Tensor
    position: Tensor
    blocks: tuple[tuple[Tensor, Tensor], ...]
    tail: Tensor
    tail_valid: Tensor
    working: Tensor
    store: Entries
    since_question: Tensor

    def carried(
        self,
        hidden: Float[Tensor, "sequence token feature"],
        segment: Segment,
        blocks: tuple[tuple[Tensor, Tensor], ...],
    ) -> "MemoryState":
        """The state with what is carried on of the stream itself: its place, the backbone's state, the last hidden vectors.

        Parameters
        ----------
        hidden : float [sequence, token, feature]
            H_t.
        segment : Segment
            What was read.
        blocks : tuple
            What the backbone carries on.

        Returns
        -------
        MemoryState
            After the segment. Memory is as it was.
        """
        tail = torch.cat((self.tail, hidden.float()), 1)
        tail_valid = torch.cat((self.tail_valid, segment.valid), 1)
        n_tail = self.tail.shape[1]
        return replace(
            self,
            segment=self.segment + 1,
            position=self.position + segment.valid.sum(-1),
            blocks=blocks,
            tail=tail[:, tail.shape[1] - n_tail :],
            tail_valid=tail_valid[:, tail_valid.shape[1] - n_tail :],
        )


@dataclass(frozen=True)
class Memory(Items):
    """Everything that a question can read, in one axis: context slots, working slots, store.

    Attributes
    ----------
    content : float [sequence, memory, feature]
        What can be read.
    prior : float [sequence, memory]
        Log-prior of being read, nats.
    level : int [sequence, memory]
        0 for slots.
    age : float [sequence, memory]
        Segments.
    first, position : int [sequence, memory]
        Where in the stream its earliest and its latest part were picked; -1 for working slots.
    entry : int [sequence, memory]
        Id; -1 for none.
    kind : int [sequence, memory]
        0 context slot, 1 working slot, 2 store.
    valid : bool [sequence, memory]
        Where there is something.
    """

    content: Tensor
    prior: Tensor
    level: Tensor
    age: Tensor
    first: Tensor
    position: Tensor
    entry: Tensor
    kind: Tensor
    valid: Tensor

    @classmethod
    def of_entries(cls, entries: Entries, level: Tensor, kind: int, slot_window: int) -> "Memory":
        """Fresh candidates, or the store.

        Parameters
        ----------
        entries : Entries [sequence, memory]
            What can be read.
        level : int [memory]
            Of each place.
        kind : int
            0 for context slots, 2 for the store.
        slot_window : int
            Positions that a slot is written from.

        Returns
        -------
        Memory [sequence, memory]
            In the same order.
        """
        return cls(
            content=entries.content,
            prior=entries.prior,
            level=level.expand_as(entries.entry),
            age=entries.age,
            first=torch.minimum(entries.start + slot_window - 1, entries.position),
            position=entries.position,
            entry=entries.entry,
            kind=torch.full_like(entries.entry, kind),
            valid=entries.valid,
        )

    @classmethod
    def of_working(cls, working: Float[Tensor, "sequence working feature"]) -> "Memory":
        """Working slots, float [sequence, working, feature]: no log-prior, no age, no place in the stream."""
        whole = torch.zeros(working.shape[:2], dtype=torch.long, device=working.device)
        zeros = whole.to(working.dtype)
        return cls(working, zeros, whole, zeros, whole - 1, whole - 1, whole - 1, whole + 1, whole == 0)

    def part_positions(self, merge: int, depth: int) -> Tensor:
        """Where each part of an entry was picked: evenly spread from the first to the last.

        Exact up to two parts, which are all that level 1 has at m = 2.

        Parameters
        ----------
        merge : int
            m, entries that become one.
        depth : int
            Highest level that is expected; an entry of level l has m**l parts.

        Returns
        -------
        int [sequence, memory, m**depth]
            Stream positions; what comes after an entry's own parts repeats the last.
        """
        last = (merge**self.level - 1)[..., None]
        before_last = (last - torch.arange(merge**depth, device=last.device)).clamp_min(0)
        return self.position[..., None] - (self.position - self.first)[..., None] * before_last // last.clamp_min(1)
