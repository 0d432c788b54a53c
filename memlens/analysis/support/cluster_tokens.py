"""The tokens that mark a cluster: class-based TF-IDF over what its slots were written from."""

import numpy as np


def class_tfidf(
    token: np.ndarray, weight: np.ndarray, label: np.ndarray, k: int, least: int = 2
) -> tuple[np.ndarray, np.ndarray]:
    """Weight of each token in each cluster.

    W[x, c] = tf[x, c] log(1 + A / f[x]), tf the share of token x in the mass of cluster c, f its mass over all
    clusters, A the mean mass of a cluster (Grootendorst, 2022, "BERTopic", equation 2). Mass is write attention,
    not counts.

    Parameters
    ----------
    token : int [sample, window]
        Codes; -1 is ignored.
    weight : float [sample, window]
        Write attention.
    label : int [sample]
        Cluster of each row.
    k : int
        Clusters.
    least : int
        A token must occur in this many slots of a cluster to mark it.

    Returns
    -------
    codes : int [code]
        The distinct ones.
    weights : float [cluster, code]
        W.
    """
    flat = token.ravel()
    codes, index = np.unique(flat, return_inverse=True)
    index = index.reshape(token.shape)
    mass = np.zeros((k, codes.size))
    np.add.at(mass, (np.broadcast_to(label[:, None], token.shape), index), weight)
    rows = np.repeat(np.arange(token.shape[0]), token.shape[1])
    pairs = np.unique(np.stack([rows, index.ravel()]), axis=1)
    seen = np.zeros((k, codes.size))
    np.add.at(seen, (label[pairs[0]], pairs[1]), 1)
    mass[:, codes < 0] = 0
    per_cluster, per_token = mass.sum(1, keepdims=True), mass.sum(0)
    share = np.divide(mass, per_cluster, out=np.zeros_like(mass), where=per_cluster > 0)
    ratio = np.divide(mass.sum() / k, per_token, out=np.zeros_like(per_token), where=per_token > 0)
    return codes, np.where(seen >= least, share * np.log1p(ratio), 0)
