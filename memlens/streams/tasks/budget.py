"""A memory budget: many candidate facts, few of them ever asked for, and which ones can be told from the fact itself."""

import numpy as np

from memlens.dims import Modality
from memlens.errors import StreamError
from memlens.streams.facts import Fact, keys, make_fact
from memlens.streams.scene import Query, Scene, Statement
from memlens.streams.tasks.checks import check_whole, pick
from memlens.streams.tasks.task import Task
from memlens.streams.words import ADJECTIVES

ATTRIBUTES = ("access code", "pass phrase")
#: One candidate in so many is relevant.
ODDS = 8
RULES = 8


def rule_of(rule: int) -> tuple[str, frozenset[str]]:
    """What is relevant under a rule: the attribute, and the adjectives of the key (a quarter of the sorted list).

    The eight rules are all pairs of an attribute and a quarter; a rule and the next differ in both.
    """
    quarter = (rule + rule // 4) % 4
    adjectives = (a for i, a in enumerate(ADJECTIVES) if i * 4 // len(ADJECTIVES) == quarter)
    return ATTRIBUTES[rule % 2], frozenset(adjectives)


def _fits_rule(attribute: str, key: str, rule: int) -> bool:
    """Whether such facts are asked for: both the attribute and the adjective must fit the rule."""
    right, adjectives = rule_of(rule)
    return attribute == right and key.split()[0] in adjectives


def _fact(rng: np.random.Generator, split: str, key: str, attribute: str) -> Fact:
    while True:
        fact = make_fact(rng, Modality.TEXT, split, key)
        if fact.attribute == attribute:
            return fact


def budget_scene(rng: np.random.Generator, split: str, n_fact: int, rule: int = 0) -> Scene:
    """Text facts as in ``needle``, of which an eighth is relevant; only those are asked for.

    A fact is relevant when its attribute is the rule's ("access code") and the adjective of its key is in the rule's quarter of the
    adjectives. Of the others some have only the attribute (3 in 7), some only the adjective (1 in 7), some neither (3 in 7), as if the two
    were independent. Splits share no keys ("adjective noun", by a hash of the pair).

    Parameters
    ----------
    rng : numpy.random.Generator
    split : {"train", "validation", "test"}
    n_fact : int
        Candidates, in random order; an eighth of them (rounded, at least one) is relevant. All have different keys.
    rule : int
        0 to 7: which attribute and which quarter; a rule and the next differ in both.

    Returns
    -------
    Scene

    Raises
    ------
    StreamError
        For another rule, or more candidates than the split has keys for.
    """
    attribute, adjectives = rule_of(check_whole("rule", rule, 0, RULES - 1))
    other = ATTRIBUTES[1 - ATTRIBUTES.index(attribute)]
    n_relevant = min(n_fact, max(1, round(n_fact / ODDS)))
    n_adjective = round((n_fact - n_relevant) / (ODDS - 1))
    n_attribute = (n_fact - n_relevant - n_adjective) // 2
    inside = tuple(key for key in keys(split) if key.split()[0] in adjectives)
    outside = tuple(key for key in keys(split) if key.split()[0] not in adjectives)
    most = ODDS * min(len(inside) // 2, len(outside) // 6)
    n_inside = n_relevant + n_adjective
    if n_inside > len(inside) or n_fact - n_inside > len(outside):
        raise StreamError(f"{n_fact} candidates asked for; split '{split}' has keys for {most}; ask for fewer")
    near, far = pick(rng, inside, n_inside), pick(rng, outside, n_fact - n_inside)
    named = [(key, attribute if i < n_relevant else other) for i, key in enumerate(near)]
    named += [(key, attribute if i < n_attribute else other) for i, key in enumerate(far)]
    facts = [_fact(rng, split, *named[int(i)]) for i in rng.permutation(n_fact)]
    queries = [
        Query(fact.question, fact.answer, (i,))
        for i, fact in enumerate(facts)
        if _fits_rule(fact.attribute, fact.key, rule)
    ]
    return Scene(tuple(Statement(fact.pieces) for fact in facts), tuple(queries))


BUDGET = Task(
    "budget", "64 candidate facts, of which only the 8 that fit a rule are asked for", budget_scene, 16_384, 64
)
