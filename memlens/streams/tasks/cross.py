"""Cross-modal association: the key is in one modality, the value in another, the question is text."""

import numpy as np

from memlens.errors import StreamError
from memlens.streams.facts import count_sites
from memlens.streams.samples import digit_images, spoken_digits
from memlens.streams.scene import Piece, Query, Scene, Statement
from memlens.streams.tasks.checks import check_enough, check_one_of, held_out, pick
from memlens.streams.tasks.task import Task
from memlens.streams.words import SITES

MODALITIES = ("audio", "image", "dna")
STRAND = 16
#: Ways to state it: {k} the key, {v} the value.
STATEMENTS = (" {k} goes with {v}.", " {v} belongs to {k}.", " With {k} comes {v}.", " {k} and {v}.")
#: What the key is called in a question, and the question, by the value's modality.
CALLED = {
    "audio": "the spoken {a} {b}",
    "image": "the pictures {a} {b}",
    "dna": "the strand that {a} and then {b} cuts",
}
ASKED = {
    "audio": ("Which digit is spoken with {k}?", "Which recording goes with {k}?"),
    "image": ("Which digit is shown with {k}?", "Which picture goes with {k}?"),
    "dna": ("Which enzyme cuts the strand with {k}?", "Which site goes with {k}?"),
}


def _pairs(modality: str, split: str) -> tuple[str, ...]:
    """The keys of a modality in a split: two digits ("4 7"), or two different enzymes in their order along the strand."""
    if modality == "dna":
        return held_out(tuple(f"{a} {b}" for a in SITES for b in SITES if a != b), split)
    return held_out(tuple(f"{a} {b}" for a in range(10) for b in range(10)), split)


def _cut_strand(rng: np.random.Generator, enzymes: list[str]) -> str:
    """A strand of ``STRAND`` bases with the sites of ``enzymes``, in that order, and no others."""
    sites = [SITES[enzyme] for enzyme in enzymes]
    room = STRAND - sum(len(site) for site in sites)
    while True:
        bases = "".join("ACGT"[i] for i in rng.integers(4, size=room))
        cuts = [0, *np.sort(rng.integers(0, room + 1, size=len(sites))).tolist(), room]
        strand = bases[: cuts[1]] + "".join(
            site + bases[cuts[i] : cuts[i + 1]] for i, site in enumerate(sites, start=1)
        )
        if count_sites(strand) == len(sites):
            return strand


def _samples(rng: np.random.Generator, modality: str, named: list[str], split: str) -> list[Piece]:
    """Pieces that stand for digits or enzymes."""
    if modality == "dna":
        return [("dna", _cut_strand(rng, named))]
    pools = (digit_images if modality == "image" else spoken_digits)(split)
    return [(modality, pools[int(d)][int(rng.integers(len(pools[int(d)])))]) for d in named]


def _filled(statement: str, key: list[Piece], value: list[Piece]) -> tuple[Piece, ...]:
    """A statement with the pieces of key and value filled in."""
    pieces: list[Piece] = []
    for part in statement.replace("{k}", "\0k\0").replace("{v}", "\0v\0").split("\0"):
        if part in ("k", "v"):
            pieces += key if part == "k" else value
        elif part.strip():
            pieces.append(("text", part.rstrip()))
    return tuple(pieces)


def cross_scene(rng: np.random.Generator, split: str, n_fact: int, key: str = "mixed", value: str = "mixed") -> Scene:
    """Pairs of a key and a value in different modalities: two spoken digits with a picture, a strand with a spoken digit, and so on.

    Splits share no images, no voices and no keys: pairs of digits and ordered pairs of enzymes are held out by a hash (60 % train,
    20 % validation, 20 % test). A key is said once in a scene. Groups of queries: "audio to image", and so on.

    Parameters
    ----------
    rng : numpy.random.Generator
    split : {"train", "validation", "test"}
    n_fact : int
        Pairs; at most 20 (18 of DNA) for each modality of keys in validation and test.
    key, value : {"mixed", "audio", "image", "dna"}
        Modality of each; "mixed" draws one for each pair, different from the other's.

    Returns
    -------
    Scene

    Raises
    ------
    StreamError
        When key and value have the same modality, or the split has too few keys.
    """
    check_one_of("key", key, ("mixed", *MODALITIES))
    check_one_of("value", value, ("mixed", *MODALITIES))
    if key == value != "mixed":
        raise StreamError(f"key and value are both {key!r}, expected two modalities; choose another for one of them")
    open_keys = [m for m in MODALITIES if key in (m, "mixed") and m != value]
    free = [(m, pair) for m in open_keys for pair in _pairs(m, split)]
    check_enough(n_fact, len(free), f"keys of {key} in split '{split}'")
    chosen = [free[int(i)] for i in rng.choice(len(free), size=n_fact, replace=False)]
    statements, queries = [], []
    for i, (said_as, pair) in enumerate(chosen):
        others = [m for m in MODALITIES if value in (m, "mixed") and m != said_as]
        shown_as = others[int(rng.integers(len(others)))]
        answer = pick(rng, tuple(SITES) if shown_as == "dna" else tuple("0123456789"), 1)
        a, b = pair.split()
        statement = STATEMENTS[int(rng.integers(len(STATEMENTS)))]
        statements.append(
            Statement(_filled(statement, _samples(rng, said_as, [a, b], split), _samples(rng, shown_as, answer, split)))
        )
        asked = ASKED[shown_as][int(rng.integers(len(ASKED[shown_as])))]
        called = CALLED[said_as].format(a=a, b=b)
        queries.append(Query(asked.format(k=called), answer[0], (i,), f"{said_as} to {shown_as}"))
    return Scene(tuple(statements), tuple(queries))


CROSS = Task("cross", "a key in one modality, its value in another, the question in text", cross_scene, 16_384, 16)
