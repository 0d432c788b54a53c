"""Real English technical prose shipped with memlens, by split.

``train`` and ``validation`` are docstrings of numpy, scipy and scikit-learn (BSD-3); ``test`` is CPython's language
reference (PSF licence). See ``data/SOURCES.md``.
"""

import lzma
import re
from functools import cache
from pathlib import Path
from typing import Literal, get_args

from memlens.errors import StreamError, closest

Split = Literal["train", "validation", "test"]
DATA = Path(__file__).parent / "data"
#: The last share of the training file that is held out as ``validation``.
VALIDATION_SHARE = 0.05
LONGEST = 400
_BOUNDARY = re.compile(r"(?<=[.!?])\s+(?=[A-Z\"'(`])")


def check_split(split: str) -> None:
    """Raise StreamError when ``split`` is not train, validation or test."""
    if not isinstance(split, str) or split not in get_args(Split):
        raise StreamError(f"no split {split!r}; {closest(str(split), get_args(Split))}")


def split_sentences(text: str) -> list[str]:
    """Cut ``text`` into sentences, in order; one longer than 400 characters is cut at a space."""
    sentences: list[str] = []
    for line in text.splitlines():
        for sentence in _BOUNDARY.split(line.strip()):
            rest = sentence
            while len(rest) > LONGEST:
                cut = rest.rfind(" ", LONGEST // 2, LONGEST)
                cut = cut if cut > 0 else LONGEST
                sentences.append(rest[:cut].strip())
                rest = rest[cut:].strip()
            if rest:
                sentences.append(rest)
    return sentences


@cache
def sentences(split: str) -> tuple[str, ...]:
    """List the sentences of a split, in the order of their source.

    Parameters
    ----------
    split : {"train", "validation", "test"}

    Returns
    -------
    tuple of str

    Raises
    ------
    StreamError
        For an unknown split.
    """
    check_split(split)
    path = DATA / ("prose_test.txt.xz" if split == "test" else "prose_train.txt.xz")
    found = split_sentences(lzma.decompress(path.read_bytes()).decode("utf-8"))
    cut = round(len(found) * (1 - VALIDATION_SHARE))
    if split == "validation":  # a sentence that splits share stays out of validation
        others = {*found[:cut], *sentences("test")}
        return tuple(sentence for sentence in found[cut:] if sentence not in others)
    return tuple(found[:cut] if split == "train" else found)


def prose(split: str) -> str:
    """Join a split's prose into one text, sentences separated by single spaces."""
    return " ".join(sentences(split))
