"""What figures of causes share: an effect with its interval, beside its null with an interval of its own."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from memlens.figures.panel import Mark
from memlens.figures.style import ACCENT, NULL_COLOUR

if TYPE_CHECKING:
    import xarray as xr


#: How far the two stand from the middle of their place.
ASIDE = 0.1


def effect_and_null(
    dataset: "xr.Dataset", null: str, prefix: str = "", measured: str = "measured (95 %)", colour: str = ACCENT
) -> list[Mark]:
    """Marks of ``{prefix}mean`` and ``{prefix}null_mean``, with their intervals, over the one dim that they have.

    Parameters
    ----------
    dataset : xarray.Dataset
        With mean, low, high, null_mean, null_low, null_high and, if known, n.
    null : str
        What the null is, for the legend.
    prefix : str
        Of the names of the variables.
    measured : str
        What the measured values are, for the legend.
    colour : str
        Of the measured values.

    Returns
    -------
    list[Mark]
        The null, then what was measured.
    """
    values = {name: np.atleast_1d(dataset[f"{prefix}{name}"].values) for name in _NAMES}
    place = np.arange(values["mean"].size)
    notes = [f"n = {n:,}" for n in np.atleast_1d(dataset[f"{prefix}n"].values)] if f"{prefix}n" in dataset else None
    low, high = values["null_low"], values["null_high"]
    return [
        Mark(f"null: {null}", place - ASIDE, values["null_mean"], NULL_COLOUR, "point", low, high, note=notes),
        Mark(measured, place + ASIDE, values["mean"], colour, "point", values["low"], values["high"], symbol="diamond", note=notes),
    ]  # fmt: skip


_NAMES = ("mean", "low", "high", "null_mean", "null_low", "null_high")


def value_and_interval(value: float, low: float, high: float) -> str:
    """A number with its interval, in words.

    Parameters
    ----------
    value, low, high : float
        NaN bounds: no interval.

    Returns
    -------
    str
        "0.52 (95 % interval 0.31 to 0.73)", or the number alone.
    """
    if not np.isfinite(low):
        return f"{value:.2f}"
    return f"{value:.2f} (95 % interval {low:.2f} to {high:.2f})"


def listed(names: Sequence[str]) -> str:
    """Names in a sentence: "a", "a and b", "a, b and c"."""
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else list(names))
