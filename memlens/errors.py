"""The typed errors of memlens. Each message says what was got, what was expected and what to do."""

from collections.abc import Iterable
from difflib import get_close_matches


class MemlensError(Exception):
    """Base of every error that a user's input can cause; the CLI prints it without a traceback."""


class ArgumentError(MemlensError, TypeError):
    """A call was given an argument of a wrong name or type. A TypeError as well, which is what Python raises there."""


class ConfigError(MemlensError):
    """A configuration has an unknown key or a value out of range."""


class StreamError(MemlensError):
    """A stream, or a file that should become one, cannot be read or is empty."""


class ModelError(MemlensError):
    """A model folder is missing, damaged, foreign or holds weights that are not finite."""


class RecordingError(MemlensError):
    """A recording is missing, exists already, or lacks what was asked of it."""


class AnalysisError(MemlensError):
    """The data cannot support the analysis that was asked for."""


class PointError(MemlensError, KeyError):
    """A hook name matches no point of the model. A KeyError as well, which is what TransformerLens and dicts raise there."""

    # a KeyError prints its message in quotes
    __str__ = Exception.__str__


class InterventionError(MemlensError):
    """An intervention has no such place to act on, or what it takes from a recording is not there."""


class InterventionWarning(UserWarning):
    """What an intervention asked for could not be done; the message says what was done instead."""


class TrainingError(MemlensError):
    """A training run met a value that is not finite or cannot continue."""


def closest(name: str, allowed: Iterable[str], n: int = 3) -> str:
    """Say which allowed names are nearest to a wrong one, for the end of an error message.

    Parameters
    ----------
    name : str
        The wrong one.
    allowed : iterable of str
        The right ones.
    n : int
        At most so many of them.

    Returns
    -------
    str
        "closest: a, b", or all of the right ones where none is near.
    """
    names = sorted(allowed)
    near = get_close_matches(name, names, n=n, cutoff=0.4)
    return f"closest: {', '.join(near)}" if near else f"allowed: {', '.join(names)}"
