"""Random numbers of a run: every batch, shard and Q phase has its own, from the seed and its place in the run alone.

So they depend neither on what was drawn before (a resumed run draws the same) nor on which process does the drawing.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch

#: What the numbers are for. numpy pads short seeds with zeros, so what is drawn for stands before the place in the run.
_BATCH, _SHARD, _CONTROL = 1, 2, 3


def batch_rng(seed: int, step: int) -> np.random.Generator:
    """For what the shards of a batch have in common."""
    return np.random.default_rng([seed, _BATCH, step])


def control_seed(seed: int, alternation: int) -> list[int]:
    """Seed of a Q phase."""
    return [seed, _CONTROL, alternation]


@contextmanager
def shard_rng(
    seed: int, step: int, shard: int, device: torch.device
) -> Iterator[tuple[np.random.Generator, torch.Generator]]:
    """For the rows of a shard, and for its loss. Inside of it torch's global numbers are the shard's too; they are put back."""
    rng = np.random.default_rng([seed, _SHARD, step, shard])
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(int(rng.integers(2**63)))
        yield rng, torch.Generator().manual_seed(int(rng.integers(2**63)))
