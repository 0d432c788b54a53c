"""Streams: what a memory reads, and what is asked of it."""

from memlens.streams.encoded import AskedQuestion, EncodedStream
from memlens.streams.facts import Fact, make_fact
from memlens.streams.loaders import load_stream
from memlens.streams.registry import builtin_stream
from memlens.streams.scene import Query, Scene, Statement
from memlens.streams.stream import Stream
from memlens.streams.tasks import TASKS, Task, find_task
from memlens.streams.tokenizer import default_tokenizer

__all__ = [
    "TASKS",
    "AskedQuestion",
    "EncodedStream",
    "Fact",
    "Query",
    "Scene",
    "Statement",
    "Stream",
    "Task",
    "builtin_stream",
    "default_tokenizer",
    "find_task",
    "load_stream",
    "make_fact",
]
