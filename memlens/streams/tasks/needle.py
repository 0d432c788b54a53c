"""Needle over a stream: facts about keys, planted at uniform depth, each asked for at the end."""

from functools import cache

import numpy as np

from memlens.dims import Modality
from memlens.errors import StreamError
from memlens.streams.facts import Fact, keys, make_fact, rephrase, restate, rewrite, sample_keys
from memlens.streams.scene import Query, Scene, Statement
from memlens.streams.tasks.task import Task

#: Tries in a row that find no new key before giving up.
_MOST_BARREN = 10_000


@cache
def _families(split: str) -> tuple[dict[str, tuple[str, ...]], dict[str, tuple[str, ...]]]:
    """All keys of a split by their adjective, and by their noun."""
    sides: tuple[dict[str, list[str]], dict[str, list[str]]] = ({}, {})
    for key in keys(split):
        for words, word in zip(sides, key.split(), strict=True):
            words.setdefault(word, []).append(key)
    by_adjective, by_noun = ({word: tuple(found) for word, found in words.items()} for words in sides)
    return by_adjective, by_noun


def near_keys(rng: np.random.Generator, n: int, split: str) -> list[str]:
    """Draw ``n`` different keys in families that share their adjective or their noun: every key has a near-duplicate (n > 1)."""
    pool = keys(split)
    chosen: list[str] = []
    barren = 0
    while len(chosen) < n:
        left = n - len(chosen)
        # the last one joins a family that is there: the latest that has a key left
        anchor = chosen[-1 - barren % len(chosen)] if left == 1 and chosen else pool[int(rng.integers(len(pool)))]
        side = int(rng.integers(2))
        family = _families(split)[side][anchor.split()[side]]
        like = [key for key in family if key != anchor and key not in chosen]
        fresh = [] if anchor in chosen else [anchor]
        size = min(left - len(fresh), int(rng.integers(1, 4)))
        if not like or size < 1:
            barren += 1
            if barren > _MOST_BARREN:
                raise StreamError(f"{n} near-duplicate keys asked for, split '{split}' has too few; ask for fewer")
            continue
        barren = 0
        chosen += fresh + [like[int(i)] for i in rng.permutation(len(like))[:size]]
    return chosen


def needle_scene(
    rng: np.random.Generator,
    split: str,
    n_fact: int,
    mix: tuple[float, float, float, float] = (1.0, 0.0, 0.0, 0.0),
    near: float = 0.0,
    restated: float = 0.0,
    rewritten: float = 0.0,
    versions: int = 1,
    held: bool = False,
) -> Scene:
    """Facts about keys ("The access code of the copper lantern is 472."), each asked for.

    Parameters
    ----------
    mix : tuple of float
        Odds of a text, image, audio and DNA fact.
    near : float
        Share of the keys that have a near-duplicate: another key with the same adjective or the same noun.
    restated : float
        Share of the facts that are said twice, in other words.
    rewritten : float
        Share of the facts whose value changes ``versions`` times; the last value is asked for.
    held : bool
        Say and ask with phrasings that training never sees.

    Groups of queries: "rewritten", "near-duplicate" (a key with a near-duplicate), "" for the others.
    """
    if min(mix) < 0 or sum(mix) <= 0 or len(mix) != len(Modality):
        raise StreamError(f"mix is {mix}, expected four odds for text, image, audio and DNA, not all 0")
    odds = np.array(mix, float) / sum(mix)
    n_near = round(near * n_fact)
    close = near_keys(rng, n_near, split) if n_near > 1 else []
    spare = [
        key for key in sample_keys(rng, min(len(keys(split)), n_fact + len(close)), split) if key not in set(close)
    ]
    named = [*close, *spare[: n_fact - len(close)]]
    if len(named) < n_fact:
        raise StreamError(f"{n_fact} facts asked for; split '{split}' has {len(keys(split))} keys; ask for fewer")
    facts = [make_fact(rng, Modality(int(rng.choice(4, p=odds))), split, key) for key in named]
    said: list[tuple[float, int, Fact]] = []
    last: dict[int, Fact] = {}
    support: dict[int, list[float]] = {}
    changed: set[int] = set()
    for i, fact in enumerate(facts):
        changes = versions if rng.random() < rewritten else 0
        twice = not changes and rng.random() < restated
        times = np.sort(rng.uniform(size=1 + changes + twice))
        version = fact
        for k, time in enumerate(times):
            if k:
                version = restate(rng, version) if twice else rewrite(rng, version, split)
            said.append((float(time), i, version))
        last[i] = version
        changed |= {i} if changes else set()
        support[i] = [float(t) for t in (times if twice else times[-1:])]
    if held:
        facts = [rephrase(rng, fact) for fact in facts]
        said = [(time, i, rephrase(rng, version)) for time, i, version in said]
    said.sort(key=lambda entry: entry[0])
    place = {(time, i): number for number, (time, i, _) in enumerate(said)}
    queries = []
    for i, fact in enumerate(facts):
        group = "rewritten" if i in changed else "near-duplicate" if i < len(close) else ""
        queries.append(Query(fact.question, last[i].answer, tuple(place[t, i] for t in support[i]), group))
    return Scene(tuple(Statement(fact.pieces) for _, _, fact in said), tuple(queries))


NEEDLE = Task(
    "needle",
    "text facts in prose, all asked for at the end (Kamradt 2023, needle in a haystack)",
    needle_scene,
    100_000,
    64,
)
SLOT_QA = Task(
    "slot_qa", "24 text facts in one segment of prose: what 512 tokens leave in the slots", needle_scene, 512, 24
)
