"""What tasks share: options that are checked, and names that splits do not share."""

import hashlib
from collections.abc import Iterable
from functools import cache
from typing import Any

import numpy as np

from memlens.errors import StreamError
from memlens.streams.prose import check_split
from memlens.streams.words import ANIMALS, COLOURS

#: Where hashes are cut: 60 % train, 20 % validation, 20 % test.
_CUTS = {"train": (0.0, 0.6), "validation": (0.6, 0.8), "test": (0.8, 1.0)}

#: Types that an option may have, and what they are called, by the type of its default.
_TYPES: dict[type, tuple[type, ...]] = {
    bool: (bool,),
    int: (int, np.integer),
    float: (int, float, np.integer, np.floating),
    str: (str,),
}
_WORDS = {bool: "true or false", int: "a whole number", float: "a number", str: "a text"}


def check_whole(label: str, value: Any, low: int, high: int | None = None) -> int:
    """Check that a value is a whole number in [low, high].

    Parameters
    ----------
    label : str
        What the value is, for the message.
    value : object
    low : int
    high : int, optional
        No limit when not given.

    Returns
    -------
    int

    Raises
    ------
    StreamError
        For anything else.
    """
    right = not isinstance(value, bool) and isinstance(value, int | np.integer)
    if not right or value < low or (high is not None and value > high):
        span = f"from {low}" + ("" if high is None else f" to {high}")
        raise StreamError(f"{label} is {value!r}, expected a whole number {span}")
    return int(value)


def check_number(label: str, value: Any, low: float, high: float) -> float:
    """Check that a value is a number in [low, high].

    Parameters
    ----------
    label : str
        What the value is, for the message.
    value : object
    low, high : float

    Returns
    -------
    float

    Raises
    ------
    StreamError
        For anything else.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise StreamError(f"{label} is {value!r}, expected a number from {low:g} to {high:g}")
    return float(value)


def check_option(owner: str, name: str, value: Any, default: Any) -> Any:
    """Check that the value of an option has the type of its default.

    Parameters
    ----------
    owner : str
        What has the option, for the message: "task 'needle'".
    name : str
        Name of the option.
    value, default : object
        A list or tuple has the type of a tuple with as many values.

    Returns
    -------
    object
        The value, of exactly the type of the default.

    Raises
    ------
    StreamError
        When it has another type.
    """
    if isinstance(default, tuple):
        if not isinstance(value, tuple | list) or len(value) != len(default):
            raise StreamError(f"option '{name}' of {owner} is {value!r}, expected {len(default)} values, as {default}")
        return tuple(check_option(owner, name, part, default[0]) for part in value)
    kind = type(default)
    if not isinstance(value, _TYPES[kind]) or (isinstance(value, bool) and kind is not bool):
        raise StreamError(f"option '{name}' of {owner} is {value!r}, expected {_WORDS[kind]}, such as {default!r}")
    return kind(value)


def check_one_of(label: str, value: Any, allowed: Iterable[Any]) -> None:
    """Check that a value is one of those allowed.

    Parameters
    ----------
    label : str
        What the value is, for the message.
    value : object
    allowed : iterable

    Raises
    ------
    StreamError
        When it is none of them.
    """
    allowed = tuple(allowed)
    if isinstance(value, bool) or value not in allowed:
        raise StreamError(f"{label} is {value!r}, expected one of {', '.join(str(a) for a in allowed)}")


def check_enough(n_fact: int, most: int, what: str) -> None:
    """Check that there is enough to tell so many facts apart.

    Parameters
    ----------
    n_fact : int
        How many facts are asked for.
    most : int
        How many there may be.
    what : str
        What tells them apart, for the message: "enzymes".

    Raises
    ------
    StreamError
        When more are asked for.
    """
    if n_fact > most:
        raise StreamError(f"{n_fact} facts asked for; there are {most} {what}; ask for fewer")


def in_split(item: str, split: str) -> bool:
    """Whether an item belongs to a split: a hash of it decides (60 % train, 20 % validation, 20 % test).

    Parameters
    ----------
    item : str
    split : {"train", "validation", "test"}

    Returns
    -------
    bool

    Raises
    ------
    StreamError
        For an unknown split.
    """
    check_split(split)
    place = int.from_bytes(hashlib.sha256(item.encode()).digest()[:4]) / 2**32
    low, high = _CUTS[split]
    return low <= place < high


@cache
def held_out(items: tuple[str, ...], split: str) -> tuple[str, ...]:
    """List the items that belong to a split: each is in exactly one; a hash of it decides (60 % train, 20 % validation, 20 % test).

    Parameters
    ----------
    items : tuple of str
    split : {"train", "validation", "test"}

    Returns
    -------
    tuple of str
        In the order of ``items``.

    Raises
    ------
    StreamError
        For an unknown split.
    """
    check_split(split)
    ranked = sorted(items, key=lambda item: hashlib.sha256(item.encode()).digest())
    low, high = (round(cut * len(items)) for cut in _CUTS[split])
    mine = set(ranked[low:high])
    return tuple(item for item in items if item in mine)


def creatures(split: str) -> tuple[str, ...]:
    """Names made of a colour and an animal ("amber fox"); no name is in two splits, every word may be in all of them."""
    return held_out(tuple(f"{colour} {animal}" for colour in COLOURS for animal in ANIMALS), split)


def pick(rng: np.random.Generator, pool: tuple[str, ...], n: int) -> list[str]:
    """Draw ``n`` different items.

    Parameters
    ----------
    rng : numpy.random.Generator
    pool : tuple of str
    n : int

    Returns
    -------
    list of str
    """
    return [pool[int(i)] for i in rng.choice(len(pool), size=n, replace=False)]
