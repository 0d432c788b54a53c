"""Multi-query associative recall over symbols (Arora et al. 2023, Zoology)."""

import numpy as np

from memlens.streams.scene import Query, Scene, Statement
from memlens.streams.symbols import symbols
from memlens.streams.tasks.checks import check_enough, check_whole, in_split, pick
from memlens.streams.tasks.task import Task


def mqar_scene(rng: np.random.Generator, split: str, n_fact: int, vocab: int = 256) -> Scene:
    """Pairs of a key and a value (" copper amber"), each key asked for its value.

    All splits share all symbols; they share no pair of a key and its value (60 % of the pairs train, 20 % validation, 20 % test, by a hash
    of the pair), hence no scene.

    Parameters
    ----------
    rng : numpy.random.Generator
    split : {"train", "validation", "test"}
    n_fact : int
        Pairs; no key is said twice.
    vocab : int
        Symbols: the first half are keys, the others values.

    Returns
    -------
    Scene

    Raises
    ------
    StreamError
        For fewer than 32 symbols, or more pairs than keys.
    """
    names = symbols(check_whole("vocab", vocab, 32))
    keys, values = names[: vocab // 2], names[vocab // 2 :]
    check_enough(n_fact, len(keys), f"keys among {vocab} symbols")
    statements, queries = [], []
    for i, key in enumerate(pick(rng, keys, n_fact)):
        value = values[int(rng.integers(len(values)))]
        while not in_split(f"{key} {value}", split):
            value = values[int(rng.integers(len(values)))]
        statements.append(Statement((("text", f" {key} {value}"),)))
        queries.append(Query(key, value, (i,)))
    return Scene(tuple(statements), tuple(queries))


MQAR = Task(
    "mqar",
    "pairs of symbols, each key asked for (multi-query associative recall, Arora et al. 2023)",
    mqar_scene,
    64,
    16,
    filler="symbols",
)
