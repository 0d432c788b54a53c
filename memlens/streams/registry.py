"""Built-in streams by name: the one called "builtin", and one of each task."""

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


def check_stream_name(name: str) -> None:
    """Raise StreamError when there is no built-in stream of that name; the closest right ones are listed."""
    if not isinstance(name, str) or name not in BUILTIN_STREAMS:
        raise StreamError(f"no built-in stream or task {name!r}; {closest(str(name), BUILTIN_STREAMS)}")


def builtin_stream(name: str, **options: Any) -> Stream:
    """Make a built-in stream: the one called "builtin", or one of a task.

    Parameters
    ----------
    name : str
        One of ``BUILTIN_STREAMS``.
    **options
        ``n_token``, ``seed``, ``split`` and the options of that stream (``memlens.streams.options``).

    Returns
    -------
    Stream

    Raises
    ------
    StreamError
        For an unknown name or option; the closest right ones are listed.
    """
    check_stream_name(name)
    allowed = [k for k in inspect.signature(BUILTIN_STREAMS[name]).parameters if k != "options"]
    allowed += list(TASKS[name].options) if name in TASKS else []
    for option in options:
        if option not in allowed:
            raise StreamError(f"stream '{name}' has no option '{option}'; {closest(option, allowed)}")
    return BUILTIN_STREAMS[name](**options)
