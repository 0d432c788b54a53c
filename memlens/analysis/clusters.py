"""Do vectors fall into groups, do the groups match labels, and which tokens mark them?"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from memlens.analysis.support.blocks import MEMORY, Rows, blocks, mapped, moments
from memlens.analysis.support.cluster_tokens import class_tfidf
from memlens.analysis.support.clustering import METHODS, Method, candidates, cluster, partition, principal
from memlens.analysis.support.measure import measure
from memlens.analysis.support.targets import Target, target_of
from memlens.analysis.support.vectors import Vectors, vectors
from memlens.analysis.support.windows import picked_positions, token_names, vocabulary, window_tokens, write_attention
from memlens.errors import AnalysisError, closest
from memlens.stats.hypothesis_tests import p_value
from memlens.stats.nulls import SegmentUnits

if TYPE_CHECKING:
    from memlens.recording.protocol import RecordingLike


@measure
def clusters(
    recording: "RecordingLike",
    *,
    point: str = "context.hook_slot",
    method: Method = "kmeans",
    k: int | None = None,
    target: str | xr.DataArray = "modality",
    sample: int | None = 4000,
    draws: int = 39,
    shuffles: int = 199,
    boots: int = 20,
    tokens: int = 8,
    memory: int = MEMORY,
    seed: int = 0,
) -> xr.Dataset:
    """Cluster slots and test the clusters against nulls: one cloud, and labels of other times.

    Rows are a uniform sample of a point's vectors (see `memlens.analysis.support.vectors`), projected on at most 32 principal
    axes. The nulls are in `_clouds` and `_agreement`.

    Parameters
    ----------
    recording : Recording
        With the point.
    point : str
        A recorded point over [sequence, segment, place, feature].
    method : str
        "kmeans", "minibatch" (k-means on batches), "agglomerative" (Ward), or "hdbscan", which finds the number of clusters itself
        and calls rows outside of them noise.
    k : int or None
        Number of clusters; None chooses it by silhouette from 2 to 12.
    target : str or xarray.DataArray
        Labels to compare clusters with (see `memlens.analysis.support.targets.target_of`).
    sample : int or None
        Rows, at most; None takes all.
    draws, shuffles, boots : int
        Clouds drawn (the least p is 1 / (draws + 1)), shuffles of the labels, and pairs of subsamples for the stability.
    tokens : int
        Tokens listed for each cluster.
    memory : int
        Bytes that the vectors may take. What is larger goes by Dask blocks, one in memory at a time: "kmeans" by Lloyd's algorithm
        over blocks, "minibatch" by partial fits; the other methods take all rows at once and refuse.
    seed : int
        Of all random draws.

    Returns
    -------
    xarray.Dataset
        ``size(cluster)``, ``share(cluster, label_class)``, ``cluster_token(cluster, rank)``, ``cluster_token_weight(cluster, rank)``,
        ``silhouette_by_k(k)``, ``silhouette``, ``silhouette_null(draw)``, ``silhouette_p``; ``stability(boot)`` and
        ``stability_null(boot)``, the same on clouds; ``ami`` and ``ari`` with ``_null(shuffle)`` and ``_p`` (NaN with fewer than two
        labels). Per row, ``(sample,)``: ``label`` (-1 noise), ``class_code``, ``sequence``, ``segment``, ``place``, ``entry``.

    Raises
    ------
    AnalysisError
        With fewer than 20 rows, a ``k`` out of range, an unknown method, a value that is not finite, or rows that are all equal.
    """
    _check(method, draws, shuffles, boots)
    rows = vectors(recording, point, sample, seed, memory)
    labels = _labels(recording, target, rows)
    value, share = principal(rows.value, memory=memory)
    found = _partitioned(value, k, method, draws, boots, seed)
    label, classes = found["label"][1], labels.classes or []
    n_cluster = found["size"][1].size
    return xr.Dataset(
        {
            **found,
            "share": (("cluster", "label_class"), _mix(label, labels.value, n_cluster, len(classes))),
            **_agreement(label, labels.value, rows, shuffles, seed),
            **_tokens(recording, rows, label, n_cluster, tokens),
            "class_code": ("sample", labels.value),
            **{name: ("sample", rows.labels[name]) for name in ("sequence", "segment", "place", "entry")},
        },
        coords={"cluster": np.arange(n_cluster), "label_class": classes},
        attrs={
            "n": value.shape[0], "point": point, "method": method, "target": labels.name, "rows": rows.source, "total": rows.total,
            "variance_kept": float(share.sum()), "chosen_k": n_cluster, "noise": int((label < 0).sum()),
        },
    )  # fmt: skip


def _check(method: Method, draws: int, shuffles: int, boots: int) -> None:
    if method not in METHODS:
        raise AnalysisError(f"no method '{method}'; {closest(method, METHODS)}")
    if draws < 1 or shuffles < 1 or boots < 1:
        raise AnalysisError(f"draws is {draws}, shuffles {shuffles} and boots {boots}; give 1 or more of each")


def _labels(recording: "RecordingLike", target: str | xr.DataArray, rows: Vectors) -> Target:
    wanted = target_of(recording, target, rows)
    if wanted.classes is None:
        raise AnalysisError(f"'{wanted.name}' is a number, expected labels; give an array of integers or strings")
    return wanted


def _partitioned(value: Rows, k: int | None, method: Method, draws: int, boots: int, seed: int) -> dict[str, Any]:
    """The chosen clustering, beside those of clouds that were clustered in the same way, the choice of k included."""
    ks = candidates(k, value.shape[0])
    found = partition(value, ks, method, seed)
    null = [partition(cloud, ks, method, seed).silhouette for cloud in _clouds(value, seed + 1, draws)]
    clouds = _clouds(value, seed + 2, boots)
    return {
        "k": list(ks)[: found.scores.size],
        "label": ("sample", found.label),
        "size": ("cluster", np.bincount(found.label[found.label >= 0], minlength=found.k)),
        "silhouette": found.silhouette,
        "silhouette_by_k": ("k", found.scores),
        "silhouette_null": ("draw", np.array(null)),
        "silhouette_p": p_value(found.silhouette, np.array(null)),
        "stability": ("boot", np.array([_stability(value, found.k, method, seed + at) for at in range(boots)])),
        "stability_null": ("boot", np.array([_stability(cloud, found.k, method, seed) for cloud in clouds])),
    }


def _clouds(value: Rows, seed: int, draws: int) -> Iterator[Rows]:
    """Data of the same size and spread that are one cloud: Gaussian directions, the rows' own distances from the mean.

    The spread is that of the rows, whose axes are principal; their own distances keep heavy tails from passing for clusters (in the
    manner of SigClust: Liu et al., 2008). Being drawn with the sample's own spread, it is conservative for round clouds, where p comes
    out near 1.
    """
    rng = np.random.default_rng(seed)
    n = value.shape[0]
    spread = np.sqrt(np.diag(moments(value)[1]) / n)
    length = np.concatenate([np.linalg.norm(block, axis=1) for _, block in blocks(value)])
    for draw in range(draws):
        if isinstance(value, np.ndarray):
            direction = rng.normal(size=value.shape)
            yield _cloud(direction * spread, rng.permutation(length))
            continue
        mixed = rng.permutation(length)

        def block_of(block: np.ndarray, rows: slice, mixed: np.ndarray = mixed, draw: int = draw) -> np.ndarray:
            direction = np.random.default_rng([seed, draw, int(rows.start)]).normal(size=block.shape)
            return _cloud(direction * spread, mixed[rows])

        yield mapped(value, block_of, value.shape[1], 0)


def _cloud(direction: np.ndarray, length: np.ndarray) -> np.ndarray:
    return length[:, None] * direction / np.linalg.norm(direction, axis=1, keepdims=True)


def _stability(value: Rows, k: int, method: Method, seed: int) -> float:
    """ARI of two clusterings, each of a random 80 % of the rows, on the rows they share (Ben-Hur et al., 2002)."""
    from sklearn.metrics import adjusted_rand_score

    rng = np.random.default_rng(seed)
    parts = [np.sort(rng.permutation(value.shape[0])[: value.shape[0] * 4 // 5]) for _ in range(2)]
    labels = np.full((2, value.shape[0]), -2)
    for label, part in zip(labels, parts, strict=True):
        label[part] = cluster(value[part], k, method, seed)
    both = (labels > -2).all(0)
    return float(adjusted_rand_score(labels[0, both], labels[1, both]))


def _mix(label: np.ndarray, code: np.ndarray, k: int, classes: int) -> np.ndarray:
    known = (code >= 0) & (label >= 0)
    counts = np.zeros((k, classes))
    np.add.at(counts, (label[known], code[known]), 1)
    total = counts.sum(1, keepdims=True)
    return np.divide(counts, total, out=np.full_like(counts, np.nan), where=total > 0)


def _agreement(label: np.ndarray, code: np.ndarray, rows: Vectors, shuffles: int, seed: int) -> dict[str, object]:
    """AMI (Vinh et al., 2010) and ARI (Hubert and Arabie, 1985) of clusters with labels.

    Their null takes the labels of other times, whole segments at a time (see `memlens.stats.nulls`).
    """
    from sklearn.metrics import adjusted_mutual_info_score, adjusted_rand_score

    known = code >= 0
    label, code = label[known], code[known]
    several = np.unique(code).size > 1
    mixed: list[np.ndarray] = []
    if several:
        units = SegmentUnits(
            *(rows.labels[key][known] for key in ("sequence", "segment", "place")), ordered=rows.axis == "token"
        )
        mixed = [code[order] for order in units.shuffles(shuffles, seed + 3)]
    out: dict[str, object] = {}
    for name, score in (("ami", adjusted_mutual_info_score), ("ari", adjusted_rand_score)):
        value = float(score(code, label)) if several else np.nan
        null = np.array([score(each, label) for each in mixed]) if several else np.full(shuffles, np.nan)
        out |= {
            name: value,
            f"{name}_null": ("shuffle", null),
            f"{name}_p": p_value(value, null) if several else np.nan,
        }
    return out


def _tokens(recording: "RecordingLike", rows: Vectors, label: np.ndarray, k: int, n: int) -> dict[str, object]:
    """The n tokens of the largest weight in each cluster; "" where slots or what they were written from are not recorded."""
    tokens, weights = np.full((k, n), "", object), np.zeros((k, n))
    written = rows.source.startswith("fresh") and "context.hook_pattern" in recording.segments
    if written and "context.hook_position" in recording.segments:
        where = rows.labels["sequence"], rows.labels["segment"], rows.labels["place"]
        attention = write_attention(recording, *where)
        codes, modality = window_tokens(
            recording, where[0], picked_positions(recording, where[0], rows.labels["entry"]), attention.shape[1]
        )
        coded = np.where(modality < 0, -1, np.where(modality == 0, codes + 4, modality))
        inside = label >= 0
        distinct, weight = class_tfidf(coded[inside], attention[inside], label[inside], k)
        vocab = vocabulary(recording)
        for cluster in range(k):
            best = np.argsort(weight[cluster])[::-1][:n]
            best = best[weight[cluster, best] > 0]
            code = distinct[best]
            kind = np.where(code >= 4, 0, code)
            tokens[cluster, : best.size] = token_names(np.maximum(code - 4, 0), kind, vocab)
            weights[cluster, : best.size] = weight[cluster, best]
    over = ("cluster", "rank")
    return {"cluster_token": (over, tokens.astype(str)), "cluster_token_weight": (over, weights)}
