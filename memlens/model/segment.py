"""What goes into a step, and what comes out of it."""

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
    """A run of positions of each sequence.

    Attributes
    ----------
    modality : int [sequence, token]
        ``dims.Modality``.
    token : int [sequence, token]
        Token id of text, class of what else there is.
    payload : float [sequence, token, PAYLOAD_WIDTH]
        What the other modalities carry, padded with 0.
    valid : bool [sequence, token]
        False for padding, which stands only at the end.
    """

    modality: Tensor
    token: Tensor
    payload: Tensor
    valid: Tensor

    @classmethod
    def stack(cls, rows: list[Mapping[str, np.ndarray]], device: torch.device | str = "cpu") -> "Segment":
        """Batch of what ``EncodedStream.segment`` gives.

        Parameters
        ----------
        rows : list of mapping
            Columns by name, one mapping a sequence.
        device : torch.device or str
            Where the tensors are to be.

        Returns
        -------
        Segment
            With one row a sequence.
        """

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

    Attributes
    ----------
    nats : float [sequence, token]
        Loss of each text token given what stood before it; 0 where there is none, and at the first position of the segment.
    text : bool [sequence, token]
        Where there is a loss.
    slot : float [sequence, slot, feature]
        M_ctx.
    decisions : Decisions
        Of every agent.
    births : Births
        Entries that the step made.
    answers : Answers, optional
        Where something was asked.
    """

    nats: Tensor
    text: Tensor
    slot: Tensor
    decisions: Decisions
    births: Births
    answers: Answers | None
