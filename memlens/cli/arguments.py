"""Argument types that several commands share."""

import argparse

_UNITS = {"K": 1_000, "M": 1_000_000}


def count(text: str) -> int:
    """A whole number above zero; ``100K`` and ``1M`` are understood."""
    number, unit = (text[:-1], _UNITS[text[-1].upper()]) if text[-1:].upper() in _UNITS else (text, 1)
    try:
        value = float(number) * unit if unit > 1 else int(number)
    except ValueError:
        raise argparse.ArgumentTypeError(f"'{text}' is no number; give one such as 100000, 100K or 1M") from None
    if not 0 < value < 1e15 or value != int(value):
        raise argparse.ArgumentTypeError(f"'{text}' must be a whole number above 0")
    return int(value)


def length(text: str) -> int:
    """A number of positions: as ``count``, or 0 for no more than what has to be said."""
    return 0 if text == "0" else count(text)


def seed(text: str) -> int:
    """A whole number from 0 to 2^32 - 1."""
    if not text.isdecimal() or int(text) >= 2**32:
        raise argparse.ArgumentTypeError(f"'{text}' is no seed; give a whole number from 0 to {2**32 - 1}")
    return int(text)


def port(text: str) -> int:
    """A port that a program without privileges may listen on."""
    if not text.isdecimal() or not 1024 <= int(text) <= 65535:
        raise argparse.ArgumentTypeError(f"'{text}' is no port; give a whole number from 1024 to 65535")
    return int(text)
