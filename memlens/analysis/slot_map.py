"""Where each slot lies: two coordinates for every sampled row, with its labels."""

from typing import TYPE_CHECKING, Literal

import numpy as np
import xarray as xr

from memlens.analysis.support.blocks import MEMORY, Rows, blocks, few
from memlens.analysis.support.clustering import candidates, partition, principal
from memlens.analysis.support.measure import measure
from memlens.analysis.support.vectors import LABELS, vectors
from memlens.errors import AnalysisError, closest

if TYPE_CHECKING:
    from memlens.recording.protocol import RecordingLike

#: UMAP is fitted on at most this many rows.
UMAP_ROWS = 50_000


@measure
def slot_map(
    recording: "RecordingLike",
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

    Parameters
    ----------
    recording : Recording
        With the point.
    point : str
        A recorded point over [sequence, segment, place, feature].
    method : str
        "pca" is linear and repeatable. "umap" (McInnes et al., 2018) keeps neighbourhoods and neither distances nor the sizes of gaps;
        its coordinates differ between machines, even seeded.
    sample : int
        Rows, at most.
    neighbours : int
        How many nearest rows the map is judged by, and UMAP is fitted to.
    draws : int
        Of the null of the trustworthiness.
    memory : int
        Bytes that the vectors may take; what is larger goes by Dask blocks, one in memory at a time.
    seed : int
        Of all random draws.

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
        raise AnalysisError(f"no method '{method}'; {closest(method, ('pca', 'umap'))}")
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
    trust, near = _trust(value, flat, neighbours, draws, seed)
    return xr.Dataset(
        {
            "coordinate": (("sample", "axis"), flat),
            "explained_variance": ("axis", explained),
            **trust,
            "cluster": ("sample", partition(value, candidates(None, n), "kmeans", seed).label),
            **{name: ("sample", rows.labels[name]) for name in LABELS},
        },
        coords={"axis": [1, 2]},
        attrs={
            "n": n, "point": point, "method": method, "rows": rows.source, "total": rows.total, "neighbours": near,
        },
    )  # fmt: skip


def _trust(value: Rows, flat: np.ndarray, neighbours: int, draws: int, seed: int) -> tuple[dict[str, object], int]:
    """Trustworthiness of a map, float [sample, axis], beside that of shuffled ones; and how many neighbours it was judged by."""
    from sklearn.manifold import trustworthiness

    n = len(flat)
    judged = np.sort(np.random.default_rng(seed).choice(n, min(n, 1500), replace=False))
    shown = few(value, judged)
    near = max(1, min(neighbours, judged.size // 2 - 1))
    rng = np.random.default_rng([seed, 1])
    null = [trustworthiness(shown, flat[rng.permutation(judged)], n_neighbors=near) for _ in range(draws)]
    found = float(trustworthiness(shown, flat[judged], n_neighbors=near))
    return {"trustworthiness": found, "trustworthiness_null": ("draw", np.array(null))}, near


def _umap(value: np.ndarray, neighbours: int, seed: int) -> np.ndarray:
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # numba and umap warn about threads that a seed turns off
        from umap import UMAP

        return np.asarray(UMAP(n_neighbors=neighbours, random_state=seed, n_jobs=1).fit_transform(value))
