"""Top-k retrieval: match q with every entry's parts, keep the k best entries, softmax over them, read their parts.

A compressed entry is matched by what it is reconstructed to, part by part, so that a fact is found by its own key however often it was
merged. What was read carries how much of the read is later than it, so that the last of several values for one key can be told from
the others at any distance.
"""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from memlens.config import ModelConfig
from memlens.model.answers import Answers, Questions, exact
from memlens.model.compressor import Compressor
from memlens.model.hooks import HookPoint
from memlens.model.indexing import take
from memlens.model.layers import NEVER, RMSNorm
from memlens.model.state import Memory
from memlens.model.tensors import Tensors

#: Inverse temperature of the cosine between query and key.
SHARPNESS = 20.0
#: The share of a read that is later than an entry at which the mark of it is half as large as it can be.
SUPERSEDED = 0.1
#: A chosen entry with less than this share of the read is left out of what the question and the decoder see.
LEAST_WEIGHT = 1e-4


@dataclass(frozen=True)
class Retrieved(Tensors):
    """What questions retrieved from ``Memory``.

    Attributes
    ----------
    logits : float [sequence, question, memory]
        Match with all of memory, nats.
    index : int [sequence, question, chosen]
        Places of the chosen entries in memory, best first.
    weight : float [sequence, question, chosen]
        Sums to 1 over the chosen.
    content : float [sequence, question, read, feature]
        Parts of the chosen entries, of RMS 1 before the mark of being superseded is added; as many as the question with the most parts has.
    bias : float [sequence, question, read]
        Log-weight of each part, or NEVER.
    """

    logits: Tensor
    index: Tensor
    weight: Tensor
    content: Tensor
    bias: Tensor


