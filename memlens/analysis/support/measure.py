"""The door of every analysis: it takes a recording, and its result says what it was made from."""

from collections.abc import Callable, Sequence
from functools import wraps
from inspect import signature
from typing import Any, Concatenate, ParamSpec

import numpy as np
import xarray as xr

from memlens.analysis.support.result import finish
from memlens.calls import bind
from memlens.recording.protocol import as_recording
from memlens.threads import limited_threads

Params = ParamSpec("Params")


def measure(
    function: "Callable[Concatenate[Any, Params], xr.Dataset]",
) -> "Callable[Concatenate[Any, Params], xr.Dataset]":
    """Make an analysis of a function of a recording.

    The function's dataset has an attribute ``n``, on how many independent things it rests, and may have others. It gets those of
    `memlens.analysis.support.result.finish`, with the parameters that the function ran with.

    Raises
    ------
    RecordingError
        By the analysis, when an argument that should be a recording is none.
    """
    taken = signature(function)
    recorded = next(iter(taken.parameters))

    @wraps(function)
    def measured(recording: Any, *args: Params.args, **kwargs: Params.kwargs) -> xr.Dataset:
        given = bind(function.__name__, taken, (recording, *args), kwargs)
        given.apply_defaults()
        for name, value in given.arguments.items():
            if "Recording" in str(taken.parameters[name].annotation) and (value is not None or name == recorded):
                for each in value if isinstance(value, list | tuple) else [value]:
                    as_recording(each, name)
        with limited_threads():
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
    if isinstance(value, str):
        return value
    if isinstance(value, Sequence):
        return [_plain(name, each) for each in value]
    return value.id if hasattr(value, "segments") else value
