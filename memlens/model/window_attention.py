"""Causal attention over a sliding window, with rotary positions and a carried cache: the mixer of the attention baseline.

A position sees itself and the ``window - 1`` positions before it, wherever the stream was cut into segments.

======== ==========================================================================
axis      meaning
======== ==========================================================================
cached    the last ``window - 1`` valid positions, oldest first; places that the stream has not filled come first and hold 0
token     a position that is fed: of a segment, or of the questions of a sequence side by side
key       what can be attended to: the filled end of ``cached``, then ``token``
======== ==========================================================================

Rotary positions (Su et al. 2021, "RoFormer", eq. 34) enter a logit only as a difference. So keys are cached as they are before the
turn and positions count from the segment's start: precision does not depend on how long the stream has been.
"""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from memlens.config import BaselineConfig
from memlens.model.hooks import HookPoint
from memlens.model.layers import RMSNorm

ROTARY_BASE = 10_000.0
#: Tokens that attend at once: keys out of the window of all of them are left out instead of masked.
QUERY_BLOCK = 256
#: How far back some heads look at first, through how many feature pairs, by which bias and temperature: in heads of 32, nine
#: tenths of the weight fall on that position, of 512 that could be seen.
LOOK_BACK, LOOK_PAIRS, LOOK_BIAS, LOOK_TEMPERATURE = (1, 2, 3), 5, 8.0, 4.0


@dataclass(frozen=True)
class Sight:
    """Which keys each token sees; the same in every layer.

    Attributes
    ----------
    seen : bool [sequence, 1, token, key]
        Whether it sees the key.
    place : int [key]
        Positions, counted from the start of the segment.
    n_cached : int
        How many keys are of the cache.
    blocks : tuple of (slice, slice)
        Of token and of key: what is attended at once.
    kept : int [sequence, cached]
        The keys of the next cache; negative where there is none yet.
    """

    seen: Tensor
    place: Tensor
    n_cached: int
    blocks: tuple[tuple[slice, slice], ...]
    kept: Tensor


def _sight(
    window: int,
    position: Int[Tensor, "sequence"],
    place: Int[Tensor, "token"],
    group: Int[Tensor, "token"],
    n_valid: Int[Tensor, "sequence"],
    block: int,
) -> Sight:
    """Tokens of one ``group`` see one another and the cache, as far as the window reaches."""
    n_token, device = len(place), place.device
    n_cached = min(window - 1, int(position.max()))
    before = torch.arange(-n_cached, 0, device=device)
    key = torch.cat((before, place))
    behind = place[:, None] - key
    near = (behind >= 0) & (behind < window)
    near[:, n_cached:] &= group[:, None] == group
    filled = F.pad(before >= -position[:, None], (0, n_token), value=True)
    starts = range(0, n_token, block)
    return Sight(
        seen=(near & filled[:, None])[:, None],
        place=key,
        n_cached=n_cached,
        blocks=tuple(
            (slice(a, a + block), slice(max(0, a + n_cached - window + 1), n_cached + a + block)) for a in starts
        ),
        kept=n_valid[:, None] + n_cached + torch.arange(1 - window, 0, device=device),
    )


def segment_sight(window: int, position: Int[Tensor, "sequence"], valid: Bool[Tensor, "sequence token"]) -> Sight:
    """What the positions of a segment see. Padding comes last and is never cached.

    Parameters
    ----------
    window : int
        How many positions a token sees, itself among them.
    position : int [sequence]
        Stream position of the segment's first token.
    valid : bool [sequence, token]
        False for padding.

    Returns
    -------
    Sight
        For all layers.
    """
    place = torch.arange(valid.shape[1], device=valid.device)
    return _sight(window, position, place, torch.zeros_like(place), valid.sum(-1), QUERY_BLOCK)


