"""Spoken digits: recordings that are named, and recalled by name."""

import numpy as np

from memlens.streams.samples import spoken_digits
from memlens.streams.scene import Piece, Query, Scene, Statement
from memlens.streams.tasks.checks import check_enough, check_whole, creatures, pick
from memlens.streams.tasks.task import Task

STATEMENTS = (" Recording {k}:", " This is the {k}:", " The recording of the {k}:", " The {k} says")
ASKED = ("What is said in recording {k}?", "What does the recording {k} say?", "For recording {k}, what is said?")


def spoken_scene(rng: np.random.Generator, split: str, n_fact: int, digits: int = 1) -> Scene:
    """Recordings of spoken digits, each after text that names it ("Recording amber fox:").

    Splits share no voices and no names (colour and animal, by a hash of the pair).

    Parameters
    ----------
    rng : numpy.random.Generator
    split : {"train", "validation", "test"}
    n_fact : int
        Recordings.
    digits : {1, 2}
        Digits in each recording, each said by any voice of the split; at most 8 positions each. All are the answer ("4 7").

    Returns
    -------
    Scene

    Raises
    ------
    StreamError
        For another number of digits, or more recordings than the split has names.
    """
    check_whole("digits", digits, 1, 2)
    check_enough(n_fact, len(creatures(split)), f"names in split '{split}'")
    pools = spoken_digits(split)
    statements, queries = [], []
    for i, name in enumerate(pick(rng, creatures(split), n_fact)):
        said = rng.integers(10, size=digits)
        clips: list[Piece] = [("audio", pools[d][int(rng.integers(len(pools[d])))]) for d in said]
        text = STATEMENTS[int(rng.integers(len(STATEMENTS)))].format(k=name)
        statements.append(Statement((("text", text), *clips)))
        asked = ASKED[int(rng.integers(len(ASKED)))].format(k=name)
        queries.append(Query(asked, " ".join(str(d) for d in said), (i,)))
    return Scene(tuple(statements), tuple(queries))


SPOKEN = Task("spoken", "spoken digits, recalled by name", spoken_scene, 16_384, 32)