class Retrieval(nn.Module):
    """logit of a part = SHARPNESS cos(q, k) + log-prior + level bias - age rate * log(1 + age); of an entry, logsumexp of its parts'."""

    def __init__(self, cfg: ModelConfig):
        super().__init__()
        self.cfg = cfg
        self.norm = RMSNorm(cfg.d_model)
        self.key = nn.Linear(cfg.d_model, cfg.d_model, bias=False)
        self.level_bias = nn.Parameter(torch.zeros(len(cfg.capacities)))
        self.age_rate = nn.Parameter(torch.tensor(-6.0))
        self.superseded = nn.Parameter(torch.zeros(cfg.d_model))
        self.hook_entry = HookPoint()
        self.hook_query = HookPoint()
        self.hook_logits = HookPoint()
        self.hook_weight = HookPoint()
        self.hook_read = HookPoint()

    def keys(self, content: Float[Tensor, "*batch feature"]) -> Float[Tensor, "*batch feature"]:
        """Unit keys: what a query, or another entry, is matched with."""
        return F.normalize(self.key(self.norm(content)).float(), dim=-1)

    def affinity(
        self, keys: Float[Tensor, "sequence agent feature"], working: Float[Tensor, "sequence working feature"]
    ) -> Float[Tensor, "sequence agent agent"]:
        """How alike entries are: those that would attend alike to the working memory. The cosine of their patterns softmax(8 cos).

        Parameters
        ----------
        keys : float [sequence, agent, feature]
            Of the entries, as ``keys``.
        working : float [sequence, working, feature]
            M_{t-1}.

        Returns
        -------
        float [sequence, agent, agent]
            0 to 1.
        """
        pattern = (keys @ self.keys(working).transpose(-1, -2) * 8.0).softmax(-1)
        pattern = F.normalize(pattern, dim=-1)
        return pattern @ pattern.transpose(-1, -2)

    def forward(
        self, query: Float[Tensor, "sequence question feature"], memory: Memory, compressor: Compressor
    ) -> Retrieved:
        """Retrieve.

        Parameters
        ----------
        query : float [sequence, question, feature]
            What each question looks for.
        memory : Memory [sequence, memory]
            What can be read.
        compressor : Compressor
            Reconstructs the parts of compressed entries.

        Returns
        -------
        Retrieved
            The chosen entries, by their parts.
        """
        query = self.hook_query(query)
        depth = int(memory.level.max())
        parts, there = compressor.expand_to_level(memory.content, memory.level, depth)
        n_part = parts.shape[2]
        match = F.normalize(query.float(), dim=-1) @ self.keys(parts).flatten(1, 2).transpose(-1, -2)
        slowly = F.softplus(self.age_rate) * torch.log1p(memory.age)
        bias = memory.prior + self.level_bias[memory.level] - slowly
        part_logits = SHARPNESS * match.unflatten(-1, (-1, n_part)) + bias[:, None, :, None]
        part_logits = part_logits.masked_fill(~(there & memory.valid[..., None])[:, None], NEVER)
        logits = self.hook_logits(part_logits.logsumexp(-1).masked_fill(~memory.valid[:, None], NEVER))
        top, index = logits.topk(min(self.cfg.retrieve, logits.shape[-1]), dim=-1)
        weight = self.hook_weight(top.softmax(-1))
        within = part_logits - part_logits.logsumexp(-1, keepdim=True)
        chosen = index[..., None].expand(*index.shape, n_part)
        bias = (within.gather(2, chosen) + weight.clamp_min(1e-9).log()[..., None]).flatten(2)
        read = (top > NEVER / 2)[..., None] & there[:, None].expand(-1, index.shape[1], -1, -1).gather(2, chosen)
        read = read.flatten(2) & (bias > math.log(LEAST_WEIGHT))
        bias = bias.masked_fill(~read, NEVER)
        # only the parts that are read: the others would cost as much
        n_read = max(1, int(read.sum(-1).max()))
        bias, first = bias.topk(n_read, -1)
        place = (index[..., None] * n_part + torch.arange(n_part, device=index.device)).flatten(2).gather(2, first)
        position = take(memory.part_positions(compressor.m, depth).flatten(1), place.flatten(1)).view_as(place)
        later = ((position[..., None, :] > position[..., None]) * bias.exp()[..., None, :]).sum(-1)
        mark = (later / (later + SUPERSEDED))[..., None] * self.superseded
        content = take(parts.flatten(1, 2), place.flatten(1)).unflatten(1, place.shape[1:])
        content = F.rms_norm(content, (content.shape[-1],)) + mark
        return Retrieved(logits, index, weight, self.hook_read(content), bias)


def answers_of(token: Tensor, loss: Tensor, read: Retrieved, memory: Memory, questions: Questions) -> Answers:
    """Answers, and where they come from.

    Parameters
    ----------
    token : int [sequence, question, answer]
        Decoded.
    loss : float [sequence, question]
        Of the right answers, nats.
    read : Retrieved
        What they were decoded from.
    memory : Memory [sequence, memory]
        What it was retrieved from.
    questions : Questions
        What was asked, with the right answers.

    Returns
    -------
    Answers
        With -1 for what was read of empty places.
    """

    def chosen(x: Tensor) -> Tensor:
        return x[:, None].expand(-1, read.index.shape[1], -1).gather(2, read.index)

    empty = ~chosen(memory.valid)
    return Answers(
        token=token,
        correct=exact(token, questions),
        loss=loss,
        read_entry=chosen(memory.entry).masked_fill(empty, -1),
        read_weight=read.weight,
        read_kind=chosen(memory.kind).masked_fill(empty, -1),
        read_index=read.index,
    )


def hits_of(read: Retrieved, memory: Memory, questions: Questions) -> Float[Tensor, "sequence memory"]:
    """How much of each memory was read.

    Parameters
    ----------
    read : Retrieved
        By each question.
    memory : Memory [sequence, memory]
        What it was retrieved from.
    questions : Questions
        Padding counts for nothing.

    Returns
    -------
    float [sequence, memory]
        Read weights, summed over the questions.
    """
    weight = read.weight * questions.valid[..., None]
    return torch.zeros_like(memory.prior).scatter_add(
        1, read.index.flatten(1), weight.flatten(1).to(memory.prior.dtype)
    )
