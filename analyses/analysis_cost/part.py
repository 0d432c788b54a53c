"""One arm of the cost of analyses, in a process of its own: prints seconds, processor seconds, peak memory and what came out, as JSON.

python -m analyses.analysis_cost.part PART ARM FILE N_ROW

FILE holds float32 rows of width ``WIDTH`` in ``K`` groups, as `planted` writes them. Arms: "bare", the scikit-learn call on an array in
memory; "memlens", what the analyses call on the same array; "blocks", the same functions on Dask blocks of the file, in ``MEMORY`` bytes.
"""

import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

WIDTH, K, COMPONENTS = 128, 8, 32
#: Rows that are written at once.
STEP = 32_768
#: For the arm "blocks": an eighth of what a million rows take.
MEMORY = 2**26
PARTS = ("pca", "clusters", "probe")
ARMS = ("bare", "memlens", "blocks")


def labels(n_row: int) -> np.ndarray:
    """Group of every row."""
    return np.arange(n_row) * 7 // 3 % K


def planted(path: Path, n_row: int, seed: int) -> None:
    """Write rows around eight centres, half a deviation of the noise apart on average."""
    centre = 0.5 * np.random.default_rng(seed).normal(size=(K, WIDTH)).astype(np.float32)
    rng, label = np.random.default_rng([seed, 1]), labels(n_row)
    with path.open("wb") as file:
        for low in range(0, n_row, STEP):
            own = label[low : low + STEP]
            (centre[own] + rng.standard_normal((own.size, WIDTH), np.float32)).tofile(file)


def rows_of(path: Path, n_row: int, arm: str) -> Any:
    """The rows as an arm gets them."""
    if arm != "blocks":
        return np.fromfile(path, np.float32).reshape(n_row, WIDTH)
    from memlens.analysis.support.blocks import lazily

    def read(rows: slice) -> np.ndarray:
        n = rows.stop - rows.start
        return np.fromfile(path, np.float32, n * WIDTH, offset=rows.start * WIDTH * 4).reshape(n, WIDTH)

    return lazily(read, n_row, WIDTH, np.float32, MEMORY)


def bare(part: str, value: np.ndarray, label: np.ndarray) -> Any:
    """The scikit-learn call alone."""
    if part == "pca":
        from sklearn.decomposition import PCA

        model = PCA(COMPONENTS, svd_solver="covariance_eigh")
        return model.fit_transform(value), model
    if part == "clusters":
        from sklearn.cluster import MiniBatchKMeans

        return MiniBatchKMeans(K, n_init=2, batch_size=2048, random_state=0).fit_predict(value)  # pyright: ignore[reportArgumentType]
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    half = value.shape[0] // 2
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=200, tol=1e-3))
    return model.fit(value[:half], label[:half]).predict_proba(value[half:])


def ours(part: str, value: Any, label: np.ndarray) -> Any:
    """What the analyses call."""
    from memlens.analysis.support.clustering import cluster, principal
    from memlens.analysis.support.probing import fit_predict

    if part == "pca":
        return principal(value, COMPONENTS, MEMORY)
    if part == "clusters":
        return cluster(value, K, "minibatch", 0)
    half = value.shape[0] // 2
    return fit_predict(value[:half], label[:half], value[half:], K, "linear", 0)


def score(part: str, found: Any, label: np.ndarray) -> float:
    """What came out, as one number: variance kept, agreement with the groups, or held-out accuracy."""
    if part == "pca":
        kept = found[1]
        return float(np.sum(kept if isinstance(kept, np.ndarray) else kept.explained_variance_ratio_))
    if part == "clusters":
        from sklearn.metrics import adjusted_rand_score

        return float(adjusted_rand_score(label, found))
    return float((found.argmax(1) == label[label.size // 2 :]).mean())


def peak_gib() -> float:
    """The most memory that this process held; getrusage would tell of the one that started it too."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 2**20


def main() -> None:
    """Measure one arm."""
    part, arm, path, n_row = sys.argv[1], sys.argv[2], Path(sys.argv[3]), int(sys.argv[4])
    import sklearn.decomposition
    import sklearn.linear_model  # noqa: F401  imports are not timed

    import memlens.analysis.support.probing  # noqa: F401

    value, label = rows_of(path, n_row, arm), labels(n_row)
    wall, cpu = time.perf_counter(), time.process_time()
    found = (bare if arm == "bare" else ours)(part, value, label)
    took = {"seconds": time.perf_counter() - wall, "cpu": time.process_time() - cpu}
    print(json.dumps({**took, "gib": peak_gib(), "score": score(part, found, label)}))


if __name__ == "__main__":
    main()
