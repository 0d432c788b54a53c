"""Vectors with planted structure, to be given to `write_recording`: rank, redundancy, specialisation, drift, another run, clusters, atoms.

Every function returns float64 vectors [sequence, segment, place, feature], and what was planted where that is not an argument. A place is a
slot, a working slot or a place of the store, whichever the point has.
"""

from typing import NamedTuple

import numpy as np


class Shape(NamedTuple):
    """Sizes of a planted point."""

    sequence: int = 1
    segment: int = 64
    place: int = 8
    feature: int = 16


DEFAULT = Shape()


def noise(shape: Shape = DEFAULT, *, seed: int = 0, memory: float = 0.0, shared: float = 0.0) -> np.ndarray:
    """Gaussian vectors of unit variance, with nothing planted.

    Parameters
    ----------
    shape : Shape
        Sizes.
    seed : int
        Of all that is drawn.
    memory : float
        Correlation of neighbouring segments (an AR(1) process): slow change without meaning.
    shared : float
        Share of the variance that all places of a segment have in common.

    Returns
    -------
    float [sequence, segment, place, feature]
    """
    rng = np.random.default_rng(seed)

    def process(size: tuple[int, ...]) -> np.ndarray:
        out = rng.normal(size=size)
        for t in range(1, size[1]):
            out[:, t] = memory * out[:, t - 1] + np.sqrt(1 - memory**2) * out[:, t]
        return out

    own = process(tuple(shape))
    common = process((shape.sequence, shape.segment, 1, shape.feature)) if shared else 0.0
    return np.sqrt(1 - shared) * own + np.sqrt(shared) * common


def low_rank(shape: Shape = DEFAULT, *, rank: int = 3, floor: float = 0.0, seed: int = 0) -> np.ndarray:
    """Vectors in ``rank`` directions of equal variance.

    Parameters
    ----------
    shape : Shape
        Sizes.
    rank : int
        Directions.
    floor : float
        Standard deviation of noise in all directions.
    seed : int
        Of all that is drawn.

    Returns
    -------
    float [sequence, segment, place, feature]
    """
    rng = np.random.default_rng(seed)
    axes = np.linalg.qr(rng.normal(size=(shape.feature, rank)))[0].T
    return rng.normal(size=(*shape[:3], rank)) @ axes + floor * rng.normal(size=shape)


def specialised(shape: Shape = DEFAULT, *, share: float = 0.5, seed: int = 0) -> np.ndarray:
    """Vectors with a constant for each place.

    Parameters
    ----------
    shape : Shape
        Sizes.
    share : float
        Share of the variance that the constants make.
    seed : int
        Of all that is drawn.

    Returns
    -------
    float [sequence, segment, place, feature]
    """
    rng = np.random.default_rng(seed)
    constant = rng.normal(size=(shape.place, shape.feature))
    constant -= constant.mean(0)
    constant *= np.sqrt(share / (constant**2).mean())
    return constant + np.sqrt(1 - share) * rng.normal(size=shape)


def drifting(shape: Shape = DEFAULT, *, rate: float = 0.1, seed: int = 0) -> np.ndarray:
    """Noise whose mean moves in one direction.

    Parameters
    ----------
    shape : Shape
        Sizes.
    rate : float
        Noise widths a segment.
    seed : int
        Of all that is drawn.

    Returns
    -------
    float [sequence, segment, place, feature]
    """
    rng = np.random.default_rng(seed)
    direction = rng.normal(size=shape.feature)
    direction /= np.linalg.norm(direction)
    return rng.normal(size=shape) + rate * np.arange(shape.segment)[:, None, None] * direction


def other_run(value: np.ndarray, *, noise: float = 0.3, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """The same vectors as a run with another seed would have them: places permuted, axes rotated, noise added.

    Parameters
    ----------
    value : float [sequence, segment, place, feature]
        Vectors of the first run.
    noise : float
        Standard deviation of the noise.
    seed : int
        Of the permutation, the rotation and the noise.

    Returns
    -------
    value : float [sequence, segment, place, feature]
    match : int [place]
        The place of the new run that corresponds to each place of the first.
    """
    rng = np.random.default_rng(seed)
    order = rng.permutation(value.shape[2])
    turn = np.linalg.qr(rng.normal(size=(value.shape[3], value.shape[3])))[0]
    return value[:, :, order] @ turn + noise * rng.normal(size=value.shape), np.argsort(order)


def clustered(
    shape: Shape = DEFAULT, *, k: int = 4, apart: float = 6.0, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Unit noise around centres in directions at right angles.

    Parameters
    ----------
    shape : Shape
        Sizes.
    k : int
        Centres.
    apart : float
        Distance of the centres from the origin.
    seed : int
        Of all that is drawn.

    Returns
    -------
    value : float [sequence, segment, place, feature]
    label : int [sequence, segment, place]
    """
    rng = np.random.default_rng(seed)
    centre = np.linalg.qr(rng.normal(size=(shape.feature, k)))[0].T * apart
    label = rng.integers(k, size=shape[:3])
    return centre[label] + rng.normal(size=shape), label


def sparse(
    shape: Shape = DEFAULT, *, atoms: int = 24, active: int = 2, noise: float = 0.05, seed: int = 0
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Vectors that are each the sum of a few of many unit directions, with positive weights.

    Parameters
    ----------
    shape : Shape
        Sizes.
    atoms, active : int
        Directions in all, and in each vector.
    noise : float
        Standard deviation of added noise.
    seed : int
        Of all that is drawn.

    Returns
    -------
    value : float [sequence, segment, place, feature]
    atom : float [atom, feature]
    code : float [sequence, segment, place, atom]
    """
    rng = np.random.default_rng(seed)
    atom = rng.normal(size=(atoms, shape.feature))
    atom /= np.linalg.norm(atom, axis=1, keepdims=True)
    code = rng.uniform(0.5, 1.5, (*shape[:3], atoms))
    code *= np.argsort(np.argsort(rng.random(code.shape), -1), -1) < active
    return code @ atom + noise * rng.normal(size=shape), atom, code
