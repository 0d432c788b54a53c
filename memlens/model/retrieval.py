"""Top-k retrieval: match q with every entry's key, keep k, reconstruct only those, softmax over them.

What was read carries how much of the read is later than it, so that the last of several values for one key can be told from the others
at any distance.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn
from transformer_lens.hook_points import HookPoint

from memlens.config import ModelConfig
from memlens.model.compressor import Compressor
from memlens.model.layers import NEVER, RMSNorm, take
from memlens.model.outputs import Memory, Tensors

#: Inverse temperature of the cosine between query and key.
SHARPNESS = 20.0
#: The share of a read that is later than an entry at which the mark of it is half as large as it can be.
SUPERSEDED = 0.1
#: A chosen entry with less than this share of the read is left out of what the question and the decoder see.
LEAST_WEIGHT = 1e-4


@dataclass(frozen=True)
class Read(Tensors):
    """What Q questions retrieved from Memory.

    logits (B, Q, N) over all memory; index int64 (B, Q, k); weight (B, Q, k); content (B, Q, R, d), the parts of the chosen entries, of
    RMS 1 before the mark of being superseded is added, R as many as the question with the most parts has; bias (B, Q, R), log weight or NEVER.
    """

    logits: Tensor
    index: Tensor
    weight: Tensor
    content: Tensor
    bias: Tensor


class Retrieval(nn.Module):
    """logit = SHARPNESS cos(q, k) + log-prior + level bias - age rate * log(1 + age)."""

    def __init__(self, cfg: ModelConfig):
        super().__init__()
        self.cfg = cfg
        self.norm = RMSNorm(cfg.d_model)
        self.key = nn.Linear(cfg.d_model, cfg.d_model, bias=False)
        self.level_bias = nn.Parameter(torch.zeros(len(cfg.capacities)))
        self.age_rate = nn.Parameter(torch.tensor(-6.0))
        self.superseded = nn.Parameter(torch.zeros(cfg.d_model))
        self.hook_query = HookPoint()
        self.hook_logits = HookPoint()
        self.hook_weight = HookPoint()
        self.hook_read = HookPoint()

    def keys(self, content: Float[Tensor, "*batch feature"]) -> Float[Tensor, "*batch feature"]:
        """Unit keys: what a query, or another entry, is matched with."""
        return F.normalize(self.key(self.norm(content)).float(), dim=-1)

    def forward(
        self, query: Float[Tensor, "sequence question feature"], memory: Memory, compressor: Compressor
    ) -> Read:
        query = self.hook_query(query)
        match = F.normalize(query.float(), dim=-1) @ self.keys(memory.content).transpose(-1, -2)
        slowly = F.softplus(self.age_rate) * torch.log1p(memory.age)
        bias = memory.prior + self.level_bias[memory.level] - slowly
        logits = self.hook_logits((SHARPNESS * match + bias[:, None]).masked_fill(~memory.valid[:, None], NEVER))
        k = min(self.cfg.retrieve, logits.shape[-1])
        top, index = logits.topk(k, dim=-1)
        weight = self.hook_weight(top.softmax(-1))
        flat = index.flatten(1)
        level = memory.level.gather(1, flat)
        depth = int(level.max())
        parts, there = compressor.expand_to_level(take(memory.content, flat), level, depth)
        position = memory.position.gather(1, flat).view_as(index)
        later = ((position[..., None, :] > position[..., None]) * weight[..., None, :]).sum(-1)
        mark = (later / (later + SUPERSEDED))[..., None, None] * self.superseded
        content = F.rms_norm(parts, (parts.shape[-1],)).unflatten(1, index.shape[1:]) + mark
        content = content.flatten(2, 3)
        read = (top > NEVER / 2) & (weight > LEAST_WEIGHT)
        there = (there.unflatten(1, index.shape[1:]) & read[..., None]).flatten(2)
        each = weight.clamp_min(1e-9).log()[..., None].expand(*weight.shape, parts.shape[2]).flatten(2)
        bias = each.masked_fill(~there, NEVER)
        # only the parts that are there: the others would cost as much
        first = there.long().argsort(dim=-1, descending=True, stable=True)[..., : max(1, int(there.sum(-1).max()))]
        content = content.gather(2, first[..., None].expand(*first.shape, content.shape[-1]))
        return Read(logits, index, weight, self.hook_read(content), bias.gather(2, first))
