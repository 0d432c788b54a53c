"""The loss of a baseline: answers as the stream's continuation, and next tokens. The terms that need a memory are 0."""

import torch
import torch.nn.functional as F

from memlens.config import LossWeights
from memlens.model.baseline import ReaderState, StreamReader
from memlens.model.indexing import take
from memlens.model.losses import answer_loss
from memlens.training.episodes import Episode
from memlens.training.memory_loss import DEFAULT_WEIGHTS, MemoryLoss, all_right, draw_text


def reader_loss(
    reader: StreamReader,
    episode: Episode,
    state: ReaderState,
    *,
    weights: LossWeights = DEFAULT_WEIGHTS,
    predict_share: float = 0.25,
    generator: torch.Generator,
) -> MemoryLoss:
    """Run an episode from a state; its questions are asked at the end of the row, as ``memory_loss`` asks them.

    Parameters
    ----------
    reader : StreamReader
    episode : Episode
    state : ReaderState
    weights : LossWeights
    predict_share : float
        Share of the positions whose next token is predicted.
    generator : torch.Generator

    Returns
    -------
    MemoryLoss
        The terms that need a memory are 0.
    """
    zero = torch.zeros((), device=reader.device)
    nats, n_text = zero, zero
    for segment in episode.segments:
        hidden, state = reader.perceive(segment, state)
        some, following, there = draw_text(segment, predict_share, generator)
        logits = reader.logits_of(take(hidden, some)[there])
        nats = nats + F.cross_entropy(logits, following[there], reduction="sum")
        n_text = n_text + there.sum()
    wanted = episode.questions.answer
    logits = reader.answer_logits(episode.questions, state)
    answer = answer_loss(logits, wanted).mean()
    predict = nats / n_text.clamp_min(1)
    return MemoryLoss(
        total=weights.answer * answer + weights.predict * predict,
        answer=answer,
        retrieval=zero,
        predict=predict,
        fidelity=zero,
        importance=zero,
        exact=all_right(logits, wanted),
        modality=episode.modality,
        covered=torch.zeros_like(episode.questions.valid),
        state=state,
    )
