"""Random numbers of a run: every batch, shard and Q phase has its own, which depend only on the seed and its place in the run.

They depend neither on what was drawn before (a resumed run draws the same) nor on which process draws them.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch

#: What the numbers are for. It comes before the place in the run: numpy pads short seeds with zeros.
_BATCH, _SHARD, _CONTROL = 1, 2, 3


def batch_rng(seed: int, step: int) -> np.random.Generator:
    """Random numbers that the shards of a batch have in common.

    Parameters
    ----------
    seed : int
        Seed of the run.
    step : int
        Number of the update.

    Returns
    -------
    numpy.random.Generator
    """
    return np.random.default_rng([seed, _BATCH, step])


def control_seed(seed: int, alternation: int) -> list[int]:
    """Seed of a Q phase.

    Parameters
    ----------
    seed : int
        Seed of the run.
    alternation : int
        Number of the Q phase.

    Returns
    -------
    list of int
    """
    return [seed, _CONTROL, alternation]


def row_rng(seed: int, step: int, shard: int) -> np.random.Generator:
    """Random numbers of the rows of a shard.

    Parameters
    ----------
    seed : int
        Seed of the run.
    step : int
        Number of the update.
    shard : int

    Returns
    -------
    numpy.random.Generator
    """
    return _shard(seed, step, shard)[0]


@contextmanager
def shard_rng(seed: int, step: int, shard: int, device: torch.device) -> Iterator[torch.Generator]:
    """Random numbers of the loss of a shard. Within this context torch's global ones are the shard's too; they are put back.

    Parameters
    ----------
    seed : int
        Seed of the run.
    step : int
        Number of the update.
    shard : int
    device : torch.device

    Yields
    ------
    torch.Generator
    """
    _, everywhere, own = _shard(seed, step, shard)
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(everywhere)
        yield torch.Generator().manual_seed(own)


def _shard(seed: int, step: int, shard: int) -> tuple[np.random.Generator, int, int]:
    """The generator of a shard's rows, and the seeds of torch's global numbers and of its loss: drawn first, in this order."""
    rng = np.random.default_rng([seed, _SHARD, step, shard])
    return rng, int(rng.integers(2**63)), int(rng.integers(2**63))
