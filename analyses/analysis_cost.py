"""What the analyses cost beside the bare scikit-learn calls: PCA, mini-batch k-means and a linear probe over 1 M vectors of width 128.

``python analyses/analysis_cost.py [--quick]`` prints a table; each part runs in a process of its own, which reports its time and its peak
memory. The bare call gets the array in memory; memlens reads it from an array of Dask blocks, which is also timed apart.
"""

import argparse
import json
import resource
import subprocess
import sys
import time
from typing import Any

import numpy as np
import xarray as xr

WIDTH, SLOT, K = 128, 32, 8
PARTS = ("pca", "clusters", "probe")


def planted(n_segment: int) -> xr.DataArray:
    """Slots in eight groups, made block by block: never all in memory."""
    import dask
    import dask.array as da

    def block(low: int, high: int) -> np.ndarray:
        rng, centre = np.random.default_rng(low), np.random.default_rng(0).normal(size=(K, WIDTH)).astype(np.float32)
        label = (np.arange(low, high)[:, None] + np.arange(SLOT)) % K
        return centre[label][None] + rng.standard_normal((1, high - low, SLOT, WIDTH), np.float32)

    step = min(1024, n_segment)
    make: Any = dask.delayed(block)  # pyright: ignore[reportPrivateImportUsage]
    parts = [
        da.from_delayed(make(low, low + step), (1, step, SLOT, WIDTH), np.float32)  # pyright: ignore[reportPrivateImportUsage]
        for low in range(0, n_segment, step)
    ]
    data = da.concatenate(parts, 1)  # pyright: ignore[reportPrivateImportUsage]
    return xr.DataArray(data, dims=("sequence", "segment", "slot", "feature"))


def labels(n_segment: int) -> np.ndarray:
    """Group of every slot, a row each."""
    return ((np.arange(n_segment)[:, None] + np.arange(SLOT)) % K).ravel()


def bare(part: str, value: np.ndarray, label: np.ndarray) -> None:
    """The scikit-learn call alone."""
    if part == "pca":
        from sklearn.decomposition import PCA

        PCA(32, svd_solver="covariance_eigh").fit_transform(value)
    elif part == "clusters":
        from sklearn.cluster import MiniBatchKMeans

        MiniBatchKMeans(K, n_init=2, batch_size=2048, random_state=0).fit_predict(value)  # pyright: ignore[reportArgumentType]
    else:
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        half = value.shape[0] // 2
        model = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=200, tol=1e-3))
        model.fit(value[:half], label[:half]).predict_proba(value[half:])


def ours(part: str, value: np.ndarray, label: np.ndarray) -> None:
    """What the analyses call."""
    from memlens.analysis.clustering import cluster, principal
    from memlens.analysis.probing import fit_predict

    if part == "pca":
        principal(value)
    elif part == "clusters":
        cluster(value, K, "minibatch", 0)
    else:
        half = value.shape[0] // 2
        fit_predict(value[:half], label[:half], value[half:], K, "linear", 0)


def measure(part: str, who: str, n_segment: int) -> dict[str, float]:
    """Seconds to read, processor seconds to compute (a busy machine changes them least), and peak memory in GiB, of this process."""
    from memlens.analysis.vectors import gather

    array, begin = planted(n_segment), time.perf_counter()
    sequence, segment, place = (part.ravel() for part in np.indices((1, n_segment, SLOT)))
    value = gather(array, sequence, segment, place, block=1024)
    read = time.perf_counter() - begin
    del sequence, segment, place
    begin = time.process_time()
    {"bare": bare, "memlens": ours}[who](part, value, labels(n_segment))
    seconds = time.process_time() - begin
    return {"read": read, "seconds": seconds, "gib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="32,768 vectors in place of 1,048,576")
    parser.add_argument("--only", nargs=2, metavar=("PART", "WHO"), help="measure one part here and print JSON")
    args = parser.parse_args()
    n_segment = 1024 if args.quick else 32_768
    if args.only:
        print(json.dumps(measure(args.only[0], args.only[1], n_segment)))
        return
    print(f"{n_segment * SLOT:,} vectors of width {WIDTH}\npart      bare s  memlens s  ratio  read s  peak GiB")
    for part in PARTS:
        row = {}
        for who in ("bare", "memlens"):
            command = [sys.executable, __file__, "--only", part, who, *(["--quick"] if args.quick else [])]
            row[who] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        one, other = row["bare"], row["memlens"]
        ratio = other["seconds"] / one["seconds"]
        print(
            f"{part:8} {one['seconds']:7.2f} {other['seconds']:10.2f} {ratio:6.2f} {other['read']:7.2f} {other['gib']:9.2f}"
        )


if __name__ == "__main__":
    main()
