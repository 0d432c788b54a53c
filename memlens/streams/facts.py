"""Facts that can be planted in a stream and asked for later, with answers that are known exactly.

========== =============================================== ==========================
modality   value in the stream                             answer
========== =============================================== ==========================
TEXT       a 3-digit access code, or a 2-word pass phrase  ``472``, ``amber heron``
IMAGE      a real 8x8 handwritten digit (scikit-learn)     the digit
AUDIO      a spoken digit (espeak-ng)                      the digit
DNA        16 bases holding one real restriction site      the enzyme that cuts there
========== =============================================== ==========================

Keys ("copper lantern"), images and voices never cross from one split to another.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
from tokenizers import Tokenizer

from memlens.dims import Modality
from memlens.errors import StreamError
from memlens.streams.codecs import Encoding, concatenate, encode_audio, encode_dna, encode_image, encode_text
from memlens.streams.prose import check_split
from memlens.streams.samples import SPEECH_RATE, digit_images, spoken_digits
from memlens.streams.words import ADJECTIVES, ANIMALS, COLOURS, NOUNS, SITES

STRAND = 16

#: Ways to state a fact: ``{k}`` is the key, ``{v}`` the value.
STATEMENTS: dict[str, tuple[str, ...]] = {
    "access code": (
        " The access code of the {k} is {v}.",
        " For the {k}, the access code is {v}.",
        " The {k} has the access code {v}.",
        " Note that the {k} takes {v} as its access code.",
        " {v} is the access code of the {k}.",
        " To open the {k}, enter the access code {v}.",
        " Access code of the {k}: {v}.",
    ),
    "pass phrase": (
        " The pass phrase of the {k} is {v}.",
        " For the {k}, the pass phrase is {v}.",
        " The {k} has the pass phrase {v}.",
        " Note that the {k} takes {v} as its pass phrase.",
        " {v} is the pass phrase of the {k}.",
        " To enter the {k}, say the pass phrase {v}.",
        " Pass phrase of the {k}: {v}.",
    ),
    "picture": (
        " The picture of the {k}: {v}.",
        " For the {k}, the picture is {v}.",
        " The {k} has this picture: {v}.",
        " {v} is the picture of the {k}.",
    ),
    "recording": (
        " The recording of the {k}: {v}.",
        " For the {k}, the recording is {v}.",
        " The {k} has this recording: {v}.",
        " {v} is the recording of the {k}.",
    ),
    "strand": (
        " The strand of the {k}: {v}.",
        " For the {k}, the strand is {v}.",
        " The {k} has this strand: {v}.",
        " {v} is the strand of the {k}.",
    ),
}
#: Ways to ask for it.
QUESTIONS: dict[str, tuple[str, ...]] = {
    "access code": (
        "What is the access code of the {k}?",
        "Which access code does the {k} have?",
        "Tell me the access code of the {k}.",
        "For the {k}, what is the access code?",
    ),
    "pass phrase": (
        "What is the pass phrase of the {k}?",
        "Which pass phrase does the {k} have?",
        "Tell me the pass phrase of the {k}.",
        "For the {k}, what is the pass phrase?",
    ),
    "picture": (
        "Which digit does the picture of the {k} show?",
        "Which digit is in the picture of the {k}?",
        "For the {k}, which digit does the picture show?",
    ),
    "recording": (
        "Which digit is spoken in the recording of the {k}?",
        "Which digit does the recording of the {k} say?",
        "For the {k}, which digit does the recording say?",
    ),
    "strand": (
        "Which enzyme cuts the strand of the {k}?",
        "Which enzyme has a site in the strand of the {k}?",
        "For the {k}, which enzyme cuts the strand?",
    ),
}
#: Phrasings that no training row and no built-in stream uses: statements, then questions.
HELD_STATEMENTS: dict[str, tuple[str, ...]] = {
    "access code": (" Whoever visits the {k} needs the access code {v}.", " Set the access code at the {k} to {v}."),
    "pass phrase": (" Whoever guards the {k} expects the pass phrase {v}.", " At the {k}, use {v} for a pass phrase."),
    "picture": (" Here is a picture taken at the {k}: {v}.", " Kept with the {k} is the picture {v}."),
    "recording": (" Here is a recording made at the {k}: {v}.", " Kept with the {k} is the recording {v}."),
    "strand": (" Here is a strand found at the {k}: {v}.", " Kept with the {k} is the strand {v}."),
}
HELD_QUESTIONS: dict[str, tuple[str, ...]] = {
    "access code": ("Someone at the {k} asks for the access code. What is it?",),
    "pass phrase": ("Someone at the {k} asks for the pass phrase. What is it?",),
    "picture": ("Someone looks at the picture of the {k}. Which digit is it?",),
    "recording": ("Someone hears the recording of the {k}. Which digit is it?",),
    "strand": ("Someone reads the strand of the {k}. Which enzyme cuts it?",),
}
_ATTRIBUTE = {Modality.IMAGE: "picture", Modality.AUDIO: "recording", Modality.DNA: "strand"}


@dataclass(frozen=True, eq=False)
class Fact:
    """One thing to remember.

    Attributes
    ----------
    key : str
        What the fact is about, "adjective noun".
    modality : Modality
        Modality of its value.
    pieces : tuple of (kind, value)
        What is written into the stream, in order; kind is "text", "image", "audio" (8 kHz) or "dna".
    question, answer : str
        What is asked, and the right answer.
    attribute : str
        Which of ``STATEMENTS`` it is.
    phrasing : int
        Which phrasing of that attribute states it; -1 for one that is held out from training.
    value : object
        The text, image [row, column] in [0, 1], wave [sample] or strand that was put into the phrasing.
    """

    key: str
    modality: Modality
    pieces: tuple[tuple[str, Any], ...]
    question: str
    answer: str
    attribute: str
    phrasing: int
    value: Any

    def __repr__(self) -> str:
        said = f"{describe_pieces(self.pieces)}; {self.question!r} -> {self.answer!r}"
        return f"<Fact {self.key!r}, {self.attribute} ({self.modality.name.lower()}): {said}>"


@cache
def keys(split: str) -> tuple[str, ...]:
    """List all keys of a split; a hash of the key decides (70 % train, 10 % validation, 20 % test)."""
    check_split(split)
    low, high = {"train": (0, 70), "validation": (70, 80), "test": (80, 100)}[split]
    pairs = (f"{adjective} {noun}" for adjective in ADJECTIVES for noun in NOUNS)
    return tuple(k for k in pairs if low <= int.from_bytes(hashlib.sha256(k.encode()).digest()[:4]) % 100 < high)


def sample_keys(rng: np.random.Generator, n: int, split: str) -> list[str]:
    """Draw ``n`` different keys of a split.

    Parameters
    ----------
    rng : numpy.random.Generator
    n : int
    split : {"train", "validation", "test"}

    Returns
    -------
    list of str

    Raises
    ------
    StreamError
        When the split has fewer than ``n`` keys.
    """
    pool = keys(split)
    if not 0 <= n <= len(pool):
        raise StreamError(f"{n} keys asked for; split '{split}' has {len(pool)}; ask for fewer facts")
    return [pool[i] for i in rng.choice(len(pool), size=n, replace=False)]


def count_sites(strand: str) -> int:
    """Count the restriction sites (of the ten enzymes) in a strand, overlapping ones too."""
    return sum(strand.startswith(site, i) for site in SITES.values() for i in range(len(strand)))


def _strand(rng: np.random.Generator, site: str) -> str:
    while True:
        bases = "".join("ACGT"[i] for i in rng.integers(4, size=STRAND))
        offset = int(rng.integers(STRAND - len(site) + 1))
        strand = bases[:offset] + site + bases[offset + len(site) :]
        if count_sites(strand) == 1:
            return strand


def _value(rng: np.random.Generator, modality: Modality, split: str) -> tuple[str, Any, str]:
    """Draw (attribute, value, answer) of a fact."""
    if modality == Modality.TEXT:
        if rng.random() < 0.5:
            code = "".join(str(d) for d in rng.integers(10, size=3))
            return "access code", code, code
        phrase = f"{COLOURS[int(rng.integers(len(COLOURS)))]} {ANIMALS[int(rng.integers(len(ANIMALS)))]}"
        return "pass phrase", phrase, phrase
    if modality == Modality.DNA:
        enzyme = list(SITES)[int(rng.integers(len(SITES)))]
        return "strand", _strand(rng, SITES[enzyme]), enzyme
    digit = int(rng.integers(10))
    pool = (digit_images if modality == Modality.IMAGE else spoken_digits)(split)[digit]
    return _ATTRIBUTE[modality], pool[int(rng.integers(len(pool)))], str(digit)


def _pieces(modality: Modality, statement: str, key: str, value: object) -> tuple[tuple[str, Any], ...]:
    if modality == Modality.TEXT:
        return (("text", statement.format(k=key, v=value)),)
    before, after = statement.format(k=key, v="\0").split("\0")
    parts = (("text", before.rstrip()), (modality.name.lower(), value), ("text", after))
    return tuple(part for part in parts if part[0] != "text" or part[1])


def make_fact(rng: np.random.Generator, modality: Modality, split: str, key: str | None = None) -> Fact:
    """Draw one fact.

    Parameters
    ----------
    rng : numpy.random.Generator
        All randomness comes from here: the same state gives the same fact.
    modality : Modality
    split : {"train", "validation", "test"}
        Split that key, image and voice are drawn from.
    key : str, optional
        What the fact is about; drawn from the split's keys when not given.

    Returns
    -------
    Fact

    Raises
    ------
    StreamError
        For an unknown split or modality.
    """
    pool = keys(split)
    key = pool[int(rng.integers(len(pool)))] if key is None else key
    try:
        modality = Modality(modality)
    except ValueError:
        allowed = ", ".join(f"{int(m)} ({m.name})" for m in Modality)
        raise StreamError(f"modality is {modality!r}, expected one of {allowed}") from None
    attribute, value, answer = _value(rng, modality, split)
    phrasing = int(rng.integers(len(STATEMENTS[attribute])))
    asked = QUESTIONS[attribute][int(rng.integers(len(QUESTIONS[attribute])))].format(k=key)
    pieces = _pieces(modality, STATEMENTS[attribute][phrasing], key, value)
    return Fact(key, modality, pieces, asked, answer, attribute, phrasing, value)


def restate(rng: np.random.Generator, fact: Fact) -> Fact:
    """State the same fact (same key, same value) in another phrasing.

    Parameters
    ----------
    rng : numpy.random.Generator
    fact : Fact

    Returns
    -------
    Fact
    """
    n = len(STATEMENTS[fact.attribute])
    phrasing = (fact.phrasing + 1 + int(rng.integers(n - 1))) % n
    pieces = _pieces(fact.modality, STATEMENTS[fact.attribute][phrasing], fact.key, fact.value)
    return replace(fact, pieces=pieces, phrasing=phrasing)


def rewrite(rng: np.random.Generator, fact: Fact, split: str) -> Fact:
    """Give the same key another value of the same attribute, and state that.

    Parameters
    ----------
    rng : numpy.random.Generator
    fact : Fact
    split : {"train", "validation", "test"}
        Split that the new value is drawn from.

    Returns
    -------
    Fact
    """
    while True:
        attribute, value, answer = _value(rng, fact.modality, split)
        if attribute == fact.attribute and answer != fact.answer:
            break
    changed = replace(fact, value=value, answer=answer)
    return restate(rng, changed)


def rephrase(rng: np.random.Generator, fact: Fact) -> Fact:
    """State a fact, and ask for it, in phrasings that are held out from training.

    Parameters
    ----------
    rng : numpy.random.Generator
    fact : Fact

    Returns
    -------
    Fact
        ``phrasing`` is -1.
    """
    said, asked = HELD_STATEMENTS[fact.attribute], HELD_QUESTIONS[fact.attribute]
    statement = said[int(rng.integers(len(said)))]
    question = asked[int(rng.integers(len(asked)))].format(k=fact.key)
    return replace(fact, pieces=_pieces(fact.modality, statement, fact.key, fact.value), question=question, phrasing=-1)


def encode_pieces(tokenizer: Tokenizer, pieces: Iterable[tuple[str, Any]]) -> Encoding:
    """Encode pieces, in order, as one run of positions.

    Parameters
    ----------
    tokenizer : tokenizers.Tokenizer
    pieces : iterable of (kind, value)
        Kind "text", "image", "audio" (8 kHz) or "dna".

    Returns
    -------
    Encoding

    Raises
    ------
    StreamError
        For a value that cannot be encoded.
    """
    encoded = []
    for kind, value in pieces:
        if kind == "text":
            encoded.append(encode_text(tokenizer, value))
        elif kind == "image":
            encoded.append(encode_image(value))
        elif kind == "audio":
            encoded.append(encode_audio(value, SPEECH_RATE))
        else:
            encoded.append(encode_dna(value))
    return encoded[0] if len(encoded) == 1 else concatenate(encoded)


def describe_pieces(pieces: Iterable[tuple[str, Any]]) -> str:
    """Pieces in a few words: texts and strands as they are, images and sounds by their sizes."""
    said = []
    for kind, value in pieces:
        size = value if isinstance(value, str) else " x ".join(str(n) for n in np.shape(value))
        said.append(repr(value) if kind == "text" else f"({kind} {size})")
    return " ".join(said)


def encode_fact(tokenizer: Tokenizer, fact: Fact) -> Encoding:
    """Encode a fact's pieces as one run of at most 44 positions.

    Parameters
    ----------
    tokenizer : tokenizers.Tokenizer
    fact : Fact

    Returns
    -------
    Encoding
    """
    return encode_pieces(tokenizer, fact.pieces)
