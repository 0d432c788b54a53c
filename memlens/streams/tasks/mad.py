"""Symbolic tasks of MAD (Poli et al. 2024): selective copying, compression, noisy recall."""

import numpy as np

from memlens.streams.scene import Query, Scene, Statement
from memlens.streams.symbols import noise_symbols, symbols
from memlens.streams.tasks.checks import check_enough, check_number, check_whole, in_split
from memlens.streams.tasks.mqar import mqar_scene
from memlens.streams.tasks.task import Task

#: Symbols that an answer has room for.
LONGEST = 10


def _sequence(rng: np.random.Generator, split: str, n: int, vocab: int) -> list[str]:
    """Draw ``n`` symbols in an order that belongs to the split."""
    names = symbols(check_whole("vocab", vocab, 16))
    drawn = [names[int(i)] for i in rng.integers(len(names), size=n)]
    while n and not in_split(" ".join(drawn), split):
        drawn = [names[int(i)] for i in rng.integers(len(names), size=n)]
    return drawn


def _word(word: str) -> Statement:
    return Statement((("text", f" {word}"),))


def copy_scene(rng: np.random.Generator, split: str, n_fact: int, vocab: int = 16) -> Scene:
    """Content symbols among noise symbols (the filler); the one question, "copy", is answered by all of them in order.

    All splits share all symbols; they share no sequence of content symbols (by a hash of it).

    Parameters
    ----------
    rng : numpy.random.Generator
    split : {"train", "validation", "test"}
    n_fact : int
        Content symbols, at most 10: as many as fit in an answer. A symbol may come again.
    vocab : int
        How many symbols are content, at least 16.

    Returns
    -------
    Scene

    Raises
    ------
    StreamError
        For a longer sequence, or fewer symbols.
    """
    check_enough(n_fact, LONGEST, "symbols in the longest answer")
    drawn = _sequence(rng, split, n_fact, vocab)
    queries = [Query("copy", " ".join(drawn), tuple(range(n_fact)))] if drawn else []
    return Scene(tuple(_word(word) for word in drawn), tuple(queries))


def compress_scene(rng: np.random.Generator, split: str, n_fact: int, vocab: int = 16) -> Scene:
    """A sequence of symbols; every place in it is asked for ("symbol 7"), counted from 1 and without noise symbols.

    All splits share all symbols; they share no sequence (by a hash of it). Which symbol is at a place follows from all symbols up to it:
    they are the support of its query.

    Parameters
    ----------
    rng : numpy.random.Generator
    split : {"train", "validation", "test"}
    n_fact : int
        Symbols in the sequence. A symbol may come again.
    vocab : int
        How many symbols there are to draw from, at least 16.

    Returns
    -------
    Scene

    Raises
    ------
    StreamError
        For fewer symbols, or more than the tokenizer has.
    """
    drawn = _sequence(rng, split, n_fact, vocab)
    queries = [Query(f"symbol {i + 1}", word, tuple(range(i + 1))) for i, word in enumerate(drawn)]
    return Scene(tuple(_word(word) for word in drawn), tuple(queries))


def noisy_scene(rng: np.random.Generator, split: str, n_fact: int, vocab: int = 256, noisy: float = 1.0) -> Scene:
    """The pairs of ``mqar`` with noise symbols before each of them; noise symbols are neither keys nor values.

    All splits share all symbols; they share no pair of a key and its value (by a hash of the pair).

    Parameters
    ----------
    rng : numpy.random.Generator
    split : {"train", "validation", "test"}
    n_fact : int
        Pairs; no key is said twice.
    vocab : int
        Symbols: the first half are keys, the others values.
    noisy : float
        Noise symbols for each symbol of a pair, on average, from 0 to 100.

    Returns
    -------
    Scene

    Raises
    ------
    StreamError
        For an option out of range, or more pairs than keys.
    """
    check_number("noisy", noisy, 0, 100)
    pairs = mqar_scene(rng, split, n_fact, vocab)
    before = np.bincount(rng.integers(max(n_fact, 1), size=round(2 * n_fact * noisy)), minlength=n_fact)
    said: list[Statement] = []
    queries: list[Query] = []
    for statement, query, n in zip(pairs.statements, pairs.queries, before, strict=True):
        said += [_word(noise_symbols()[int(i)]) for i in rng.integers(len(noise_symbols()), size=n)]
        queries.append(Query(query.text, query.answer, (len(said),)))
        said.append(statement)
    return Scene(tuple(said), tuple(queries))


SELECTIVE_COPY = Task(
    "selective_copy",
    "symbols among noise, repeated in order (selective copying, Poli et al. 2024)",
    copy_scene,
    256,
    10,
    filler="symbols",
)
COMPRESS = Task(
    "compress",
    "a sequence of symbols, asked for by place (compression, Poli et al. 2024)",
    compress_scene,
    32,
    32,
    filler="symbols",
)
NOISY_RECALL = Task(
    "noisy_recall",
    "pairs of symbols with noise between them, each key asked for (noisy recall, Poli et al. 2024)",
    noisy_scene,
    128,
    16,
    filler="symbols",
)
