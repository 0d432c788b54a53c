"""Planted dynamics: lifetimes at known rates."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from memlens.recording import Recording
from memlens.testing.write import write_recording


def lifetimes(
    random: np.random.Generator, *, rate: Sequence[float], by: str, n_segment: int, births: int
) -> dict[str, np.ndarray]:
    """Columns of ``/entries``: ``births`` a segment, each in a random group, dying with its group's rate at every segment."""
    n = n_segment * births
    segment = np.repeat(np.arange(n_segment), births)
    group = random.integers(0, len(rate), n)
    died = segment + random.geometric(np.asarray(rate)[group])
    columns = {
        "sequence": np.zeros(n, int), "segment": segment, "entry": np.arange(n), "died": np.where(died < n_segment, died, -1),
        "level": np.zeros(n, int), "modality": random.integers(0, 4, n), "fact": random.integers(-1, 1, n),
        "parent": np.full((n, 2), -1),
    }  # fmt: skip
    return columns | {by: group - 1 if by == "fact" else group}


def planted_lifetimes(
    path: str | Path,
    *,
    rate: Sequence[float] = (0.1, 0.3),
    by: str = "level",
    n_segment: int = 40,
    births: int = 10,
    seed: int = 0,
) -> Recording:
    """Write a recording whose entries die at a known rate a segment, by level, modality or fact (-1 and up).

    ``truth`` has ``rate``, ``by`` and ``half_life``, the least whole age with (1 - rate) ** age <= 1/2. Rates that are all one plant
    no difference.

    Raises
    ------
    RecordingError
        When ``path`` exists.
    """
    random = np.random.default_rng(seed)
    columns = lifetimes(random, rate=rate, by=by, n_segment=n_segment, births=births)
    half = [int(np.ceil(np.log(0.5) / np.log(1 - each))) for each in rate]
    truth: dict[str, Any] = {"rate": list(rate), "by": by, "half_life": half}
    room = (n_segment * births,) * 4
    return write_recording(path, entries=columns, n_segment=n_segment, capacities=room, truth=truth)
