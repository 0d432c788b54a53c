"""Cluster rows by one of four methods, the number of clusters chosen by silhouette; shared by `clusters` and `slot_map`."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

import numpy as np

from memlens.analysis.support.block_clustering import k_means
from memlens.analysis.support.blocks import MEMORY, Rows, few, mapped, moments
from memlens.errors import AnalysisError

Method = Literal["kmeans", "minibatch", "hdbscan", "agglomerative"]
METHODS: tuple[Method, ...] = ("kmeans", "minibatch", "hdbscan", "agglomerative")
CANDIDATES = (2, 3, 4, 5, 6, 8, 10, 12)


@dataclass(frozen=True)
class Partition:
    """A chosen clustering: label of each row (-1 noise), silhouette by k, the best silhouette."""

    label: np.ndarray
    k: int
    scores: np.ndarray
    silhouette: float


def principal(value: Rows, components: int = 32, memory: int = MEMORY) -> tuple[Rows, np.ndarray]:
    """Centre rows and project them on their leading principal axes, a block of rows at a time.

    Blocks are multiplied in the dtype of the rows and summed in float64; the projection has the dtype of the rows. Of Dask blocks the
    projection is in memory where it takes at most ``memory`` bytes, else Dask blocks again.

    Parameters
    ----------
    value : float [row, feature]
        In memory, or Dask blocks of rows.
    components : int
        Axes, at most.
    memory : int
        Bytes that the projection may take in memory.

    Returns
    -------
    projected : float [row, component]
    share : float [component]
        Of all variance.

    Raises
    ------
    AnalysisError
        When all rows are equal.
    """
    mean, scatter = moments(value)
    total = float(np.trace(scatter))
    if total <= 0:
        raise AnalysisError("every sampled row is the same vector; there is nothing to cluster or map")
    variance, axes = np.linalg.eigh(scatter)
    keep = np.argsort(variance)[::-1][:components]
    keep = keep[variance[keep] > 1e-10 * total]
    axes = axes[:, keep] * np.where(axes[np.abs(axes[:, keep]).argmax(0), keep] < 0, -1, 1)
    axes = axes.astype(value.dtype)
    centre = mean @ axes
    return mapped(value, lambda block, _: block @ axes - centre, keep.size, memory), variance[keep] / total


def cluster(value: Rows, k: int, method: Method, seed: int) -> np.ndarray:
    """Label of each row.

    Parameters
    ----------
    value : float [row, feature]
        In memory, or Dask blocks of rows.
    k : int
        Clusters; hdbscan finds its own number.
    method : str
        One of METHODS.
    seed : int
        Of all random draws.

    Returns
    -------
    int [row]
        -1 for noise (hdbscan only).

    Raises
    ------
    AnalysisError
        For a method that takes all rows at once, of rows that do not fit in memory.
    """
    in_memory = isinstance(value, np.ndarray)
    if method == "minibatch" or (method == "kmeans" and not in_memory):
        return k_means(value, k, method, seed)
    if not in_memory:
        raise AnalysisError(
            f"'{method}' takes all of the {value.shape[0]:,} rows at once, which is more than the memory given; "
            "give sample=4000, method='minibatch', or more memory"
        )
    from sklearn import cluster as sk

    if method == "kmeans":
        model: Any = sk.KMeans(k, n_init=cast(Any, 2), random_state=seed)
    elif method == "agglomerative":
        model = sk.AgglomerativeClustering(k)
    else:
        # at least a fiftieth of the rows make a cluster, so that chance clumps of a few rows do not
        model = sk.HDBSCAN(min_cluster_size=max(5, value.shape[0] // 50), copy=cast(Any, True))
    return np.asarray(model.fit_predict(value))


def partition(value: Rows, ks: Sequence[int], method: Method, seed: int, judged: int = 1000) -> Partition:
    """Cluster for each k and keep the k of the largest mean silhouette; hdbscan is run once.

    The silhouette (Rousseeuw, 1987) is (b - a) / max(a, b), a the mean distance of a row to its own cluster, b to the
    nearest other one; it is averaged over at most ``judged`` rows that are not noise.

    Parameters
    ----------
    value : float [row, feature]
        In memory, or Dask blocks of rows.
    ks : sequence of int
        Numbers of clusters to choose from.
    method : str
        One of METHODS.
    seed : int
        Of all random draws.
    judged : int
        Rows that the silhouette is averaged over, at most.

    Returns
    -------
    Partition

    Raises
    ------
    AnalysisError
        When there is no number to choose from.
    """
    from sklearn.metrics import silhouette_score

    rows = np.arange(value.shape[0])
    if rows.size > judged:
        rows = np.sort(np.random.default_rng(seed).choice(rows, judged, replace=False))
    best: tuple[float, np.ndarray] | None = None
    scores = []
    for k in ks[:1] if method == "hdbscan" else ks:
        label = cluster(value, k, method, seed)
        use = rows[label[rows] >= 0]
        several = 1 < np.unique(label[use]).size < use.size
        score = float(silhouette_score(few(value, use), label[use])) if several else -1.0
        scores.append(score)
        if best is None or score > best[0]:
            best = score, label
    if best is None:
        raise AnalysisError("no number of clusters to choose from; give k or a longer recording")
    return Partition(best[1], max(int(best[1].max()) + 1, 1), np.array(scores), best[0])


def candidates(k: int | None, n: int) -> tuple[int, ...]:
    """Numbers of clusters to try: the one that is given, or those CANDIDATES that leave 5 rows a cluster.

    Parameters
    ----------
    k : int or None
        The given one.
    n : int
        Rows.

    Returns
    -------
    tuple of int

    Raises
    ------
    AnalysisError
        When the given one is out of range.
    """
    if k is None:
        return tuple(value for value in CANDIDATES if 5 * value <= n) or (2,)
    if not 2 <= k <= n // 2:
        raise AnalysisError(f"k is {k}; with {n} rows give 2 to {n // 2}, or None to choose it by silhouette")
    return (k,)
