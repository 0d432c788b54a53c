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


def row_rng(seed: int, step: int, shard: int) -> np.random.Generator:
    """For the rows of a shard."""
    return _shard(seed, step, shard)[0]


@contextmanager
def shard_rng(seed: int, step: int, shard: int, device: torch.device) -> Iterator[torch.Generator]:
    """For the loss of a shard. Inside of it torch's global numbers are the shard's too; they are put back."""
    _, everywhere, own = _shard(seed, step, shard)
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(everywhere)
        yield torch.Generator().manual_seed(own)


def _shard(seed: int, step: int, shard: int) -> tuple[np.random.Generator, int, int]:
    """The generator of a shard's rows, and the seeds of torch's global numbers and of its loss: drawn first, in this order."""
    rng = np.random.default_rng([seed, _SHARD, step, shard])
    return rng, int(rng.integers(2**63)), int(rng.integers(2**63))
