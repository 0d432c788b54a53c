"""State-space backbone: SSD layers (Dao and Gu 2024, "Transformers are SSMs") with carried state.

h_t = exp(dA_t) h_{t-1} + dt_t x_t B_t^T,  y_t = C_t h_t + D x_t, one scalar decay per head, dA = -dt exp(A_log).
The scan is quadratic inside a chunk and a loop over carried states between chunks: linear in length.
"""

import math

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from memlens.config import BaselineConfig, ModelConfig
from memlens.model.hooks import HookPoint
from memlens.model.layers import RMSNorm


def sequential_scan(
    x: Float[Tensor, "sequence token head head_feature"],
    log_decay: Float[Tensor, "sequence token head"],
    b: Float[Tensor, "sequence token state"],
    c: Float[Tensor, "sequence token state"],
    h: Float[Tensor, "sequence head head_feature state"],
) -> tuple[Float[Tensor, "sequence token head head_feature"], Float[Tensor, "sequence head head_feature state"]]:
    """One position at a time: the definition, and the reference for ``chunked_scan``.

    h_t = exp(log_decay_t) h_{t-1} + x_t b_t^T,  y_t = h_t c_t (Dao and Gu 2024, eq. 2).

    Parameters
    ----------
    x : float [sequence, token, head, head_feature]
        Input, already scaled by dt.
    log_decay : float [sequence, token, head]
        dA, at most 0.
    b, c : float [sequence, token, state]
        Write and read directions, shared by the heads.
    h : float [sequence, head, head_feature, state]
        State before the first position.

    Returns
    -------
    y : float [sequence, token, head, head_feature]
        Output.
    h : float [sequence, head, head_feature, state]
        State after the last position.
    """
    ys = []
    for t in range(x.shape[1]):
        h = h * log_decay[:, t].exp()[..., None, None] + x[:, t, :, :, None] * b[:, t, None, None, :]
        ys.append(torch.einsum("bhpn,bn->bhp", h, c[:, t]))
    return torch.stack(ys, 1), h


def chunked_scan(
    x: Float[Tensor, "sequence token head head_feature"],
    log_decay: Float[Tensor, "sequence token head"],
    b: Float[Tensor, "sequence token state"],
    c: Float[Tensor, "sequence token state"],
    h: Float[Tensor, "sequence head head_feature state"],
    chunk: int,
) -> tuple[Float[Tensor, "sequence token head head_feature"], Float[Tensor, "sequence head head_feature state"]]:
    """The same as ``sequential_scan``, in chunks: quadratic inside of a chunk, a loop over carried states between them.

    Parameters
    ----------
    x, log_decay, b, c, h
        As ``sequential_scan``; padding has log_decay 0 and x 0.
    chunk : int
        Positions in a chunk.

    Returns
    -------
    y : float [sequence, token, head, head_feature]
        Output.
    h : float [sequence, head, head_feature, state]
        State after the last position.
    """
    length = x.shape[1]
    chunk = min(chunk, length)
    pad = -length % chunk
    if pad:
        x = F.pad(x, (0, 0, 0, 0, 0, pad))
        log_decay, b, c = (F.pad(v, (0, 0, 0, pad)) for v in (log_decay, b, c))
    x, log_decay, b, c = (v.unflatten(1, (-1, chunk)) for v in (x, log_decay, b, c))
    cumulative = log_decay.cumsum(2).permute(0, 1, 3, 2)  # sequence chunk head token
    gap = cumulative[..., :, None] - cumulative[..., None, :]
    causal = torch.ones(chunk, chunk, dtype=torch.bool, device=x.device).tril()
    decay = gap.masked_fill(~causal, -torch.inf).exp()
    x = x.permute(0, 1, 3, 2, 4)  # sequence chunk head token head_feature
    scores = (c @ b.transpose(-1, -2))[:, :, None] * decay
    y = scores @ x
    total = cumulative[..., -1]
    added = (x * (total[..., None] - cumulative).exp()[..., None]).transpose(-1, -2) @ b[:, :, None]
    entering = []
    for decayed, new in zip(total.exp()[..., None, None].unbind(1), added.unbind(1), strict=True):
        entering.append(h)
        h = h * decayed + new
    carried = c[:, :, None] @ torch.stack(entering, 1).transpose(-1, -2)
    y = y + carried * cumulative.exp()[..., None]
    return y.permute(0, 1, 3, 2, 4).flatten(1, 2)[:, :length], h


