"""Motif pairs: two restriction sites side by side in a strand, planted in thousands of bases free of sites."""

from functools import cache

import numpy as np

from memlens.streams.facts import count_sites
from memlens.streams.scene import Query, Scene, Statement
from memlens.streams.tasks.checks import check_enough, held_out, pick
from memlens.streams.tasks.task import Task
from memlens.streams.words import SITES

STRAND, FLANK, GAP = 24, 4, 2
ASKED = (
    "Which enzyme cuts right after {k}?",
    "After the site of {k}, which enzyme cuts?",
    "Which site comes right after the site of {k}?",
)
_SUFFIXES = frozenset(site[-n:] for site in SITES.values() for n in range(1, 6))
_PREFIXES = frozenset(site[:n] for site in SITES.values() for n in range(1, 6))


@cache
def _partners(first: str, split: str) -> tuple[str, ...]:
    """Enzymes that may follow ``first`` in a split."""
    pairs = held_out(tuple(f"{first} {second}" for second in SITES if second != first), split)
    return tuple(pair.split()[1] for pair in pairs)


def _seamless(strand: str) -> bool:
    """Whether no site can arise across either end of the strand, whatever strand without sites is put next to it."""
    return not any(strand[:n] in _SUFFIXES or strand[-n:] in _PREFIXES for n in range(1, 6))


def _plant(rng: np.random.Generator, first: str, second: str) -> str:
    """A strand with two sites at most ``GAP`` bases apart, at least ``FLANK`` bases from its ends, and seamless."""
    while True:
        gap = int(rng.integers(GAP + 1))
        left = int(rng.integers(FLANK, STRAND - 12 - gap - FLANK + 1))
        bases = "".join("ACGT"[i] for i in rng.integers(4, size=STRAND - 12))
        strand = bases[:left] + SITES[first] + bases[left : left + gap] + SITES[second] + bases[left + gap :]
        if _seamless(strand) and count_sites(strand) == 2:
            return strand


def motif_scene(rng: np.random.Generator, split: str, n_fact: int) -> Scene:
    """Strands of 24 bases, each with the sites of two enzymes at most two bases apart; asked is which one comes after another.

    An enzyme comes first in at most one strand, so that the question has one answer; it may come second in others. Splits share no
    ordered pair of enzymes: of the nine that may follow each, a hash gives five to train, two to validation and two to test.

    Parameters
    ----------
    rng : numpy.random.Generator
    split : {"train", "validation", "test"}
    n_fact : int
        Strands, at most 10 (the enzymes).

    Returns
    -------
    Scene

    Raises
    ------
    StreamError
        For more strands than enzymes.
    """
    check_enough(n_fact, len(SITES), "enzymes")
    statements, queries = [], []
    for i, first in enumerate(pick(rng, tuple(SITES), n_fact)):
        second = pick(rng, _partners(first, split), 1)[0]
        statements.append(Statement((("dna", _plant(rng, first, second)),)))
        queries.append(Query(ASKED[int(rng.integers(len(ASKED)))].format(k=first), second, (i,)))
    return Scene(tuple(statements), tuple(queries))


MOTIF = Task("motif", "pairs of DNA motifs planted among thousands of bases", motif_scene, 16_384, 8, filler="bases")
