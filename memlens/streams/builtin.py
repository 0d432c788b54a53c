"""The built-in stream: real prose in which facts of four modalities are planted, restated and asked for."""

import heapq
from dataclasses import dataclass
from math import ceil

import numpy as np

from memlens.dims import Modality
from memlens.errors import StreamError
from memlens.streams.facts import Fact, encode_fact, make_fact, restate, sample_keys
from memlens.streams.prose import check_split, sentences
from memlens.streams.stream import Stream
from memlens.streams.tokenizer import default_tokenizer

#: Facts may take at most this share of the stream; when more are asked for, fewer are planted.
MOST_FACTS = 0.4
#: A rough length of one statement, in positions, for that bound.
_COST = {Modality.TEXT: 14, Modality.IMAGE: 11, Modality.AUDIO: 16, Modality.DNA: 26}
#: Which share of the facts that could have a long distance gets it, so that depth and distance are not one thing.
_LONG_SHARE = 0.6
SMALLEST = 1_000


@dataclass(frozen=True, eq=False)
class _Plan:
    """When one fact is stated (positions), in which words, and how long after its last statement it is asked for."""

    fact: Fact
    statements: tuple[tuple[float, Fact], ...]
    distance: float


def distance_targets(n_token: int) -> list[int]:
    """Distances between statement and question, in positions: 512, 2048, 8192, ... and finally 0.9 of the stream."""
    targets = [512]
    while targets[-1] * 4 < 0.6 * n_token:
        targets.append(targets[-1] * 4)
    return [*targets, round(0.9 * n_token)]


