"""The arithmetic of probes on plain arrays: fit on some stretches of a stream, judge on others, and compare with controls.

Axes: row, feature; class. ``fold`` and ``block`` are one number a row; rows of one block are never split between folds.
"""

import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, Literal

import numpy as np

from memlens.analysis.support import block_probe
from memlens.analysis.support.blocks import Rows, mapped, moments
from memlens.errors import AnalysisError
from memlens.stats.bootstrap import drawn_blocks, percentiles
from memlens.stats.classification import METRICS, confusion_matrix, confusion_scores
from memlens.stats.nulls import SegmentUnits
from memlens.stats.time_blocks import time_blocks

Kind = Literal["linear", "mlp"]
#: A predicted probability is never taken as less: a code of log2(1 / 1e-4) bits is the most that one row may cost.
LEAST = 1e-4
#: Penalty of the linear probes, and when the logistic one is done.
LOGISTIC_C, LOGISTIC_ROUNDS, LOGISTIC_TOLERANCE = 0.1, 200, 1e-3
RIDGE_ALPHA = 10.0


@dataclass(frozen=True)
class Task:
    """Rows to read a target from.

    Attributes
    ----------
    value
        (row, feature), in memory or Dask blocks of rows.
    target
        (row,): codes 0 .. n_class - 1, or numbers where ``n_class`` is 0.
    block, fold
        Stretch of time and fold of each row.
    """

    value: Rows
    target: np.ndarray
    n_class: int
    units: SegmentUnits
    block: np.ndarray
    fold: np.ndarray

    def shuffled(self, draws: int, seed: int) -> Iterator["Task"]:
        """The same rows with targets of other times (see `memlens.stats.nulls`)."""
        for order in self.units.shuffles(draws, seed):
            yield replace(self, target=self.target[order])


@dataclass(frozen=True)
class Reading:
    """What a cross-validated probe said: probabilities (row, class), or predicted numbers (row,), of rows it was not fitted on."""

    predicted: np.ndarray
    base: np.ndarray


def split(
    sequence: np.ndarray, segment: np.ndarray, target: np.ndarray, n_class: int, folds: int
) -> tuple[np.ndarray, np.ndarray]:
    """Block and fold of each row: folds are whole sequences where there are several, else contiguous blocks of time.

    Classes are spread over the folds as evenly as whole blocks allow.

    Raises
    ------
    AnalysisError
        When the rows lie in too few blocks.
    """
    from sklearn.model_selection import GroupKFold, StratifiedGroupKFold

    block = time_blocks(sequence, segment, 4 * folds)
    sequences, group = np.unique(sequence, return_inverse=True)
    if sequences.size < 2:
        group = block
        if group.max() + 1 < folds:
            raise AnalysisError(
                f"the rows lie in {group.max() + 1} blocks of segments, expected {folds} or more; record a longer stream"
            )
    n = min(folds, int(group.max()) + 1)
    splitter = StratifiedGroupKFold(n) if n_class else GroupKFold(n)
    fold = np.zeros(target.size, int)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a rare class may be missing from a fold; its rows still count in the rest
        for index, (_, test) in enumerate(splitter.split(target[:, None], target if n_class else None, group)):
            fold[test] = index
    return block, fold


def read(task: Task, kind: Kind, seed: int) -> Reading:
    """Predict every row by a model fitted on the other folds; ``base`` is what the other folds' targets alone would say."""
    predicted = np.zeros((task.target.size, task.n_class) if task.n_class else task.target.size)
    base = np.zeros_like(predicted)
    for index in np.unique(task.fold):
        test = task.fold == index
        own = task.target[~test]
        base[test] = (
            (np.bincount(own, minlength=task.n_class) + 1) / (own.size + task.n_class) if task.n_class else own.mean()
        )
        predicted[test] = fit_predict(task.value[~test], own, task.value[test], task.n_class, kind, seed)
    return Reading(predicted, base)


