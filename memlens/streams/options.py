"""What a named stream can be told besides length, seed and split: its options, their defaults, and values given as text."""

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

from memlens.errors import StreamError, closest
from memlens.streams.registry import BUILTIN_STREAMS
from memlens.streams.tasks import TASKS

_WORDS = {"true": True, "false": False}
_KINDS = {bool: "true or false", int: "a whole number", float: "a number", str: "a text"}


def options(name: str) -> dict[str, Any]:
    """Options of a named stream and their defaults.

    Raises
    ------
    StreamError
        For an unknown name; the closest right ones are listed.
    """
    if name not in BUILTIN_STREAMS:
        raise StreamError(f"no task '{name}'; {closest(str(name), BUILTIN_STREAMS)}")
    if name in TASKS:
        return {"n_fact": TASKS[name].n_fact, "filler": TASKS[name].filler, **TASKS[name].options}
    parameters = inspect.signature(BUILTIN_STREAMS[name]).parameters.values()
    return {p.name: p.default for p in parameters if p.name not in ("n_token", "seed", "split")}


def default_length(name: str) -> int:
    """Positions that a named stream has unless told otherwise; StreamError as ``options``."""
    options(name)
    return (
        TASKS[name].n_token if name in TASKS else inspect.signature(BUILTIN_STREAMS[name]).parameters["n_token"].default
    )


def resolve(name: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """All options of a named stream: those given, checked, and the defaults of the others.

    Raises
    ------
    StreamError
        For an unknown name or option, or a value that is not of the kind of the option's default.
    """
    known = options(name)
    return {**known, **{key: _checked(name, key, value, _default(name, key, known)) for key, value in given.items()}}


def parse(name: str, texts: Sequence[str]) -> dict[str, Any]:
    """Options given as ``key=value`` texts: numbers, true or false, and lists as ``0.4,0.2,0.2,0.2``.

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
            raise StreamError(f"'{text}' sets nothing; give key=value; keys: {', '.join(known)}")
        default = _default(name, key, known)
        if key in parsed:
            raise StreamError(f"option '{key}' is given twice; give it once")
        parsed[key] = _checked(name, key, _read(value, default), default)
    return parsed


def _default(name: str, key: str, known: Mapping[str, Any]) -> Any:
    if key not in known:
        raise StreamError(f"task '{name}' has no option '{key}'; {closest(str(key), known)}")
    return known[key]


def _read(text: str, default: Any) -> Any:
    """The value that ``text`` spells, of the kind of ``default``; the text itself where it spells none."""
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


def _checked(name: str, key: str, value: Any, default: Any) -> Any:
    """``value``, of the type of ``default``."""
    if isinstance(default, tuple):
        if not isinstance(value, tuple | list) or len(value) != len(default):
            raise StreamError(
                f"option '{key}' of task '{name}' is {value!r}, expected {len(default)} values, as {default}"
            )
        return tuple(_checked(name, key, part, default[0]) for part in value)
    kind = type(default)
    wide = (int, float) if kind is float else kind
    if not isinstance(value, wide) or (isinstance(value, bool) and kind is not bool):
        raise StreamError(f"option '{key}' of task '{name}' is {value!r}, expected {_KINDS[kind]}, such as {default!r}")
    return kind(value)
