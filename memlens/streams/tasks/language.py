"""Language: nothing is planted and nothing asked; what counts is how well the stream itself is predicted."""

import numpy as np

from memlens.errors import StreamError
from memlens.streams.scene import Scene
from memlens.streams.tasks.task import Task


def language_scene(rng: np.random.Generator, split: str, n_fact: int) -> Scene:
    """No statements and no questions; splits share no prose (``memlens.streams.prose``).

    Parameters
    ----------
    rng : numpy.random.Generator
    split : {"train", "validation", "test"}
    n_fact : int
        Always 0.

    Returns
    -------
    Scene

    Raises
    ------
    StreamError
        When ``n_fact`` is not 0.
    """
    if n_fact:
        raise StreamError(f"n_fact is {n_fact}; the language task has no facts: give 0")
    return Scene((), ())


LANGUAGE = Task("language", "prose and nothing else: there are no questions", language_scene, 100_000, 0)
