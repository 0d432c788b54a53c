"""What a memory entry was worth at a question: loss of the answer without it minus loss with it, nats per answer token.

Axes: B sequences, Q questions, N the memory axis [M_ctx, M_{t-1}, L_{t-1}], k entries that a question read.
"""

from dataclasses import replace

import torch
from torch import Tensor

from memlens.model.answers import Answers, Questions
from memlens.model.indexing import marked
from memlens.model.losses import answer_loss
from memlens.model.model import MemoryModel
from memlens.model.state import Memory

#: A loss counts up to here, nats per token: about that of a guess among twenty. How confident a wrong answer is says nothing of worth.
MOST_LOSS = 3.0


def loss_without(model: MemoryModel, questions: Questions, memory: Memory, index: Tensor, hidden: Tensor) -> Tensor:
    """Loss of each answer (B, Q), at most ``MOST_LOSS``, when some of the entries ``index`` int64 (B, Q, k) are ``hidden``, bool.

    Each question is asked of its own copy of memory: retrieval, M_q and the answer are computed anew.
    """
    n_question = questions.token.shape[1]
    own = memory.map(lambda x: x.repeat_interleave(n_question, 0))
    gone = marked(index.flatten(0, 1), hidden.flatten(0, 1), own.valid.shape[1])
    own = replace(own, valid=own.valid & ~gone)
    single = questions.map(lambda x: x.flatten(0, 1)[:, None])
    read, m_q, there = model.read(single, own)
    loss = answer_loss(model.decode(single.answer, read, m_q, there), single.answer)
    return loss.clamp(max=MOST_LOSS).view(index.shape[:2])


def entry_values(model: MemoryModel, questions: Questions, memory: Memory, answers: Answers) -> tuple[Tensor, Tensor]:
    """Shapley worth of the two store entries that each question read most.

    With L the loss with all of memory and L_S the loss without the set S, entry 1 is worth ((L_1 - L) + (L_12 - L_2)) / 2: half of
    it goes to each of two copies of one fact, where plain leave-one-out gives both nothing (Shapley 1953).

    Returns
    -------
    index : int64 (B, Q, 2)
        Into the memory axis.
    worth : (B, Q, 2)
        Nats per answer token; 0 for entries that are not of the store.
    """
    stored = answers.read_kind == 2
    _, top = answers.read_weight.masked_fill(~stored, -1.0).topk(2, -1)
    index = answers.read_index.gather(-1, top)
    real = stored.gather(-1, top) & questions.valid[..., None]
    first = torch.stack((real[..., 0], torch.zeros_like(real[..., 0])), -1)
    second = torch.stack((torch.zeros_like(real[..., 1]), real[..., 1]), -1)
    base = answers.loss.clamp(max=MOST_LOSS)
    without_1, without_2, without_12 = (
        loss_without(model, questions, memory, index, hidden) for hidden in (first, second, first | second)
    )
    worth_1 = ((without_1 - base) + (without_12 - without_2)) / 2
    worth_2 = ((without_2 - base) + (without_12 - without_1)) / 2
    return index, torch.stack((worth_1, worth_2), -1) * real


def leave_one_out(model: MemoryModel, questions: Questions, memory: Memory, answers: Answers) -> Tensor:
    """Plain leave-one-out worth of all of memory, (B, N): over the questions, the sum of loss without it minus loss with it.

    What no question read is worth exactly 0 and is not run: hiding it changes no answer.
    """
    base = answers.loss.clamp(max=MOST_LOSS)
    total = torch.zeros_like(memory.prior)
    there = (answers.read_kind >= 0) & questions.valid[..., None]
    for i in range(there.shape[-1]):
        hidden = torch.zeros_like(there)
        hidden[..., i] = there[..., i]
        worth = loss_without(model, questions, memory, answers.read_index, hidden) - base
        total = total.scatter_add(1, answers.read_index[..., i], (worth * there[..., i]).to(total.dtype))
    return total
