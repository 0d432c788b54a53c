"""Where each slot lies: two coordinates for every sampled row, with its labels."""

from typing import TYPE_CHECKING, Literal

import numpy as np
import xarray as xr

from memlens.analysis.support.blocks import MEMORY, blocks, few
from memlens.analysis.support.clustering import candidates, partition, principal
from memlens.analysis.support.result import finish
from memlens.analysis.support.vectors import LABELS, vectors
from memlens.errors import AnalysisError

if TYPE_CHECKING:
    from memlens.recording import Recording

#: UMAP is fitted on at most this many rows.
UMAP_ROWS = 50_000


def slot_map(
    recording: "Recording",
    *,
    point: str = "context.hook_slot",
    method: Literal["pca", "umap"] = "pca",
    sample: int = 4000,
    neighbours: int = 15,
    draws: int = 5,
    memory: int = MEMORY,
    seed: int = 0,
) -> xr.Dataset:
    """Lay sampled rows of a point out in two dimensions.

    PCA is linear and repeatable. UMAP (McInnes et al., 2018) keeps neighbourhoods and neither distances nor the sizes
    of gaps; its coordinates differ between machines, even seeded.
    Vectors of more than ``memory`` bytes go by Dask blocks, one in memory at a time.

    Returns
    -------
    xarray.Dataset
        ``coordinate(sample, axis)``; labels ``sequence``, ``segment``, ``place``, ``entry``, ``modality``, ``fact``,
        ``importance`` (nats), ``cluster``, each ``(sample,)``; ``explained_variance(axis)`` (PCA; NaN for UMAP) and
        ``trustworthiness``: how many of the ``neighbours`` nearest in the map are near in the full space, 1 is all
        (Venna and Kaski, 2001), on at most 1,500 rows; ``trustworthiness_null(draw)`` is that of maps whose points changed
        places.

    Raises
    ------
    AnalysisError
        With an unknown method or fewer than 20 rows.
    """
    if method not in ("pca", "umap"):
        raise AnalysisError(f"method is '{method}'; allowed: pca, umap")
    from sklearn.manifold import trustworthiness

    rows = vectors(recording, point, min(sample, UMAP_ROWS) if method == "umap" else sample, seed, memory)
    value, share = principal(rows.value, memory=memory)
    n = value.shape[0]
    explained = np.full(2, np.nan)
    if method == "pca":
        flat = np.concatenate([block[:, :2] for _, block in blocks(value)])
        flat = np.pad(flat, ((0, 0), (0, 2 - flat.shape[1])))
        explained = np.pad(share[:2], (0, 2 - min(2, share.size)))
    else:
        flat = _umap(few(value, np.arange(n)), min(neighbours, n - 1), seed)
    judged = np.sort(np.random.default_rng(seed).choice(n, min(n, 1500), replace=False))
    shown = few(value, judged)
    near = max(1, min(neighbours, judged.size // 2 - 1))
    rng = np.random.default_rng([seed, 1])
    mixed = [flat[rng.permutation(judged)] for _ in range(draws)]
    dataset = xr.Dataset(
        {
            "coordinate": (("sample", "axis"), flat),
            "explained_variance": ("axis", explained),
            "trustworthiness": float(trustworthiness(shown, flat[judged], n_neighbors=near)),
            "trustworthiness_null": (
                "draw",
                np.array([trustworthiness(shown, m, n_neighbors=near) for m in mixed]),
            ),
            "cluster": ("sample", partition(value, candidates(None, n), "kmeans", seed).label),
            **{name: ("sample", rows.labels[name]) for name in LABELS},
        },
        coords={"axis": [1, 2]},
    )
    params = {
        "point": point,
        "method": method,
        "sample": sample,
        "neighbours": neighbours,
        "draws": draws,
        "memory": memory,
        "seed": seed,
    }
    return finish(
        dataset,
        "slot_map",
        recording,
        n,
        params,
        point=point,
        method=method,
        rows=rows.source,
        total=rows.total,
        neighbours=near,
    )


def _umap(value: np.ndarray, neighbours: int, seed: int) -> np.ndarray:
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # numba and umap warn about threads that a seed turns off
        from umap import UMAP

        return np.asarray(UMAP(n_neighbors=neighbours, random_state=seed, n_jobs=1).fit_transform(value))
