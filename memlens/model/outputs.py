"""What goes into a step, what comes out of it, and the state that is carried: frozen dataclasses of tensors.

Shapes use K context slots, W working slots, E store entries (all levels in one axis), A = K + E agents,
Q questions, R vectors read, B sequences.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

#: A type variable and not Self: run-time checks decorate methods one by one.
Bundle = TypeVar("Bundle", bound="Tensors")


@dataclass(frozen=True)
class Tensors:
    """A frozen bundle of tensors (and of bundles) that moves, clones and detaches as one."""

    def map(self: Bundle, function: Callable[[Tensor], Tensor]) -> Bundle:
        """Apply ``function`` to every tensor, also in nested bundles and tuples."""

        def apply(value: Any) -> Any:
            if isinstance(value, Tensor):
                return function(value)
            if isinstance(value, Tensors):
                return value.map(function)
            if isinstance(value, tuple):
                return tuple(apply(v) for v in value)
            return value

        return replace(self, **{f.name: apply(getattr(self, f.name)) for f in fields(self)})

    def to(self: Bundle, *args: Any, **kwargs: Any) -> Bundle:
        """Move to a device. Dtypes are kept."""
        return self.map(lambda x: x.to(*args, **kwargs))

    def clone(self: Bundle) -> Bundle:
        """Copy every tensor."""
        return self.map(Tensor.clone)

    def detach(self: Bundle) -> Bundle:
        """Cut every tensor from the autograd graph."""
        return self.map(Tensor.detach)

    def flat(self, prefix: str = "") -> dict[str, Tensor]:
        """All tensors by dotted name, for saving and comparing."""
        named: dict[str, Tensor] = {}

        def visit(name: str, value: Any) -> None:
            if isinstance(value, Tensor):
                named[name] = value
            elif isinstance(value, tuple):
                for i, v in enumerate(value):
                    visit(f"{name}.{i}", v)
            elif is_dataclass(value):
                for f in fields(value):
                    visit(f"{name}.{f.name}" if name else f.name, getattr(value, f.name))

        visit(prefix, self)
        return named

    def filled(self: Bundle, named: Mapping[str, Tensor], prefix: str = "") -> Bundle:
        """The same bundle with the tensors of ``flat(prefix)`` put back by name."""

        def fill(name: str, value: Any) -> Any:
            if isinstance(value, Tensor):
                return named[name]
            if isinstance(value, tuple):
                return tuple(fill(f"{name}.{i}", v) for i, v in enumerate(value))
            if isinstance(value, Tensors):
                return value.filled(named, name)
            return value

        dotted = f"{prefix}." if prefix else ""
        return replace(self, **{f.name: fill(dotted + f.name, getattr(self, f.name)) for f in fields(self)})


@dataclass(frozen=True)
class Segment(Tensors):
    """S positions of B sequences.

    modality int64 (B, S); token int64 (B, S); payload float (B, S, PAYLOAD_WIDTH); valid bool (B, S), padding only at the end.
    """

    modality: Tensor
    token: Tensor
    payload: Tensor
    valid: Tensor

    @classmethod
    def stack(cls, rows: list[Mapping[str, np.ndarray]], device: torch.device | str = "cpu") -> "Segment":
        """Batch of what ``EncodedStream.segment`` gives, one row a sequence."""

        def column(name: str, dtype: torch.dtype) -> Tensor:
            return torch.from_numpy(np.stack([row[name] for row in rows])).to(device=device, dtype=dtype)

        return cls(
            modality=column("modality", torch.long),
            token=column("token", torch.long),
            payload=column("payload", torch.float32),
            valid=column("valid", torch.bool),
        )


@dataclass(frozen=True)
class Questions(Tensors):
    """Q questions of B sequences, padded with token 0.

    token int64 (B, Q, Lq); answer int64 (B, Q, La), ends with <eos>, used for the loss and, in teacher forcing, as input;
    valid bool (B, Q).
    """

    token: Tensor
    answer: Tensor
    valid: Tensor


@dataclass(frozen=True)
class Answers(Tensors):
    """Answers to ``Questions``.

    token int64 (B, Q, L) decoded greedily, up to and with <eos>, then 0; correct bool (B, Q), exact match;
    loss (B, Q) nats per answer token under teacher forcing;
    read_entry int64 (B, Q, R), id of the entry that a read vector came from (a context slot has the id of the entry it became a
    candidate for), -1 for working slots and empty; read_weight (B, Q, R), sums to 1; read_kind int64 (B, Q, R): 0 context slot,
    1 working slot, 2 store, -1 empty; read_index int64 (B, Q, R), index into [M_ctx, M_{t-1}, L_{t-1}].
    """

    token: Tensor
    correct: Tensor
    loss: Tensor
    read_entry: Tensor
    read_weight: Tensor
    read_kind: Tensor
    read_index: Tensor


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
class Births(Tensors):
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


@dataclass(frozen=True)
class StepOutputs(Tensors):
    """What one step yields.

    nats (B, S): loss of each text token given what stood before it, 0 where there is none or it opens the segment; text bool (B, S)
    says where there is one; slot (B, K, d), M_ctx.
    """

    nats: Tensor
    text: Tensor
    slot: Tensor
    decisions: Decisions
    births: Births
    answers: Answers | None


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
class Entries(Tensors):
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

    def joined(self, other: "Entries") -> "Entries":
        """Both, along the entry axis."""
        return Entries(*(torch.cat((getattr(self, f.name), getattr(other, f.name)), 1) for f in fields(self)))

    def at(self, index: Tensor) -> "Entries":
        """Entries at index (B, M)."""

        def pick(x: Tensor) -> Tensor:
            expanded = index.reshape(*index.shape, *(1,) * (x.dim() - 2)).expand(*index.shape, *x.shape[2:])
            return x.gather(1, expanded)

        return self.map(pick)

    def slice(self, start: int, stop: int) -> "Entries":
        """Entries start .. stop - 1."""
        return self.map(lambda x: x[:, start:stop])


@dataclass(frozen=True)
class Memory(Tensors):
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

    def joined(self, other: "Memory") -> "Memory":
        """Both, along the memory axis."""
        return Memory(*(torch.cat((getattr(self, f.name), getattr(other, f.name)), 1) for f in fields(self)))

    def part_positions(self, merge: int, depth: int) -> Tensor:
        """Where each of an entry's m**level parts was picked, int64 (B, N, m**depth): evenly spread from the first to the last.

        Exact up to two parts, which are all that level 1 has at m = 2.
        """
        last = (merge**self.level - 1)[..., None]
        before_last = (last - torch.arange(merge**depth, device=last.device)).clamp_min(0)
        return self.position[..., None] - (self.position - self.first)[..., None] * before_last // last.clamp_min(1)


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
