"""Rate-distortion of the compressor on slots of real test streams."""

from typing import Any

import torch
import torch.nn.functional as F

from memlens.model.model import MemoryModel
from memlens.model.segment import Segment
from memlens.streams import builtin_stream


@torch.no_grad()
def rate_distortion(model: MemoryModel, n_token: int = 20_000, seed: int = 0) -> list[dict[str, Any]]:
    """Merge random groups of valid slots level by level and reconstruct them.

    Parameters
    ----------
    model : MemoryModel
    n_token : int
        Positions of the stream "builtin" (test split) that the slots come from.
    seed : int
        Seed of the stream and of the groups.

    Returns
    -------
    list of dict
        For each level: ``originals`` merged into one vector, mean ``cosine`` of the reconstruction to the RMS-normed original, and the
        share of variance ``explained`` (1 - squared error / variance of the normed originals).
    """
    stream = builtin_stream("builtin", n_token=n_token, seed=seed).encode(model.tokenizer)
    state = model.initial_state(1)
    slots = []
    for t in range(stream.n_segment(model.cfg.segment_length)):
        segment = Segment.stack([stream.segment(t, model.cfg.segment_length)], model.device)
        _, context, _ = model.perceive(segment, state)
        slots.append(context.slot[context.valid])
        _, state = model.step(segment, state, predict=False)
    content = torch.cat(slots)
    content = content[torch.randperm(len(content), generator=torch.Generator().manual_seed(seed)).to(content.device)]
    target = F.rms_norm(content, (content.shape[-1],))
    rows = []
    for level in range(len(model.cfg.capacities)):
        group = model.cfg.merge**level
        n = len(content) // group * group
        packed = content[:n]
        for _ in range(level):
            packed = model.compressor.merge(packed.unflatten(0, (-1, model.cfg.merge)))
        for _ in range(level):
            packed = model.compressor.expand(packed).flatten(0, 1)
        rebuilt = F.rms_norm(packed, (packed.shape[-1],)) if level == 0 else packed
        error = (rebuilt - target[:n]).square().mean()
        rows.append({
            "level": level,
            "originals": group,
            "cosine": round(float(F.cosine_similarity(rebuilt, target[:n], dim=-1).mean()), 4),
            "explained": round(float(1 - error / target[:n].var(0, unbiased=False).mean()), 4),
        })  # fmt: skip
    return rows
