"""Calls that do not fit end in one typed error: what was got, what was expected, the closest right name."""

from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from inspect import BoundArguments, Parameter, Signature, signature
from numbers import Integral, Real
from os import PathLike
from pathlib import Path
from reprlib import repr as short
from types import NoneType, UnionType
from typing import Any, ParamSpec, TypeVar, get_args

from memlens.errors import ArgumentError, closest

P = ParamSpec("P")
R = TypeVar("R")

#: What may be given where an annotation says this.
_GIVEN: dict[Any, tuple[type, ...]] = {
    str: (str,), int: (Integral,), float: (Real,), bool: (bool,), Path: (PathLike,), NoneType: (NoneType,),
}  # fmt: skip
_WORDS = {"str": "a text", "Integral": "a whole number", "Real": "a number", "bool": "True or False", "PathLike": "a path",
          "NoneType": "None", "Iterable": "a list"}  # fmt: skip


def checked(**expected: type | tuple[type, ...]) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Make a function whose wrong calls are an ArgumentError.

    Arguments are compared with their annotations where these are built of str, int, float, bool, Path and None.

    Parameters
    ----------
    **expected : type or tuple of types
        What further arguments may be, by their names.

    Returns
    -------
    function
        A decorator.
    """

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        taken = signature(function)

        @wraps(function)
        def call(*args: P.args, **kwargs: P.kwargs) -> R:
            bind(function.__name__, taken, args, kwargs, expected)
            return function(*args, **kwargs)

        return call

    return decorate


def bind(
    function: str, taken: Signature, args: Sequence[Any], kwargs: Mapping[str, Any], expected: Mapping[str, Any] = {}
) -> BoundArguments:
    """Assign the arguments of a call to the parameters of a function.

    Parameters
    ----------
    function : str
        Its name.
    taken : Signature
        Its parameters.
    args, kwargs
        Of the call.
    expected : dict
        Types of arguments whose annotations do not say what they may be.

    Returns
    -------
    BoundArguments
        Those that were given.

    Raises
    ------
    ArgumentError
        When a name is wrong, an argument is missing or of a wrong type, or there are too many.
    """
    try:
        given = taken.bind(*args, **kwargs)
    except TypeError as error:
        names = [
            p.name for p in taken.parameters.values() if p.kind not in (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD)
        ]
        wrong = [name for name in kwargs if name not in names]
        if wrong:
            raise ArgumentError(f"{function}() has no argument '{wrong[0]}'; {closest(wrong[0], names)}") from None
        raise ArgumentError(f"{function}(): {error}; it takes {', '.join(names)}") from None
    for name, value in given.arguments.items():
        types = expected.get(name) or _types(taken.parameters[name])
        if types and not isinstance(value, types):
            several = types if isinstance(types, tuple) else (types,)
            words = " or ".join(dict.fromkeys(_WORDS.get(one.__name__, f"a {one.__name__}") for one in several))
            raise ArgumentError(f"{function}(): {name} is {short(value)} ({type(value).__name__}), expected {words}")
    return given


def _types(parameter: Parameter) -> tuple[type, ...]:
    """What an argument may be by its annotation; nothing where that is not built of simple types."""
    if parameter.kind in (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD):
        return ()
    annotation = parameter.annotation
    parts = get_args(annotation) if isinstance(annotation, UnionType) else (annotation,)
    known = [_GIVEN.get(part) if isinstance(part, type) else None for part in parts]
    return () if None in known else tuple(one for several in known for one in several or ())
