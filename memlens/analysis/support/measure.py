"""The door of every analysis: it takes a recording, and its result says what it was made from."""

from collections.abc import Callable, Sequence
from functools import wraps
from inspect import signature
from typing import Any, Concatenate, ParamSpec

import numpy as np
import xarray as xr

from memlens.analysis.support.result import finish
from memlens.errors import AnalysisError

Params = ParamSpec("Params")


def measure(
    function: "Callable[Concatenate[Any, Params], xr.Dataset]",
) -> "Callable[Concatenate[Any, Params], xr.Dataset]":
    """Make an analysis of a function of a recording.

    The function's dataset has an attribute ``n``, on how many independent things it rests, and may have others. It gets those of
    `memlens.analysis.support.result.finish`, with the parameters that the function ran with.

    Raises
    ------
    AnalysisError
        By the analysis, when its first argument is no recording.
    """
    taken = signature(function)

    @wraps(function)
    def measured(recording: Any, *args: Params.args, **kwargs: Params.kwargs) -> xr.Dataset:
        if not hasattr(recording, "segments"):
            raise AnalysisError(
                f"{function.__name__} got {recording!r} ({type(recording).__name__}), expected a recording; "
                "open it first: memlens.open(PATH)"
            )
        given = taken.bind(recording, *args, **kwargs)
        given.apply_defaults()
        dataset = function(recording, *args, **kwargs)
        params = {name: _plain(name, value) for name, value in list(given.arguments.items())[1:]}
        params = {name: value for name, value in params.items() if not isinstance(value, xr.Dataset)}
        return finish(dataset, function.__name__, recording, dataset.attrs.pop("n"), params)

    return measured


def _plain(name: str, value: Any) -> Any:
    """A parameter as JSON holds it: a labelled array by its name, a recording by its id; datasets stay, to be left out."""
    if isinstance(value, xr.DataArray):
        return str(value.name or name)
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_plain(name, each) for each in value]
    return value.id if hasattr(value, "segments") else value
