"""Compression m entries of level l -> 1 of level l + 1, and reconstruction 1 -> m."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn
from transformer_lens.hook_points import HookPoint

from memlens.config import ModelConfig
from memlens.model.layers import RMSNorm


class Compressor(nn.Module):
    """An autoencoder over groups of m = ``merge`` entries, one for all levels.

    merge: content (..., m, d) -> (..., d): the mean plus a learned correction. expand: the way back.
    """

    def __init__(self, cfg: ModelConfig):
        super().__init__()
        d, m = cfg.d_model, cfg.merge
        self.m = m
        self.norm = RMSNorm(d)
        self.down = nn.Sequential(nn.Linear(m * d, 4 * d), nn.GELU(), nn.Linear(4 * d, d))
        self.up = nn.Sequential(nn.Linear(d, 4 * d), nn.GELU(), nn.Linear(4 * d, m * d))
        self.hook_merged = nn.ModuleList(HookPoint() for _ in cfg.capacities[1:])

    def merge(self, content: Float[Tensor, "*batch merge feature"]) -> Float[Tensor, "*batch feature"]:
        normed = self.norm(content)
        return (normed.mean(-2) + self.down(normed.flatten(-2))).float()

    def expand(self, content: Float[Tensor, "*batch feature"]) -> Float[Tensor, "*batch merge feature"]:
        normed = self.norm(content)
        return (normed[..., None, :] + self.up(normed).unflatten(-1, (self.m, -1))).float()

    def expand_to_level(
        self, content: Float[Tensor, "*batch feature"], level: Tensor, depth: int
    ) -> tuple[Float[Tensor, "*batch part feature"], Tensor]:
        """Reconstruct entries of mixed levels: m ** depth parts each, and which of them are there (m ** level).

        Only entries of that level or above are expanded at each round.
        """
        parts = content[..., None, :]
        valid = torch.ones(*content.shape[:-1], 1, dtype=torch.bool, device=content.device)
        for done in range(depth):
            deeper = level > done
            expanded = self.expand(parts[deeper]).flatten(1, 2) if bool(deeper.any()) else None
            n = parts.shape[-2]
            parts = F.pad(parts, (0, 0, 0, n * (self.m - 1)))
            valid = F.pad(valid, (0, n * (self.m - 1)))
            if expanded is not None:
                parts = parts.index_put((deeper,), expanded.to(parts.dtype))
                valid = valid | deeper[..., None]
        return parts, valid


def fidelity_loss(rebuilt: Float[Tensor, "*batch feature"], original: Float[Tensor, "*batch feature"]) -> Tensor:
    """Mean of (1 - cosine) and smooth L1 to the RMS-normed original, which gets no gradient. Scalar."""
    target = F.rms_norm(original, (original.shape[-1],)).detach()
    cosine = F.cosine_similarity(rebuilt, target, dim=-1)
    return (1 - cosine).mean() + F.smooth_l1_loss(rebuilt, target)
