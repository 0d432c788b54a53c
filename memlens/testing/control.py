"""Planted control: Q-values that depend on known features."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from memlens.recording import Recording
from memlens.recording.schema import CANDIDATE, RESIDENT
from memlens.testing.write import write_recording

FEATURES = ("importance", "novelty", "log_age", "hits", "occupancy_0")


def planted_q(
    path: str | Path | None,
    *,
    uses: Mapping[str, float] | None = None,
    noise: float = 0.3,
    n_segment: int = 40,
    births: int = 6,
    seed: int = 0,
) -> Recording:
    """Make a recording whose Q-values follow from known features.

    Entries live geometric times and are decided on in every segment. importance and novelty belong to an entry, log_age grows with it,
    hits are noise, occupancy_0 is of the segment. Q(STORE) - Q(DISCARD) is the sum of ``uses`` (weight by feature, standardised), plus
    ``noise`` times a number that belongs to the entry, as its content does. ``uses`` of {} plants nothing, None takes
    {"importance": 1, "novelty": -0.5}.

    ``truth`` has ``uses`` and ``explained``, the part of the variance that is not the entry's own.

    Raises
    ------
    RecordingError
        When ``path`` exists.
    """
    weights = {"importance": 1.0, "novelty": -0.5} if uses is None else dict(uses)
    random = np.random.default_rng(seed)
    born = np.repeat(np.arange(n_segment), births)
    died = np.minimum(born + random.geometric(0.25, born.size), n_segment)
    entry = np.repeat(np.arange(born.size), died - born)
    segment = np.concatenate([np.arange(a, b) for a, b in zip(born, died, strict=True)])
    order = np.lexsort((entry, segment))
    entry, segment = entry[order], segment[order]
    age = segment - born[entry]
    control = np.stack(
        [
            random.normal(size=born.size)[entry], random.normal(size=born.size)[entry], np.log1p(age),
            random.normal(size=entry.size), random.random(n_segment)[segment],
        ],
        axis=1,
    )  # fmt: skip
    scaled = (control - control.mean(0)) / control.std(0)
    signal = scaled @ np.array([weights.get(name, 0.0) for name in FEATURES])
    own = noise * random.normal(size=born.size)[entry]
    advantage = signal + own
    q = np.stack([advantage, np.full(entry.size, -5.0), np.full(entry.size, -6.0), np.zeros(entry.size)], 1)
    truth = {"uses": weights, "explained": float(1 - own.var() / advantage.var())}
    return write_recording(
        path,
        decisions={
            "segment": segment, "entry": entry, "kind": np.where(age == 0, CANDIDATE, RESIDENT), "q": q, "control": control,
        },
        entries={"segment": born, "entry": np.arange(born.size), "died": np.where(died < n_segment, died, -1)},
        control=FEATURES, capacities=(born.size,), n_segment=n_segment, truth=truth,
    )  # fmt: skip