def question_sight(window: int, position: Int[Tensor, "sequence"], n_question: int, length: int) -> Sight:
    """What the tokens of questions see, one question after the other on the token axis; each goes on from the stream by itself.

    Parameters
    ----------
    window : int
        How many positions a token sees, itself among them.
    position : int [sequence]
        Stream position that the questions go on from.
    n_question : int
        Questions of a sequence.
    length : int
        Tokens of each.

    Returns
    -------
    Sight
        For all layers.
    """
    number = torch.arange(n_question * length, device=position.device)
    # places do not rise along the axis: all tokens attend at once
    return _sight(window, position, number % length, number // length, torch.zeros_like(position), n_question * length)


def rotate(
    x: Float[Tensor, "sequence head token head_feature"], place: Int[Tensor, "token"]
) -> Float[Tensor, "sequence head token head_feature"]:
    """Turn feature pair i by place * ROTARY_BASE^(-2i / head_feature) radians (Su et al. 2021, eq. 34).

    Parameters
    ----------
    x : float [sequence, head, token, head_feature]
        Queries or keys; feature i and i + head_feature / 2 are a pair.
    place : int [token]
        Positions.

    Returns
    -------
    float [sequence, head, token, head_feature]
        Turned.
    """
    half = x.shape[-1] // 2
    # in double: at 512 radians float32 is 3e-5 off
    frequency = ROTARY_BASE ** (-torch.arange(half, device=x.device, dtype=torch.float64) / half)
    angle = place[:, None] * frequency
    cos, sin = angle.cos().to(x.dtype), angle.sin().to(x.dtype)
    a, b = x.chunk(2, -1)
    return torch.cat((a * cos - b * sin, a * sin + b * cos), -1)


class WindowAttention(nn.Module):
    """Pre-norm residual attention; queries and keys are RMS-normed, each head has a learned (inverse) temperature."""

    def __init__(self, cfg: BaselineConfig):
        super().__init__()
        d = cfg.d_model
        self.n_heads, self.n_cached = cfg.n_heads, cfg.window - 1
        self.norm = RMSNorm(d)
        self.project = nn.Linear(d, 3 * d)
        self.out = nn.Linear(d, d, bias=False)
        self.temperature = nn.Parameter(torch.full((cfg.n_heads,), 2.0))
        nn.init.normal_(self.out.weight, std=1 / math.sqrt(d))
        nn.init.zeros_(self.project.bias)
        self._look_back()
        self.hook_resid_pre = HookPoint()
        self.hook_mixer_out = HookPoint()
        self.hook_resid_post = HookPoint()

    @torch.no_grad()
    def _look_back(self) -> None:
        """Let up to half of the heads start out at the 1st, 2nd and 3rd position back, which the short convolution of "ssm" sees too.

        Recall begins with the token before; left to chance, thousands of steps do not find it. A bias that outweighs the content, in
        the pairs that turn fastest, makes a head look at a place; training is free to undo it.
        """
        query, key, _ = self.project.bias.view(3, self.n_heads, 1, 2, -1)
        for head, back in zip(range(self.n_heads // 2), LOOK_BACK, strict=False):
            self.temperature[head] = LOOK_TEMPERATURE
            key[head, ..., :LOOK_PAIRS] = LOOK_BIAS
            turned = rotate(key[head].flatten(-2)[None, None], torch.tensor([-back], device=key.device))
            query[head] = turned.view(1, 2, -1)

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
        key, value : float [sequence, head, cached, head_feature]
            Keys before they are turned, and values.
        """
        shape = n_sequence, self.n_heads, self.n_cached, self.out.in_features // self.n_heads
        return torch.zeros(shape, device=device), torch.zeros(shape, device=device)

    def forward(
        self, x: Float[Tensor, "sequence token feature"], sight: Sight, cached: tuple[Tensor, Tensor]
    ) -> tuple[Float[Tensor, "sequence token feature"], tuple[Tensor, Tensor]]:
        """Read a segment, or questions.

        Parameters
        ----------
        x : float [sequence, token, feature]
            Residual stream.
        sight : Sight
            What each token sees.
        cached : tuple
            Keys and values, as ``initial_state``.

        Returns
        -------
        x : float [sequence, token, feature]
            Residual stream after it.
        cached : tuple
            To be carried on.
        """
        x = self.hook_resid_pre(x)
        mixed = self.project(self.norm(x)).unflatten(-1, (3, self.n_heads, -1))
        query, key, value = mixed.permute(2, 0, 3, 1, 4).unbind(0)
        width = query.shape[-1:]
        query = F.rms_norm(query.float(), width) * self.temperature[:, None, None]
        key = F.rms_norm(key.float(), width)
        filled = slice(self.n_cached - sight.n_cached, None)
        key = torch.cat((cached[0][:, :, filled], key), 2)
        value = torch.cat((cached[1][:, :, filled].to(value.dtype), value), 2)
        query = rotate(query, sight.place[sight.n_cached :]).to(value.dtype)
        turned = rotate(key, sight.place).to(value.dtype)
        read = [
            F.scaled_dot_product_attention(query[:, :, q], turned[:, :, k], value[:, :, k], sight.seen[:, :, q, k])
            for q, k in sight.blocks
        ]
        out = self.hook_mixer_out(self.out(torch.cat(read, 2).transpose(1, 2).flatten(-2)).float())
        return self.hook_resid_post(x + out), (_keep(key, sight.kept), _keep(value, sight.kept).float())


def _keep(x: Float[Tensor, "sequence head key head_feature"], kept: Int[Tensor, "sequence cached"]) -> Tensor:
    """The next cache: ``x`` at ``kept``, 0 where that is negative."""
    index = kept[:, None, :, None]
    taken = x.gather(2, index.clamp_min(0).expand(-1, x.shape[1], -1, x.shape[3]))
    return taken.masked_fill(index < 0, 0.0)