class Block(nn.Module):
    """Pre-norm residual SSD mixer: short convolution, scan, gate."""

    def __init__(self, cfg: ModelConfig | BaselineConfig):
        super().__init__()
        self.cfg = cfg
        self.inner = cfg.ssd_heads * cfg.ssd_head_dim
        self.mixed = self.inner + 2 * cfg.ssd_state
        self.norm = RMSNorm(cfg.d_model)
        self.project = nn.Linear(cfg.d_model, self.inner + self.mixed + cfg.ssd_heads, bias=False)
        self.conv = nn.Conv1d(self.mixed, self.mixed, cfg.conv_width, groups=self.mixed)
        self.gate_norm = RMSNorm(self.inner)
        self.out = nn.Linear(self.inner, cfg.d_model, bias=False)
        nn.init.normal_(self.out.weight, std=0.5 / math.sqrt(self.inner * cfg.n_layers))
        dt = torch.exp(torch.linspace(math.log(1e-3), math.log(0.1), cfg.ssd_heads))
        self.dt_bias = nn.Parameter(dt + torch.log(-torch.expm1(-dt)))  # inverse softplus
        self.A_log = nn.Parameter(torch.linspace(1, 8, cfg.ssd_heads).log())
        self.D = nn.Parameter(torch.ones(cfg.ssd_heads))
        self.hook_resid_pre = HookPoint()
        self.hook_mixer_out = HookPoint()
        self.hook_state = HookPoint()
        self.hook_resid_post = HookPoint()

    def initial_state(self, n_sequence: int, device: torch.device) -> tuple[Tensor, Tensor]:
        """Zeros.

        Parameters
        ----------
        n_sequence : int
            Size of ``sequence``.
        device : torch.device
            Where the tensors are to be.

        Returns
        -------
        buffer : float [sequence, channel, conv_width - 1]
            The last inputs of the convolution.
        h : float [sequence, head, head_feature, state]
            SSD state.
        """
        cfg = self.cfg
        return (
            torch.zeros(n_sequence, self.mixed, cfg.conv_width - 1, device=device),
            torch.zeros(n_sequence, cfg.ssd_heads, cfg.ssd_head_dim, cfg.ssd_state, device=device),
        )

    def forward(
        self,
        x: Float[Tensor, "sequence token feature"],
        valid: Bool[Tensor, "sequence token"],
        state: tuple[Tensor, Tensor],
    ) -> tuple[Float[Tensor, "sequence token feature"], tuple[Tensor, Tensor]]:
        """Read a segment.

        Parameters
        ----------
        x : float [sequence, token, feature]
            Residual stream.
        valid : bool [sequence, token]
            False for padding, which changes no state and stands at the end.
        state : tuple
            Convolution buffer and SSD state, as ``initial_state``.

        Returns
        -------
        x : float [sequence, token, feature]
            Residual stream after it.
        state : tuple
            To be carried on.
        """
        cfg = self.cfg
        buffer, h = state
        x = self.hook_resid_pre(x)
        z, mixed, dt = self.project(self.norm(x)).split((self.inner, self.mixed, cfg.ssd_heads), -1)
        mixed = torch.cat((buffer.to(mixed.dtype), mixed.transpose(1, 2)), -1)
        last = valid.sum(-1)[:, None, None] + torch.arange(cfg.conv_width - 1, device=x.device)  # before the padding
        buffer = mixed.gather(-1, last.expand(-1, self.mixed, -1)).float()
        mixed = F.silu(self.conv(mixed)).transpose(1, 2).float()
        value, b, c = mixed.split((self.inner, cfg.ssd_state, cfg.ssd_state), -1)
        value = value.unflatten(-1, (cfg.ssd_heads, -1))
        with torch.autocast(x.device.type, enabled=False):
            dt = F.softplus(dt.float() + self.dt_bias) * valid[..., None]
            log_decay = -dt * self.A_log.exp()
            y, h = chunked_scan(value * dt[..., None], log_decay, b, c, h, cfg.chunk)
            h = self.hook_state(h)
            y = (y + self.D[:, None] * value).flatten(-2)
        mixer_out = self.hook_mixer_out(self.out(self.gate_norm(y * F.silu(z.float()))).float())
        return self.hook_resid_post(x + mixer_out), (buffer, h)