def fit_predict(value: Rows, target: np.ndarray, new: Rows, n_class: int, kind: Kind, seed: int) -> np.ndarray:
    """Fit on ``value``, features standardised on it, and predict ``new``: probabilities (row, class) or numbers (row,).

    Raises
    ------
    AnalysisError
        For "mlp" on rows that do not fit in memory.
    """
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    if kind == "mlp" and not isinstance(value, np.ndarray):
        raise AnalysisError(
            f"'mlp' takes all of the {value.shape[0]:,} rows at once, which is more than the memory given; "
            "give sample=4000, kind='linear', or more memory"
        )
    present = np.unique(target).astype(int) if n_class else np.arange(2)
    if present.size < 2:
        only = np.zeros((new.shape[0], n_class))
        only[:, present] = 1
        return only
    if not isinstance(value, np.ndarray):
        return _by_blocks(value, target, new, n_class, present)
    scale = 1.0 if n_class else max(float(target.std()), 1e-300)
    shift = 0.0 if n_class else float(target.mean())
    model = make_pipeline(StandardScaler(), _model(n_class, kind, seed))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # shuffled targets may not converge; the control is what it is then
        model.fit(value, target if n_class else (target - shift) / scale)
    if not n_class:
        return np.asarray(model.predict(new)) * scale + shift
    out = np.zeros((new.shape[0], n_class))
    out[:, present] = model.predict_proba(new)
    return out


def _by_blocks(value: Rows, target: np.ndarray, new: Rows, n_class: int, present: np.ndarray) -> np.ndarray:
    if not n_class:
        return block_probe.ridge(value, target, new, alpha=RIDGE_ALPHA)
    out = np.zeros((new.shape[0], n_class))
    out[:, present] = block_probe.logistic(
        value, np.searchsorted(present, target), new, present.size,
        c=LOGISTIC_C, rounds=LOGISTIC_ROUNDS, tolerance=LOGISTIC_TOLERANCE,
    )  # fmt: skip
    return out


def _model(n_class: int, kind: Kind, seed: int) -> Any:
    if kind == "mlp":
        from sklearn.neural_network import MLPClassifier, MLPRegressor

        size: dict[str, Any] = {
            "hidden_layer_sizes": (64,),
            "alpha": 1e-2,
            "learning_rate_init": 1e-2,
            "max_iter": 100,
            "random_state": seed,
        }
        return MLPClassifier(**size) if n_class else MLPRegressor(**size)
    if n_class:
        from sklearn.linear_model import LogisticRegression

        return LogisticRegression(C=LOGISTIC_C, max_iter=LOGISTIC_ROUNDS, tol=LOGISTIC_TOLERANCE)
    from sklearn.linear_model import Ridge

    return Ridge(alpha=RIDGE_ALPHA)


def information(task: Task, reading: Reading, rows: np.ndarray | None = None) -> float:
    """What the vectors say about the target beyond its frequencies.

    For classes: bits a row, the cross-entropy of the base rates less that of the probe (the predictive V-information of Xu et
    al., 2020, on held-out rows). For numbers: R2 against the mean of the other folds. Not above 0 where nothing is read.
    """
    use = np.arange(task.target.size) if rows is None else rows
    target = task.target[use]
    if task.n_class:
        at = np.arange(use.size), target
        said, base = (np.clip(part[use][at], LEAST, 1) for part in (reading.predicted, reading.base))
        return float(np.log2(said / base).mean())
    total = ((target - reading.base[use]) ** 2).sum()
    return float(1 - ((target - reading.predicted[use]) ** 2).sum() / max(total, 1e-300))


def scores(task: Task, reading: Reading, rows: np.ndarray | None = None) -> np.ndarray:
    """Accuracy and macro precision, recall and F1; or R2 alone, (metric,)."""
    if not task.n_class:
        return np.array([information(task, reading, rows)])
    use = np.arange(task.target.size) if rows is None else rows
    return confusion_scores(confusion_matrix(task.target[use], reading.predicted[use].argmax(1), task.n_class))


def metrics(task: Task) -> list[str]:
    """Names of what `scores` gives."""
    return METRICS if task.n_class else ["r2"]