def _assign(rng: np.random.Generator, depths: np.ndarray, n_token: int) -> np.ndarray:
    """Draw a distance for each depth; the longest first, for facts that lie early enough."""
    targets = distance_targets(n_token)
    share = -(-len(depths) // len(targets))
    distances = np.zeros(len(depths))
    free = np.ones(len(depths), dtype=bool)
    for target in reversed(targets):
        drawn = target * 2.0 ** rng.uniform(-0.25, 0.25, size=len(depths))
        fits = np.flatnonzero(free & (depths + target <= n_token))
        last = target == targets[0]
        n = len(fits) if last else min(share, ceil(len(fits) * _LONG_SHARE))
        chosen = rng.permutation(fits)[:n]
        distances[chosen] = drawn[chosen]
        free[chosen] = False
    left = np.flatnonzero(free)  # too near the end for the shortest target
    distances[left] = (n_token - depths[left]) * rng.uniform(0.25, 1, size=len(left))
    return np.minimum(distances, n_token - depths)


def _scaled(counts: dict[Modality, int], n_token: int, repeats: float) -> dict[Modality, int]:
    cost = sum(_COST[modality] * n for modality, n in counts.items()) * (1 + repeats)
    scale = min(1.0, MOST_FACTS * n_token / max(cost, 1))
    return {modality: max(1, int(n * scale)) if n else 0 for modality, n in counts.items()}


def _plan(
    rng: np.random.Generator, counts: dict[Modality, int], n_token: int, repeats: float, split: str
) -> list[_Plan]:
    keys = iter(sample_keys(rng, sum(counts.values()), split))
    plans = []
    for modality, n in counts.items():
        if not n:
            continue
        # one depth in each n-th of the stream: uniform, and spread alike for every modality
        depths = (rng.permutation(n) + rng.uniform(size=n)) / n * n_token * 0.995
        distances = _assign(rng, depths, n_token)
        again = set(rng.permutation(n)[: round(repeats * n)].tolist())
        for i in range(n):
            fact = make_fact(rng, modality, split, next(keys))
            stated: list[tuple[float, Fact]] = [(float(depths[i]), fact)]
            if i in again:
                stated = [(float(depths[i] * rng.uniform()), fact), (float(depths[i]), restate(rng, fact))]
            plans.append(_Plan(fact, tuple(stated), float(distances[i])))
    return plans


def _write(stream: Stream, plans: list[_Plan], lines: tuple[str, ...], start: int, n_token: int) -> None:
    """Write prose, statements and questions until the stream has ``n_token`` positions and every fact has been asked for."""
    tokenizer = default_tokenizer()
    lengths: dict[int, int] = {}
    stated = [(at, i, nth) for i, plan in enumerate(plans) for nth, (at, _) in enumerate(plan.statements)]
    pending: list[tuple[float, int, int]] = sorted(stated, reverse=True)
    due: list[tuple[float, int]] = []
    seen = [0] * len(plans)
    position, line = 0, start
    while position < n_token or pending or due:
        if pending and pending[-1][0] <= position:
            _, i, _ = pending.pop()
            fact = plans[i].statements[seen[i]][1]
            stream.say(fact.pieces, i)
            position += len(encode_fact(tokenizer, fact))
            seen[i] += 1
            if seen[i] == len(plans[i].statements):
                heapq.heappush(due, (position + plans[i].distance, i))
        elif due and (due[0][0] <= position or (position >= n_token and not pending)):
            _, i = heapq.heappop(due)
            stream.question(plans[i].fact.question, plans[i].fact.answer, fact=i)
        else:
            if line not in lengths:
                lengths[line] = len(tokenizer.encode(" " + lines[line], add_special_tokens=False).ids)
            stream.text(" " + lines[line])
            position += lengths[line]
            line = (line + 1) % len(lines)


def make_builtin(
    n_token: int = 100_000,
    seed: int = 0,
    n_text: int = 64,
    n_image: int = 32,
    n_audio: int = 32,
    n_dna: int = 32,
    split: str = "test",
    repeats: float = 0.25,
    prose: str = "test",
) -> Stream:
    """Make the stream called "builtin".

    Real prose starts at a seeded sentence and starts over when the stream is longer. The last statement of each fact lies at a
    uniformly random depth, between two sentences. A share ``repeats`` of the facts is stated once before that, anywhere earlier, in
    another phrasing. Each fact is asked for once, at a distance near one of ``distance_targets`` after its last statement; questions
    that are still open are asked at the end. The same arguments give the same stream, bit for bit.

    Parameters
    ----------
    n_token : int
        Positions with the default tokenizer; the stream ends with the sentence that reaches it.
    seed : int
        Seed of every random choice.
    n_text, n_image, n_audio, n_dna : int
        Facts of each modality. Where they would fill more than 0.4 of the stream, all are scaled down alike; the counts that were
        planted are in the stream's ``config["planted"]``.
    split : {"train", "validation", "test"}
        Split that keys, images and voices are drawn from.
    repeats : float
        Share of the facts that is stated twice, 0 to 1.
    prose : {"train", "validation", "test"}
        Split that the prose is taken from.

    Returns
    -------
    Stream
        Facts have the ids 0, 1, ... in the order of the modalities.

    Raises
    ------
    StreamError
        For an unknown split, a negative count, fewer than 1,000 positions, or more facts than the split has keys.
    """
    asked = {"n_token": n_token, "seed": seed, "n_text": n_text, "n_image": n_image, "n_audio": n_audio, "n_dna": n_dna}
    for label, value in asked.items():
        least = SMALLEST if label == "n_token" else 0
        if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
            raise StreamError(f"{label} is {value!r}, expected a whole number from {least}")
    if not isinstance(repeats, int | float) or not 0 <= repeats <= 1:
        raise StreamError(f"repeats is {repeats!r}, expected a share from 0 to 1")
    check_split(split)
    check_split(prose)
    wanted = dict(zip(Modality, (int(n_text), int(n_image), int(n_audio), int(n_dna)), strict=True))
    counts = _scaled(wanted, n_token, repeats)
    rng = np.random.default_rng(int(seed))
    lines = sentences(prose)
    start = int(rng.integers(len(lines)))
    plans = _plan(rng, counts, n_token, repeats, split)
    config = {label: int(value) for label, value in asked.items()} | {
        "split": split,
        "repeats": float(repeats),
        "prose": prose,
        "planted": {modality.name.lower(): n for modality, n in counts.items()},
    }
    stream = Stream("builtin", int(seed), config)
    _write(stream, plans, lines, start, int(n_token))
    return stream
