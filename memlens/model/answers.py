"""Questions asked of the memory, and the answers to them."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Int
from torch import Tensor

from memlens.dims import BOS, EOS, PAD
from memlens.model.tensors import Tensors


@dataclass(frozen=True)
class Questions(Tensors):
    """Questions of each sequence, padded with token 0.

    Attributes
    ----------
    token : int [sequence, question, query]
        Tokens of the question.
    answer : int [sequence, question, answer]
        Tokens of the right answer, the last one <eos>; for the loss and, under teacher forcing, as input.
    valid : bool [sequence, question]
        Where there is a question.
    """

    token: Tensor
    answer: Tensor
    valid: Tensor


@dataclass(frozen=True)
class Answers(Tensors):
    """Answers to ``Questions``.

    Attributes
    ----------
    token : int [sequence, question, answer]
        Decoded greedily, up to and with <eos>, then 0.
    correct : bool [sequence, question]
        Exact match.
    loss : float [sequence, question]
        Nats per answer token under teacher forcing.
    read_entry : int [sequence, question, read]
        Id of the entry that a read vector came from (of a context slot, of the entry that it is a candidate for); -1 for working slots
        and where nothing was read.
    read_weight : float [sequence, question, read]
        Sums to 1 over ``read``.
    read_kind : int [sequence, question, read]
        0 context slot, 1 working slot, 2 store, -1 nothing.
    read_index : int [sequence, question, read]
        Place in [M_ctx, M_{t-1}, L_{t-1}].
    """

    token: Tensor
    correct: Tensor
    loss: Tensor
    read_entry: Tensor
    read_weight: Tensor
    read_kind: Tensor
    read_index: Tensor


def greedy(
    following: Callable[[Tensor], Tensor], questions: Questions, max_answer: int
) -> Int[Tensor, "sequence question answer"]:
    """Decode answers greedily.

    Parameters
    ----------
    following : callable
        Takes tokens, int [sequence, question, answer], that begin with <bos>; gives the logits of the next one,
        float [sequence, question, vocab].
    questions : Questions
        What is asked; decoding ends when every question that is there has its <eos>.
    max_answer : int
        Longest answer, tokens.

    Returns
    -------
    int [sequence, question, answer]
        Up to and with <eos>, then 0.
    """
    token = torch.full_like(questions.answer[..., :1], BOS)
    ended = torch.zeros_like(questions.valid)
    for _ in range(max_answer):
        best = torch.where(ended, PAD, following(token).argmax(-1))
        token = torch.cat((token, best[..., None]), -1)
        ended = ended | (best == EOS)
        if bool((ended | ~questions.valid).all()):
            break
    return token[..., 1:]


def exact(token: Int[Tensor, "sequence question answer"], questions: Questions) -> Bool[Tensor, "sequence question"]:
    """Which answers are right, token by token.

    Parameters
    ----------
    token : int [sequence, question, answer]
        Decoded, padded with 0.
    questions : Questions
        With the right answers; they may be longer or shorter.

    Returns
    -------
    bool [sequence, question]
        Never for padding questions.
    """
    answer = questions.answer
    width = max(token.shape[-1], answer.shape[-1])
    same = F.pad(token, (0, width - token.shape[-1])) == F.pad(answer, (0, width - answer.shape[-1]))
    return same.all(-1) & questions.valid
