"""Compression m entries of level l -> 1 of level l + 1, and reconstruction 1 -> m."""

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from memlens.config import ModelConfig
from memlens.model.hooks import HookPoint
from memlens.model.layers import RMSNorm


class Compressor(nn.Module):
    """An autoencoder over groups of m = ``merge`` entries, one for all levels."""

    def __init__(self, cfg: ModelConfig):
        super().__init__()
        d, m = cfg.d_model, cfg.merge
        self.m = m
        self.norm = RMSNorm(d)
        self.down = nn.Sequential(nn.Linear(m * d, 4 * d), nn.GELU(), nn.Linear(4 * d, d))
        self.up = nn.Sequential(nn.Linear(d, 4 * d), nn.GELU(), nn.Linear(4 * d, m * d))
        self.hook_merged = nn.ModuleList(HookPoint() for _ in cfg.capacities[1:])

    def merge(self, content: Float[Tensor, "*batch merge feature"]) -> Float[Tensor, "*batch feature"]:
        """Entries to one: the mean of the RMS-normed contents plus a learned correction."""
        normed = self.norm(content)
        return (normed.mean(-2) + self.down(normed.flatten(-2))).float()

    def expand(self, content: Float[Tensor, "*batch feature"]) -> Float[Tensor, "*batch merge feature"]:
        """One entry to its parts: the way back."""
        normed = self.norm(content)
        return (normed[..., None, :] + self.up(normed).unflatten(-1, (self.m, -1))).float()

    def expand_to_level(
        self, content: Float[Tensor, "*batch feature"], level: Tensor, depth: int
    ) -> tuple[Float[Tensor, "*batch part feature"], Tensor]:
        """Reconstruct entries of mixed levels. Only entries that have another level below them are expanded in each round.

        Parameters
        ----------
        content : float [..., feature]
            Of entries.
        level : int [...]
            Of each; one of level l has m**l parts.
        depth : int
            Highest level.

        Returns
        -------
        parts : float [..., part, feature]
            m**depth places for each entry.
        valid : bool [..., part]
            Which of them are there.
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

    def mean_of_parts(
        self, content: Float[Tensor, "sequence entry feature"], level: Int[Tensor, "sequence entry"]
    ) -> Float[Tensor, "sequence entry feature"]:
        """Entries of mixed levels, reconstructed, as the mean of their parts.

        Parameters
        ----------
        content : float [sequence, entry, feature]
            Of entries.
        level : int [sequence, entry]
            Of each.

        Returns
        -------
        float [sequence, entry, feature]
            Content itself at level 0.
        """
        parts, there = self.expand_to_level(content, level, int(level.max()))
        return (parts * there[..., None]).sum(2) / there.sum(2, keepdim=True)


def fidelity_loss(rebuilt: Float[Tensor, "*batch feature"], original: Float[Tensor, "*batch feature"]) -> Tensor:
    """Mean of (1 - cosine) and smooth L1 to the RMS-normed original.

    Parameters
    ----------
    rebuilt : float [..., feature]
        Parts of a merge.
    original : float [..., feature]
        What they were; gets no gradient.

    Returns
    -------
    float []
        No unit.
    """
    target = F.rms_norm(original, (original.shape[-1],)).detach()
    cosine = F.cosine_similarity(rebuilt, target, dim=-1)
    return (1 - cosine).mean() + F.smooth_l1_loss(rebuilt, target)
