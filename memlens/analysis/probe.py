"""Can a linear classifier read a label from a recorded vector, on stretches of the stream it never saw?"""

import warnings
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from memlens.analysis.result import MODALITIES, finish, first_segment, n_segments
from memlens.analysis.statistics import METRICS, class_scores, confusion_scores
from memlens.analysis.vectors import vectors
from memlens.errors import AnalysisError, closest

if TYPE_CHECKING:
    from memlens.recording import Recording

TARGETS = {"modality": MODALITIES, "is_fact": ["no fact", "fact"]}


def probe(
    recording: "Recording",
    *,
    point: str = "context.hook_slot",
    target: str = "modality",
    folds: int = 5,
    sample: int = 4000,
    shuffles: int = 5,
    resamples: int = 500,
    seed: int = 0,
) -> xr.Dataset:
    """Fit a logistic regression across contiguous blocks of time, with a shuffled-label control.

    The stream is cut into ``4 * folds`` contiguous blocks of segments; whole blocks are held out, never single rows,
    so that neighbours of a test row are not in its training set except at the edge of a block. Features are
    standardised on the training folds. Intervals are 95 % percentiles over resampled blocks (a cluster bootstrap).
    The control repeats everything on shuffled labels; selectivity is accuracy minus its mean
    (after Hewitt and Liang, 2019).

    Parameters
    ----------
    target
        "modality" (of the position, or most common in the slot's window) or "is_fact" (whether a fact ends there).
    shuffles
        Runs of the control, each with its own shuffle.

    Returns
    -------
    xarray.Dataset
        ``score``, ``low``, ``high``, ``majority`` of ``(metric)``; ``fold_score(fold, metric)``,
        ``control(shuffle, metric)``, ``confusion(true, predicted)``, ``class_score(true, class_metric)``,
        ``support(true)``, ``selectivity``. Precision, recall and F1 are macro means over the classes.

    Raises
    ------
    AnalysisError
        When the target is constant, no class but one has two rows a fold, or there are fewer segments than folds.
    """
    if target not in TARGETS:
        raise AnalysisError(f"no target '{target}'; {closest(target, TARGETS)}")
    if folds < 5 or shuffles < 1 or resamples < 1:
        raise AnalysisError(f"folds {folds}, shuffles {shuffles}, resamples {resamples}; give 5, 1 and 1 or more")
    rows = vectors(recording, point, sample, seed)
    label = rows.labels["modality"] if target == "modality" else (rows.labels["fact"] >= 0).astype(int)
    classes, counts = np.unique(label[label >= 0], return_counts=True)
    kept = classes[counts >= 2 * folds]
    if kept.size < 2:
        seen = {TARGETS[target][int(c)]: int(n) for c, n in zip(classes, counts, strict=True)}
        raise AnalysisError(f"'{target}' has the classes {seen}; a probe needs two with {2 * folds} rows or more each")
    use = np.isin(label, kept)
    value, label = rows.value[use], np.searchsorted(kept, label[use])
    block, fold = _split(rows.labels["segment"][use] - first_segment(recording), n_segments(recording), label, folds)

    predicted = _predict(value, label, fold)
    confusion = _count(label, predicted, block, kept.size)
    rng = np.random.default_rng(seed)
    control = []
    for _ in range(shuffles):
        shuffled = rng.permutation(label)
        control.append(confusion_scores(_count(shuffled, _predict(value, shuffled, fold), block, kept.size).sum(0)))
    drawn = rng.integers(0, confusion.shape[0], (resamples, confusion.shape[0]))
    spread = confusion_scores(confusion[drawn].sum(1))
    by_fold = [
        confusion_scores(_count(label[fold == f], predicted[fold == f], None, kept.size)[0]) for f in range(folds)
    ]
    score = confusion_scores(confusion.sum(0))
    control = np.array(control)
    majority = np.full_like(label, np.bincount(label).argmax())
    names = [TARGETS[target][int(code)] for code in kept]
    dataset = xr.Dataset(
        {
            "score": ("metric", score),
            "low": ("metric", np.percentile(spread, 2.5, axis=0)),
            "high": ("metric", np.percentile(spread, 97.5, axis=0)),
            "majority": ("metric", confusion_scores(_count(label, majority, None, kept.size)[0])),
            "fold_score": (("fold", "metric"), np.array(by_fold)),
            "control": (("shuffle", "metric"), control),
            "confusion": (("true", "predicted"), confusion.sum(0)),
            "class_score": (("true", "class_metric"), np.stack(class_scores(confusion.sum(0)), axis=1)),
            "support": ("true", np.bincount(label, minlength=kept.size)),
            "selectivity": float(score[0] - control[:, 0].mean()),
        },
        coords={"metric": METRICS, "true": names, "predicted": names, "class_metric": METRICS[1:]},
    )
    params = {
        "point": point,
        "target": target,
        "folds": folds,
        "sample": sample,
        "shuffles": shuffles,
        "resamples": resamples,
        "seed": seed,
    }
    left_out = [TARGETS[target][int(code)] for code in classes if code not in kept]
    return finish(
        dataset,
        "probe",
        recording,
        label.size,
        params,
        point=point,
        target=target,
        rows=rows.source,
        total=rows.total,
        blocks=int(np.unique(block).size),
        left_out=", ".join(left_out),
    )


def _split(segment: np.ndarray, segments: int, label: np.ndarray, folds: int) -> tuple[np.ndarray, np.ndarray]:
    """Assign rows to contiguous blocks of time, and blocks to folds so that classes are spread."""
    from sklearn.model_selection import StratifiedGroupKFold

    blocks = min(4 * folds, segments)
    block = segment * blocks // segments
    _, block = np.unique(block, return_inverse=True)
    if block.max() + 1 < folds:
        raise AnalysisError(
            f"the rows lie in {block.max() + 1} blocks of segments, expected {folds} or more; record a longer stream"
        )
    fold = np.zeros(label.size, int)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a rare class may be missing from a fold; its rows still count in the rest
        for index, (_, test) in enumerate(StratifiedGroupKFold(folds).split(label[:, None], label, block)):
            fold[test] = index
    return block, fold


def _predict(value: np.ndarray, label: np.ndarray, fold: np.ndarray) -> np.ndarray:
    """Predict every row with a classifier fitted on the other folds."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    predicted = np.zeros_like(label)
    for index in np.unique(fold):
        test = fold == index
        if np.unique(label[~test]).size < 2:
            predicted[test] = label[~test][0] if (~test).any() else 0
            continue
        model = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=200, tol=1e-3))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # shuffled labels may not converge; the control is what it is then
            predicted[test] = model.fit(value[~test], label[~test]).predict(value[test])
    return predicted


def _count(label: np.ndarray, predicted: np.ndarray, block: np.ndarray | None, classes: int) -> np.ndarray:
    """Confusion matrix of each block, (block, true, predicted)."""
    block = np.zeros(label.size, int) if block is None else block
    out = np.zeros((int(block.max(initial=0)) + 1, classes, classes), int)
    np.add.at(out, (block, label, predicted), 1)
    return out
