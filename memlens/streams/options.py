"""Options of built-in streams besides length, seed and split: names, defaults, and values given as text."""

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

from memlens.errors import StreamError, closest
from memlens.streams.registry import BUILTIN_STREAMS, check_stream_name
from memlens.streams.tasks import TASKS
from memlens.streams.tasks.checks import check_option

_WORDS = {"true": True, "false": False}


def options(name: str) -> dict[str, Any]:
    """Options of a built-in stream and their defaults.

    Raises
    ------
    StreamError
        For an unknown name; the closest right ones are listed.
    """
    check_stream_name(name)
    if name in TASKS:
        return {"n_fact": TASKS[name].n_fact, "filler": TASKS[name].filler, **TASKS[name].options}
    parameters = inspect.signature(BUILTIN_STREAMS[name]).parameters.values()
    return {p.name: p.default for p in parameters if p.name not in ("n_token", "seed", "split")}


def default_length(name: str) -> int:
    """Positions that a built-in stream has when no length is given; StreamError as ``options``."""
    options(name)
    return (
        TASKS[name].n_token if name in TASKS else inspect.signature(BUILTIN_STREAMS[name]).parameters["n_token"].default
    )


def resolve(name: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """All options of a built-in stream: those given, checked, and the defaults of the others.

    Parameters
    ----------
    name : str
    given : mapping of str to object

    Returns
    -------
    dict

    Raises
    ------
    StreamError
        For an unknown name or option, or a value of another type than the option's default.
    """
    known = options(name)
    if not isinstance(given, Mapping):
        raise StreamError(f"options are {given!r}, expected a dict; names: {', '.join(known)}")
    return {
        **known,
        **{key: check_option(_owner(name), key, value, _default(name, key, known)) for key, value in given.items()},
    }


def parse(name: str, texts: Sequence[str]) -> dict[str, Any]:
    """Read options from ``key=value`` texts: numbers, true or false, and lists as ``0.4,0.2,0.2,0.2``.

    Parameters
    ----------
    name : str
        Name of a built-in stream.
    texts : sequence of str

    Returns
    -------
    dict
        Only the options that were given.

    Raises
    ------
    StreamError
        As ``resolve``; also for a text without ``=`` and an option that is given twice.
    """
    known = options(name)
    parsed: dict[str, Any] = {}
    for text in texts:
        key, sign, value = text.partition("=")
        if not sign:
            raise StreamError(f"'{text}' sets nothing; give key=value, with a key of {', '.join(known)}")
        default = _default(name, key, known)
        if key in parsed:
            raise StreamError(f"option '{key}' is given twice; give it once")
        parsed[key] = check_option(_owner(name), key, _read(value, default), default)
    return parsed


def _owner(name: str) -> str:
    return f"task '{name}'" if name in TASKS else f"stream '{name}'"


def _default(name: str, key: str, known: Mapping[str, Any]) -> Any:
    if key not in known:
        raise StreamError(f"{_owner(name)} has no option '{key}'; {closest(str(key), known)}")
    return known[key]


def _read(text: str, default: Any) -> Any:
    """The value that ``text`` spells, of the type of ``default``; the text itself where it spells none."""
    if isinstance(default, tuple):
        return tuple(_read(part, default[0]) for part in text.split(","))
    if isinstance(default, bool):
        return _WORDS.get(text.lower(), text)
    if isinstance(default, int | float):
        try:
            return type(default)(text)
        except ValueError:
            return text
    return text
