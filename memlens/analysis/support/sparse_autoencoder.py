"""A top-k sparse autoencoder in numpy: rows as sums of a few of many directions.

x' = b + sum over the k largest of relu(W (x - b) + c) of z_j d_j, with unit directions d_j and b the mean row (Gao et al., 2024,
"Scaling and evaluating sparse autoencoders", equations 1 to 3). Axes: row, atom, feature.
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Autoencoder:
    """Trained weights.

    Attributes
    ----------
    atom
        Directions d [atom, feature], of unit length.
    encoder, threshold
        W [atom, feature] and c [atom].
    mean
        b [feature].
    active
        k.
    """

    atom: np.ndarray
    encoder: np.ndarray
    threshold: np.ndarray
    mean: np.ndarray
    active: int

    def encode(self, value: np.ndarray) -> np.ndarray:
        """Activations [row, atom], at most k of a row above 0."""
        return _top(np.maximum((value - self.mean) @ self.encoder.T + self.threshold, 0), self.active)

    def explained(self, value: np.ndarray) -> float:
        """Share of the variance of rows around the training mean that the reconstruction explains."""
        centred = value - self.mean
        rest = centred - self.encode(value) @ self.atom
        return float(1 - (rest**2).sum() / max((centred**2).sum(), 1e-300))


def _top(value: np.ndarray, k: int) -> np.ndarray:
    """Keep the k largest of each row, 0 elsewhere."""
    if k >= value.shape[1]:
        return value
    least = np.partition(value, -k, axis=1)[:, -k][:, None]
    return np.where(value >= least, value, 0)


def fit_autoencoder(
    value: np.ndarray, atoms: int, active: int, steps: int, seed: int, batch: int = 256, rate: float = 5e-3
) -> Autoencoder:
    """Fit by Adam on the squared error, directions held at unit length.

    An atom that no row of the last eighth of the steps used is dead: it restarts as the residual of a row that is badly explained
    (Bricken et al., 2023, "Towards monosemanticity", resampling), until the last quarter of the steps.

    Parameters
    ----------
    value : float [row, feature]
        What is explained.
    atoms, active : int
        Directions, and how many of them make one row.
    steps, batch : int
        Of training, and rows in each.
    seed : int
        Of all random draws.
    rate : float
        Learning rate.

    Returns
    -------
    Autoencoder
    """
    rng = np.random.default_rng(seed)
    value = value.astype(np.float32)
    mean = value.mean(0)
    scale = max(float(np.sqrt(((value - mean) ** 2).mean())), 1e-30)
    rows = (value - mean) / scale
    start = rows[rng.integers(rows.shape[0], size=atoms)] + 0.1 * rng.normal(size=(atoms, rows.shape[1])).astype(
        np.float32
    )
    atom = start / np.linalg.norm(start, axis=1, keepdims=True)
    weights = [atom, atom.copy(), np.zeros(atoms, np.float32)]
    first, second = ([np.zeros_like(w) for w in weights] for _ in range(2))
    used, every = np.zeros(atoms, bool), max(steps // 8, 1)
    for step in range(1, steps + 1):
        x = rows[rng.integers(rows.shape[0], size=min(batch, rows.shape[0]))]
        z = _top(np.maximum(x @ weights[1].T + weights[2], 0), active)
        error = z @ weights[0] - x
        used |= (z > 0).any(0)
        back = (error @ weights[0].T) * (z > 0)
        gradients = [z.T @ error / len(x), back.T @ x / len(x), back.mean(0)]
        for w, g, m, v in zip(weights, gradients, first, second, strict=True):
            m += 0.1 * (g - m)
            v += 0.001 * (g * g - v)
            # a linear decay over the last half settles the directions
            decay = min(1.0, 2 * (1 - step / (steps + 1)))
            w -= rate * decay * (m / (1 - 0.9**step)) / (np.sqrt(v / (1 - 0.999**step)) + 1e-8)
        weights[0] /= np.linalg.norm(weights[0], axis=1, keepdims=True)
        if step % every == 0:
            dead = np.flatnonzero(~used)
            if dead.size and step <= 3 * steps // 4:
                _restart(dead, x, error, weights, first, second, rng)
            used[:] = False
    return Autoencoder(weights[0], weights[1], weights[2] * scale, mean, active)


def _restart(
    dead: np.ndarray, x: np.ndarray, error: np.ndarray, weights: list[np.ndarray], first: list[np.ndarray],
    second: list[np.ndarray], rng: np.random.Generator,
) -> None:  # fmt: skip
    loss = (error**2).sum(1)
    row = rng.choice(x.shape[0], size=dead.size, p=loss / loss.sum() if loss.sum() > 0 else None)
    direction = -error[row]
    direction /= np.maximum(np.linalg.norm(direction, axis=1, keepdims=True), 1e-12)
    weights[0][dead], weights[1][dead], weights[2][dead] = direction, direction, 0
    for moment in (*first, *second):
        moment[dead] = 0
