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


def check_whole(label: str, value: Any, low: int, high: int | None = None) -> int:
    """Give a whole number in [low, high] back; raise StreamError for anything else."""
    right = not isinstance(value, bool) and isinstance(value, int | np.integer)
    if not right or value < low or (high is not None and value > high):
        span = f"from {low}" + ("" if high is None else f" to {high}")
        raise StreamError(f"{label} is {value!r}, expected a whole number {span}")
    return int(value)


def check_number(label: str, value: Any, low: float, high: float) -> float:
    """Give a number in [low, high] back; raise StreamError for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise StreamError(f"{label} is {value!r}, expected a number from {low:g} to {high:g}")
    return float(value)


def check_one_of(label: str, value: Any, allowed: Iterable[Any]) -> None:
    """Raise StreamError when ``value`` is none of ``allowed``."""
    allowed = tuple(allowed)
    if isinstance(value, bool) or value not in allowed:
        raise StreamError(f"{label} is {value!r}, expected one of {', '.join(str(a) for a in allowed)}")


def check_enough(n_fact: int, most: int, what: str) -> None:
    """Raise StreamError when more facts are asked for than there is ``what`` to tell them apart."""
    if n_fact > most:
        raise StreamError(f"{n_fact} facts asked for; there are {most} {what}; ask for fewer")


def in_split(item: str, split: str) -> bool:
    """Whether an item belongs to a split: a hash of it decides (60 % train, 20 % validation, 20 % test)."""
    check_split(split)
    place = int.from_bytes(hashlib.sha256(item.encode()).digest()[:4]) / 2**32
    low, high = _CUTS[split]
    return low <= place < high


@cache
def held_out(items: tuple[str, ...], split: str) -> tuple[str, ...]:
    """Give a split's part of ``items``, in their order: each item is in exactly one split; a hash of it decides which."""
    check_split(split)
    ranked = sorted(items, key=lambda item: hashlib.sha256(item.encode()).digest())
    low, high = (round(cut * len(items)) for cut in _CUTS[split])
    mine = set(ranked[low:high])
    return tuple(item for item in items if item in mine)


def creatures(split: str) -> tuple[str, ...]:
    """Names made of a colour and an animal ("amber fox"); no name is in two splits, every word may be in all of them."""
    return held_out(tuple(f"{colour} {animal}" for colour in COLOURS for animal in ANIMALS), split)


def pick(rng: np.random.Generator, pool: tuple[str, ...], n: int) -> list[str]:
    """Draw ``n`` different ones."""
    return [pool[int(i)] for i in rng.choice(len(pool), size=n, replace=False)]