def resampled(task: Task, reading: Reading, resamples: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Percentile 95 % interval of `scores` over resampled blocks of time (a cluster bootstrap), two arrays (metric,)."""
    blocks = np.unique(task.block)
    parts = [np.flatnonzero(task.block == each) for each in blocks]
    if task.n_class:
        predicted = reading.predicted.argmax(1)
        own = np.stack([confusion_matrix(task.target[part], predicted[part], task.n_class) for part in parts])
    else:
        errors = (task.target - reading.predicted) ** 2, (task.target - reading.base) ** 2
        own = np.stack([[error[part].sum() for error in errors] for part in parts])
    drawn = own[drawn_blocks(blocks.size, resamples, seed)].sum(1)
    spread = confusion_scores(drawn) if task.n_class else 1 - drawn[:, :1] / np.maximum(drawn[:, 1:], 1e-300)
    return percentiles(spread, axis=0)


def calibration(task: Task, reading: Reading, bins: int = 10) -> tuple[float, np.ndarray, np.ndarray, np.ndarray]:
    """Expected calibration error, and by bin of confidence: mean confidence, accuracy, rows (Guo et al., 2017, equation 3)."""
    confidence, predicted = reading.predicted.max(1), reading.predicted.argmax(1)
    at = np.minimum((confidence * bins).astype(int), bins - 1)
    n = np.bincount(at, minlength=bins)
    sure = np.bincount(at, confidence, minlength=bins)
    right = np.bincount(at, predicted == task.target, minlength=bins)
    error = float(np.abs(sure - right).sum() / max(n.sum(), 1))
    sure, right = (np.divide(part, n, out=np.full(bins, np.nan), where=n > 0) for part in (sure, right))
    return error, sure, right, n


def description_length(task: Task, kind: Kind, seed: int) -> tuple[float, float]:
    """Bits to send the classes to someone who has the vectors, by the online code; and bits without vectors.

    Blocks of time are sent in a random order; the first 1/32 of them by a uniform code, each further portion by a probe fitted
    on all before it: L = n_1 log2 K - sum_i log2 p_(theta_i)(y_(i+1) | x_(i+1)) (Voita and Titov, 2020, equation 3). Bits without
    vectors: the same code with class frequencies for a probe.
    """
    rng = np.random.default_rng(seed)
    rank = rng.permutation(int(task.block.max()) + 1)[task.block]
    order = np.lexsort((rng.random(rank.size), rank))
    n, k = order.size, task.n_class
    edges = np.unique([int(n * share) for share in (1 / 32, 1 / 16, 1 / 8, 1 / 4, 1 / 2, 1)])
    edges = edges[edges > 0]
    with_vectors = without = edges[0] * np.log2(k)
    for low, high in pairwise(edges):
        past, now = np.sort(order[:low]), np.sort(order[low:high])
        at = np.arange(now.size), task.target[now]
        said = fit_predict(task.value[past], task.target[past], task.value[now], k, kind, seed)
        # no class is impossible, so a class that has not been seen can be sent too
        with_vectors -= np.log2((said[at] + LEAST) / (1 + k * LEAST)).sum()
        counts = np.bincount(task.target[past], minlength=k) + 1
        without -= np.log2(counts[task.target[now]] / counts.sum()).sum()
    return float(with_vectors), float(without)


def random_features(task: Task, seed: int) -> Task:
    """The same task with vectors that know nothing: Gaussian, of the mean and covariance of the real ones."""
    n, width = task.value.shape
    mean, scatter = moments(task.value)
    variance, axes = np.linalg.eigh(scatter / max(n - 1, 1))
    shape = (np.sqrt(np.maximum(variance, 0)) * axes).T

    def drawn(block: np.ndarray, rows: slice) -> np.ndarray:
        rng = np.random.default_rng([seed, 3, int(rows.start)])
        return (rng.normal(size=block.shape) @ shape + mean).astype(block.dtype)

    return replace(task, value=mapped(task.value, drawn, width, 0))
