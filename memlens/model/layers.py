"""Small shared layers: RMSNorm, gated MLP, multi-head attention with a pattern hook."""

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

#: Stands for "never": large enough to vanish in a softmax, small enough to stay finite in half precision.
NEVER = -1e4


class RMSNorm(nn.Module):
    """Root-mean-square norm with a learned gain (Zhang and Sennrich 2019), computed in fp32."""

    def __init__(self, width: int):
        super().__init__()
        self.gain = nn.Parameter(torch.ones(width))

    def forward(self, x: Float[Tensor, "*batch feature"]) -> Float[Tensor, "*batch feature"]:
        return F.rms_norm(x.float(), (x.shape[-1],), eps=1e-6) * self.gain


class MLP(nn.Module):
    """Two linear maps around a GELU."""

    def __init__(self, n_in: int, n_hidden: int, n_out: int):
        super().__init__()
        self.up = nn.Linear(n_in, n_hidden)
        self.down = nn.Linear(n_hidden, n_out)

    def forward(self, x: Float[Tensor, "*batch feature"]) -> Float[Tensor, "*batch out"]:
        return self.down(F.gelu(self.up(x)))


class Attention(nn.Module):
    """Multi-head attention (Vaswani et al. 2017) with RMS-normed queries and keys (Henry et al. 2020) and a fixed temperature."""

    def __init__(self, width: int, n_heads: int):
        super().__init__()
        self.n_heads = n_heads
        self.query = nn.Linear(width, width, bias=False)
        self.key = nn.Linear(width, width, bias=False)
        self.value = nn.Linear(width, width, bias=False)
        self.out = nn.Linear(width, width, bias=False)

    def forward(
        self,
        query: Float[Tensor, "batch query feature"],
        source: Float[Tensor, "batch source feature"],
        bias: Float[Tensor, "batch #query source"],
        hook: Callable[[Tensor], Tensor] | None = None,
    ) -> Float[Tensor, "batch query feature"]:
        """Attend.

        Parameters
        ----------
        query : float [batch, query, feature]
            Who attends.
        source : float [batch, source, feature]
            What is attended to.
        bias : float [batch, query or 1, source]
            Added to the logits of every head: a mask, or a log-prior of being read.
        hook : callable, optional
            The owner's hook point, which the pattern [batch, head, query, source] passes through.

        Returns
        -------
        float [batch, query, feature]
            What was read.
        """

        def split(x: Tensor) -> Tensor:
            return x.unflatten(-1, (self.n_heads, -1)).transpose(1, 2)

        q, k, v = split(self.query(query)), split(self.key(source)), split(self.value(source))
        width = q.shape[-1]
        q, k = F.rms_norm(q, (width,)), F.rms_norm(k, (width,))
        logits = q @ k.transpose(-1, -2) / math.sqrt(width) * 2.0 + bias[:, None]
        pattern = logits.float().softmax(-1).to(v.dtype)
        if hook is not None:
            pattern = hook(pattern)
        return self.out((pattern @ v).transpose(1, 2).flatten(-2))


def mask_bias(valid: Bool[Tensor, "*batch"]) -> Float[Tensor, "*batch"]:
    """0 where valid, NEVER elsewhere."""
    return torch.zeros(valid.shape, device=valid.device).masked_fill(~valid, NEVER)
