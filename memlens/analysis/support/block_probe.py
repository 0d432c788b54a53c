"""Linear probes over rows that are larger than memory: the penalised fits of scikit-learn, their sums taken over blocks.

Features are standardised by the mean and deviation of the rows that are fitted, as StandardScaler does.
"""

from collections.abc import Iterator

import numpy as np

from memlens.analysis.support.blocks import Rows, blocks


class Scaled:
    """Rows with features of mean 0 and deviation 1, a block at a time."""

    def __init__(self, value: Rows):
        n = value.shape[0]
        self.mean = np.sum([block.sum(0, dtype=np.float64) for _, block in blocks(value)], axis=0) / n
        spread = np.sum([((block - self.mean) ** 2).sum(0) for _, block in blocks(value)], axis=0) / n
        self.deviation = np.sqrt(np.where(spread > 0, spread, 1.0))

    def __call__(self, value: Rows) -> Iterator[tuple[slice, np.ndarray]]:
        for rows, block in blocks(value):
            yield rows, ((block - self.mean) / self.deviation).astype(block.dtype)


def logistic(
    value: Rows, code: np.ndarray, new: Rows, n_class: int, *, c: float, rounds: int, tolerance: float
) -> np.ndarray:
    """Probabilities of the classes of new rows, by those of fitted ones.

    Minimises -1/n sum_i log p(y_i | x_i) + |W|^2 / (2 c n) by L-BFGS, which is what scikit-learn's LogisticRegression does: one logit for
    two classes, a softmax for more.

    Parameters
    ----------
    value, new : float [row, feature]
        Rows that are fitted, and those that are predicted.
    code : int [row]
        Classes of the fitted rows, 0 .. n_class - 1.
    n_class : int
        Classes there are.
    c : float
        Inverse of the penalty.
    rounds : int
        Of L-BFGS, at most.
    tolerance : float
        Done when no slope is larger.

    Returns
    -------
    float [row, class]
    """
    from scipy.optimize import minimize

    scaled, n, width = Scaled(value), value.shape[0], value.shape[1]
    n_row = 1 if n_class == 2 else n_class

    def loss(flat: np.ndarray) -> tuple[float, np.ndarray]:
        weight = flat.reshape(n_row, width + 1)
        total, slope = 0.0, np.zeros((n_row, width + 1))
        for rows, block in scaled(value):
            own = code[rows]
            p = _probabilities(block, weight)
            total -= float(np.log(np.maximum(p[np.arange(own.size), own], 1e-300)).sum())
            p[np.arange(own.size), own] -= 1
            error = p[:, 1:] if n_row == 1 else p
            slope[:, :-1] += error.T @ block
            slope[:, -1] += error.sum(0)
        slope /= n
        slope[:, :-1] += weight[:, :-1] / (c * n)
        return total / n + float((weight[:, :-1] ** 2).sum()) / (2 * c * n), slope.ravel()

    options = {"maxiter": rounds, "maxls": 50, "gtol": tolerance, "ftol": 64 * np.finfo(float).eps}
    found = minimize(loss, np.zeros(n_row * (width + 1)), jac=True, method="L-BFGS-B", options=options).x
    weight = found.reshape(n_row, width + 1)
    out = np.empty((new.shape[0], n_class))
    for rows, block in scaled(new):
        out[rows] = _probabilities(block, weight)
    return out


def _probabilities(block: np.ndarray, weight: np.ndarray) -> np.ndarray:
    logits = block @ weight[:, :-1].T + weight[:, -1]
    if weight.shape[0] == 1:
        logits = np.concatenate([np.zeros_like(logits), logits], 1)
    logits -= logits.max(1, keepdims=True)
    p = np.exp(logits)
    return p / p.sum(1, keepdims=True)


def ridge(value: Rows, target: np.ndarray, new: Rows, *, alpha: float) -> np.ndarray:
    """Numbers of new rows by (X'X + alpha I) w = X'y, features scaled and the target centred (Hoerl and Kennard, 1970).

    Parameters
    ----------
    value, new : float [row, feature]
        Rows that are fitted, and those that are predicted.
    target : float [row]
        Of the fitted rows.
    alpha : float
        Penalty.

    Returns
    -------
    float [row]
    """
    scaled, shift = Scaled(value), float(target.mean())
    gram, moment = np.zeros((value.shape[1], value.shape[1])), np.zeros(value.shape[1])
    for rows, block in scaled(value):
        gram += block.T @ block
        moment += block.T @ (target[rows] - shift)
    weight = np.linalg.solve(gram + alpha * np.eye(gram.shape[0]), moment)
    out = np.empty(new.shape[0])
    for rows, block in scaled(new):
        out[rows] = block @ weight + shift
    return out
