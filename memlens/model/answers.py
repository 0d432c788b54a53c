"""Questions asked of the memory, and the answers to them.

Shapes use K context slots, W working slots, E store entries (all levels in one axis), A = K + E agents,
Q questions, R vectors read, B sequences.
"""

from dataclasses import dataclass

from torch import Tensor

from memlens.model.tensors import Tensors


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
