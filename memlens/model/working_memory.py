"""Working memory M_t = g * M_{t-1} + (1 - g) * candidate(M_ctx, M_{t-1}), with top-k writes.

Working slots compete for what comes in (a softmax over working slots, Locatello et al. 2020), importance weighs it, and only the
``working_writes`` slots that take most of it change at all: what is not written cannot interfere.
"""

import math

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from memlens.config import ModelConfig
from memlens.model.hooks import HookPoint
from memlens.model.layers import RMSNorm


class WorkingMemory(nn.Module):
    """W gated slots, carried from segment to segment."""

    def __init__(self, cfg: ModelConfig):
        super().__init__()
        self.cfg = cfg
        d = cfg.d_model
        self.initial = nn.Parameter(torch.randn(cfg.working_slots, d))
        self.norm = RMSNorm(d)
        self.query = nn.Linear(d, d, bias=False)
        self.key = nn.Linear(d, d, bias=False)
        self.value = nn.Linear(d, d, bias=False)
        self.gate = nn.Linear(2 * d, 1)
        # chrono initialisation (Tallec and Ollivier 2018): time constants spread from 2 to 64 segments
        spread = torch.linspace(math.log(1), math.log(63), cfg.working_slots)
        self.keep_bias = nn.Parameter(spread)
        self.hook_pattern = HookPoint()
        self.hook_candidate = HookPoint()
        self.hook_gate = HookPoint()
        self.hook_slot = HookPoint()

    def initial_state(self, n_sequence: int) -> Float[Tensor, "sequence working feature"]:
        """The learned start, once per sequence."""
        return self.initial.float().expand(n_sequence, -1, -1)

    def forward(
        self,
        memory: Float[Tensor, "sequence working feature"],
        incoming: Float[Tensor, "sequence input feature"],
        prior: Float[Tensor, "sequence input"],
        valid: Bool[Tensor, "sequence input"],
    ) -> Float[Tensor, "sequence working feature"]:
        """Write what comes in.

        Parameters
        ----------
        memory : float [sequence, working, feature]
            M_{t-1}.
        incoming : float [sequence, input, feature]
            Context slots, then recalled entries.
        prior : float [sequence, input]
            Their log-priors, nats.
        valid : bool [sequence, input]
            Which of them are there.

        Returns
        -------
        float [sequence, working, feature]
            M_t.
        """
        normed = self.norm(incoming)
        d = memory.shape[-1]
        q = F.rms_norm(self.query(self.norm(memory)), (d,))
        k = F.rms_norm(self.key(normed), (d,))
        share = (q @ k.transpose(-1, -2) * (4.0 / math.sqrt(d))).float().softmax(1)
        weight = share * (prior.exp() * valid)[:, None]
        mass = weight.sum(-1)
        pattern = self.hook_pattern(weight / (mass[..., None] + 1e-6))
        candidate = self.hook_candidate((pattern @ self.value(normed).float()).float())
        gate = torch.sigmoid(self.gate(torch.cat((self.norm(memory), candidate), -1)).squeeze(-1) + self.keep_bias)
        n = min(self.cfg.working_writes, mass.shape[1])
        written = torch.zeros_like(mass, dtype=torch.bool).scatter(1, mass.topk(n).indices, True) & (mass > 0)
        gate = self.hook_gate(torch.where(written, gate.float(), 1.0))
        return self.hook_slot(gate[..., None] * memory + (1 - gate[..., None]) * candidate)
