"""Associative rewrite: key-value facts in prose whose keys are given other values later; the last value counts."""

import numpy as np

from memlens.dims import Modality
from memlens.streams.facts import Fact, keys, make_fact, rewrite
from memlens.streams.scene import Query, Scene, Statement
from memlens.streams.tasks.checks import check_enough, check_number, check_whole
from memlens.streams.tasks.needle import draw_keys
from memlens.streams.tasks.task import Task


def rewrite_scene(
    rng: np.random.Generator, split: str, n_fact: int, rewritten: float = 0.5, versions: int = 3, near: float = 0.3
) -> Scene:
    """Text facts ("The access code of the copper lantern is 472."), some of them changed later; each is asked for at its last value.

    Splits share no keys ("adjective noun", by a hash of the pair). Groups of queries: "written once", "rewritten 1", "rewritten 2", ...:
    how often the key was changed.

    Parameters
    ----------
    rng : numpy.random.Generator
    split : {"train", "validation", "test"}
    n_fact : int
        Keys; there are more statements, one for each change.
    rewritten : float
        Share of the keys whose value changes.
    versions : int
        A rewritten key changes 1 to ``versions`` times, each number being as likely.
    near : float
        Share of the keys that have a near-duplicate: another key with the same adjective or the same noun.

    Returns
    -------
    Scene

    Raises
    ------
    StreamError
        For an option out of range, or more facts than the split has keys.
    """
    rewritten, near = check_number("rewritten", rewritten, 0, 1), check_number("near", near, 0, 1)
    versions = check_whole("versions", versions, 1)
    check_enough(n_fact, len(keys(split)), f"keys in split '{split}'")
    named, _ = draw_keys(rng, split, n_fact, near)
    changed = set(rng.permutation(n_fact)[: round(rewritten * n_fact)].tolist())
    said: list[tuple[float, int, Fact]] = []
    changes = [int(rng.integers(1, versions + 1)) if i in changed else 0 for i in range(n_fact)]
    for i, key in enumerate(named):
        fact = make_fact(rng, Modality.TEXT, split, key)
        for k, time in enumerate(np.sort(rng.uniform(size=1 + changes[i]))):
            fact = rewrite(rng, fact, split) if k else fact
            said.append((float(time), i, fact))
    said.sort(key=lambda entry: entry[0])
    last = {i: number for number, (_, i, _) in enumerate(said)}
    queries = [
        Query(said[last[i]][2].question, said[last[i]][2].answer, (last[i],), _group(changes[i])) for i in range(n_fact)
    ]
    return Scene(tuple(Statement(fact.pieces) for _, _, fact in said), tuple(queries))


def _group(changes: int) -> str:
    return f"rewritten {changes}" if changes else "written once"


REWRITE = Task(
    "rewrite",
    "text facts whose keys are rewritten later: the last value counts",
    rewrite_scene,
    100_000,
    500,
)
