"""Entity tracking in the manner of bAbI tasks 1 to 3 (Weston et al. 2015), in prose as in BABILong (Kuratov et al. 2024).

Own simulator, own wording. Actors are animals ("the amber fox"), since their names are one token a word.
"""

from dataclasses import dataclass, field

import numpy as np

from memlens.errors import StreamError
from memlens.streams.facts import keys
from memlens.streams.scene import Query, Scene, Statement
from memlens.streams.tasks.checks import check_one_of, check_whole, creatures, pick
from memlens.streams.tasks.task import Task
from memlens.streams.words import PLACES, PORTABLE

#: What happens, in several wordings: {a} an actor, {p} a place, {o} an object.
EVENTS: dict[str, tuple[str, ...]] = {
    "move": (
        " The {a} went to the {p}.",
        " The {a} moved to the {p}.",
        " The {a} walked to the {p}.",
        " The {a} returned to the {p}.",
        " The {a} is now in the {p}.",
    ),
    "take": (
        " The {a} took the {o}.",
        " The {a} picked up the {o}.",
        " The {a} grabbed the {o}.",
        " The {a} now has the {o}.",
    ),
    "drop": (" The {a} dropped the {o}.", " The {a} put down the {o}.", " The {a} left the {o} there."),
}
#: Questions, by hops.
ASKED: dict[int, tuple[str, ...]] = {
    1: ("Where is the {a}?", "In which place is the {a}?", "To which place did the {a} go last?"),
    2: ("Where is the {o}?", "In which place is the {o}?", "Which place is the {o} in?"),
    3: ("Where was the {o} before the {p}?", "In which place was the {o} before it came to the {p}?"),
}
_GROUPS = {1: "1 hop", 2: "2 hops", 3: "3 hops"}


@dataclass
class _Thing:
    """An object: who holds it, and where it has been, as (place, statements that say so)."""

    name: str
    holder: int | None = None
    path: list[tuple[str, tuple[int, ...]]] = field(default_factory=list)
    support: tuple[int, ...] = ()


@dataclass
class _Actor:
    """An actor: where it is, since which statement, and when it took what it has (statement, by object)."""

    name: str
    place: str = ""
    moved: int = -1
    took: dict[int, int] = field(default_factory=dict)


def _act(rng: np.random.Generator, actors: list[_Actor], things: list[_Thing], places: list[str], now: int) -> str:
    """Let something happen as statement number ``now``; return its sentence."""
    i = int(rng.integers(len(actors)))
    actor = actors[i]
    near = [
        j
        for j, thing in enumerate(things)
        if actor.place and thing.holder is None and (not thing.path or thing.path[-1][0] == actor.place)
    ]
    chance = rng.random()
    if chance < 0.25 and near:
        event, j = "take", near[int(rng.integers(len(near)))]
        thing = things[j]
        thing.holder, thing.support, actor.took[j] = i, (actor.moved, now), now
        thing.path = thing.path or [(actor.place, thing.support)]
    elif 0.25 <= chance < 0.4 and actor.took:
        event, j = "drop", list(actor.took)[int(rng.integers(len(actor.took)))]
        thing = things[j]
        thing.holder, thing.support = None, (actor.moved, now)
        del actor.took[j]
    else:
        event, thing = "move", None
        elsewhere = [place for place in places if place != actor.place]
        before, actor.moved, actor.place = actor.moved, now, elsewhere[int(rng.integers(len(elsewhere)))]
        for j, taken in actor.took.items():
            things[j].path.append((actor.place, tuple(sorted((before, taken, now)))))
            things[j].support = (taken, now)
    words = EVENTS[event][int(rng.integers(len(EVENTS[event])))]
    return words.format(a=actor.name, p=actor.place, o=thing.name if thing else "")


def _queries(
    rng: np.random.Generator, actors: list[_Actor], things: list[_Thing], hops: tuple[int, ...]
) -> list[Query]:
    """All questions whose answers follow from the story."""
    found: list[tuple[int, dict[str, str], str, tuple[int, ...]]] = []
    for actor in actors:
        if actor.place:
            found.append((1, {"a": actor.name}, actor.place, (actor.moved,)))
    for thing in things:
        visited = [place for place, _ in thing.path]
        if visited:
            found.append((2, {"o": thing.name}, visited[-1], tuple(sorted(thing.support))))
        arrivals = {place: (before, support) for before, (place, support) in zip(visited, thing.path[1:], strict=False)}
        for place, (before, support) in arrivals.items():
            found.append((3, {"o": thing.name, "p": place}, before, support))
    queries = []
    for hop, names, answer, support in found:
        if hop in hops:
            asked = ASKED[hop][int(rng.integers(len(ASKED[hop])))].format(**names)
            queries.append(Query(asked, answer, support, _GROUPS[hop]))
    return queries


def entity_scene(
    rng: np.random.Generator,
    split: str,
    n_fact: int,
    hops: int = 0,
    actors: int = 4,
    objects: int = 3,
    places: int = 6,
) -> Scene:
    """A story in which actors move, take, drop and carry things; asked is where they are, where objects are, and where objects were.

    Splits share neither actors ("amber fox", colour and animal) nor objects ("copper kettle"): a hash of the pair decides. All splits
    share the places. Support of a query: with 1 hop the actor's last move; with 2 hops the object's last take or drop, and the move that
    says where that actor is (or was); with 3 hops the take, the move before and the move after (where an object came to a place twice, the
    last time is meant). Groups: "1 hop", "2 hops", "3 hops".

    Parameters
    ----------
    rng : numpy.random.Generator
    split : {"train", "validation", "test"}
    n_fact : int
        Sentences of the story; at least as many as hops. A short story has fewer actors.
    hops : int
        1: "Where is the amber fox?" and a story of nothing but moves; 2: "Where is the copper kettle?"; 3: "Where was the copper kettle
        before the library?"; 0: all three.
    actors, objects, places : int
        How many the story has (bAbI: 4, 3, 6).

    Returns
    -------
    Scene

    Raises
    ------
    StreamError
        For an option out of range, or a story that is too short for a question.
    """
    check_one_of("hops", hops, (0, 1, 2, 3))
    check_whole("actors", actors, 1, len(creatures(split)))
    check_whole("places", places, 2, len(PLACES))
    portable = tuple(key for key in keys(split) if key.split()[1] in PORTABLE)
    check_whole("objects", objects, 1, len(portable))
    if n_fact == 0:
        return Scene((), ())
    if n_fact < max(1, hops):
        raise StreamError(f"a story of {n_fact} sentences has no question of {hops} hops; ask for {hops} or more")
    n_actor = min(actors, max(1, n_fact // 3))
    while True:
        cast = [_Actor(name) for name in pick(rng, creatures(split), n_actor)]
        things = [_Thing(name) for name in pick(rng, portable, 0 if hops == 1 else objects)]
        stage = pick(rng, PLACES, places)
        story = [_act(rng, cast, things, stage, now) for now in range(n_fact)]
        queries = _queries(rng, cast, things, (hops,) if hops else (1, 2, 3))
        if queries:  # a short story may hold no question of these hops: tell another
            return Scene(tuple(Statement((("text", sentence),)) for sentence in story), tuple(queries))


ENTITY = Task("entity", "who is where and who carries what (bAbI 1 to 3, Weston et al. 2015)", entity_scene, 8_192, 16)
