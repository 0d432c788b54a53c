"""Do context slots fall into groups, do the groups match modalities, and which tokens mark them?"""

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from memlens.analysis.kmeans import candidates, partition, principal
from memlens.analysis.marks import class_tfidf
from memlens.analysis.result import MODALITIES, finish
from memlens.analysis.statistics import p_value
from memlens.analysis.vectors import Vectors, vectors
from memlens.analysis.windows import token_names, vocabulary, window_tokens, write_attention
from memlens.errors import AnalysisError

if TYPE_CHECKING:
    from memlens.recording import Recording


def clusters(
    recording: "Recording",
    *,
    point: str = "context.hook_slot",
    k: int | None = None,
    sample: int = 4000,
    draws: int = 39,
    shuffles: int = 199,
    marks: int = 8,
    seed: int = 0,
) -> xr.Dataset:
    """Cluster slots by k-means and test the clusters against two nulls.

    Rows are a uniform sample of fresh slots (see `memlens.analysis.vectors`), projected on at most 32 principal
    axes. The null of the silhouette asks whether one Gaussian cloud would do: data of the same size are drawn from
    the Gaussian with the rows' mean and covariance, and the whole procedure, the choice of k included, is run on
    them (in the manner of SigClust: Liu et al., 2008). Being drawn with the sample's own spread, it is conservative for
    round clouds, where p comes out near 1. The null of the agreement with modality shuffles the labels
    over rows; it takes rows as exchangeable, so slow drifts that clusters and modality share would pass it.

    Parameters
    ----------
    k
        Number of clusters; None chooses it by silhouette from 2 to 12.
    draws
        Gaussian surrogates; the least p is 1 / (draws + 1).
    shuffles
        Label permutations for AMI and ARI.
    marks
        Tokens listed for each cluster.

    Returns
    -------
    xarray.Dataset
        ``size(cluster)``, ``share(cluster, modality)``, ``mark_token(cluster, mark)``, ``mark_weight(cluster, mark)``,
        ``silhouette_by_k(k)``, ``silhouette``, ``silhouette_null(draw)``, ``silhouette_p``, and for AMI (Vinh et al.,
        2010) and ARI (Hubert and Arabie, 1985): ``ami``, ``ami_null(shuffle)``, ``ami_p``, ``ari``,
        ``ari_null(shuffle)``, ``ari_p`` (NaN with fewer than two modalities).
        Per row: ``label``, ``sequence``, ``segment``, ``place``, ``entry``, ``modality_code``, all ``(sample,)``.

    Raises
    ------
    AnalysisError
        With fewer than 20 rows, a ``k`` out of range, or rows that are all equal.
    """
    if draws < 1 or shuffles < 1:
        raise AnalysisError(f"draws is {draws} and shuffles {shuffles}; give 1 or more of each")
    rows = vectors(recording, point, sample, seed)
    value, share = principal(rows.value)
    ks = candidates(k, value.shape[0])
    found = partition(value, ks, seed)
    null = _gaussian_null(value, ks, seed, draws)
    modality = rows.labels["modality"]
    dataset = xr.Dataset(
        {
            "size": ("cluster", np.bincount(found.label, minlength=found.k)),
            "share": (("cluster", "modality"), _mix(found.label, modality, found.k)),
            "silhouette": found.silhouette,
            "silhouette_by_k": ("k", found.scores),
            "silhouette_null": ("draw", null),
            "silhouette_p": p_value(found.silhouette, null),
            **_agreement(found.label, modality, shuffles, seed),
            **_marks(recording, rows, found.label, found.k, marks),
            "label": ("sample", found.label),
            "modality_code": ("sample", modality),
            **{name: ("sample", rows.labels[name]) for name in ("sequence", "segment", "place", "entry")},
        },
        coords={"cluster": np.arange(found.k), "modality": MODALITIES, "k": list(ks)},
    )
    params = {
        "point": point,
        "k": k,
        "sample": sample,
        "draws": draws,
        "shuffles": shuffles,
        "marks": marks,
        "seed": seed,
    }
    return finish(
        dataset,
        "clusters",
        recording,
        value.shape[0],
        params,
        point=point,
        rows=rows.source,
        total=rows.total,
        dropped=rows.dropped,
        variance_kept=float(share.sum()),
        chosen_k=found.k,
    )


def _gaussian_null(value: np.ndarray, ks: tuple[int, ...], seed: int, draws: int) -> np.ndarray:
    rng = np.random.default_rng(seed + 1)
    spread = value.std(0)
    return np.array(
        [partition(rng.normal(size=value.shape) * spread, ks, seed + 2 + draw).silhouette for draw in range(draws)]
    )


def _mix(label: np.ndarray, modality: np.ndarray, k: int) -> np.ndarray:
    known = modality >= 0
    counts = np.zeros((k, len(MODALITIES)))
    np.add.at(counts, (label[known], modality[known]), 1)
    total = counts.sum(1, keepdims=True)
    return np.divide(counts, total, out=np.full_like(counts, np.nan), where=total > 0)


def _agreement(label: np.ndarray, modality: np.ndarray, shuffles: int, seed: int) -> dict[str, object]:
    from sklearn.metrics import adjusted_mutual_info_score, adjusted_rand_score

    known = modality >= 0
    label, modality = label[known], modality[known]
    rng = np.random.default_rng(seed + 3)
    several = np.unique(modality).size > 1
    orders = [rng.permutation(modality) for _ in range(shuffles)]
    out: dict[str, object] = {}
    for name, score in (("ami", adjusted_mutual_info_score), ("ari", adjusted_rand_score)):
        value = float(score(modality, label)) if several else np.nan
        null = np.array([score(order, label) if several else np.nan for order in orders])
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
        codes, modality = window_tokens(recording, where[0], _picked(recording, rows), attention.shape[1])
        coded = np.where(modality < 0, -1, np.where(modality == 0, codes + 4, modality))
        distinct, weight = class_tfidf(coded, attention, label, k)
        vocab = vocabulary(recording)
        for cluster in range(k):
            best = np.argsort(weight[cluster])[::-1][:marks]
            best = best[weight[cluster, best] > 0]
            code = distinct[best]
            kind = np.where(code >= 4, 0, code)
            tokens[cluster, : best.size] = token_names(np.maximum(code - 4, 0), kind, vocab)
            weights[cluster, : best.size] = weight[cluster, best]
    return {"mark_token": (("cluster", "mark"), tokens.astype(str)), "mark_weight": (("cluster", "mark"), weights)}


def _picked(recording: "Recording", rows: Vectors) -> np.ndarray:
    """Stream position at which each row's slot was picked, from the entries table."""
    table = recording.entries
    entry, sequence = table["entry"].values.astype(int), table["sequence"].values.astype(int)
    span = int(entry.max()) + 1
    known = sequence * span + entry
    order = np.argsort(known)
    at = order[np.searchsorted(known[order], rows.labels["sequence"] * span + rows.labels["entry"])]
    return table["position"].values.astype(int)[at]
