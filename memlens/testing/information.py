"""Targets that can, or cannot, be read from vectors: planted directions, planted products, and classes that are kept for a while."""

import numpy as np
import xarray as xr

from memlens.testing.structure import DEFAULT, Shape, noise


def labels(
    shape: Shape = DEFAULT, *, k: int = 2, whole: bool = False, memory: float = 0.0, seed: int = 0
) -> np.ndarray:
    """Random classes.

    Parameters
    ----------
    shape : Shape
        Sizes.
    k : int
        Classes.
    whole : bool
        Whether all places of a segment share one class.
    memory : float
        With ``whole``: chance that a segment keeps the class of the one before.
    seed : int
        Of all that is drawn.

    Returns
    -------
    int [sequence, segment, place]
    """
    rng = np.random.default_rng([seed, 10])
    drawn = rng.integers(k, size=shape[:2] if whole else shape[:3])
    if not whole:
        return drawn
    for t in range(1, shape.segment):
        keep = rng.random(shape.sequence) < memory
        drawn[:, t] = np.where(keep, drawn[:, t - 1], drawn[:, t])
    return np.broadcast_to(drawn[..., None], shape[:3]).copy()


def linear_classes(label: np.ndarray, shape: Shape = DEFAULT, *, signal: float = 3.0, seed: int = 0) -> np.ndarray:
    """Noise plus one direction for each class: a linear probe reads it.

    Parameters
    ----------
    label : int [sequence, segment, place]
        Classes.
    shape : Shape
        Sizes.
    signal : float
        Noise widths along the direction.
    seed : int
        Of all that is drawn.

    Returns
    -------
    float [sequence, segment, place, feature]
    """
    rng = np.random.default_rng([seed, 11])
    direction = np.linalg.qr(rng.normal(size=(shape.feature, int(label.max()) + 1)))[0].T
    return noise(shape, seed=seed) + signal * direction[label]


def product(shape: Shape = DEFAULT, *, signal: float = 3.0, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Vectors whose class is the sign of a product of two directions: a linear probe cannot read it, an MLP can.

    Parameters
    ----------
    shape : Shape
        Sizes.
    signal : float
        Noise widths along both directions.
    seed : int
        Of all that is drawn.

    Returns
    -------
    value : float [sequence, segment, place, feature]
    label : int [sequence, segment, place]
    """
    rng = np.random.default_rng([seed, 12])
    sign = rng.choice([-1.0, 1.0], size=(*shape[:3], 2))
    axes = np.linalg.qr(rng.normal(size=(shape.feature, 2)))[0].T
    return noise(shape, seed=seed) + signal * sign @ axes, (sign.prod(-1) > 0).astype(int)


def number(shape: Shape = DEFAULT, *, r2: float = 0.5, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Noise, and a number of which a linear function of the vector explains a share.

    Parameters
    ----------
    shape : Shape
        Sizes.
    r2 : float
        That share of the number's variance.
    seed : int
        Of all that is drawn.

    Returns
    -------
    value : float [sequence, segment, place, feature]
    number : float [sequence, segment, place]
        Of unit variance.
    """
    rng = np.random.default_rng([seed, 13])
    value = noise(shape, seed=seed)
    weight = rng.normal(size=shape.feature)
    weight /= np.linalg.norm(weight)
    return value, np.sqrt(r2) * value @ weight + np.sqrt(1 - r2) * rng.normal(size=shape[:3])


def kept_for(
    shape: Shape = DEFAULT, *, since: int = 0, segments: int = 4, signal: float = 3.0, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Places that hold the class of a segment for a while.

    Parameters
    ----------
    shape : Shape
        Sizes.
    since, segments : int
        From so many segments after it on, and for how many.
    signal : float
        Noise widths along the direction of each class and delay; ``shape.feature`` must be at least twice ``segments``.
    seed : int
        Of all that is drawn.

    Returns
    -------
    value : float [sequence, segment, place, feature]
    label : int [sequence, segment]
    """
    rng = np.random.default_rng([seed, 14])
    label = rng.integers(2, size=shape[:2])
    direction = np.linalg.qr(rng.normal(size=(shape.feature, 2 * segments)))[0].T.reshape(segments, 2, shape.feature)
    value = noise(shape, seed=seed)
    for at in range(segments):
        delay = since + at
        value[:, delay:] += signal * direction[at][label[:, : shape.segment - delay]][:, :, None]
    return value, label


def target(label: np.ndarray, place: str = "slot") -> xr.DataArray:
    """A planted target as `memlens.analysis.probe` takes it.

    Parameters
    ----------
    label : [sequence, segment] or [sequence, segment, place]
        Values.
    place : str
        Name of the place axis.

    Returns
    -------
    xarray.DataArray
    """
    return xr.DataArray(label, dims=("sequence", "segment", place)[: label.ndim], name="planted")
