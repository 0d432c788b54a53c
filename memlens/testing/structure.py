"""Vectors with planted structure, to be given to `write_recording`: rank, redundancy, specialisation, drift, another run, clusters, atoms.

Every function gives float64 arrays (sequence, segment, place, feature), and what was planted where that is not an argument.
With everything at its default the vectors are independent noise: nothing is there to be found.
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
    """Gaussian vectors of unit variance that mean nothing.

    Parameters
    ----------
    memory
        Correlation of neighbouring segments (an AR(1) process): what slow, meaningless change looks like.
    shared
        Share of the variance that all places of a segment have in common.
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
    """Vectors in ``rank`` directions of equal variance, and noise of standard deviation ``floor`` in all."""
    rng = np.random.default_rng(seed)
    axes = np.linalg.qr(rng.normal(size=(shape.feature, rank)))[0].T
    return rng.normal(size=(*shape[:3], rank)) @ axes + floor * rng.normal(size=shape)


def specialised(shape: Shape = DEFAULT, *, share: float = 0.5, seed: int = 0) -> np.ndarray:
    """Each place has a constant of its own, which makes ``share`` of the variance."""
    rng = np.random.default_rng(seed)
    constant = rng.normal(size=(shape.place, shape.feature))
    constant -= constant.mean(0)
    constant *= np.sqrt(share / (constant**2).mean())
    return constant + np.sqrt(1 - share) * rng.normal(size=shape)


def drifting(shape: Shape = DEFAULT, *, rate: float = 0.1, seed: int = 0) -> np.ndarray:
    """Noise whose mean moves ``rate`` a segment in one direction."""
    rng = np.random.default_rng(seed)
    direction = rng.normal(size=shape.feature)
    direction /= np.linalg.norm(direction)
    return rng.normal(size=shape) + rate * np.arange(shape.segment)[:, None, None] * direction


def other_run(value: np.ndarray, *, noise: float = 0.3, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """The same vectors as another seed would have them: places in another order, axes turned, noise added.

    Returns
    -------
    value, match
        ``match[i]`` is the place of the new run that plays the part of place i.
    """
    rng = np.random.default_rng(seed)
    order = rng.permutation(value.shape[2])
    turn = np.linalg.qr(rng.normal(size=(value.shape[3], value.shape[3])))[0]
    return value[:, :, order] @ turn + noise * rng.normal(size=value.shape), np.argsort(order)


def clustered(
    shape: Shape = DEFAULT, *, k: int = 4, apart: float = 6.0, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Unit noise around ``k`` centres, ``apart`` from the origin in directions at right angles.

    Returns
    -------
    value, label
        ``label`` is (sequence, segment, place).
    """
    rng = np.random.default_rng(seed)
    centre = np.linalg.qr(rng.normal(size=(shape.feature, k)))[0].T * apart
    label = rng.integers(k, size=shape[:3])
    return centre[label] + rng.normal(size=shape), label


def sparse(
    shape: Shape = DEFAULT, *, atoms: int = 24, active: int = 2, noise: float = 0.05, seed: int = 0
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Each vector is a sum of ``active`` of ``atoms`` unit directions, with positive weights.

    Returns
    -------
    value, atom, code
        ``atom`` (atom, feature), ``code`` (sequence, segment, place, atom).
    """
    rng = np.random.default_rng(seed)
    atom = rng.normal(size=(atoms, shape.feature))
    atom /= np.linalg.norm(atom, axis=1, keepdims=True)
    code = rng.uniform(0.5, 1.5, (*shape[:3], atoms))
    code *= np.argsort(np.argsort(rng.random(code.shape), -1), -1) < active
    return code @ atom + noise * rng.normal(size=shape), atom, code
