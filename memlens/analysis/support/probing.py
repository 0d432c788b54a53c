"""The arithmetic of probes on plain arrays: fit on some stretches of a stream, judge on others, and compare with controls.

Axes: row, feature; class.
"""

import warnings
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

import numpy as np

from memlens.analysis.support import block_probe
from memlens.analysis.support.blocks import Rows
from memlens.analysis.support.probe_task import ProbeTask
from memlens.errors import AnalysisError
from memlens.stats.bootstrap import drawn_blocks, percentiles
from memlens.stats.classification import METRICS, confusion_matrix, confusion_scores

Kind = Literal["linear", "mlp"]
#: A predicted probability is never taken as less: a code of log2(1 / 1e-4) bits is the most that one row may cost.
LEAST = 1e-4
#: Penalty of the linear probes, and when the logistic one is done.
LOGISTIC_C, LOGISTIC_ROUNDS, LOGISTIC_TOLERANCE = 0.1, 200, 1e-3
RIDGE_ALPHA = 10.0


@dataclass(frozen=True)
class ProbeReading:
    """What a cross-validated probe said of rows it was not fitted on.

    Attributes
    ----------
    predicted : float
        Probabilities [row, class], or numbers [row].
    base : float
        The same of a probe that knows only the other folds' targets.
    """

    predicted: np.ndarray
    base: np.ndarray


def cross_validate(task: ProbeTask, kind: Kind, seed: int) -> ProbeReading:
    """Predict every row by a model fitted on the other folds.

    Parameters
    ----------
    task : ProbeTask
        Rows and folds.
    kind : str
        "linear" or "mlp".
    seed : int
        Of what the fit draws.

    Returns
    -------
    ProbeReading
    """
    predicted = np.zeros((task.target.size, task.n_class) if task.n_class else task.target.size)
    base = np.zeros_like(predicted)
    for index in np.unique(task.fold):
        test = task.fold == index
        own = task.target[~test]
        base[test] = (
            (np.bincount(own, minlength=task.n_class) + 1) / (own.size + task.n_class) if task.n_class else own.mean()
        )
        predicted[test] = fit_predict(task.value[~test], own, task.value[test], task.n_class, kind, seed)
    return ProbeReading(predicted, base)


def fit_predict(value: Rows, target: np.ndarray, new: Rows, n_class: int, kind: Kind, seed: int) -> np.ndarray:
    """Fit on some rows, features standardised on them, and predict others.

    Parameters
    ----------
    value, new : float [row, feature]
        What is fitted, and what is predicted.
    target : [row]
        Codes, or numbers where ``n_class`` is 0.
    n_class : int
        Classes there are.
    kind : str
        "linear" (a ridge penalty) or "mlp" (one hidden layer of 64).
    seed : int
        Of what the fit draws.

    Returns
    -------
    float
        Probabilities [row, class], or numbers [row].

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


def information(task: ProbeTask, reading: ProbeReading, rows: np.ndarray | None = None) -> float:
    """What the vectors say about the target beyond its frequencies.

    For classes: bits a row, the cross-entropy of the base rates less that of the probe (the predictive V-information of Xu et
    al., 2020, on held-out rows). For numbers: R2 against the mean of the other folds. Not above 0 where nothing is read.

    Parameters
    ----------
    task : ProbeTask
        What was asked.
    reading : ProbeReading
        What was said.
    rows : int [row] or None
        Rows that are judged; None takes all.

    Returns
    -------
    float
    """
    use = np.arange(task.target.size) if rows is None else rows
    target = task.target[use]
    if task.n_class:
        at = np.arange(use.size), target
        said, base = (np.clip(part[use][at], LEAST, 1) for part in (reading.predicted, reading.base))
        return float(np.log2(said / base).mean())
    total = ((target - reading.base[use]) ** 2).sum()
    return float(1 - ((target - reading.predicted[use]) ** 2).sum() / max(total, 1e-300))


def scores(task: ProbeTask, reading: ProbeReading, rows: np.ndarray | None = None) -> np.ndarray:
    """Accuracy and macro precision, recall and F1; or R2 alone.

    Parameters
    ----------
    task : ProbeTask
        What was asked.
    reading : ProbeReading
        What was said.
    rows : int [row] or None
        Rows that are judged; None takes all.

    Returns
    -------
    float [metric]
    """
    if not task.n_class:
        return np.array([information(task, reading, rows)])
    use = np.arange(task.target.size) if rows is None else rows
    return confusion_scores(confusion_matrix(task.target[use], reading.predicted[use].argmax(1), task.n_class))


def metrics(task: ProbeTask) -> list[str]:
    """Names of what `scores` gives."""
    return METRICS if task.n_class else ["r2"]


def resampled(task: ProbeTask, reading: ProbeReading, resamples: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Percentile 95 % interval of `scores` over resampled blocks of time (a cluster bootstrap).

    Parameters
    ----------
    task : ProbeTask
        What was asked.
    reading : ProbeReading
        What was said.
    resamples, seed : int
        Draws, and what they are drawn from.

    Returns
    -------
    low, high : float [metric]
    """
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


def confidence_calibration(
    task: ProbeTask, reading: ProbeReading, bins: int = 10
) -> tuple[float, np.ndarray, np.ndarray, np.ndarray]:
    """Expected calibration error (Guo et al., 2017, equation 3), and what it is made of.

    Parameters
    ----------
    task : ProbeTask
        What was asked.
    reading : ProbeReading
        What was said.
    bins : int
        Of confidence, of equal width.

    Returns
    -------
    error : float
    confidence, accuracy : float [bin]
        Means; NaN of no rows.
    n : int [bin]
        Rows.
    """
    confidence, predicted = reading.predicted.max(1), reading.predicted.argmax(1)
    at = np.minimum((confidence * bins).astype(int), bins - 1)
    n = np.bincount(at, minlength=bins)
    sure = np.bincount(at, confidence, minlength=bins)
    right = np.bincount(at, predicted == task.target, minlength=bins)
    error = float(np.abs(sure - right).sum() / max(n.sum(), 1))
    sure, right = (np.divide(part, n, out=np.full(bins, np.nan), where=n > 0) for part in (sure, right))
    return error, sure, right, n


def description_length(task: ProbeTask, kind: Kind, seed: int) -> tuple[float, float]:
    """Bits to send the classes to someone who has the vectors, by the online code; and bits without vectors.

    Blocks of time are sent in a random order; the first 1/32 of them by a uniform code, each further portion by a probe fitted
    on all before it: L = n_1 log2 K - sum_i log2 p_(theta_i)(y_(i+1) | x_(i+1)) (Voita and Titov, 2020, equation 3). Bits without
    vectors: the same code with class frequencies for a probe.

    Parameters
    ----------
    task : ProbeTask
        Of classes.
    kind : str
        "linear" or "mlp".
    seed : int
        Of the order and of what the fits draw.

    Returns
    -------
    with_vectors, without : float
        Bits.
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
