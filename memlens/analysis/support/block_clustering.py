"""k-means a block of rows at a time: of rows that are larger than memory, and on mini-batches."""

from typing import Any, Literal, cast

import numpy as np

from memlens.analysis.support.blocks import Rows, blocks, few

#: Rows on which the first centres are found.
FIRST_ROWS = 20_000
#: As of scikit-learn's KMeans: at most so many rounds, and done when centres move less than this share of the variance.
ROUNDS, TOLERANCE = 300, 1e-4
BATCH = 2048


def k_means(value: Rows, k: int, method: Literal["kmeans", "minibatch"], seed: int) -> np.ndarray:
    """Label of each row.

    The first centres are those of scikit-learn's KMeans on a uniform sample. From there "kmeans" is Lloyd's algorithm (1982), its sums
    taken over blocks, which ends where the same centres would lead in memory; "minibatch" is one pass of MiniBatchKMeans.partial_fit
    (Sculley, 2010) over blocks and rows in a random order.

    Parameters
    ----------
    value : float [row, feature]
        In memory, or Dask blocks of rows.
    k : int
        Clusters.
    method : str
        "kmeans" or "minibatch".
    seed : int
        Of all random draws.

    Returns
    -------
    int [row]
        0 to k - 1.
    """
    from sklearn.cluster import KMeans, MiniBatchKMeans
    from sklearn.metrics import pairwise_distances_argmin

    rng = np.random.default_rng(seed)
    n = value.shape[0]
    first = few(value, np.sort(rng.choice(n, min(n, FIRST_ROWS), replace=False)))
    centres = KMeans(k, n_init=cast(Any, 2), random_state=seed).fit(first).cluster_centers_
    if method == "minibatch":
        model = MiniBatchKMeans(k, init=centres, n_init=cast(Any, 1), batch_size=BATCH, random_state=seed)
        for _, block in blocks(value, rng):
            for rows in np.array_split(rng.permutation(block.shape[0]), max(block.shape[0] // BATCH, 1)):
                model.partial_fit(block[rows])
        centres = model.cluster_centers_
    else:
        centres = _lloyd(value, centres, TOLERANCE * float(first.var(0).mean()))
    label = np.empty(n, np.int32)
    for rows, block in blocks(value):
        label[rows] = pairwise_distances_argmin(block, centres)
    return label


def _lloyd(value: Rows, centres: np.ndarray, tolerance: float) -> np.ndarray:
    """Centres that no longer move, by more than ``tolerance`` in all; one that loses all its rows stays where it is."""
    from sklearn.metrics import pairwise_distances_argmin

    for _ in range(ROUNDS):
        total, count = np.zeros(centres.shape), np.zeros(centres.shape[0])
        for _, block in blocks(value):
            label = pairwise_distances_argmin(block, centres)
            count += np.bincount(label, minlength=count.size)
            for at in range(count.size):
                total[at] += block[label == at].sum(0, dtype=np.float64)
        moved = np.where(count[:, None] > 0, total / np.maximum(count, 1)[:, None], centres)
        shift = float(((moved - centres) ** 2).sum())
        centres = moved.astype(value.dtype)
        if shift <= tolerance:
            break
    return centres
