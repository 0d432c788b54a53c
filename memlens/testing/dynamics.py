"""Planted dynamics: lifetimes at known rates."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from memlens.recording import Recording
from memlens.testing.write import write_recording


def planted_lifetimes(
    path: str | Path | None,
    *,
    rate: Sequence[float] = (0.1, 0.3),
    by: str = "level",
    n_segment: int = 40,
    births: int = 10,
    seed: int = 0,
) -> Recording:
    """Make a recording whose entries die at a known rate a segment, by level, modality or fact (-1 and up).

    ``births`` entries a segment, each in a random group.

    ``truth`` has ``rate``, ``by`` and ``half_life``, the least whole age with (1 - rate) ** age <= 1/2. Rates that are all one plant
    no difference.

    Raises
    ------
    RecordingError
        When ``path`` exists.
    """
    random, n = np.random.default_rng(seed), n_segment * births
    segment = np.repeat(np.arange(n_segment), births)
    group = random.integers(0, len(rate), n)
    died = segment + random.geometric(np.asarray(rate)[group])
    entries = {
        "segment": segment, "entry": np.arange(n), "died": np.where(died < n_segment, died, -1), "modality": random.integers(0, 4, n),
        "fact": random.integers(-1, 1, n),
    }  # fmt: skip
    entries[by] = group - 1 if by == "fact" else group
    half = [int(np.ceil(np.log(0.5) / np.log(1 - each))) for each in rate]
    truth: dict[str, Any] = {"rate": list(rate), "by": by, "half_life": half}
    return write_recording(path, entries=entries, n_segment=n_segment, capacities=(n,) * 4, truth=truth)
