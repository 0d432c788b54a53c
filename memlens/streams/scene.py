"""A scene: statements in the order in which they are said, and what may be asked once all of them have been.

Tasks draw scenes; a scene is laid out in filler, either as a Stream of any n_token (``lay_out``) or as a training row.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

import numpy as np
from tokenizers import Tokenizer

from memlens.errors import StreamError, closest
from memlens.streams.codecs import check_dna
from memlens.streams.facts import describe_pieces, encode_pieces
from memlens.streams.files import read_fasta
from memlens.streams.prose import sentences
from memlens.streams.stream import Stream
from memlens.streams.symbols import noise_symbols
from memlens.streams.tokenizer import default_tokenizer
from memlens.streams.words import SITES

#: Bases in one piece of DNA filler.
STRETCH = 64

Piece = tuple[str, Any]


@dataclass(frozen=True, eq=False)
class Statement:
    """What is said at once: ``pieces`` of (kind, value), kind "text", "image", "audio" (8 kHz) or "dna"."""

    pieces: tuple[Piece, ...]

    def __repr__(self) -> str:
        return f"<Statement: {describe_pieces(self.pieces)}>"


@dataclass(frozen=True)
class Query:
    """A question that has one right answer once everything has been said.

    Attributes
    ----------
    text, answer : str
    support : tuple of int
        Indices of the statements that hold the answer, in order; the last one is the fact that is asked for.
    group : str
        What sets this question apart from others of its task, such as "rewritten"; "" for nothing.
    """

    text: str
    answer: str
    support: tuple[int, ...]
    group: str = ""


@dataclass(frozen=True, eq=False)
class Scene:
    """Statements and queries of one stream."""

    statements: tuple[Statement, ...]
    queries: tuple[Query, ...]

    def __repr__(self) -> str:
        return f"<Scene: {len(self.statements):,} statements, {len(self.queries):,} queries>"


# what stands between statements


def _prose(rng: np.random.Generator, split: str) -> Iterator[Piece]:
    lines = sentences(split)
    line = int(rng.integers(len(lines)))
    while True:
        yield "text", " " + lines[line]
        line = (line + 1) % len(lines)


@cache
def _chain(split: str) -> dict[tuple[str, str], list[str]]:
    """Which words follow each pair of words."""
    words = " ".join(sentences(split)).split()
    follow: dict[tuple[str, str], list[str]] = {}
    for a, b, c in zip(words, words[1:], words[2:], strict=False):
        follow.setdefault((a, b), []).append(c)
    return follow


def _markov(rng: np.random.Generator, split: str) -> Iterator[Piece]:
    follow = _chain(split)
    starts = list(follow)
    while True:
        a, b = starts[int(rng.integers(len(starts)))]
        said = [a, b]
        while (a, b) in follow and len(said) < 24:
            a, b = b, follow[a, b][int(rng.integers(len(follow[a, b])))]
            said.append(b)
        yield "text", " " + " ".join(said)


def free_strand(rng: np.random.Generator, n: int) -> str:
    """Draw random bases without a restriction site: one base of each site is drawn again.

    Parameters
    ----------
    rng : numpy.random.Generator
    n : int
        How many bases.

    Returns
    -------
    str
    """
    strand = "".join("ACGT"[i] for i in rng.integers(4, size=n))
    return _break_sites(rng, strand)


def _break_sites(rng: np.random.Generator, strand: str, fixed: int = 0) -> str:
    """Change one base of every restriction site in ``strand`` until none is left; the first ``fixed`` bases stay."""
    found = True
    while found:
        found = False
        for site in SITES.values():
            at = strand.find(site)
            if at >= 0:
                place = int(rng.integers(max(at, fixed), at + len(site)))
                strand = strand[:place] + "ACGT"[int(rng.integers(4))] + strand[place + 1 :]
                found = True
    return strand


def _joined(rng: np.random.Generator, strands: Iterator[str]) -> Iterator[Piece]:
    """Strands one after the other, without a restriction site inside or across them."""
    tail = ""
    for strand in strands:
        fresh = _break_sites(rng, tail + strand, len(tail))[len(tail) :]
        tail = (tail + fresh)[-5:]
        yield "dna", fresh


def _bases(rng: np.random.Generator, split: str) -> Iterator[Piece]:
    return _joined(rng, iter(lambda: free_strand(rng, STRETCH), None))


def _fasta(path: str) -> "Filler":
    """The records of a FASTA file one after the other, again and again, from a random base on; its sites are broken."""
    letters = check_dna("".join(sequence for _, sequence in read_fasta(path)))

    def strands(at: int) -> Iterator[str]:
        while True:
            yield letters[at : at + STRETCH]
            at = at + STRETCH if at + STRETCH < len(letters) else 0

    return lambda rng, split: _joined(rng, strands(int(rng.integers(len(letters)))))


def _symbols(rng: np.random.Generator, split: str) -> Iterator[Piece]:
    while True:
        yield "text", " " + " ".join(noise_symbols()[int(i)] for i in rng.integers(len(noise_symbols()), size=16))


def _none(rng: np.random.Generator, split: str) -> Iterator[Piece]:
    yield from ()


Filler = Callable[[np.random.Generator, str], Iterator[Piece]]
#: Real prose, words drawn by a second-order Markov chain over it, random bases, symbols that mean nothing, nothing.
FILLERS: dict[str, Filler] = {
    "prose": _prose,
    "markov": _markov,
    "bases": _bases,
    "symbols": _symbols,
    "none": _none,
}


def find_filler(name: str) -> Filler:
    """Find a filler by its name; "fasta:PATH" gives the bases of a FASTA file.

    The records of the file follow one another, start at a random base and start over when the stream is longer. Letters become upper
    case; every restriction site of ``SITES`` is broken by changing one base, so that only statements hold one.

    Raises
    ------
    StreamError
        For an unknown name, a file that is not FASTA, or letters other than A, C, G, T, N.
    """
    if isinstance(name, str) and name.startswith("fasta:"):
        return _fasta(name.removeprefix("fasta:"))
    if not isinstance(name, str) or name not in FILLERS:
        raise StreamError(f"no filler '{name}'; {closest(str(name), [*FILLERS, 'fasta:PATH'])}")
    return FILLERS[name]


@lru_cache(maxsize=2**14)
def _text_length(text: str) -> int:
    """Positions that ``text`` takes. Long streams repeat the same sentences."""
    return len(encode_pieces(default_tokenizer(), (("text", text),)))


def _cut(tokenizer: Tokenizer, piece: Piece, most: int) -> Piece:
    """The beginning of a text or a strand, at most ``most`` positions of it."""
    kind, value = piece
    if kind == "dna":
        return kind, value[:most]
    words = value.split(" ")
    while words and len(encode_pieces(tokenizer, ((kind, " ".join(words)),))) > most:
        words.pop()
    return kind, " ".join(words)


def lay_out(
    scene: Scene,
    n_token: int,
    rng: np.random.Generator,
    *,
    name: str,
    seed: int,
    filler: str | Iterator[Piece] = "prose",
    split: str = "test",
    config: dict[str, Any] | None = None,
) -> Stream:
    """Lay a scene out over ``n_token`` positions of the default tokenizer; all queries are asked at the end, in random order.

    The statements keep their order; the i-th of n lies at a uniformly random depth in the i-th n-th of the stream. A scene that is
    longer than ``n_token`` gets no filler.

    Parameters
    ----------
    scene : Scene
    n_token : int
    rng : numpy.random.Generator
    name : str
        Name of the stream.
    seed : int
        Seed that the stream is said to come from.
    filler : str or iterator of (kind, value)
        What lies between statements: a name (``find_filler``), or pieces.
    split : {"train", "validation", "test"}
        Split that the filler's prose is taken from.
    config : dict, optional
        What the stream was made with.

    Returns
    -------
    Stream
        The id of a fact is the index of its statement.

    Raises
    ------
    StreamError
        For an unknown filler (``find_filler``).
    """
    if not isinstance(filler, Iterator):
        filler = find_filler(filler)(rng, split)
    tokenizer = default_tokenizer()
    costs = [len(encode_pieces(tokenizer, statement.pieces)) for statement in scene.statements]
    room = max(0, n_token - sum(costs))
    n = len(costs)
    depths = (np.arange(n) + rng.uniform(size=n)) / max(n, 1) * room
    stream = Stream(name, seed, config or {})
    filled, following = 0, 0
    while following < n or filled < room:
        if following < n and depths[following] <= filled:
            stream.say(scene.statements[following].pieces, fact=following)
            following += 1
            continue
        piece = next(filler, None) if filled < room else None
        if piece is None:
            filled = room  # nothing to fill with: the rest is said at once
            continue
        cost = _text_length(piece[1]) if piece[0] == "text" else len(encode_pieces(tokenizer, (piece,)))
        if filled + cost > room:
            piece, cost = _cut(tokenizer, piece, room - filled), room - filled
        if piece[1].strip():
            stream.say((piece,))
        filled += cost
    for i in rng.permutation(len(scene.queries)):
        query = scene.queries[int(i)]
        stream.question(query.text, query.answer, fact=query.support[-1], group=query.group)
    return stream
