"""Planted control: Q-values that depend on known features, or on what entries turn out to be worth."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from memlens.recording import Recording
from memlens.recording.format.schema import CANDIDATE, RESIDENT
from memlens.testing.read_memory import ReadMemory
from memlens.testing.write import write_recording

FEATURES = ("importance", "novelty", "log_age", "hits", "occupancy_0")


def planted_q(
    path: str | Path | None,
    *,
    uses: Mapping[str, float] | None = None,
    noise: float = 0.3,
    n_segment: int = 40,
    new_entries: int = 6,
    seed: int = 0,
) -> Recording:
    """Make a recording whose Q-values follow from known features.

    Entries live geometric times and are decided on in every segment. importance and novelty belong to an entry, log_age grows with it,
    hits are noise, occupancy_0 belongs to the segment. Q(STORE) - Q(DISCARD) is a weighted sum of features, plus noise of the entry.

    Parameters
    ----------
    path : str, Path or None
        Folder to make; None keeps the recording in memory.
    uses : mapping of str to float, optional
        Weight by feature, standardised; {} plants nothing. Default: {"importance": 1, "novelty": -0.5}.
    noise : float
        Standard deviation of the part that belongs to the entry, as its content does.
    n_segment, new_entries : int
        Segments, and new entries in each.
    seed : int
        Of all that is drawn.

    Returns
    -------
    Recording
        ``truth`` has ``uses`` and ``explained``, the part of the variance that is not the entry's own.

    Raises
    ------
    RecordingError
        When ``path`` exists.
    """
    weights = {"importance": 1.0, "novelty": -0.5} if uses is None else dict(uses)
    random = np.random.default_rng(seed)
    born = np.repeat(np.arange(n_segment), new_entries)
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
        entries={
            "segment": born, "entry": np.arange(born.size), "died": np.where(died < n_segment, died, -1),
            "modality": random.integers(0, 4, born.size),
        },
        control=FEATURES, capacities=(born.size,), n_segment=n_segment, truth=truth,
    )  # fmt: skip


def planted_calibration(
    path: str | Path | None,
    *,
    knows: float = 0.8,
    n_segment: int = 40,
    new_entries: int = 3,
    merges: bool = False,
    seed: int = 0,
) -> Recording:
    """Make a recording whose entries are read at known rates, and whose Q knows them in part.

    Every entry has a worth, exponential; each of a segment's 1 to 8 questions reads two held entries, drawn by worth, with weights 0.75 and
    0.25. Q(STORE) is ``knows`` times the standardised worth, plus (1 - knows) times noise of the entry, plus half of the number of
    questions that the next segment asks: what all entries share is no knowledge of any of them.

    Parameters
    ----------
    path : str, Path or None
        Folder to make; None keeps the recording in memory.
    knows : float
        0 plants nothing.
    n_segment, new_entries : int
        Segments, and new entries in each.
    merges : bool
        Whether two entries at a time become one, whose worth is the sum.
    seed : int
        Of all that is drawn.

    Returns
    -------
    Recording
        ``truth`` has ``knows`` and ``returns``: reads to come within 5 segments at a discount of 0.9, by decision.

    Raises
    ------
    RecordingError
        When ``path`` exists.
    """
    memory = ReadMemory(np.random.default_rng(seed), n_segment, knows)
    for t in range(n_segment):
        memory.ask(t)
        memory.decide(t, new_entries, merges)
    returns = [memory.to_come(row["entry"], row["segment"], 5) for row in memory.decisions]
    return write_recording(
        path,
        entries=_columns(memory.entries), decisions=_columns(memory.decisions), questions=_columns(memory.questions),
        n_segment=n_segment, capacities=(new_entries * n_segment,) * 2, truth={"knows": knows, "returns": returns},
    )  # fmt: skip


def _columns(rows: list[dict[str, Any]]) -> dict[str, np.ndarray]:
    return {name: np.array([row[name] for row in rows]) for name in rows[0]}


def planted_margins(
    path: str | Path | None, *, scale: float = 0.05, tied: bool = True, n_segment: int = 40, seed: int = 0
) -> Recording:
    """Make a recording in which the best action beats the next by an exponential margin, ``scale`` nats on average.

    Parameters
    ----------
    path : str, Path or None
        Folder to make; None keeps the recording in memory.
    scale : float
        Nats.
    tied : bool
        Whether the two best values move together from decision to decision, by far more than their margin. Else every action's value is
        drawn independently, and nothing is planted.
    n_segment : int
        Segments, of 10 decisions each.
    seed : int
        Of all that is drawn.

    Returns
    -------
    Recording
        ``truth`` has ``scale``.

    Raises
    ------
    RecordingError
        When ``path`` exists.
    """
    random = np.random.default_rng(seed)
    n = n_segment * 10
    q = random.normal(size=(n, 4))
    if tied:
        q[:, 1], q[:, 2], q[:, 3] = q[:, 0] - random.exponential(scale, n), -9.0, -8.0
    decisions = {"segment": np.repeat(np.arange(n_segment), 10), "entry": np.arange(n), "q": q}
    return write_recording(path, decisions=decisions, truth={"scale": scale})


def planted_policies(*, better: float = 0.2, n_segment: int = 60, seed: int = 0) -> tuple[Recording, list[Recording]]:
    """Make recordings of one stream under three policies: "learned", right at a rate of 0.6, an "oracle" and "random".

    Questions of a segment are hard together.

    Parameters
    ----------
    better : float
        The oracle answers this part of the wrong answers right, and "random" answers the same number wrong. With 0, each swaps right and
        wrong answers at random, and nothing is planted.
    n_segment : int
        Segments, of 4 questions each.
    seed : int
        Of all that is drawn.

    Returns
    -------
    learned : Recording
        ``truth`` has ``regret`` by policy.
    others : list of Recording
        The oracle and "random".
    """
    random = np.random.default_rng(seed)
    segment = np.repeat(np.arange(n_segment), 4)
    hard = random.normal(size=n_segment)[segment]
    own = hard + random.normal(size=segment.size) < 0.25 * np.sqrt(2)
    turned = random.random((2, segment.size)) < (better or 0.2)
    if better:
        answers = {"learned": own, "oracle": own | turned[0], "random": own & ~turned[1]}
    else:  # as often from right to wrong as the other way
        even = random.random((2, segment.size)) < np.where(own, 1 - own.mean(), own.mean())
        other, random_ = np.where(turned & even, ~own, own)
        answers = {"learned": own, "oracle": other, "random": random_}
    truth = {name: float(right.mean() - own.mean()) for name, right in answers.items()}
    made = [
        write_recording(
            None, questions={"segment": segment, "fact": np.arange(segment.size), "correct": right}, attrs={"policy": name},
            truth={"regret": truth},
        )
        for name, right in answers.items()
    ]  # fmt: skip
    return made[0], made[1:]


def planted_sweep(*, knows: float = 1.0, n_segment: int = 30, seed: int = 0) -> tuple[Recording, xr.Dataset]:
    """Make a recording and a sweep of it, in the format of `memlens.sweep`, whose effects Q knows in part.

    In each segment 4 entries were stored, and the sweep drops each of them. That costs its worth, exponential, at one later question.
    Q(STORE) is ``knows`` times the discounted worth and (1 - knows) times the worth of another entry; Q(DISCARD) is 0.

    Parameters
    ----------
    knows : float
        0 plants nothing.
    n_segment : int
        Segments in which entries are stored.
    seed : int
        Of all that is drawn.

    Returns
    -------
    recording : Recording
        ``truth`` has ``knows``.
    sweep : xarray.Dataset
        With the variables that `memlens.analysis.q_fidelity` reads.
    """
    random = np.random.default_rng(seed)
    length, gamma = 64, 0.995
    n = n_segment * 4
    segment = np.repeat(np.arange(n_segment), 4)
    worth = random.exponential(size=n)
    asked = np.minimum(segment + random.integers(1, 6, n), n_segment)  # question i is the one that needs entry i
    lost = worth * gamma ** (asked - segment)
    q = np.stack(
        [knows * lost + (1 - knows) * random.permutation(lost), np.full(n, -9.0), np.full(n, -9.0), np.zeros(n)], 1
    )
    recording = write_recording(
        None,
        decisions={"segment": segment, "entry": np.arange(n), "q": q},
        truth={"knows": knows},
        n_segment=n_segment + 6,
    )
    change = np.where(asked[None] >= segment[:, None], 0.0, np.nan)
    change[np.arange(n), np.arange(n)] = worth
    position = (asked + 1) * length
    sweep = xr.Dataset(
        {
            "loss_change": (("target", "question"), change), "factual": ("target", ["STORE"] * n), "executed": ("target", ["DISCARD"] * n),
        },
        {
            "position": ("question", position), "segment": ("target", segment), "slot": ("target", np.full(n, -1)),
            "entry": ("target", np.arange(n)), "action": ("target", ["DISCARD"] * n),
        },
    )  # fmt: skip
    return recording, sweep
