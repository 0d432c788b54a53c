"""Streams by name: the built-in stream, and one of each task."""

import inspect
from collections.abc import Callable
from typing import Any

from memlens.errors import StreamError, closest
from memlens.streams.builtin import make_builtin
from memlens.streams.stream import Stream
from memlens.streams.tasks import TASKS

BUILTIN_STREAMS: dict[str, Callable[..., Stream]] = {
    "builtin": make_builtin,
    **{name: task.stream for name, task in TASKS.items()},
}


def builtin_stream(name: str, **options: Any) -> Stream:
    """Make a stream by its name.

    Raises
    ------
    StreamError
        For an unknown name or option; the closest right ones are listed.
    """
    if name not in BUILTIN_STREAMS:
        raise StreamError(f"no stream named '{name}'; {closest(str(name), BUILTIN_STREAMS)}")
    allowed = [k for k in inspect.signature(BUILTIN_STREAMS[name]).parameters if k != "options"]
    allowed += list(TASKS[name].options) if name in TASKS else []
    for option in options:
        if option not in allowed:
            raise StreamError(f"stream '{name}' has no option '{option}'; {closest(option, allowed)}")
    return BUILTIN_STREAMS[name](**options)
