"""The value of a memory entry at a question: loss of the answer without it minus loss with it, nats per answer token.

The axis ``entry`` of memory is [M_ctx, M_{t-1}, L_{t-1}]; ``read`` are the entries that a question read.
"""

from dataclasses import replace

import torch
from torch import Tensor

from memlens.model.answers import Answers, Questions
from memlens.model.indexing import marked
from memlens.model.losses import answer_loss
from memlens.model.model import MemoryModel
from memlens.model.state import Memory

#: Larger losses count as this, nats per token: about that of a guess among twenty. How confident a wrong answer is does not matter.
MAX_LOSS = 3.0


def _loss_without(model: MemoryModel, questions: Questions, memory: Memory, index: Tensor, hidden: Tensor) -> Tensor:
    """Loss of each answer, float [sequence, question], at most ``MAX_LOSS``, without some of the entries that it read.

    ``index`` is int64 [sequence, question, read], ``hidden`` bool [sequence, question, read]. Each question is asked of its own copy of
    memory: retrieval, M_q and the answer are computed again.
    """
    n_question = questions.token.shape[1]
    own = memory.map(lambda x: x.repeat_interleave(n_question, 0))
    gone = marked(index.flatten(0, 1), hidden.flatten(0, 1), own.valid.shape[1])
    own = replace(own, valid=own.valid & ~gone)
    single = questions.map(lambda x: x.flatten(0, 1)[:, None])
    read, m_q, there = model.read(single, own)
    loss = answer_loss(model.decode(single.answer, read, m_q, there), single.answer)
    return loss.clamp(max=MAX_LOSS).view(index.shape[:2])


def entry_values(model: MemoryModel, questions: Questions, memory: Memory, answers: Answers) -> tuple[Tensor, Tensor]:
    """Shapley value of the two store entries that each question read most.

    With L the loss with all of memory and L_S the loss without the set S, the value of entry 1 is
    ((L_1 - L) + (L_12 - L_2)) / 2: two copies of one fact get half of it each, where leave-one-out gives both nothing (Shapley 1953).

    Parameters
    ----------
    model : MemoryModel
    questions : Questions
    memory : Memory
        What the questions read.
    answers : Answers
        What came of them.

    Returns
    -------
    index : int64 [sequence, question, read]
        Two entries on the axis of memory.
    value : float [sequence, question, read]
        Nats per answer token; 0 for entries that are not in the store.
    """
    stored = answers.read_kind == 2
    _, top = answers.read_weight.masked_fill(~stored, -1.0).topk(2, -1)
    index = answers.read_index.gather(-1, top)
    real = stored.gather(-1, top) & questions.valid[..., None]
    first = torch.stack((real[..., 0], torch.zeros_like(real[..., 0])), -1)
    second = torch.stack((torch.zeros_like(real[..., 1]), real[..., 1]), -1)
    base = answers.loss.clamp(max=MAX_LOSS)
    without_1, without_2, without_12 = (
        _loss_without(model, questions, memory, index, hidden) for hidden in (first, second, first | second)
    )
    value_1 = ((without_1 - base) + (without_12 - without_2)) / 2
    value_2 = ((without_2 - base) + (without_12 - without_1)) / 2
    return index, torch.stack((value_1, value_2), -1) * real


def leave_one_out(model: MemoryModel, questions: Questions, memory: Memory, answers: Answers) -> Tensor:
    """Leave-one-out value of all of memory: loss without an entry minus loss with it, summed over the questions.

    Parameters
    ----------
    model : MemoryModel
    questions : Questions
    memory : Memory
        What the questions read.
    answers : Answers
        What came of them.

    Returns
    -------
    float [sequence, entry]
        Nats per answer token. Exactly 0 for what no question read; that is not run, since hiding it changes no answer.
    """
    base = answers.loss.clamp(max=MAX_LOSS)
    total = torch.zeros_like(memory.prior)
    there = (answers.read_kind >= 0) & questions.valid[..., None]
    for i in range(there.shape[-1]):
        hidden = torch.zeros_like(there)
        hidden[..., i] = there[..., i]
        value = _loss_without(model, questions, memory, answers.read_index, hidden) - base
        total = total.scatter_add(1, answers.read_index[..., i], (value * there[..., i]).to(total.dtype))
    return total
