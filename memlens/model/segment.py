"""What goes into a step, and what comes out of it.

Shapes use K context slots, W working slots, E store entries (all levels in one axis), A = K + E agents,
Q questions, R vectors read, B sequences.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from memlens.model.answers import Answers
from memlens.model.entries import Births, Decisions
from memlens.model.tensors import Tensors


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
