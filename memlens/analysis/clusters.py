"""Do vectors fall into groups, do the groups match labels, and which tokens mark them?"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from memlens.analysis.support.blocks import MEMORY, Rows, blocks, mapped, moments
from memlens.analysis.support.cluster_tokens import class_tfidf
from memlens.analysis.support.clustering import METHODS, Method, candidates, cluster, partition, principal
from memlens.analysis.support.result import finish
from memlens.analysis.support.targets import target_of
from memlens.analysis.support.vectors import Vectors, vectors
from memlens.analysis.support.windows import picked_positions, token_names, vocabulary, window_tokens, write_attention
from memlens.errors import AnalysisError, closest
from memlens.stats.hypothesis_tests import p_value
from memlens.stats.nulls import SegmentUnits

if TYPE_CHECKING:
    from memlens.recording import Recording


def clusters(
    recording: "Recording",
    *,
    point: str = "context.hook_slot",
    method: Method = "kmeans",
    k: int | None = None,
    target: str | xr.DataArray = "modality",
    sample: int | None = 4000,
    draws: int = 39,
    shuffles: int = 199,
    boots: int = 20,
    marks: int = 8,
    memory: int = MEMORY,
    seed: int = 0,
) -> xr.Dataset:
    """Cluster slots and test the clusters against nulls.

    Rows are a uniform sample of a point's vectors (see `memlens.analysis.support.vectors`), projected on at most 32 principal
    axes. The null of the silhouette asks whether one cloud would do: data of the same size are drawn in the directions of
    a Gaussian with the rows' mean and covariance, at the rows' own distances from the mean, so that heavy tails are no
    clusters; the whole procedure, the choice of k included, is run on them (in the manner of SigClust: Liu et al., 2008).
    Being drawn with the sample's own spread, it is conservative for round clouds, where p comes out near 1. The
    null of the agreement with labels takes the labels of other times, whole
    segments at a time (see `memlens.stats.nulls`).

    Parameters
    ----------
    method
        "kmeans", "minibatch" (k-means on batches), "agglomerative" (Ward), or "hdbscan", which finds the number of clusters itself
        and calls rows outside of them noise.
    k
        Number of clusters; None chooses it by silhouette from 2 to 12.
    target
        Labels to compare clusters with: a name or a labelled array (see `memlens.analysis.support.targets.target_of`).
    sample
        Rows, at most; None takes all.
    draws
        Surrogate clouds; the least p is 1 / (draws + 1).
    shuffles
        Label permutations for AMI and ARI.
    boots
        Pairs of subsamples for the stability.
    marks
        Tokens listed for each cluster.
    memory
        Bytes that the vectors may take. What is larger goes by Dask blocks, one in memory at a time: "kmeans" by Lloyd's algorithm
        over blocks, "minibatch" by partial fits; the other methods take all rows at once and refuse.

    Returns
    -------
    xarray.Dataset
        ``size(cluster)``, ``share(cluster, label_class)``, ``mark_token(cluster, mark)``, ``mark_weight(cluster, mark)``,
        ``silhouette_by_k(k)``, ``silhouette``, ``silhouette_null(draw)``, ``silhouette_p``; ``stability(boot)``, the ARI of two
        clusterings, each of a random 80 % of the rows, on the rows they share (Ben-Hur et al., 2002), and
        ``stability_null(boot)``, the same on
        such clouds; for AMI (Vinh et al., 2010) and ARI (Hubert and Arabie, 1985): ``ami``, ``ami_null(shuffle)``,
        ``ami_p``, ``ari``, ``ari_null(shuffle)``, ``ari_p`` (NaN with fewer than two labels).
        Per row: ``label`` (-1 noise), ``class_code``, ``sequence``, ``segment``, ``place``, ``entry``, all ``(sample,)``.

    Raises
    ------
    AnalysisError
        With fewer than 20 rows, a ``k`` out of range, an unknown method, a value that is not finite, or rows that are all equal.
    """
    if method not in METHODS:
        raise AnalysisError(f"no method '{method}'; {closest(method, METHODS)}")
    if draws < 1 or shuffles < 1 or boots < 1:
        raise AnalysisError(f"draws is {draws}, shuffles {shuffles} and boots {boots}; give 1 or more of each")
    rows = vectors(recording, point, sample, seed, memory)
    wanted = target_of(recording, target, rows)
    if wanted.classes is None:
        raise AnalysisError(f"'{wanted.name}' is a number, expected labels; give an array of integers or strings")
    value, share = principal(rows.value, memory=memory)
    ks = candidates(k, value.shape[0])
    found = partition(value, ks, method, seed)
    null = [partition(cloud, ks, method, seed).silhouette for cloud in _clouds(value, seed + 1, draws)]
    clouds = _clouds(value, seed + 2, boots)
    dataset = xr.Dataset(
        {
            "size": ("cluster", np.bincount(found.label[found.label >= 0], minlength=found.k)),
            "share": (("cluster", "label_class"), _mix(found.label, wanted.value, found.k, len(wanted.classes))),
            "silhouette": found.silhouette,
            "silhouette_by_k": ("k", found.scores),
            "silhouette_null": ("draw", np.array(null)),
            "silhouette_p": p_value(found.silhouette, np.array(null)),
            "stability": ("boot", np.array([_stability(value, found.k, method, seed + at) for at in range(boots)])),
            "stability_null": ("boot", np.array([_stability(cloud, found.k, method, seed) for cloud in clouds])),
            **_agreement(found.label, wanted.value, rows, shuffles, seed),
            **_marks(recording, rows, found.label, found.k, marks),
            "label": ("sample", found.label),
            "class_code": ("sample", wanted.value),
            **{name: ("sample", rows.labels[name]) for name in ("sequence", "segment", "place", "entry")},
        },
        coords={"cluster": np.arange(found.k), "label_class": wanted.classes, "k": list(ks)[: found.scores.size]},
    )
    params = {
        "point": point,
        "method": method,
        "k": k,
        "target": wanted.name,
        "sample": sample,
        "draws": draws,
        "shuffles": shuffles,
        "boots": boots,
        "marks": marks,
        "memory": memory,
        "seed": seed,
    }
    return finish(
        dataset,
        "clusters",
        recording,
        value.shape[0],
        params,
        point=point,
        method=method,
        target=wanted.name,
        rows=rows.source,
        total=rows.total,
        variance_kept=float(share.sum()),
        chosen_k=found.k,
        noise=int((found.label < 0).sum()),
    )


def _clouds(value: Rows, seed: int, draws: int) -> Iterator[Rows]:
    """One cloud with the spread of ``value``, whose axes are principal, and with its tails: Gaussian directions, the rows' own lengths."""
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


def _marks(recording: "Recording", rows: Vectors, label: np.ndarray, k: int, marks: int) -> dict[str, object]:
    tokens, weights = np.full((k, marks), "", object), np.zeros((k, marks))
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
            best = np.argsort(weight[cluster])[::-1][:marks]
            best = best[weight[cluster, best] > 0]
            code = distinct[best]
            kind = np.where(code >= 4, 0, code)
            tokens[cluster, : best.size] = token_names(np.maximum(code - 4, 0), kind, vocab)
            weights[cluster, : best.size] = weight[cluster, best]
    return {"mark_token": (("cluster", "mark"), tokens.astype(str)), "mark_weight": (("cluster", "mark"), weights)}
