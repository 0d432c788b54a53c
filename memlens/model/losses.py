"""Losses of the two predictions: the next text token of a stream, and the tokens of an answer."""

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor

from memlens.dims import PAD, Modality
from memlens.model.segment import Segment


def next_text(segment: Segment) -> tuple[Int[Tensor, "sequence follower"], Bool[Tensor, "sequence follower"]]:
    """The token after each position but the last, int [sequence, follower], and whether it is text, bool [sequence, follower]."""
    text = (segment.modality == int(Modality.TEXT)) & segment.valid
    return torch.where(text, segment.token, 0)[:, 1:], text[:, 1:]


def text_loss(
    logits: Float[Tensor, "sequence token vocab"], segment: Segment
) -> tuple[Float[Tensor, "sequence token"], Bool[Tensor, "sequence token"]]:
    """Cross-entropy of each text token under the logits of the position before it.

    Parameters
    ----------
    logits : float [sequence, token, vocab]
        Of the token that follows each position.
    segment : Segment
        What was read.

    Returns
    -------
    nats : float [sequence, token]
        0 where there is no loss; the first position of a segment has none.
    text : bool [sequence, token]
        Where there is one.
    """
    target, text = next_text(segment)
    loss = F.cross_entropy(logits[:, :-1].flatten(0, 1), target.flatten(), reduction="none").view_as(target)
    return F.pad(loss * text, (1, 0)), F.pad(text, (1, 0))


def answer_loss(
    logits: Float[Tensor, "sequence question answer vocab"], answer: Int[Tensor, "sequence question answer"]
) -> Float[Tensor, "sequence question"]:
    """Mean cross-entropy over the tokens of an answer.

    Parameters
    ----------
    logits : float [sequence, question, answer, vocab]
        Under teacher forcing.
    answer : int [sequence, question, answer]
        The right tokens, padded with 0.

    Returns
    -------
    float [sequence, question]
        Nats; 0 for padding questions.
    """
    loss = F.cross_entropy(logits.flatten(0, 2).float(), answer.flatten(), reduction="none").view_as(answer)
    there = answer != PAD
    return (loss * there).sum(-1) / there.sum(-1).clamp_min(1)


def no_prediction(segment: Segment) -> tuple[Float[Tensor, "sequence token"], Bool[Tensor, "sequence token"]]:
    """What ``text_loss`` gives where nothing is predicted: no loss anywhere."""
    return torch.zeros(segment.token.shape, device=segment.token.device), torch.zeros_like(segment.valid)
