"""The state that is carried from segment to segment, and the memory that a question can read.

Shapes use K context slots, W working slots, E store entries (all levels in one axis), A = K + E agents,
Q questions, R vectors read, B sequences.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from memlens.model.entries import Entries
from memlens.model.tensors import Items, Tensors


@dataclass(frozen=True)
class MemoryState(Tensors):
    """All that is carried from segment to segment; of constant size.

    segment int64 (B,), number of segments seen; position int64 (B,), stream position of the next token; blocks, one (convolution
    buffer, h) a backbone layer; tail (B, slot_window - 1, d) and tail_valid, the last hidden vectors; working (B, W, d); store, E
    entries; since_question (B,) segments.
    """

    segment: Tensor
    position: Tensor
    blocks: tuple[tuple[Tensor, Tensor], ...]
    tail: Tensor
    tail_valid: Tensor
    working: Tensor
    store: Entries
    since_question: Tensor


@dataclass(frozen=True)
class Memory(Items):
    """Everything a question can read, in one axis of N: context slots, working slots, store.

    content (B, N, d); prior (B, N) nats; level int64 (B, N); age (B, N) segments; first and position int64 (B, N), where in the
    stream its earliest and its latest part were picked, -1 for working slots; entry int64 (B, N) id or -1; kind int64 (B, N) 0 context,
    1 working, 2 store; valid bool (B, N).
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

    def part_positions(self, merge: int, depth: int) -> Tensor:
        """Where each of an entry's m**level parts was picked, int64 (B, N, m**depth): evenly spread from the first to the last.

        Exact up to two parts, which are all that level 1 has at m = 2.
        """
        last = (merge**self.level - 1)[..., None]
        before_last = (last - torch.arange(merge**depth, device=last.device)).clamp_min(0)
        return self.position[..., None] - (self.position - self.first)[..., None] * before_last // last.clamp_min(1)
