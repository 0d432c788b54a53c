"""What two sets of vectors say about the same things, whatever their axes: CKA and RSA as one inner product.

A signature is a matrix [item, item] of how alike the items are, centred and of unit length. The similarity of two
sets is the inner product of their signatures, and permuting items permutes rows and columns of a signature, so a
null costs no more than a sum.
"""

from collections.abc import Iterable
from typing import Literal

import numpy as np

Measure = Literal["cka", "rsa"]
MEASURES: tuple[Measure, ...] = ("cka", "rsa")


def signature(value: np.ndarray, measure: Measure) -> np.ndarray:
    """How alike items are.

    Parameters
    ----------
    value : float [item, feature]
        At least 4 items.
    measure : str
        "cka": linear kernel, U-centred, so that the product is the debiased HSIC of Song et al. (2012, equation 5)
        and, of unit length, the centred kernel alignment of Kornblith et al. (2019) without its bias for few items.
        "rsa": ranks of Euclidean distances, so that the product is Spearman's correlation of the two dissimilarity
        matrices (Kriegeskorte et al., 2008).

    Returns
    -------
    float32 [item, item]
        Of unit length; all 0 where the items do not differ.
    """
    value = np.asarray(value, np.float64) - np.mean(value, axis=0, dtype=np.float64)
    gram = value @ value.T
    n = gram.shape[0]
    if measure == "cka":
        out = _u_centred(gram)
    else:
        from scipy.stats import rankdata

        square = np.diag(gram)
        upper = np.triu_indices(n, 1)
        # rounding must not rank distances that are equal
        distance = np.round((square[:, None] + square[None] - 2 * gram)[upper] / max(square.mean(), 1e-300), 10)
        out = np.zeros((n, n))
        out[upper] = rankdata(distance)
        out[upper] -= out[upper].mean()
        out += out.T
    length = np.linalg.norm(out)
    least = 1e-9 * max(float(np.linalg.norm(gram)), 1e-300) if measure == "cka" else 1e-9
    return (out / length if length > least else np.zeros_like(out)).astype(np.float32)


def _u_centred(gram: np.ndarray) -> np.ndarray:
    """U-centring (Székely and Rizzo, 2014, definition 2): the diagonal is 0 and every row sums to 0."""
    n = gram.shape[0]
    off = gram - np.diag(np.diag(gram))
    row = off.sum(1)
    out = off - (row[:, None] + row[None]) / (n - 2) + row.sum() / ((n - 1) * (n - 2))
    np.fill_diagonal(out, 0)
    return out


def alike(one: np.ndarray, other: np.ndarray) -> float:
    """Similarity of two signatures.

    Parameters
    ----------
    one, other : float [item, item]
        Of the same items.

    Returns
    -------
    float
        -1 to 1.
    """
    return float(np.vdot(one, other))


def alike_null(one: np.ndarray, other: np.ndarray, orders: Iterable[np.ndarray]) -> np.ndarray:
    """Similarities after the items of one signature take other orders.

    Parameters
    ----------
    one, other : float [item, item]
        Signatures; the second is reordered.
    orders : iterable of int [item]
        Which item takes the place of each.

    Returns
    -------
    float [order]
    """
    return np.array([alike(one, other[np.ix_(order, order)]) for order in orders])
