"""Streams: what a memory reads, and what is asked of it."""

from memlens.streams.builtin import builtin, named
from memlens.streams.encoded import AskedQuestion, EncodedStream
from memlens.streams.facts import Fact, make_fact
from memlens.streams.loaders import load
from memlens.streams.stream import Stream
from memlens.streams.tokenizer import default_tokenizer

__all__ = [
    "AskedQuestion",
    "EncodedStream",
    "Fact",
    "Stream",
    "builtin",
    "default_tokenizer",
    "load",
    "make_fact",
    "named",
]
