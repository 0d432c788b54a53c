"""Needle over a stream: facts about keys, planted at uniform depth, each asked for at the end."""

from dataclasses import dataclass, field
from functools import cache

import numpy as np

from memlens.dims import Modality
from memlens.errors import StreamError
from memlens.streams.facts import Fact, keys, make_fact, rephrase, restate, rewrite, sample_keys
from memlens.streams.scene import Query, Scene, Statement
from memlens.streams.tasks.checks import check_number, check_whole
from memlens.streams.tasks.task import Task

#: Tries in a row that find no new key before giving up.
_MAX_TRIES = 10_000


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
    """Draw keys in families that share their adjective or their noun, so that every key has a near-duplicate (if ``n`` > 1).

    Parameters
    ----------
    rng : numpy.random.Generator
    n : int
    split : {"train", "validation", "test"}

    Returns
    -------
    list of str
        ``n`` different keys.

    Raises
    ------
    StreamError
        When the split has too few such keys.
    """
    pool = keys(split)
    chosen: list[str] = []
    failed = 0
    while len(chosen) < n:
        left = n - len(chosen)
        # the last one joins a family that is there: the latest that has a key left
        anchor = chosen[-1 - failed % len(chosen)] if left == 1 and chosen else pool[int(rng.integers(len(pool)))]
        side = int(rng.integers(2))
        family = _families(split)[side][anchor.split()[side]]
        like = [key for key in family if key != anchor and key not in chosen]
        fresh = [] if anchor in chosen else [anchor]
        size = min(left - len(fresh), int(rng.integers(1, 4)))
        if not like or size < 1:
            failed += 1
            if failed > _MAX_TRIES:
                raise StreamError(f"{n} near-duplicate keys asked for, split '{split}' has too few; ask for fewer")
            continue
        failed = 0
        chosen += fresh + [like[int(i)] for i in rng.permutation(len(like))[:size]]
    return chosen


def draw_keys(rng: np.random.Generator, split: str, n_fact: int, near: float) -> tuple[list[str], int]:
    """Draw the keys of a scene's facts.

    Parameters
    ----------
    rng : numpy.random.Generator
    split : {"train", "validation", "test"}
    n_fact : int
    near : float
        Share of the keys that have a near-duplicate, 0 to 1.

    Returns
    -------
    keys : list of str
        At most ``n_fact``: fewer when the split has fewer.
    n_near : int
        How many of them, the first ones, have a near-duplicate.
    """
    n_near = round(near * n_fact)
    close = near_keys(rng, n_near, split) if n_near > 1 else []
    taken = set(close)
    drawn = sample_keys(rng, min(len(keys(split)), n_fact + len(close)), split)
    return [*close, *[key for key in drawn if key not in taken][: n_fact - len(close)]], len(close)


@dataclass
class _Told:
    """How the facts of a scene are told."""

    #: Time of a statement (0 to 1), number of its fact, the fact as it is said there.
    said: list[tuple[float, int, Fact]] = field(default_factory=list)
    #: Answer of each fact after its last statement.
    answer: list[str] = field(default_factory=list)
    #: Times of the statements that hold that answer, by fact.
    support: list[list[float]] = field(default_factory=list)
    #: Numbers of the facts whose value changes.
    changed: set[int] = field(default_factory=set)


def _tell(
    rng: np.random.Generator, split: str, facts: list[Fact], restated: float, rewritten: float, versions: int
) -> _Told:
    """Draw how often each fact is stated or changed, and when."""
    told = _Told()
    for i, fact in enumerate(facts):
        changes = versions if rng.random() < rewritten else 0
        twice = not changes and rng.random() < restated
        times = np.sort(rng.uniform(size=1 + changes + twice))
        version = fact
        for k, time in enumerate(times):
            if k:
                version = restate(rng, version) if twice else rewrite(rng, version, split)
            told.said.append((float(time), i, version))
        told.answer.append(version.answer)
        told.support.append([float(time) for time in (times if twice else times[-1:])])
        told.changed |= {i} if changes else set()
    return told


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

    Groups of queries: "rewritten", "near-duplicate" (a key with a near-duplicate), "" for the others.

    Parameters
    ----------
    rng : numpy.random.Generator
    split : {"train", "validation", "test"}
    n_fact : int
        Facts, each about a key of its own.
    mix : tuple of float
        Odds of a text, image, audio and DNA fact.
    near : float
        Share of the keys that have a near-duplicate: another key with the same adjective or the same noun.
    restated : float
        Share of the facts that are said twice, in other words.
    rewritten : float
        Share of the facts whose value changes ``versions`` times; the last value is asked for.
    versions : int
        How often such a value changes.
    held : bool
        State and ask in phrasings that training never sees.

    Returns
    -------
    Scene

    Raises
    ------
    StreamError
        For an option out of range, or more facts than the split has keys.
    """
    if len(mix) != len(Modality) or min(mix) < 0 or sum(mix) <= 0:
        raise StreamError(f"mix is {mix}, expected four odds for text, image, audio and DNA, not all 0")
    for label, share in {"near": near, "restated": restated, "rewritten": rewritten}.items():
        check_number(label, share, 0, 1)
    check_whole("versions", versions, 1)
    odds = np.array(mix, float) / sum(mix)
    named, n_near = draw_keys(rng, split, n_fact, near)
    if len(named) < n_fact:
        raise StreamError(f"{n_fact} facts asked for; split '{split}' has {len(keys(split))} keys; ask for fewer")
    facts = [make_fact(rng, Modality(int(rng.choice(4, p=odds))), split, key) for key in named]
    told = _tell(rng, split, facts, restated, rewritten, versions)
    said = told.said
    if held:
        facts = [rephrase(rng, fact) for fact in facts]
        said = [(time, i, rephrase(rng, version)) for time, i, version in said]
    said.sort(key=lambda statement: statement[0])
    place = {(time, i): number for number, (time, i, _) in enumerate(said)}
    queries = []
    for i, fact in enumerate(facts):
        group = "rewritten" if i in told.changed else "near-duplicate" if i < n_near else ""
        support = tuple(place[time, i] for time in told.support[i])
        queries.append(Query(fact.question, told.answer[i], support, group))
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
