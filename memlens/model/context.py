"""Context memory M_ctx = Write(H_t, s): importance allocates K slots to the K most important positions.

A picked position must be the maximum of its neighbourhood, so neighbours of one fact do not take two slots. Each slot then
gathers, by attention over the ``slot_window`` positions that end at its own, what it writes: also across the segment's start.
"""

import math

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from memlens.config import ModelConfig
from memlens.model.entries import Context
from memlens.model.hooks import HookPoint
from memlens.model.indexing import take
from memlens.model.layers import mask_bias


class ContextWriter(nn.Module):
    """512 positions -> 32 slots."""

    def __init__(self, cfg: ModelConfig):
        super().__init__()
        self.cfg = cfg
        self.pick_width = cfg.pick_width
        inner = cfg.slot_heads * cfg.slot_head_dim
        self.query = nn.Linear(cfg.d_model, inner, bias=False)
        self.key = nn.Linear(cfg.d_model, inner, bias=False)
        self.value = nn.Linear(cfg.d_model, inner, bias=False)
        self.offset = nn.Parameter(torch.zeros(cfg.slot_heads, cfg.slot_window))
        self.out = nn.Linear(inner, cfg.d_model, bias=False)
        self.own = nn.Linear(cfg.d_model, cfg.d_model, bias=False)
        self.hook_position = HookPoint()
        self.hook_prior = HookPoint()
        self.hook_pattern = HookPoint()
        self.hook_slot = HookPoint()

    def pick(
        self, score: Float[Tensor, "sequence token"], valid: Bool[Tensor, "sequence token"], noise: float
    ) -> tuple[Tensor, Tensor]:
        """Where slots look: the highest local maxima of importance.

        Parameters
        ----------
        score : float [sequence, token]
            Importance, logits.
        valid : bool [sequence, token]
            False for padding.
        noise : float
            Standard deviation of what is added to the scores, logits.

        Returns
        -------
        position : int [sequence, slot]
            In stream order.
        picked : bool [sequence, slot]
            Whether there was a maximum left for it.
        """
        if noise:
            score = score + noise * torch.randn_like(score)
        score = score.masked_fill(~valid, -torch.inf)
        peak = F.max_pool1d(score[:, None], self.pick_width, 1, self.pick_width // 2)[:, 0]
        peaks = score.masked_fill(score < peak, -torch.inf)
        n = min(self.cfg.n_slots, score.shape[1])
        top, position = peaks.topk(n, dim=-1)
        position = torch.where(top > -torch.inf, position, score.shape[1] - 1)
        position, order = position.sort(-1)
        picked = top.gather(1, order) > -torch.inf
        missing = self.cfg.n_slots - n
        return F.pad(position, (0, missing)), F.pad(picked, (0, missing))

    def forward(
        self,
        hidden: Float[Tensor, "sequence token feature"],
        score: Float[Tensor, "sequence token"],
        valid: Bool[Tensor, "sequence token"],
        tail: Float[Tensor, "sequence tail feature"],
        tail_valid: Bool[Tensor, "sequence tail"],
        noise: float = 0.0,
    ) -> Context:
        """Write the slots.

        Parameters
        ----------
        hidden : float [sequence, token, feature]
            H_t.
        score : float [sequence, token]
            Importance, logits.
        valid : bool [sequence, token]
            False for padding.
        tail : float [sequence, tail, feature]
            The last ``slot_window - 1`` hidden vectors before this segment.
        tail_valid : bool [sequence, tail]
            Where there are any.
        noise : float
            As ``pick``.

        Returns
        -------
        Context
            M_ctx.
        """
        cfg = self.cfg
        position, picked = self.pick(score.detach(), valid, noise)
        position = self.hook_position(position)
        prior = self.hook_prior(F.logsigmoid(score.gather(1, position)))
        if cfg.event_threshold is not None:
            picked = picked & (prior >= cfg.event_threshold)
        source = torch.cat((tail.to(hidden.dtype), hidden), 1)
        source_valid = torch.cat((tail_valid, valid), 1)
        # window w of slot k is place position + (slot_window - 1) - w of [tail, hidden]
        back = torch.arange(cfg.slot_window, device=hidden.device)
        index = (position[..., None] + (cfg.slot_window - 1) - back)[:, None].expand(-1, cfg.slot_heads, -1, -1)

        def heads(x: Tensor) -> Tensor:
            return x.unflatten(-1, (cfg.slot_heads, cfg.slot_head_dim)).transpose(1, 2)

        own = take(hidden, position)
        q = F.rms_norm(heads(self.query(own)), (cfg.slot_head_dim,))
        k = F.rms_norm(heads(self.key(source)), (cfg.slot_head_dim,))
        bias = mask_bias(source_valid)[:, None, None]
        everywhere = q @ k.transpose(-1, -2) * (2.0 / math.sqrt(cfg.slot_head_dim)) + bias
        logits = everywhere.gather(-1, index) + self.offset[:, None]
        # sequence slot head window at the hook
        pattern = self.hook_pattern(logits.float().softmax(-1).transpose(1, 2)).transpose(1, 2)
        placed = torch.zeros_like(everywhere, dtype=pattern.dtype).scatter(-1, index, pattern)
        value = heads(self.value(source))
        gathered = (placed.to(value.dtype) @ value).transpose(1, 2).flatten(-2)
        slot = self.hook_slot((self.out(gathered) + self.own(own)).float())
        mean_pattern = pattern.float().mean(1)
        entropy = -(mean_pattern * mean_pattern.clamp_min(1e-9).log()).sum(-1)
        return Context(slot, prior, position, picked, entropy)
