"""Targets that can, or cannot, be read from vectors: planted directions, planted products, and what is kept for a while."""

import numpy as np
import xarray as xr

from memlens.testing.structure import DEFAULT, Shape, noise


def labels(
    shape: Shape = DEFAULT, *, k: int = 2, whole: bool = False, memory: float = 0.0, seed: int = 0
) -> np.ndarray:
    """Random classes (sequence, segment, place).

    Parameters
    ----------
    whole
        One class a segment, shared by all its places.
    memory
        With ``whole``: chance that a segment keeps the class of the one before.
    """
    rng = np.random.default_rng([seed, 10])
    drawn = rng.integers(k, size=shape[:2] if whole else shape[:3])
    if not whole:
        return drawn
    for t in range(1, shape.segment):
        keep = rng.random(shape.sequence) < memory
        drawn[:, t] = np.where(keep, drawn[:, t - 1], drawn[:, t])
    return np.broadcast_to(drawn[..., None], shape[:3]).copy()


def linear(label: np.ndarray, shape: Shape = DEFAULT, *, signal: float = 3.0, seed: int = 0) -> np.ndarray:
    """Noise plus ``signal`` noise widths along one direction a class: a linear probe reads it."""
    rng = np.random.default_rng([seed, 11])
    direction = np.linalg.qr(rng.normal(size=(shape.feature, int(label.max()) + 1)))[0].T
    return noise(shape, seed=seed) + signal * direction[label]


def product(shape: Shape = DEFAULT, *, signal: float = 3.0, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Vectors whose class is the sign of a product of two directions: a linear probe reads nothing, an MLP does.

    Returns
    -------
    value, label
    """
    rng = np.random.default_rng([seed, 12])
    sign = rng.choice([-1.0, 1.0], size=(*shape[:3], 2))
    axes = np.linalg.qr(rng.normal(size=(shape.feature, 2)))[0].T
    return noise(shape, seed=seed) + signal * sign @ axes, (sign.prod(-1) > 0).astype(int)


def number(shape: Shape = DEFAULT, *, r2: float = 0.5, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Noise, and a number of which a linear function of the vector explains the share ``r2``.

    Returns
    -------
    value, number
        ``number`` is (sequence, segment, place), of unit variance.
    """
    rng = np.random.default_rng([seed, 13])
    value = noise(shape, seed=seed)
    weight = rng.normal(size=shape.feature)
    weight /= np.linalg.norm(weight)
    return value, np.sqrt(r2) * value @ weight + np.sqrt(1 - r2) * rng.normal(size=shape[:3])


def kept_for(
    shape: Shape = DEFAULT, *, since: int = 0, segments: int = 4, signal: float = 3.0, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Places that hold the class of a segment from ``since`` segments after it on, for ``segments`` segments.

    Each class and delay has a direction of its own, so ``shape.feature`` must be at least twice ``segments``.

    Returns
    -------
    value, label
        ``label`` is (sequence, segment).
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
    """A planted target as `memlens.analysis.probe` takes it."""
    return xr.DataArray(label, dims=("sequence", "segment", place)[: label.ndim], name="planted")
