"""Argument types that several commands share."""

import argparse
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from memlens.cli.say import say

_UNITS = {"K": 1_000, "M": 1_000_000}


def count(text: str) -> int:
    """A whole number above zero; ``100K`` and ``1M`` are understood."""
    number, unit = (text[:-1], _UNITS[text[-1].upper()]) if text[-1:].upper() in _UNITS else (text, 1)
    try:
        value = float(number) * unit if unit > 1 else int(number)
    except ValueError:
        raise argparse.ArgumentTypeError(f"'{text}' is not a number; give one such as 100000, 100K or 1M") from None
    if not 0 < value < 1e15 or value != int(value):
        raise argparse.ArgumentTypeError(f"'{text}' must be a whole number above 0")
    return int(value)


def length(text: str) -> int:
    """A number of positions: as ``count``, or 0 for facts and questions alone."""
    return 0 if text == "0" else count(text)


def index(text: str) -> int:
    """A whole number from 0."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"'{text}' is not a segment; give a whole number from 0")
    return int(text)


def seed(text: str) -> int:
    """A whole number from 0 to 2^32 - 1."""
    if not text.isdecimal() or int(text) >= 2**32:
        raise argparse.ArgumentTypeError(f"'{text}' is not a seed; give a whole number from 0 to {2**32 - 1}")
    return int(text)


def port(text: str) -> int:
    """A port that a program without privileges may listen on."""
    if not text.isdecimal() or not 1024 <= int(text) <= 65535:
        raise argparse.ArgumentTypeError(f"'{text}' is not a port; give a whole number from 1024 to 65535")
    return int(text)


def add_model(parser: argparse.ArgumentParser) -> None:
    """Add ``--model``, for analyses that run the model again; ``locate.model_of`` finds it where it is not given."""
    parser.add_argument(
        "--model", metavar="MODEL", help="the model that the recording was made with, where it is not found by itself"
    )


def add_threads(parser: argparse.ArgumentParser) -> None:
    """Add ``--threads``, which ``use_threads`` carries out."""
    parser.add_argument("--threads", type=count, metavar="N", help="CPU threads to compute on (OMP_NUM_THREADS, or 1)")


def add_workers(parser: argparse.ArgumentParser) -> None:
    """Add ``--workers``, for analyses side by side."""
    parser.add_argument(
        "--workers",
        type=count,
        metavar="N",
        default=min(2, os.cpu_count() or 1),
        help="analyses that run side by side, each in a process of its own (%(default)s)",
    )


def use_threads(args: argparse.Namespace) -> None:
    """Compute on as many threads as were asked for. To be called before anything that computes is imported.

    One by default: models of this size gain little from more, and threads that wait for each other all but stand still when other work
    takes a core.
    """
    n = str(args.threads or os.environ.get("OMP_NUM_THREADS") or 1)
    # what torch, numpy and scikit-learn read when they are loaded
    os.environ["OMP_NUM_THREADS"] = n
    if "torch" in sys.modules and n.isdecimal():
        sys.modules["torch"].set_num_threads(int(n))


@contextmanager
def warnings_in_one_line() -> Iterator[None]:
    """Print each warning as one line, without the place in the code that it comes from."""

    def show(message: Warning | str, *_: object, **__: object) -> None:
        say(f"memlens: warning: {message}", stderr=True)

    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.showwarning = show
        yield
